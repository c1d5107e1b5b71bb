"""How far two ways to compute the same may lie apart, and why."""

from __future__ import annotations

from typing import TypedDict

import torch


class Tolerance(TypedDict):
    """Arguments of torch.testing.assert_close."""

    rtol: float
    atol: float


EXACT = Tolerance(rtol=0, atol=0)

# Sums in another order, activations of another library: a few units in the last place a step, over some ten steps.
CLOSE: dict[torch.dtype, Tolerance] = {
    torch.float32: Tolerance(rtol=1e-4, atol=1e-5),
    torch.float64: Tolerance(rtol=1e-9, atol=1e-11),
}
