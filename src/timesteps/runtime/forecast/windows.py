"""Windows: what the network reads of a series before an origin, and what it is to say of the steps from there on.

A row of a direct model is one window: of every step of the context the targets, centred and scaled, and what else is
known of the step; covariates of the time to come besides as they will be a horizon later, so that the last steps of
the window carry those of the steps to be forecast. Nothing of the origin or later is read but these and the calendar.

A step of the network may be a segment of several steps of the series, a day of hours, say, whose numbers lie side by
side, with the calendar of its last step: fewer steps to remember over, and each sees a whole season (SegRNN, Lin et al.
2023, arXiv 2308.11200).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.forecast.base import History, base_of
from timesteps.runtime.forecast.missing import decayed
from timesteps.runtime.forecast.panel import Panel
from timesteps.runtime.forecast.scaling import window_scale
from timesteps.runtime.spec import ForecastSpec

__all__ = ["Rows", "Windows", "cut", "feature_names", "reach", "rows_of", "shifts"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]


class Rows(NamedTuple):
    """Which windows: the step behind each (R,), and which targets (R, W) it is of, one where they are independent."""

    origins: Index
    columns: Index

    def take(self, index: NDArray[Any] | slice) -> Rows:
        """Some of them."""
        return Rows(self.origins[index], self.columns[index])


@dataclass(frozen=True)
class Windows:
    """R windows of T steps of the network, W targets and H steps to come.

    Args:
        features: (R, T, F) what the network reads, before the scaler.
        centre, scale: (R, W) of the window, transformed.
        base: (R, H, W) of the forecast, in units of the scale from the centre.
        targets: (R, H, W) what is to be learned, in the same units; NaN for what is missing or to come.
    """

    features: NDArray[np.float32]
    centre: Array
    scale: Array
    base: Array
    targets: Array


def reach(spec: ForecastSpec) -> int:
    """Steps before the origin that a window needs."""
    season = spec.season if spec.base == "seasonal" else 0
    stepped = spec.differences or spec.transform == "return" or spec.model == "autoregressive"
    return max(spec.context + stepped, season)


def shifts(spec: ForecastSpec) -> list[int]:
    """How many steps later covariates of the time to come are read again; together they cover the horizon. A model that
    is at every step when it comes reads none of them later.

    >>> spec = ForecastSpec(horizon=5, context=2, targets=("y",), unit="day", future=("open",))
    >>> shifts(spec), feature_names(spec)
    ([2, 4, 5], ['y', 'open', 'open+2', 'open+4', 'open+5'])
    """
    later = [*range(spec.context, spec.horizon, spec.context), spec.horizon]
    return later if spec.model == "direct" else []


def feature_names(spec: ForecastSpec) -> list[str]:
    """The features of a step of the network, in their order; those of a segment's steps by their places in it.

    >>> feature_names(ForecastSpec(horizon=2, context=4, segment=2, targets=("y",), unit="day", calendar=("year",)))
    ['y 1', 'y 2', 'sine of the year', 'cosine of the year']
    """
    found = ["y"] if spec.independent else list(spec.targets)
    parts = [
        found,
        [f"{name} risen" for name in found] if spec.differences else [],
        [f"{name} there" for name in found] if spec.missing else [],
    ]
    past, future = (
        [*names, *(f"{name} there" for name in names if spec.missing)] for names in (spec.past, spec.future)
    )
    gap = [] if spec.regular else ["gap"]
    parts += [[*gap, *past], future, *([f"{name}+{shift}" for name in future] for shift in shifts(spec))]
    places = [f" {place + 1}" if spec.segment > 1 else "" for place in range(spec.segment)]
    named = [name + place for part in parts for place in places for name in part]
    named += [f"{wave} of the {name}" for name in spec.calendar for wave in ("sine", "cosine")]
    for name, words in zip(spec.static, spec.vocabularies, strict=True):
        named += [f"{name} {word}" for word in words] if words else [name]
    return named


def rows_of(spec: ForecastSpec, panel: Panel, origins: Index) -> Rows:
    """The rows of these origins, a target after the other where they are independent; those of which no target was seen
    in the window are left out."""
    count = len(spec.targets)
    if not spec.independent:
        columns = np.broadcast_to(np.arange(count), (len(origins), count))
        return Rows(origins, columns).take(np.asarray(_seen_lately(spec, panel, origins, columns).any(axis=1)))
    rows = Rows(np.repeat(origins, count), np.tile(np.arange(count), len(origins))[:, None])
    return rows.take(_seen_lately(spec, panel, *rows)[:, 0])


def _seen_lately(spec: ForecastSpec, panel: Panel, origins: Index, columns: Index) -> NDArray[np.bool_]:
    """(R, W) whether a number of the target is in the window and, of a seasonal base, before each step to come."""
    last = (origins - 1)[:, None]
    if panel.since is None:
        return np.ones(columns.shape, np.bool_)
    found = ~np.isnan(panel.seen[last, columns])
    there = np.zeros(columns.shape, np.bool_)
    for back in range(1, spec.context + 1):
        there |= panel.since[origins[:, None] - back, columns] == 0
    found &= there
    if spec.base == "seasonal":
        found &= ~np.isnan(panel.seen[(origins - spec.season)[:, None], columns])
    return found


def cut(spec: ForecastSpec, panel: Panel, rows: Rows) -> Windows:
    """The windows of these rows. Every origin must have `reach` steps of its series before it, and a horizon behind."""
    origins, columns = rows
    count = len(origins)
    series = panel.series_of(origins)
    steps = origins[:, None] + np.arange(-spec.context, 0)
    at, of = steps[:, :, None], columns[:, None, :]
    levels = panel.seen[at, of]
    masks = None
    if panel.since is not None:
        since = panel.since[at, of]
        masks = (since == 0) & ~np.isnan(levels)
        mean = np.where(masks, levels, 0.0).sum(axis=1) / np.maximum(masks.sum(axis=1), 1)
        levels = decayed(levels, since, mean[:, None], np.array(spec.rates)[columns][:, None])
    else:
        mean = levels.mean(axis=1)
    numbers = levels
    if spec.differences or spec.transform == "return":
        rises = np.nan_to_num(levels - np.concatenate([panel.seen[at[:, :1] - 1, of], levels[:, :-1]], axis=1))
        numbers = rises if spec.transform == "return" else levels
    last = panel.seen[(origins - 1)[:, None], columns]
    centre, scale = _centre_and_scale(spec, panel, series, rows, numbers, mean, last)
    inside = np.zeros_like(centre) if spec.transform == "return" else centre
    parts: list[NDArray[Any]] = [(numbers - inside[:, None]) / scale[:, None]]
    if spec.differences:
        parts.append(rises / scale[:, None])
    if spec.missing:
        parts.append(np.ones_like(numbers) if masks is None else masks)
    parts.append(panel.features[steps])
    parts += [panel.future[steps + shift] for shift in (0, *shifts(spec))] if panel.future.shape[1] else []
    whole = [panel.calendar[steps[:, spec.segment - 1 :: spec.segment]], panel.static[series][:, None]]
    features = np.empty((count, spec.context // spec.segment, len(feature_names(spec))), np.float32)
    done = 0
    for part in [*(part.reshape(*features.shape[:2], -1) for part in parts if part.shape[2]), *whole]:
        features[:, :, done : done + part.shape[2]] = part
        done += part.shape[2]
    history = History(panel.seen, panel.first[series], origins, columns)
    base = base_of(spec.base, history, spec.horizon, spec.season, mean, centre)
    ahead = origins[:, None] + np.arange(spec.horizon)
    targets = panel.targets[ahead[:, :, None], of]
    base, targets = ((part - centre[:, None]) / scale[:, None] for part in (base, targets))
    return Windows(features, centre, scale, base, targets)


def _centre_and_scale(
    spec: ForecastSpec, panel: Panel, series: Index, rows: Rows, numbers: Array, mean: Array, last: Array
) -> tuple[Array, Array]:
    """(R, W) each."""
    origins, columns = rows
    if spec.scaling == "none":
        return np.zeros_like(mean), np.ones_like(mean)
    if panel.scales is not None:
        whole, scale = (np.take_along_axis(part[series], columns, axis=1) for part in panel.scales)
        return (last if spec.centre == "last" else whole), scale
    so_far = panel.so_far[(origins - 1)[:, None], columns].astype(np.float64)
    middle = np.zeros_like(mean) if spec.transform == "return" else mean
    return (last if spec.centre == "last" else mean), window_scale(numbers, middle, so_far)
