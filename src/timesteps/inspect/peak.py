"""The most that one core can do: the measure beside which a kernel's speed says something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from timesteps.runtime import native

_ROUNDS = 50_000  # of the native loop: some 0.1 ms
_SIZE = 768  # of the matrices: 0.9 GFLOP


@dataclass(frozen=True)
class Peak:
    """Work whose speed is the peak: float32 operations of a call (a multiplication and an addition are two)."""

    call: Callable[[], object]
    operations: float
    how: str


def peak() -> Peak:
    """Fused multiply-adds in registers, by the compiled core; without it, a product of matrices, a lower bound.

    One thread runs the native loop; torch's product runs on as many as torch has.
    """
    core = native.core
    loop = getattr(core, "multiply_and_add", None)
    if loop is not None:
        return Peak(lambda: loop(_ROUNDS), loop(1) * _ROUNDS, "fused multiply-adds in registers")
    a, b = torch.rand(2, _SIZE, _SIZE)
    out = torch.empty(_SIZE, _SIZE)
    return Peak(lambda: torch.mm(a, b, out=out), 2.0 * _SIZE**3, f"torch.mm of {_SIZE} x {_SIZE}, a lower bound")
