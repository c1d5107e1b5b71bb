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
_SPAN = 8  # a step's neighbours within so many parts of the horizon are looked at together


def fit_share(corrections: Array, truth: Array, *, absolute: bool) -> Array:
    """(H,) the share of corrections (n, H) that is nearest to the truth (n, H), NaN left out.

    Where the gain over no correction is smaller than its standard error, the share is 0. Windows that overlap are not
    independent: n of them count as n / H. Neighbouring steps are judged together, so that the shares do not jump.

    >>> truth = np.random.default_rng(0).normal(size=(200, 2))
    >>> fit_share(2 * truth, truth, absolute=True), fit_share(-truth, truth, absolute=True)
    (array([0.5, 0.5]), array([0., 0.]))
    """
    horizon = truth.shape[1]
    near = max(1, horizon // _SPAN)

    def losses(share: float | Array) -> Array:
        """(n, H) of each window, the mean over the neighbours of each step; NaN where none of them is known."""
        wrong = truth - share * corrections
        found = np.abs(wrong) if absolute else wrong * wrong
        known = np.pad(np.cumsum(~np.isnan(found), axis=1), ((0, 0), (1, 0)))
        sums = np.pad(np.cumsum(np.nan_to_num(found), axis=1), ((0, 0), (1, 0)))
        first = np.maximum(np.arange(horizon) - near, 0)
        last = np.minimum(np.arange(horizon) + near + 1, horizon)
        counts = known[:, last] - known[:, first]
        means = (sums[:, last] - sums[:, first]) / np.maximum(counts, 1)
        return np.where(counts > 0, means, np.nan)

    none = losses(0.0)
    counts = np.maximum((~np.isnan(none)).sum(axis=0), 1)
    means = np.array([np.nan_to_num(losses(share)).sum(axis=0) / counts for share in _GRID.tolist()])
    best = _GRID[means.argmin(axis=0)]
    gains = np.nan_to_num(none - losses(best))
    gain = gains.sum(axis=0) / counts
    deviation = np.sqrt(np.maximum((gains**2).sum(axis=0) / counts - gain**2, 0.0))
    error = deviation / np.sqrt(np.maximum(1.0, counts / horizon))
    return np.where(gain > error, best, 0.0)


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
    share = np.zeros((spec.horizon, count))
    lower, upper = (np.zeros((len(levels), spec.horizon, count)) for _ in range(2))
    for target in range(count):
        place = 0 if spec.independent else target
        rows = np.flatnonzero(columns[:, place] == target)
        if not len(rows):
            continue
        own, plain = truth[..., place][rows], base[..., place][rows]
        part = Answer(*(end[..., place][..., rows, :] for end in answer))
        share[:, target] = fit_share(part.centre - plain, own - plain, absolute=absolute)
        part = taken(part, plain, share[:, target])
        if levels and conformal != "none":
            least = 0.0 if (part.lower < part.upper).any() else -np.inf
            moved = widths(own, part.lower, part.upper, levels, symmetric=conformal == "symmetric", least=least)
            lower[:, :, target], upper[:, :, target] = moved
    found: dict[str, NDArray[np.float64]] = {"forecast.share": share}
    if levels:
        found |= {"forecast.lower": lower, "forecast.upper": upper}
    return found
