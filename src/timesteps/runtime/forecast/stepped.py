"""Windows of an autoregressive model: at every step it reads the number before and says what comes next.

A row is the context and the horizon, a step of the network for each of their steps (Salinas et al. 2017, DeepAR, arXiv
1704.04110): the number of the step before, centred and scaled, and what is known of the step itself. What is learned is
the distribution of the rise from the step before, in units of the scale, so that a network that knows nothing is a
random walk; of counts (`negative_binomial`) it is the distribution of the number itself, which is read as ln(1 + y).
Only the steps of the horizon are learned from: the centre and the scale of a window would tell the others what is to
come.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.forecast.missing import decayed
from timesteps.runtime.forecast.panel import Panel
from timesteps.runtime.forecast.windows import Rows, Windows, cut, feature_names
from timesteps.runtime.spec import ForecastSpec, LossName

__all__ = ["Learned", "cut_steps", "learned_of", "step_features"]

Array = NDArray[np.float64]


class Learned(NamedTuple):
    """What a network learns from: features (R, T, F), and targets (R, H, W) of the horizon, NaN where there is nothing
    to learn."""

    features: NDArray[np.float32]
    targets: Array


def learned_of(spec: ForecastSpec, loss: LossName, panel: Panel, rows: Rows) -> Learned:
    """Of either model."""
    windows = cut(spec, panel, rows)
    if spec.model == "direct":
        return Learned(windows.features, windows.targets)
    features, before = cut_steps(spec, panel, rows, windows, spec.horizon)
    if loss == "negative_binomial":
        origins, columns = rows
        ahead = origins[:, None] + np.arange(spec.horizon)
        return Learned(features, np.expm1(panel.targets[ahead[:, :, None], columns[:, None, :]]).round())
    return Learned(features, windows.targets - before[:, spec.context :])


def cut_steps(
    spec: ForecastSpec, panel: Panel, rows: Rows, windows: Windows, ahead: int
) -> tuple[NDArray[np.float32], Array]:
    """Features (R, C + ahead, F) of the context and so many steps of the horizon, and the numbers (R, C + ahead, W)
    that were read, from the window's centre in units of its scale."""
    origins, columns = rows
    steps = origins[:, None] + np.arange(-spec.context, ahead)
    at, of = (steps - 1)[:, :, None], columns[:, None, :]
    levels, there = panel.seen[at, of], None
    if panel.since is not None:
        since = panel.since[at, of]
        there = (since == 0) & ~np.isnan(levels)
        inside = there[:, : spec.context + 1]
        known = np.where(inside, levels[:, : spec.context + 1], 0.0)
        mean = known.sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
        levels = decayed(levels, since, mean[:, None], np.array(spec.rates)[columns][:, None])
    numbers = (levels - windows.centre[:, None]) / windows.scale[:, None]
    return step_features(spec, panel, origins, steps, numbers, there), numbers


def step_features(
    spec: ForecastSpec,
    panel: Panel,
    origins: NDArray[np.int64],
    steps: NDArray[np.int64],
    numbers: Array,
    there: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """(R, T, F) of steps (R, T) of the panel, before which `numbers` (R, T, W) were seen, `there` or guessed."""
    parts: list[NDArray[Any]] = [numbers]
    if spec.missing:
        parts.append(np.ones_like(numbers) if there is None else there)
    parts += [panel.features[steps], panel.future[steps], panel.calendar[steps]]
    static = panel.static[panel.series_of(origins)][:, None]
    features = np.empty((*steps.shape, len(feature_names(spec))), np.float32)
    done = 0
    for part in (*parts, static):
        features[:, :, done : done + part.shape[2]] = part
        done += part.shape[2]
    return features
