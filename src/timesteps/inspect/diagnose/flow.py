"""Gradient flow: how much a state still says about the state k steps before it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.inspect.diagnose.linear_step import linearise
from timesteps.inspect.diagnose.replay import Replay
from timesteps.runtime.cells import Array, State

__all__ = ["Flow", "flow", "jacobian_norms"]

_WORK = 1e11  # multiplications for one layer: some seconds
_MOST_LAGS = 40  # whose spectral norm is taken
_ALL_LAGS = 24  # up to here each lag is one of them
_FADED = 0.01
_NUMBERS = 1 << 16  # of gradients of gates that are pulled back together: more fall out of the cache
_SCALED = 8  # steps after which gradients are scaled: they cannot leave a float's range in so few


@dataclass(frozen=True)
class Flow:
    """The norms of the Jacobian ∂s_t/∂s_{t-k} of one part s of a layer's state, over some steps t of the data.

    `spectral` is the largest singular value: by how much the gradient with respect to s_t can grow at most on its way
    back to s_{t-k}; `frobenius` the root of the sum of all squares, over √H: by how much a gradient of no particular
    direction grows. Both are medians over the steps; low and high the 10 % and 90 % quantiles of `spectral`. All are 1
    at lag 0.
    """

    layer: str
    state: str  # "h" or "c"
    lags: tuple[int, ...]  # steps back, rising, from 1
    spectral: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    frobenius: tuple[float, ...]
    steps: int  # how many steps t were looked back from

    @property
    def half_life(self) -> float | None:
        """Steps back over which the spectral norm falls to half of what it is one step back, from there on; None if
        it does not within the lags."""
        return self._fallen(0.5)

    @property
    def memory(self) -> float | None:
        """The same to a hundredth: beyond, a gradient says next to nothing."""
        return self._fallen(_FADED)

    @property
    def growth(self) -> float:
        """The largest spectral norm of any lag."""
        return max(self.spectral)

    def _fallen(self, share: float) -> float | None:
        """Steps from lag 1 to where the norm is last above a share of its value there, log-linear between lags."""
        if self.spectral[0] == 0:
            return 0.0
        target = math.log(share * self.spectral[0])
        logs = [math.log(value) if value > 0 else -math.inf for value in self.spectral]
        above = [place for place, value in enumerate(logs) if value > target]
        last = above[-1]
        if last == len(logs) - 1:
            return None
        step = self.lags[last + 1] - self.lags[last]
        fall = logs[last] - logs[last + 1]
        return self.lags[last] - 1 + (0.0 if math.isinf(fall) else step * (logs[last] - target) / fall)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; a number that is out of reach is null."""
        return {
            "layer": self.layer,
            "state": self.state,
            "lags": list(self.lags),
            "spectral": list(self.spectral),
            "low": list(self.low),
            "high": list(self.high),
            "frobenius": list(self.frobenius),
            "half_life": self.half_life,
            "memory": self.memory,
            "steps": self.steps,
        }


