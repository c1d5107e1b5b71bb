"""What the validation windows say of a trained network: how much of it to believe, and how wide its intervals must be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.forecast.answer import Answer, taken
from timesteps.runtime.forecast.conformal import widths
from timesteps.runtime.spec import ForecastSpec

__all__ = ["calibrated", "fit_share"]

Array = NDArray[np.float64]

_GRID = np.linspace(0.0, 1.0, 21)
_SPAN = 8  # a step's neighbours within so many parts of the horizon are looked at together


def fit_share(corrections: Array, truth: Array, *, absolute: bool) -> Array:
    """(H,) the share of corrections (n, H) that is nearest to the truth (n, H), NaN left out.

    Where the gain over no correction is smaller than its standard error, the share is 0. Windows that overlap are not
    independent: n of them count as n / H. Neighbouring steps are judged together, so that the shares do not jump.

    >>> truth = np.random.default_rng(0).normal(size=(200, 2))
    >>> fit_share(2 * truth, truth, absolute=True), fit_share(-truth, truth, absolute=True)
    (array([0.5, 0.5]), array([0., 0.]))
    """
    count, horizon = truth.shape
    losses = np.empty((len(_GRID), count, horizon))
    for number, share in enumerate(_GRID):
        wrong = truth - share * corrections
        losses[number] = np.abs(wrong) if absolute else wrong * wrong
    near = max(1, horizon // _SPAN)
    shares = np.zeros(horizon)
    for step in range(horizon):
        with np.errstate(invalid="ignore"):
            some = losses[:, :, max(0, step - near) : step + near + 1]
            there = ~np.isnan(some[0]).all(axis=1)
            if not there.any():
                continue
            means = np.nanmean(some[:, there], axis=2)
        best = int(means.mean(axis=1).argmin())
        gains = means[0] - means[best]
        error = gains.std() / np.sqrt(max(1.0, len(gains) / horizon))
        shares[step] = _GRID[best] if gains.mean() > error else 0.0
    return shares


def calibrated(
    spec: ForecastSpec, answer: Answer, truth: Array, columns: NDArray[np.int64], *, absolute: bool, conformal: str
) -> dict[str, Array]:
    """The tensors of a forecast part.

    Args:
        spec: how windows are cut.
        answer: of the validation windows, (R, H, W) at the levels of the specification.
        truth: (R, H, W) what they should have said.
        columns: (R, W) which targets they are of.
        absolute: shares are fitted on absolute errors, else on squares.
        conformal: symmetric, asymmetric or none.
    """
    count, levels = len(spec.targets), spec.levels
    share = np.zeros((spec.horizon, count))
    lower, upper = (np.zeros((len(levels), spec.horizon, count)) for _ in range(2))
    for target in range(count):
        place = 0 if spec.independent else target
        rows = np.flatnonzero(columns[:, place] == target)
        if not len(rows):
            continue
        own, part = truth[..., place][rows], Answer(*(end[..., place][..., rows, :] for end in answer))
        share[:, target] = fit_share(part.centre, own, absolute=absolute)
        part = taken(part, share[:, target])
        if levels and conformal != "none":
            moved = widths(own, part.lower, part.upper, levels, symmetric=conformal == "symmetric")
            lower[:, :, target], upper[:, :, target] = moved
    found = {"forecast.share": share}
    if levels:
        found |= {"forecast.lower": lower, "forecast.upper": upper}
    return found
