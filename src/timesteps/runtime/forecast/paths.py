"""Sampled paths: an autoregressive model continued by what it draws itself, many times beside each other.

The context runs through the streaming engine once; its state is copied for every path, and each path goes on by itself,
a stream beside the others, one number at a time. Every row draws from a generator of its own with the same seed, so
that a series is forecast alike whatever is forecast beside it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.forecast.answer import Answer, quantile_levels
from timesteps.runtime.forecast.panel import Panel
from timesteps.runtime.forecast.stepped import cut_steps, step_features
from timesteps.runtime.forecast.windows import Rows, Windows
from timesteps.runtime.losses import Loss
from timesteps.runtime.spec import ForecastSpec
from timesteps.runtime.stream import Stream

__all__ = ["PATHS", "answer_of", "sampled"]

Array = NDArray[np.float64]

PATHS = 200
"""Paths that a forecast is made of, unless another number is asked for."""


def sampled(
    spec: ForecastSpec,
    loss: Loss,
    stream: Stream,
    unit: Array,
    panel: Panel,
    rows: Rows,
    windows: Windows,
    *,
    paths: int = PATHS,
    seed: int = 0,
) -> Array:
    """(R, S, H, W) paths from the centre in units of the scale.

    Args:
        spec, loss: of the model.
        stream: of it, whose state is not touched.
        unit: (W,) scale of what the network says.
        panel, rows, windows: where the paths begin.
        paths: S.
        seed: of every row's draws.
    """
    count, width = rows.columns.shape
    stream = stream.fresh()
    context, numbers = cut_steps(spec, panel, rows, windows, 1)
    logits = stream.run(context)[:, -1]
    state = {name: np.repeat(part, paths, axis=0) for name, part in stream.state.items()}
    stream = stream.fresh()
    stream.state = state
    generators = [np.random.default_rng(seed) for _ in range(count)]
    before = np.repeat(numbers[:, None, -1], paths, axis=1)
    outputs = np.repeat(logits[:, None], paths, axis=1).astype(np.float64)
    found = np.empty((count, paths, spec.horizon, width))
    for step in range(spec.horizon):
        if step:
            steps = np.repeat(rows.origins + step, paths)[:, None]
            origins = np.repeat(rows.origins, paths)
            features = step_features(spec, panel, origins, steps, before.reshape(-1, 1, width))
            outputs = stream.step(features[:, 0]).reshape(count, paths, -1).astype(np.float64)
        drawn = np.stack([_draw(loss, own, generator) for own, generator in zip(outputs, generators, strict=True)])
        if loss.name == "negative_binomial":
            before = (np.log1p(drawn) - windows.centre[:, None]) / windows.scale[:, None]
        else:
            before = before + drawn * unit
        found[:, :, step] = before
    return found


def answer_of(paths: Array, levels: tuple[float, ...], *, counts: bool) -> Answer:
    """The mean of the paths (R, S, H, W) and the quantiles between which the levels lie; of counts, whose paths are
    ln(1 + y), the mean of y itself."""
    centre = np.log1p(np.expm1(paths).mean(axis=1)) if counts else paths.mean(axis=1)
    ends = np.quantile(paths, quantile_levels(levels), axis=1) if levels else np.zeros((0, *paths[:, 0].shape))
    return Answer(centre, ends[: len(levels)], ends[len(levels) :])


def _draw(loss: Loss, outputs: Array, generator: np.random.Generator) -> Array:
    """(S, W) a number of each distribution that outputs (S, W · P) are of."""
    found = loss.read(outputs)
    if loss.name == "gaussian":
        return generator.normal(found["mean"], found["scale"])
    if loss.name == "student_t":
        return found["mean"] + found["scale"] * generator.standard_t(found["df"])
    rate = generator.gamma(1 / found["dispersion"], found["dispersion"] * found["mean"])
    return generator.poisson(np.minimum(rate, 1e15)).astype(np.float64)
