"""Plain numpy, written as one would by hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.streaming.problem import Contestant, Weights

PACKAGES = ("numpy",)


def build(weights: Weights) -> Contestant:
    """One product for the inputs, one for the units, tanh for all gates."""
    w_ih, w_hh = weights["weight_ih"].T.copy(), weights["weight_hh"].T.copy()
    bias = weights["bias_ih"] + weights["bias_hh"]
    head, head_bias = weights["head.weight"], weights["head.bias"]
    size = len(w_hh)
    h, c = np.zeros(size, np.float32), np.zeros(size, np.float32)

    def step(x: NDArray[np.float32]) -> NDArray[np.float32]:
        nonlocal h, c
        gates = x @ w_ih + h @ w_hh + bias
        i, f, g, o = gates[:size], gates[size : 2 * size], gates[2 * size : 3 * size], gates[3 * size :]
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
        answer: NDArray[np.float32] = head @ h + head_bias
        return answer

    def reset() -> None:
        nonlocal h, c
        h, c = np.zeros(size, np.float32), np.zeros(size, np.float32)

    return Contestant(step, reset)
