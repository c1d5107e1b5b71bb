"""What the validation windows say of a trained network: how much of it to believe, and how wide intervals must be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.forecast.answer import Answer, taken
from timesteps.runtime.forecast.conformal import widths
from timesteps.runtime.spec import ForecastSpec

__all__ = ["calibrated", "fit_share"]

Array = NDArray[np.float64]

_GRID = np.linspace(0.0, 1.0, 21)


def fit_share(corrections: Array, truth: Array, *, absolute: bool, targets: int = 1) -> float:
    """The share of corrections (n, H) that is nearest to the truth (n, H), NaN left out: one for all steps of the
    horizon and all targets, for the validation windows that overlap say too little to tell them apart.

    Where the gain over no correction is no larger than its standard error, the share is 0; where that over the whole
    correction is, it is 1. Windows that overlap are not independent, nor are targets at one time: n of them count as
    n / (H · targets).

    >>> truth = np.random.default_rng(0).normal(size=(200, 2))
    >>> fit_share(2 * truth, truth, absolute=True), fit_share(-truth, truth, absolute=True)
    (0.5, 0.0)
    """

    def losses(share: float) -> Array:
        """Of each window, the mean over its steps; NaN where none of them is known."""
        wrong = truth - share * corrections
        found = np.abs(wrong) if absolute else wrong * wrong
        known = ~np.isnan(found)
        counts = known.sum(axis=1)
        return np.asarray(np.where(known, found, 0.0).sum(axis=1)[counts > 0] / counts[counts > 0])

    means = [losses(share).mean() for share in _GRID.tolist()]
    best = float(_GRID[int(np.argmin(means))])
    independent = max(1.0, len(truth) / (truth.shape[1] * targets))
    for plain in (0.0, 1.0):
        gains = losses(plain) - losses(best)
        if gains.mean() <= gains.std() / np.sqrt(independent):
            return plain
    return best


def calibrated(
    spec: ForecastSpec,
    answer: Answer,
    base: Array,
    truth: Array,
    columns: NDArray[np.int64],
    *,
    absolute: bool,
    conformal: str,
) -> dict[str, Array]:
    """The tensors of a forecast part.

    Args:
        spec: how windows are cut.
        answer: of the validation windows, (R, H, W) at the levels of the specification.
        base: (R, H, W) of the same windows.
        truth: (R, H, W) what they should have said.
        columns: (R, W) which targets they are of.
        absolute: shares are fitted on absolute errors, else on squares.
        conformal: symmetric, asymmetric or none.
    """
    count, levels = len(spec.targets), spec.levels
    corrections, wanted = (np.moveaxis(part - base, 1, -1).reshape(-1, spec.horizon) for part in (answer.centre, truth))
    share = np.full((spec.horizon, count), fit_share(corrections, wanted, absolute=absolute, targets=count))
    lower, upper = (np.zeros((len(levels), spec.horizon, count)) for _ in range(2))
    for target in range(count):
        place = 0 if spec.independent else target
        rows = np.flatnonzero(columns[:, place] == target)
        if not len(rows):
            continue
        own, plain = truth[..., place][rows], base[..., place][rows]
        part = Answer(*(end[..., place][..., rows, :] for end in answer))
        part = taken(part, plain, share[:, target])
        if levels and conformal != "none":
            least = 0.0 if (part.lower < part.upper).any() else -np.inf
            moved = widths(own, part.lower, part.upper, levels, symmetric=conformal == "symmetric", least=least)
            lower[:, :, target], upper[:, :, target] = moved
    found: dict[str, NDArray[np.float64]] = {"forecast.share": share}
    if levels:
        found |= {"forecast.lower": lower, "forecast.upper": upper}
    return found
