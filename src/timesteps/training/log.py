"""Files of one JSON object a line, one line an epoch: `log.jsonl` and `timings.jsonl`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import msgspec

from timesteps.errors import UsageError
from timesteps.runtime.atomic import atomic_write

__all__ = ["JsonLines"]


class JsonLines:
    """A file to which records are appended. A line that a killed process left unfinished is not read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = JsonLines(Path(folder) / "log.jsonl")
    ...     log.append({"epoch": 1, "loss": 0.5})
    ...     log.read()
    [{'epoch': 1, 'loss': 0.5}]
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a line. `UsageError` if it cannot be written."""
        try:
            with self.path.open("ab") as file:
                file.write(msgspec.json.encode(record) + b"\n")
        except OSError as error:
            mend = "free some space or choose a folder you can write to"
            raise UsageError(f"cannot be written: {error.strerror or error}", path=self.path, mend=mend) from error

    def read(self) -> list[dict[str, Any]]:
        """All whole lines; none if there is no file. `UsageError` at a whole line that is not a JSON object."""
        try:
            lines = self.path.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        records = []
        for number, line in enumerate(lines, 1):
            try:
                records.append(msgspec.json.decode(line, type=dict[str, Any]))
            except msgspec.MsgspecError as error:
                raise UsageError(f"cannot be read: {error}", path=self.path, line=number, mend="remove it") from error
        return records

    def write(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Replace the file, atomically."""
        with atomic_write(self.path) as file:
            file.write(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
