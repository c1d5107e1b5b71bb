"""What the user asked of a run that trains a forecaster, as plain values that a later `--resume` can read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from timesteps.data.source import resolve
from timesteps.data.streams import is_stdin
from timesteps.errors import DataError, UsageError, option
from timesteps.runtime.atomic import atomic_write
from timesteps.runtime.series.series import Columns
from timesteps.tasks.classify.folder import REQUEST

__all__ = ["ForecastRequest"]


class ForecastRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Data, columns and choices of one run.

    Args:
        data: a path or the name of a known set; None is the bundled one.
        target, time, group, past, future, static: names of columns; all left out, they are guessed, and said.
        test: how much of the end of every series training never sees, for a backtest to judge: a share, or from 1 on
            a number of steps; 0 for nothing.
        reading: options of `timesteps.data.series.read_series`.
        choices: of `ForecastChoices`.
        directory: where relative paths count from.
    """

    data: str | None = None
    target: tuple[str, ...] = ()
    time: str | None = None
    group: str | None = None
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    test: float = 0.0
    reading: dict[str, Any] = {}
    choices: dict[str, Any] = {}
    directory: str = ""

    def __post_init__(self) -> None:
        if self.test < 0 or 1 <= self.test != int(self.test):
            mend = "give a share below 1, or a number of steps"
            raise UsageError(f"{option('test')} is {self.test:g}", mend=mend)

    @property
    def columns(self) -> Columns | None:
        """The columns that were named; None where none was."""
        named = self.target, self.time, self.group, self.past, self.future, self.static
        return Columns(*named) if any(named) else None

    def place(self) -> str | None:
        """Where the data lie, wherever the program runs now."""
        given = self.data
        if given is None or self.directory in ("", str(Path.cwd())) or not isinstance(resolve(given), Path):
            return given
        return given if is_stdin(given) else str(Path(self.directory, given))

    def write(self, folder: Path) -> None:
        """Keep the request in the run folder."""
        with atomic_write(folder / REQUEST) as file:
            file.write(msgspec.json.format(msgspec.json.encode(self), indent=2))

    @classmethod
    def read(cls, folder: Path) -> ForecastRequest:
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
