"""`Panel`: series end to end, with all that can be said of their steps before windows are cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError
from timesteps.runtime.forecast.calendar import calendar_features
from timesteps.runtime.forecast.missing import decayed, last_seen, time_since
from timesteps.runtime.forecast.scaling import deviations_so_far, transformed
from timesteps.runtime.series.frequency import Frequency
from timesteps.runtime.series.series import Columns, Series
from timesteps.runtime.spec import ForecastSpec

__all__ = ["Panel", "columns_of", "frequency_of", "scales_of"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class Panel:
    """S series end to end: of each its known steps, then `ahead` steps of the time to come, N steps in all.

    Everything said of a step comes from that step and those before it, except what is known of the time to come.

    Args:
        names: (S,) of the series, as messages call them.
        starts: (S,) the first step of each.
        known: (S,) the step behind its last known one.
        targets: (N, D) transformed; NaN for what is missing or to come.
        seen: (N, D) the last number seen at each step, NaN before the first; `targets` itself where nothing is missing.
        since: (N, D) how long ago, in usual steps; None where nothing is missing.
        first: (S, D) the step that each series' first number was seen at.
        so_far: (N, D) standard deviation up to each step of what the network reads: of returns, of the differences.
        features: (N, F) what else the network reads of a step: the gap before it, past covariates and their masks.
        calendar: (N, C) its features of the calendar.
        future: (N, Q) covariates that are known of the time to come, and their masks.
        static: (S, K) numbers and one-hot words.
        scales: (S, D) centre and scale of whole series, with the scaling "series".
    """

    names: tuple[str, ...]
    starts: Index
    known: Index
    targets: Array
    seen: Array
    since: Array | None
    first: Index
    so_far: NDArray[np.float32]
    features: NDArray[np.float32]
    calendar: NDArray[np.float32]
    future: NDArray[np.float32]
    static: Array
    scales: tuple[Array, Array] | None

    @classmethod
    def of(
        cls,
        spec: ForecastSpec,
        series: Sequence[Series],
        *,
        ahead: int,
        scales: Mapping[str, tuple[Array, Array]] | None = None,
    ) -> Panel:
        """From series as they were read.

        Args:
            spec: what the columns are and how they are read.
            series: with the columns of the specification.
            ahead: steps of the time to come.
            scales: centre (D,) and scale (D,) by name with the scaling "series", where others have those of their own
                known part; with "all", those of every series under the name "".

        Raises:
            DataError: other columns than the specification's, a number that has no transform, infinity, or a number
                that is missing where the model knows none to be; the message names the series.
        """
        parts = [_checked(spec, each, ahead) for each in series]
        starts = np.cumsum([0, *(len(part.times) for part in parts)])[:-1].astype(np.int64)
        known = starts + np.array([len(part.times) - ahead for part in parts], np.int64)
        targets = np.concatenate([part.targets for part in parts])
        times = np.concatenate([part.times for part in parts])
        clock = _clock(spec, times)
        seen, since = targets, None
        if any(np.isnan(targets[a:b]).any() for a, b in zip(starts.tolist(), known.tolist(), strict=True)):
            seen, since = _seen(targets, starts, clock)
        ends = np.append(starts[1:], len(targets)).tolist()
        there = [np.argmax(~np.isnan(targets[a:b]), axis=0) + a for a, b in zip(starts.tolist(), ends, strict=True)]
        past = _filled(spec, np.concatenate([part.past for part in parts]), starts, clock, 0)
        future = _filled(spec, np.concatenate([part.future for part in parts]), starts, clock, len(spec.past))
        features = [past] if spec.regular else [_gaps(clock, starts), past]
        names = tuple(_called(each) for each in series)
        return cls(
            names=names,
            starts=starts,
            known=known,
            targets=targets,
            seen=seen,
            since=since,
            first=np.array(there, np.int64),
            so_far=deviations_so_far(_read(spec, targets, seen, starts), starts).astype(np.float32),
            features=np.concatenate(features, axis=1).astype(np.float32),
            calendar=calendar_features(times, spec.calendar).astype(np.float32),
            future=future.astype(np.float32),
            static=np.array([_static(spec, each) for each in series], np.float64).reshape(len(series), -1),
            scales=None
            if spec.scaling in ("window", "none")
            else _scales(spec, names, targets, starts, known, scales or {}),
        )

    def series_of(self, steps: Index) -> Index:
        """Which series steps belong to; the step behind a series counts as its own."""
        found: Index = np.searchsorted(self.starts, steps - 1, side="right") - 1
        return found


def columns_of(spec: ForecastSpec) -> Columns:
    """The columns that a forecaster reads."""
    return Columns(spec.targets, spec.time, spec.group, spec.past, spec.future, spec.static)


def frequency_of(spec: ForecastSpec) -> Frequency:
    """How far apart their steps are."""
    return Frequency(spec.unit, spec.every, spec.regular)


def scales_of(values: Array) -> tuple[Array, Array]:
    """Mean and standard deviation (D,) of numbers (T, D), NaN left out; a scale is never 0."""
    there = ~np.isnan(values)
    counts = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, values, 0.0).sum(axis=0) / counts
    scale = np.sqrt((np.where(there, values - mean, 0.0) ** 2).sum(axis=0) / counts)
    flat = scale <= 1e-9 * np.maximum(np.abs(mean), 1e-300)
    return mean, np.where(flat, np.where(mean != 0, np.abs(mean), 1.0), scale)


def _called(series: Series) -> str:
    return "" if series.name is None else series.name


def _checked(spec: ForecastSpec, series: Series, ahead: int) -> Series:
    """The known steps of a series and `ahead` more, transformed."""
    name = _called(series)
    of = f"series {name}: " if name else ""
    wanted = len(spec.targets), len(spec.past), len(spec.future), len(spec.static)
    given = series.targets.shape[1], series.past.shape[1], series.future.shape[1], len(series.static)
    if given != wanted:
        kinds = zip(("targets", "past", "future", "static"), given, wanted, strict=True)
        found = ", ".join(f"{have} {kind} columns in the place of {want}" for kind, have, want in kinds if have != want)
        raise DataError(f"{of}{found}", mend=f"give the columns it was trained on: {', '.join(_named(spec))}")
    steps = series.known
    if not steps:
        raise DataError(f"{of}no target is known", mend="leave the series out")
    for kind in ("targets", "past", "future"):
        part, names = getattr(series, kind)[:steps], getattr(spec, kind)
        if np.isinf(part).any():
            step, column = np.argwhere(np.isinf(part))[0]
            what = f"{of}{names[column]} is infinite at {series.times[step]}"
            raise DataError(what, mend="give finite numbers")
        if not spec.missing and np.isnan(part).any():
            step, column = np.argwhere(np.isnan(part))[0]
            what = f"{of}{names[column]} is missing at {series.times[step]}, and was never in training"
            raise DataError(what, mend="fill it, or train on series with missing numbers")
    try:
        targets = transformed(series.targets[:steps], spec.transform)
    except DataError as error:
        raise DataError(of + error.what, mend=error.mend) from error
    given_ahead = min(len(series) - steps, ahead)
    times = series.times[: steps + given_ahead]
    if given_ahead < ahead:
        times = np.concatenate([times, frequency_of(spec).after(times[-1], ahead - given_ahead)])

    def longer(part: Array, more: int) -> Array:
        return np.concatenate([part, np.full((more, part.shape[1]), np.nan)])

    future = longer(series.future[: steps + given_ahead], ahead - given_ahead)
    return Series(series.name, times, longer(targets, ahead), longer(series.past[:steps], ahead), future)


def _named(spec: ForecastSpec) -> tuple[str, ...]:
    return *spec.targets, *spec.past, *spec.future, *spec.static


def _clock(spec: ForecastSpec, times: NDArray[Any]) -> Array:
    """(N,) the times in usual steps, from any beginning; where steps are regular, their numbers."""
    if spec.regular:
        return np.arange(len(times), dtype=np.float64)
    if times.dtype.kind != "M":
        return times.astype(np.float64) / spec.every
    first = np.datetime64("1970-01-01", "us")
    step = frequency_of(spec).after(first, 1)[0] - first
    return np.asarray((times - first) / step)


def _gaps(clock: Array, starts: Index) -> Array:
    """(N, 1) the logarithm of the time since the step before, in usual steps; 0 at the first."""
    gaps = np.log(np.maximum(np.diff(clock, prepend=clock[:1]), 1e-6))
    gaps[starts] = 0.0
    return np.asarray(np.clip(gaps, -5.0, 5.0)[:, None])


def _filled(spec: ForecastSpec, values: Array, starts: Index, clock: Array, first: int) -> Array:
    """Covariates, what is missing decayed, and their masks where numbers may be missing."""
    if not spec.missing or not values.shape[1]:
        return values
    width = values.shape[1]
    seen, since = _seen(values, starts, clock)
    means = np.array(spec.means[first : first + width])
    rates = np.array(spec.rates[len(spec.targets) + first : len(spec.targets) + first + width])
    filled = decayed(seen, since, means, rates)
    return np.concatenate([filled, (~np.isnan(values)).astype(np.float64)], axis=1)


def _read(spec: ForecastSpec, targets: Array, seen: Array, starts: Index) -> Array:
    """(N, D) numbers as the network reads them, before any scale."""
    if spec.transform != "return":
        return targets
    differences = np.diff(seen, axis=0, prepend=np.nan)
    differences[starts] = np.nan
    return differences


def _seen(values: Array, starts: Index, clock: Array) -> tuple[Array, Array]:
    """(N, D) the last number seen, NaN before the first, and how long ago."""
    place = last_seen(values, starts)
    seen = np.where(place >= 0, np.take_along_axis(values, np.maximum(place, 0), axis=0), np.nan)
    return seen, time_since(place, clock)


def _static(spec: ForecastSpec, series: Series) -> list[float]:
    """Numbers as they are, words one-hot; a word that training has not seen is none of them."""
    found: list[float] = []
    for name, value, words in zip(spec.static, series.static, spec.vocabularies, strict=True):
        if words:
            found += [float(str(value) == word) for word in words]
            continue
        if isinstance(value, str) or not np.isfinite(value):
            what = f"{name} is {value!r}" + (f" in series {series.name}" if series.name else "")
            raise DataError(what, mend="give a number, as in training")
        found.append(float(value))
    return found


def _scales(
    spec: ForecastSpec,
    names: Sequence[str],
    targets: Array,
    starts: Index,
    known: Index,
    given: Mapping[str, tuple[Array, Array]],
) -> tuple[Array, Array]:
    if spec.scaling == "all":
        names = [""] * len(names)
    found = [
        given[name] if name in given else scales_of(targets[begin:end])
        for name, begin, end in zip(names, starts.tolist(), known.tolist(), strict=True)
    ]
    return np.array([centre for centre, _ in found]), np.array([scale for _, scale in found])
