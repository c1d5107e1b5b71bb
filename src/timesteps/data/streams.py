"""Bytes on their way in: a file or standard input, decompressed, hashed, bounded, read once from front to back."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, cast

from timesteps.errors import DataError

MAX_BYTES = 8 << 30
"""A source may hold this many bytes after decompression: a table is kept in memory, more is a mistake or an attack."""

MAX_RATIO = 1000
"""A compressed file may expand so many times once it has given 8 MiB. Real text stays below 50."""

_RATIO_FROM = 8 << 20
_BLOCK = 256 << 10
_MAGIC = {b"\x1f\x8b": "gz", b"\xfd7zXZ\x00": "xz", b"BZh": "bz2"}
COMPRESSED_SUFFIXES = (".gz", ".xz", ".bz2")
STDIN = "standard input"


class _Reader(Protocol):
    def read1(self, size: int = -1, /) -> bytes: ...


class _Hashed(io.RawIOBase):
    """Passes bytes on and remembers their number and SHA-256."""

    def __init__(self, raw: BinaryIO) -> None:
        self._read = cast(_Reader, raw).read1 if hasattr(raw, "read1") else raw.read
        self.sha256 = hashlib.sha256()
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # the stub says Buffer
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        self.sha256.update(data)
        self.count += len(data)
        return len(data)


def is_stdin(source: str | PathLike[str]) -> bool:
    """Whether the source is `-`."""
    return str(source) == "-"


def plain_suffix(path: Path) -> str:
    """The suffix that names the format, in lower case: `.tsv` of `train.TSV.xz`."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix in COMPRESSED_SUFFIXES else suffix


def os_error(error: OSError, path: str | PathLike[str]) -> DataError:
    """The operating system's refusal, as a line that says what to do."""
    if isinstance(error, FileNotFoundError):
        return DataError("no such file or folder", path=path, mend="check the name")
    if isinstance(error, PermissionError):
        return DataError("may not be read", path=path, mend="check its permissions (ls -l)")
    if isinstance(error, IsADirectoryError):
        return DataError("is a folder, not a file", path=path, mend="name a file in it")
    return DataError(f"cannot be read: {error.strerror or error}", path=path, mend="check the disk and the path")


def is_folder(path: Path) -> bool:
    """Whether the path is a folder. Errors: `DataError` where there is nothing, or nothing that may be looked at."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except OSError as error:
        raise os_error(error, path) from error


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise os_error(error, path) from error


class ByteSource:
    """The bytes of a file or of standard input (`-`), decompressed by what they are (gzip, xz, bzip2), and hashed.

    `blocks()` can be used once. After it has ended, `sha256` is the hash of the bytes as they lie on the disk.
    """

    def __init__(self, source: str | PathLike[str], *, max_bytes: int | None = MAX_BYTES) -> None:
        self.name = STDIN if is_stdin(source) else str(source)
        self._max_bytes = max_bytes
        self._owned = ExitStack()
        if is_stdin(source):
            raw: BinaryIO = sys.stdin.buffer
        else:
            raw = self._owned.enter_context(_open(Path(source)))
        self._hashed = _Hashed(raw)
        buffered = io.BufferedReader(self._hashed, _BLOCK)
        try:
            head = buffered.peek(8)
        except OSError as error:
            self.close()
            raise os_error(error, self.name) from error
        self.compression = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
        suffix = "" if is_stdin(source) else Path(source).suffix.lower()
        if head and self.compression is None and suffix in COMPRESSED_SUFFIXES:
            self.close()
            raise DataError(
                f"is named {suffix} but its content is not {suffix[1:]} data",
                path=self.name,
                mend="fetch it again, or rename it",
            )
        self._stream = self._decompressed(buffered)

    def _decompressed(self, buffered: io.BufferedReader[_Hashed]) -> _Reader:
        if self.compression == "gz":
            return cast(_Reader, gzip.GzipFile(fileobj=buffered))
        if self.compression == "xz":
            return cast(_Reader, lzma.LZMAFile(buffered))
        if self.compression == "bz2":
            return cast(_Reader, bz2.BZ2File(buffered))
        return buffered

    @property
    def sha256(self) -> str:
        """Of the bytes read so far, as they are stored."""
        return self._hashed.sha256.hexdigest()

    def blocks(self) -> Iterator[bytes]:
        """Blocks of at most 256 KiB, each as soon as it is there."""
        total = 0
        while True:
            try:
                block = self._stream.read1(_BLOCK)
            except EOFError as error:
                raise self._damaged("is cut off") from error
            except (gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
                raise self._damaged("is damaged") from error
            except OSError as error:
                raise (self._damaged("is damaged") if error.errno is None else os_error(error, self.name)) from error
            if not block:
                return
            total += len(block)
            self._check_size(total)
            yield block

    def _damaged(self, how: str) -> DataError:
        return DataError(f"this {self.compression} file {how}", path=self.name, mend="fetch or compress it again")

    def _check_size(self, total: int) -> None:
        if self._max_bytes is not None and total > self._max_bytes:
            raise DataError(
                f"holds more than {self._max_bytes:,} bytes of text", path=self.name, mend="split it into smaller files"
            )
        if self.compression and total > _RATIO_FROM and total > MAX_RATIO * self._hashed.count:
            raise DataError(
                f"expands more than {MAX_RATIO} times, as no text does",
                path=self.name,
                mend="decompress and look at it",
            )

    def close(self) -> None:
        """Closes the file; standard input stays open."""
        self._owned.close()

    def __enter__(self) -> ByteSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
