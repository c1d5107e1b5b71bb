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
    _check_frame(archive, size)
    seen: set[str] = set()
    inflated = 0
    for entry in entries:
        parts = PurePosixPath(entry.filename).parts
        name, file_type = shown(entry.orig_filename), entry.external_attr >> 16 & _TYPE
        strange = "\\" in entry.orig_filename or ":" in entry.orig_filename or not parts or parts[0] == "/"
        wrong = [
            (strange, "an absolute or foreign path"),
            (".." in parts, "a path that leaves its folder"),
            ("\0" in entry.orig_filename, "a zero byte in its name"),
            (file_type == _LINK, "the type of a link"),
            (bool(entry.flag_bits & 1), "encryption"),
            (entry.filename in seen, "the name of another entry"),
            (entry.compress_type not in ((0, 8) if compressed else (0,)), "a compression that is not read here"),
            (entry.compress_type == 0 and entry.compress_size != entry.file_size, "two different sizes"),
        ]
        for refused, what in wrong:
            if refused:
                raise ModelError(f"its entry {name} has {what}")
        seen.add(entry.filename)
        inflated += entry.file_size if entry.compress_type else 0
    if inflated > MAX_JSON:
        raise ModelError(f"its compressed entries would unpack to {inflated:,} bytes, at most {MAX_JSON:,} are read")


def _check_frame(archive: zipfile.ZipFile, size: int) -> None:
    """The entries lie one behind the other, from the first byte on, and nothing follows the directory."""
    file = archive.fp
    assert file is not None
    file.seek(max(0, size - 22 - len(archive.comment)))
    ended = file.read(4) == b"PK\5\6"
    end = 0
    for entry in sorted(archive.infolist(), key=lambda each: each.header_offset):
        if entry.header_offset < end:
            raise ModelError(f"its entry {shown(entry.orig_filename)} overlaps another")
        if end == 0 and entry.header_offset:
            raise ModelError("something else stands before its first entry")
        end = entry.header_offset + 30 + len(entry.filename) + entry.compress_size
    if not ended or end > size:
        raise ModelError("something else stands behind its directory")
