"""Where backtests begin: the last origins of each series, and what a series was known to be at each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, UsageError, option
from timesteps.runtime.series.series import Series

__all__ = ["Plan", "as_known", "batches", "plan_windows"]

_FEWEST = 8  # windows that say something of chance
_BATCH = 256  # windows of a batch at the most
_NUMBERS = 1 << 22  # of a batch at the most, in all its series together


@dataclass(frozen=True)
class Plan:
    """Which windows of which series are judged.

    Args:
        origins: of each series, how many steps are known before each of its windows, the latest first; empty where
            none fits.
        starts: the first step of each series that may be judged.
        stride: steps from one window to the next.
        notes: what was left out, and why.
    """

    origins: tuple[NDArray[np.int64], ...]
    starts: tuple[int, ...]
    stride: int
    notes: tuple[str, ...]


def plan_windows(
    series: Sequence[Series],
    horizon: int,
    *,
    windows: int | None = None,
    stride: int | None = None,
    start: Sequence[int] | None = None,
    history: int = 1,
    most: int = 50,
    source: str | None = None,
) -> Plan:
    """The last windows of each series that fit behind `start`, every `stride` steps back from the end.

    A window is left out where nothing is known of the step right before it, or of all its steps.

    Args:
        series: to be judged.
        horizon: steps of a window.
        windows: of a series; None: `most`, or what fits, in the second half of the series if there is no `start`.
        stride: steps from one to the next; None: the horizon, or less if `windows`, or 8, would not fit otherwise.
        start: the first step of each series that may be judged; None: 0.
        history: steps that have to lie before a window.
        most: windows of a series, where `windows` does not say.
        source: file, for messages.

    Raises:
        UsageError: numbers below 1. DataError: no window fits, or fewer than were asked for.

    >>> one = Series(None, np.arange(10), np.arange(10.0)[:, None])
    >>> plan_windows([one], 3, windows=3).origins, plan_windows([one], 3).origins
    ((array([7, 4, 1]),), (array([7, 6, 5]),))
    """
    for name, value in (("horizon", horizon), ("stride", stride), ("windows", windows)):
        if value is not None and value < 1:
            raise UsageError(f"{option(name)} is {value}", mend="give 1 or more")
    wanted = most if windows is None else windows
    starts = (0,) * len(series) if start is None else tuple(start)
    firsts = [max(first, history, 1) for first in starts]
    if windows is None and start is None:  # leave half of a series to learn from
        halves = (min(each.known // 2, each.known - horizon) for each in series)
        firsts = [max(first, half) for first, half in zip(firsts, halves, strict=True)]
    if stride is None:
        rooms = (each.known - horizon - first for each, first in zip(series, firsts, strict=True))
        stride = max(min(horizon, max(rooms, default=0) // max((windows or _FEWEST) - 1, 1)), 1)
    found, gaps = [], 0
    for each, first in zip(series, firsts, strict=True):
        origins = _origins(each, horizon, stride, wanted, first)
        kept = origins[[_can_be_judged(each, origin, horizon) for origin in origins]]
        gaps += len(origins) - len(kept)
        found.append(kept)
    longest = max((len(origins) for origins in found), default=0)
    if longest == 0:
        raise _nothing_fits(series, starts, horizon, history, source)
    if windows is not None and longest + gaps < windows:
        apart = f", {stride} apart" if stride != horizon else ""
        behind = "" if start is None else " behind what was trained on"
        what = f"{option('windows')} is {windows}, but {longest} of {horizon} steps{apart} fit{behind}"
        closer = f", or a smaller {option('stride')}" if stride > 1 else ""
        mend = f"choose {option('windows', longest)}{closer}"
        raise DataError(what, path=source, mend=mend)
    return Plan(tuple(found), starts, stride, tuple(_notes(series, found, gaps, longest)))


def as_known(series: Series, origin: int, horizon: int) -> Series:
    """The series as it was known after `origin` steps: nothing later but the future covariates of the horizon."""
    if not series.future.shape[1]:
        return _first(series, origin)
    return _first(series, origin + horizon).until(origin)


def batches(series: Sequence[Series], plan: Plan, horizon: int) -> Iterator[list[tuple[int, int, int, Series]]]:
    """Windows (number of the series, number of the window, origin, the series as it was known), some at a time.

    So no more is in memory than a batch, however many series there are.
    """
    batch: list[tuple[int, int, int, Series]] = []
    numbers = 0
    for place, each in enumerate(series):
        columns = each.targets.shape[1] + each.past.shape[1] + each.future.shape[1]
        for rank, origin in enumerate(plan.origins[place].tolist()):
            if batch and (len(batch) == _BATCH or numbers + origin * columns > _NUMBERS):
                yield batch
                batch, numbers = [], 0
            batch.append((place, rank, origin, as_known(each, origin, horizon)))
            numbers += origin * columns
    if batch:
        yield batch


def _first(series: Series, steps: int) -> Series:
    return replace(
        series,
        times=series.times[:steps],
        targets=series.targets[:steps],
        past=series.past[:steps],
        future=series.future[:steps],
    )


def _origins(series: Series, horizon: int, stride: int, windows: int, first: int) -> NDArray[np.int64]:
    origins = series.known - horizon - stride * np.arange(windows, dtype=np.int64)
    return origins[origins >= first]


def _can_be_judged(series: Series, origin: int, horizon: int) -> bool:
    there = ~np.isnan(series.targets[origin - 1 : origin + horizon])
    return bool(there[0].any() and there[1:].any())


def _nothing_fits(
    series: Sequence[Series], starts: Sequence[int], horizon: int, history: int, source: str | None
) -> DataError:
    if not series:
        return DataError("there is no series to judge", path=source, mend="give one")
    longest, first = max(zip(series, starts, strict=True), key=lambda pair: pair[0].known - pair[1])
    name = "the series has" if longest.name is None else f"series {longest.name!r}, the longest, has"
    steps = longest.known
    if steps < history + horizon:
        what = f"{name} {steps} steps, and a window needs {history} before it and {horizon} in it"
        return DataError(what, path=source, mend=f"give a longer series, or a smaller {option('horizon')}")
    behind = max(steps - first, 0)
    what = f"{name} {behind} steps behind what the model was trained on, and a window has {horizon}"
    return DataError(
        what, path=source, mend=f"give newer rows, or keep more from training with {option('test', horizon)}"
    )


def _notes(series: Sequence[Series], found: Sequence[NDArray[np.int64]], gaps: int, most: int) -> Iterator[str]:
    empty = [each.name for each, origins in zip(series, found, strict=True) if not len(origins)]
    if empty:
        yield f"{len(empty)} of {len(series)} series are too short for a window and were left out, as {empty[0]!r}"
    fewer = sum(0 < len(origins) < most for origins in found)
    if fewer:
        yield f"{fewer} of {len(series)} series have room for fewer than {most} windows"
    if gaps:
        yield f"{gaps} windows were left out: nothing is known right before them, or in them"