def flow(layer: Replay, *, most: int = 200, probes: int = 16) -> list[Flow]:
    """The gradient flow of one layer and direction, one for each part of its state.

    Args:
        layer: what it did on some rows.
        most: steps to look back, at most; less where the rows are shorter or the layer is large.
        probes: steps to look back from, at most: the last ones of the longest quarter of the rows.
    """
    size = layer.layer.hidden_size
    lengths = layer.steps.lengths
    usual = int(lengths[: max(1, math.ceil(len(lengths) / 4))].min())
    reach = max(1, min(most, usual))
    per_lag = size * layer.cell.weight_ih.shape[1] * size if "weight_hh" in vars(layer.cell) else size * size
    room = max(1, int(_WORK / (per_lag * len(layer.before))))
    probes = max(1, min(probes, room // reach))
    reach = min(reach, room)
    ends = _ends(lengths, reach, probes)
    lags = _lags(reach)
    flows = []
    for part, state in enumerate(layer.states):
        spectral, frobenius = jacobian_norms(layer, ends, lags, part)
        flows.append(
            Flow(
                layer.name,
                state,
                tuple(lags),
                _plain(np.median(spectral, axis=0)),
                _plain(np.quantile(spectral, 0.1, axis=0)),
                _plain(np.quantile(spectral, 0.9, axis=0)),
                _plain(np.median(frobenius, axis=0)),
                len(ends),
            )
        )
    return flows


def jacobian_norms(
    layer: Replay, ends: list[tuple[int, int]], lags: list[int], part: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """‖∂s_t/∂s_{t-k}‖ for steps t and lags k: spectral norms, and Frobenius norms over √H, each (len(ends), len(lags)).

    What is differentiated is the whole way from one to the other, through every part of the state, with the inputs
    held; s_{t-k} changes alone, and the other parts of the state at t-k are held, too.

    Args:
        layer: what a layer did.
        ends: (row, t): rows in the order of `layer.steps`, the longest first; t steps visited, at least max(lags).
        lags: rising, from 1.
        part: of the state: 0 is h, 1 an LSTM's c.
    """
    size = layer.layer.hidden_size
    few = max(1, _NUMBERS // (size * layer.gates.shape[1]))
    parts = [_norms(layer, ends[first : first + few], lags, part) for first in range(0, len(ends), few)]
    spectral, frobenius = (np.concatenate(norms) for norms in zip(*parts, strict=True))
    return spectral, frobenius


def _norms(
    layer: Replay, ends: list[tuple[int, int]], lags: list[int], part: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`jacobian_norms` of steps whose gradients fit the cache together."""
    size, count = layer.layer.hidden_size, len(ends)
    gradients: State = tuple(
        np.broadcast_to(np.eye(size) * (number == part), (count, size, size)) for number in range(len(layer.before))
    )
    logs = np.zeros(count)  # what the gradients have been divided by so far: a norm of 1e-400 is none of a float's
    spectral, frobenius = np.empty((count, len(lags))), np.empty((count, len(lags)))
    wanted = {lag: place for place, lag in enumerate(lags)}
    for lag in range(1, lags[-1] + 1):
        at = np.array([layer.place(row, t - lag) for row, t in ends])
        step = linearise(layer.cell, layer.gates[at], tuple(state[at] for state in layer.before))
        gradients = step.pull(gradients)
        if lag % _SCALED and lag not in wanted:
            continue
        largest = np.max([np.abs(each).max(axis=(1, 2)) for each in gradients], axis=0)
        largest[largest == 0] = 1
        gradients = tuple(each / largest[:, None, None] for each in gradients)
        logs += np.log(largest)
        if lag in wanted:
            scale = np.exp(logs)
            spectral[:, wanted[lag]] = scale * _largest_singular(gradients[part])
            squares = np.einsum("pij,pij->p", gradients[part], gradients[part])
            frobenius[:, wanted[lag]] = scale * np.sqrt(squares / size)
    return spectral, frobenius


def _largest_singular(matrices: Array) -> NDArray[np.float64]:
    """By way of the eigenvalues of their squares, which loses small singular values and not the largest."""
    squares = matrices @ matrices.transpose(0, 2, 1)
    largest: NDArray[np.float64] = np.sqrt(np.maximum(np.linalg.eigvalsh(squares)[:, -1], 0.0))
    return largest


def _ends(lengths: NDArray[np.int64], reach: int, probes: int) -> list[tuple[int, int]]:
    """Steps to look back from: the last one of each row that is long enough; of few rows, earlier ones too."""
    long = np.flatnonzero(lengths >= reach)
    if len(long) >= probes:
        return [(int(long[n]), int(lengths[long[n]])) for n in np.linspace(0, len(long) - 1, probes).astype(int)]
    each = -(-probes // len(long))
    places = [(int(row), int(t)) for row in long for t in np.linspace(reach, lengths[row], each).astype(int)]
    return sorted(set(places))[:probes]


def _lags(reach: int) -> list[int]:
    """All of the first ones, then at equal ratios."""
    if reach <= _ALL_LAGS:
        return list(range(1, reach + 1))
    further = np.geomspace(_ALL_LAGS, reach, _MOST_LAGS - _ALL_LAGS + 1).round().astype(int)
    return sorted({*range(1, _ALL_LAGS + 1), *further.tolist()})


def _plain(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
