"""`Series`: what is known of one thing over time, and `Columns`: which columns of a table say it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Columns", "Series"]


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a table of series, by what they are.

    Args:
        targets: what is forecast (D).
        time: when; None for rows that are one step apart.
        group: which series a row belongs to; None where there is one.
        past: covariates that are known up to now (P).
        future: covariates that are known of the time to come as well (Q), such as holidays or a price that we set.
        static: what does not change within a series (S).
    """

    targets: tuple[str, ...]
    time: str | None = None
    group: str | None = None
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()


@dataclass(frozen=True)
class Series:
    """One series, oldest step first. NaN is a number that is missing; nothing has been imputed.

    Steps after the last one with a target are the time to come, of which only `future` is known.

    Args:
        name: of the group; None where there is one series.
        times: (T,) datetime64[us], rising; or int64, the numbers of the steps where there are no times.
        targets: (T, D) float64.
        past: (T, P) float64.
        future: (T, Q) float64.
        static: (S,) numbers or words.

    >>> series = Series("a", np.arange(4), np.array([[1.0], [2.0], [np.nan], [np.nan]]))
    >>> series.known, series.until(1).targets.ravel()
    (2, array([ 1., nan, nan, nan]))
    """

    name: str | None
    times: NDArray[Any]
    targets: NDArray[np.float64]
    past: NDArray[np.float64] = None  # type: ignore[assignment]
    future: NDArray[np.float64] = None  # type: ignore[assignment]
    static: tuple[float | str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("past", "future"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, np.zeros((len(self.times), 0)))

    def __len__(self) -> int:
        return len(self.times)

    @property
    def known(self) -> int:
        """Steps up to and with the last one that has a target."""
        rows = np.flatnonzero(~np.isnan(self.targets).all(axis=1))
        return int(rows[-1]) + 1 if len(rows) else 0

    def until(self, steps: int) -> Series:
        """What was known after so many steps: later targets and past covariates are NaN, future covariates stay."""
        after = np.arange(len(self)) >= steps
        targets, past = self.targets.copy(), self.past.copy()
        targets[after], past[after] = np.nan, np.nan
        return replace(self, targets=targets, past=past)
