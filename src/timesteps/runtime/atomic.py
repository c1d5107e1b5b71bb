"""Writing a file so that at every moment, a power cut included, either the old file or the whole new one is there."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from timesteps.errors import UsageError

__all__ = ["atomic_write"]

_STALE_SECONDS = 3600.0  # a temporary file that nobody wrote to for so long was left by a killed process


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary file to write; `path` holds its content once the block ends, and is untouched if the block fails.

    The content goes to a temporary file in the same folder, is forced to the disk and renamed over `path`; then the
    folder is forced to the disk. The folder must exist. Temporary files that killed processes left beside `path` more
    than an hour ago are removed.

    Raises:
        UsageError: a full disk, a missing or unwritable folder, a folder in the file's place. The old file is intact.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_write(Path(folder) / "card.md") as file:
    ...         _ = file.write(b"# A model")
    ...     (Path(folder) / "card.md").read_bytes()
    b'# A model'
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
    try:
        _remove_stale(target)
        # Not tempfile: its files are private to the user, and a model file should get the ordinary permissions.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            with suppress(FileNotFoundError):
                temporary.unlink()
            raise
        _sync_folder(target.parent)
    except OSError as error:
        if error.filename is not None and Path(os.fsdecode(error.filename)) not in (temporary, target, target.parent):
            raise  # the block itself failed on some other file
        reason = (error.strerror or str(error)).lower()
        raise UsageError(
            f"cannot be written: {reason}", path=target, mend="free some space or choose a folder you can write to"
        ) from error


def _remove_stale(target: Path) -> None:
    for leftover in target.parent.glob(f".{_escaped(target.name)}.*.tmp"):
        with suppress(OSError):  # another process may remove it at the same moment, or own it
            if time.time() - leftover.stat().st_mtime > _STALE_SECONDS:
                leftover.unlink()


def _escaped(name: str) -> str:
    """`name` as a glob pattern that matches only itself."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows opens no folders; its rename is journaled
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
