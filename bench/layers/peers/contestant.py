"""What a peer is: a call that does the same work, and its results for the comparison."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Problem:
    """A layer's work: torch's parameters by name, x (T, B, I), and for training the outputs' gradient dy (T, B, H)."""

    cell: str
    weights: dict[str, Array]  # weight_ih (G*H, I), weight_hh (G*H, H), bias_ih, bias_hh (G*H,)
    x: Array
    dy: Array | None
    threads: int


@dataclass(frozen=True)
class Contestant:
    """`call` does the work and waits for it; `results` does it once more: outputs (T, B, H), gradient of x or None."""

    call: Callable[[], object]
    results: Callable[[], tuple[Array, Array | None]]


def gates_of(problem: Problem, name: str, order: tuple[int, ...]) -> Any:
    """A parameter (G*H, ...) with its gates in another order: order[k] is torch's number of the k-th."""
    parts = np.split(problem.weights[name], len(order))
    return np.concatenate([parts[k] for k in order])
