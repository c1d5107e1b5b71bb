"""What the user asked of a run that trains a forecaster, as plain values that a later `--resume` can read back."""

from __future__ import annotations

from typing import Any

import msgspec

from timesteps.errors import UsageError, option
from timesteps.runtime.series.series import Columns
from timesteps.tasks.request import RunRequest

__all__ = ["ForecastRequest"]


class ForecastRequest(RunRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Data, columns and choices of one run.

    Args:
        data: a path or the name of a known set; None is the bundled one.
        target, time, group, past, future, static: names of columns; all left out, they are guessed, and said.
        test: how much of the end of every series training never sees, for a backtest to judge: a share, or from 1 on
            a number of steps; 0 for nothing.
        reading: options of `timesteps.data.series.read_series`.
        choices: of `ForecastChoices`.
    """

    data: str | None = None
    target: tuple[str, ...] = ()
    time: str | None = None
    group: str | None = None
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    test: float = 0.0
    reading: dict[str, Any] = msgspec.field(default_factory=dict)
    choices: dict[str, Any] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.test < 0 or 1 <= self.test != int(self.test):
            mend = "give a share below 1, or a number of steps"
            raise UsageError(f"{option('test')} is {self.test:g}", mend=mend)

    @property
    def columns(self) -> Columns | None:
        """The columns that were named; None where none was."""
        named = self.target, self.time, self.group, self.past, self.future, self.static
        return Columns(*named) if any(named) else None
