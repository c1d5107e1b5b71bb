"""What each step contributes to an answer: integrated gradients, and the answer without it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from timesteps.inspect.explain_reading import Reading
from timesteps.inspect.gradients import input_gradients, why_no_gradients
from timesteps.runtime.network import Network
from timesteps.runtime.sequences import Sequences

__all__ = ["Contributions", "Score", "integrated_gradients", "leave_one_out"]

_FEWEST, _MOST = 32, 512  # points of the integral
_RESIDUAL = 0.005  # of the difference that it adds up to
_STEPS = 2**14  # of all points, at once
_MOST_RUNS = 400  # answers without a part of the row

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """The number that is explained: Σ weights · logits, of one step where the model answers at every step."""

    weights: Floats  # (outputs,)
    step: int | None = None

    def of(self, logits: NDArray[np.floating]) -> float:
        """Of logits (1, outputs), or (T, outputs) of all steps."""
        return float(logits[self.step or 0].astype(np.float64) @ self.weights)


@dataclass(frozen=True)
class Contributions:
    """What the steps contribute to score - baseline; `steps` and `elsewhere` sum to that, up to `residual`.

    Args:
        steps: (T,) of each step.
        features: (T, I) of each number of each step, of a network of numbers.
        elsewhere: of the guide's n-grams at steps that truncation cut off.
        score: of the row.
        baseline: of a row of so many steps in which nothing is said: vectors of zeros, the mean of each number.
        points: of the integral.
    """

    steps: Floats
    features: Floats | None
    elsewhere: float
    score: float
    baseline: float
    points: int

    @property
    def residual(self) -> float:
        """What is missing from the sum."""
        return self.score - self.baseline - float(self.steps.sum()) - self.elsewhere


def integrated_gradients(network: Network, reading: Reading, score: Score) -> Contributions | str:
    r"""Integrated gradients of one network along the straight line from a row of zeros to the row:

    .. math:: c_t = x_t · \int_0^1 \frac{\partial s(\alpha x)}{\partial x_t} d\alpha, \qquad
        \sum_t c_t = s(x) - s(0)

    Sundararajan, Taly and Yan (2017), Axiomatic attribution for deep networks, arXiv 1703.01365. The integral is taken
    by Gauss and Legendre's rule, with more points until the sum (completeness) is met within half a percent, at most
    512. The wide term and the guide's linear model are sums over features, which are added as they are.

    Returns:
        The contributions, or why there are no gradients.
    """
    reason = why_no_gradients(network)
    if reason is not None:
        return reason
    spec, count = network.spec, len(reading)
    inputs = network.reads(reading.steps)
    places = np.arange(count)
    x = inputs.products(network.weights[0], places) if spec.input == "one_hot" else inputs.vectors(places)
    answers, _ = input_gradients(network, np.stack([np.zeros_like(x), x], axis=1), score.weights, score.step)
    difference = float(answers[1]) - float(answers[0])
    points = _FEWEST
    while True:
        by_number = _integral(network, x, score, points)
        if not np.isfinite(by_number).all():
            return "the gradients explode on the way through this row"
        off = abs(by_number.sum() - difference)
        if off <= _RESIDUAL * abs(difference) or points >= _MOST:
            break
        points *= 2
    own = 1 - spec.share
    steps = own * by_number.sum(axis=1)
    base, elsewhere = own * float(answers[0]), 0.0
    total = own * float(answers[1])
    if spec.wide:
        by_step = own * (inputs.wide_steps() @ score.weights)
        steps, total = steps + by_step, total + float(by_step.sum())
    if spec.share and reading.linear is not None and reading.elsewhere is not None:
        assert reading.steps.linear is not None
        by_step = spec.share * (reading.linear @ score.weights)
        elsewhere = spec.share * float(reading.elsewhere @ score.weights)
        linear = spec.share * float(reading.steps.linear[0].astype(np.float64) @ score.weights)
        steps, total = steps + by_step, total + linear
        base += linear - float(by_step.sum()) - elsewhere
    features = own * by_number if spec.input == "numeric" else None
    return Contributions(steps, features, elsewhere, total, base, points)


def _integral(network: Network, x: NDArray[np.floating], score: Score, points: int) -> Floats:
    """x times the mean gradient on the way to it, (T, I).

    Layer norm makes of any x but the smallest one of size 1, so that nearly all happens at the beginning of the way:
    there the points stand close, α = s⁴ instead of s.
    """
    nodes, weights = np.polynomial.legendre.leggauss(points)
    nodes, weights = (nodes + 1) / 2, weights / 2
    if any(layer.layer_norm for layer in network.spec.layers):
        nodes, weights = nodes**4, weights * 4 * nodes**3
    sums = np.zeros(x.shape)
    size = max(1, _STEPS // len(x))
    for begin in range(0, points, size):
        share = nodes[begin : begin + size].astype(x.dtype)
        rows = x[:, None, :] * share[None, :, None]
        _, gradients = input_gradients(network, rows, score.weights, score.step)
        with np.errstate(invalid="ignore"):  # of gradients that explode
            sums += np.einsum("tbi,b->ti", gradients.astype(np.float64), weights[begin : begin + size])
    return sums * x.astype(np.float64)


def leave_one_out(networks: list[Network], reading: Reading, score: Score) -> tuple[Floats, int]:
    """How much the mean score of the networks falls when a step is taken out of the row, (T,), the rest as it is; NaN
    for the step whose own answer is explained. Longer rows lose runs of equal length; so many steps a run.

    The n-grams of a step go with it: features, channels, and those of the linear model that occur nowhere else.
    """
    count = len(reading)
    width = -(-count // _MOST_RUNS)
    begins = np.arange(0, count, width)
    keep = np.ones((len(begins), count), bool)
    for run, begin in enumerate(begins.tolist()):
        keep[run, begin : begin + width] = False
    rows = _without(reading, keep, begins, width)
    whole = np.mean([score.of(network.logits(reading.steps)) for network in networks])
    logits = np.mean([network.logits(rows).astype(np.float64) for network in networks], axis=0)
    if score.step is not None:
        kept = keep[:, score.step]
        ends = np.cumsum(np.concatenate([[0], keep.sum(axis=1)]))
        places = ends[:-1] + keep[:, : score.step].sum(axis=1)
        chosen = np.full((len(begins), logits.shape[1]), np.nan)
        chosen[kept] = logits[places[kept]]
        logits = chosen
    fallen: Floats = whole - logits @ score.weights
    return np.repeat(fallen / width, width)[:count], width


def _without(reading: Reading, keep: NDArray[np.bool_], begins: NDArray[np.int64], width: int) -> Sequences:
    """A row for each row of `keep` (rows, T), with the steps that it says."""
    steps = reading.steps
    index = np.nonzero(keep)[1]
    offsets = np.concatenate([[0], np.cumsum(keep.sum(axis=1))])
    linear = None
    if steps.linear is not None:
        linear = np.repeat(steps.linear, len(keep), axis=0)
        if reading.alone is not None:
            linear = (linear - np.add.reduceat(reading.alone, begins)).astype(np.float32)
    first = int(steps.offsets[0])
    return replace(
        steps,
        values=steps.values[first + index],
        offsets=offsets,
        phrases=None if steps.phrases is None else steps.phrases.take(first + index),
        channels=None if steps.channels is None else steps.channels[first + index],
        linear=linear,
    )
