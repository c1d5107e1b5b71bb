"""`RunRequest`: what the user asked of a run, as plain values in its folder that a later `--resume` reads back."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import msgspec

from timesteps.data.source import resolve
from timesteps.data.streams import is_stdin
from timesteps.errors import DataError, UsageError
from timesteps.runtime.atomic import atomic_write
from timesteps.tasks.folder import REQUEST

__all__ = ["RunRequest"]


class RunRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The part that all tasks share.

    Paths are as the user gave them; `directory` is where relative ones count from.
    """

    directory: str = ""

    def place(self, given: str | None) -> str | None:
        """Where the data or file that the request names so lies, wherever the program runs now."""
        if given is None or self.directory in ("", str(Path.cwd())) or not isinstance(resolve(given), Path):
            return given
        return given if is_stdin(given) else str(Path(self.directory, given))

    def write(self, folder: Path) -> None:
        """Keep the request in the run folder."""
        with atomic_write(folder / REQUEST) as file:
            file.write(msgspec.json.format(msgspec.json.encode(self), indent=2))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The request that started the run in this folder.

        Raises:
            UsageError: there is none. DataError: it cannot be read.
        """
        path = folder / REQUEST
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except FileNotFoundError as error:
            raise UsageError("there is no run to resume", path=folder, mend="start one without --resume") from error
        except (msgspec.MsgspecError, OSError) as error:
            raise DataError(f"cannot be read: {error}", path=path, mend="start anew without --resume") from error
