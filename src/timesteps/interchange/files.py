"""Files of other libraries, opened with suspicion: sizes are bounded, and whatever could reach outside is refused."""

from __future__ import annotations

import json
import os
import stat
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from timesteps.errors import ModelError

__all__ = ["MAX_FILE", "MAX_JSON", "check_entries", "parse_json", "read_bytes", "shown"]

MAX_FILE = 8 * 2**30  # bytes; what comes out of a file is never larger than the file
MAX_JSON = 16 * 2**20
MAX_DEPTH = 100
_MAX_ENTRIES = 100_000
_LINK = 0o120000  # the type of a symbolic link in the upper half of an entry's external attributes
_TYPE = 0o170000


def shown(value: object, limit: int = 60) -> str:
    """A value from an untrusted file in at most `limit` printable ASCII characters."""
    text = value.encode("unicode_escape").decode() if isinstance(value, str) else ascii(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def check_file(path: str | os.PathLike[str], limit: int = MAX_FILE) -> int:
    """The size of a regular file. `ModelError` where there is none, or it is larger than `limit`."""
    try:
        status = Path(path).stat()
    except OSError as error:
        raise ModelError(f"cannot be read: {(error.strerror or str(error)).lower()}", path=path) from error
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise ModelError("is not a file", path=path)
    if status.st_size > limit:
        raise ModelError(f"has {status.st_size:,} bytes, at most {limit:,} are read", path=path)
    return status.st_size


def read_bytes(path: str | os.PathLike[str], limit: int = MAX_FILE) -> bytes:
    """A regular file of at most `limit` bytes."""
    check_file(path, limit)
    try:
        with Path(path).open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise ModelError(f"cannot be read: {(error.strerror or str(error)).lower()}", path=path) from error


def parse_json(encoded: bytes | str, what: str) -> dict[str, Any]:
    """A JSON object of bounded size and depth; a repeated name or a number that JSON does not have is an error."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) != len(pairs):
            raise ValueError("a name occurs twice in one object")
        return fields

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is not a JSON number")

    if len(encoded) > MAX_JSON:
        raise ModelError(f"{what} has {len(encoded):,} bytes of JSON, at most {MAX_JSON:,} are read")
    try:
        text = encoded.decode() if isinstance(encoded, bytes) else encoded
        value = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except RecursionError as error:
        raise ModelError(f"{what} is JSON nested too deeply") from error
    except ValueError as error:
        raise ModelError(f"{what} is not valid JSON: {shown(str(error), 120)}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{what} is not a JSON object")
    if _depth(value) > MAX_DEPTH:
        raise ModelError(f"{what} is JSON nested too deeply")
    return value


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        inner = [part for part in level if isinstance(part, dict | list)]
        level = [each for part in inner for each in (part.values() if isinstance(part, dict) else part)]
    return depth


def check_entries(archive: zipfile.ZipFile, size: int, compressed: bool) -> None:
    """Refuse entries that would leave a folder, are links, repeat a name, overlap, or grow when unpacked.

    Args:
        archive: the open zip file.
        size: of the file, in bytes.
        compressed: whether entries may be compressed; then together they may grow to `MAX_JSON` at most.

    Raises:
        ModelError: such an entry, by name.
    """
    entries = archive.infolist()
    if len(entries) > _MAX_ENTRIES:
        raise ModelError(f"has {len(entries):,} entries, at most {_MAX_ENTRIES:,} are read")
    seen: set[str] = set()
    inflated = stored = 0
    for entry in entries:
        path = PurePosixPath(entry.filename)
        name = shown(entry.orig_filename)
        wrong = [
            (
                path.is_absolute() or "\\" in entry.orig_filename or ":" in path.parts[0] if path.parts else True,
                "an absolute or foreign path",
            ),
            (".." in path.parts, "a path that leaves its folder"),
            ("\0" in entry.orig_filename, "a zero byte in its name"),
            (entry.external_attr >> 16 & _TYPE == _LINK, "a link"),
            (bool(entry.flag_bits & 1), "encryption"),
            (entry.filename in seen, "the name of another entry"),
            (entry.compress_type not in ((0, 8) if compressed else (0,)), "a compression that is not read here"),
            (entry.compress_type == 0 and entry.compress_size != entry.file_size, "two different sizes"),
        ]
        for refused, what in wrong:
            if refused:
                raise ModelError(f"its entry {name} has {what}")
        seen.add(entry.filename)
        stored += entry.compress_size
        inflated += entry.file_size if entry.compress_type else 0
    if stored > size:
        raise ModelError("its entries overlap: together they are larger than the file")
    if inflated > MAX_JSON:
        raise ModelError(f"its compressed entries would unpack to {inflated:,} bytes, at most {MAX_JSON:,} are read")
