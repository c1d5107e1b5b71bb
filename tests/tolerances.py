"""How far two ways to compute the same may lie apart, and why."""

from __future__ import annotations

from typing import Any, TypedDict

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


def close(dtype: torch.dtype, options: dict[str, Any]) -> Tolerance:
    """For a cell with these options. Layer norm divides rounding by the spread of its numbers, which may be small: with
    few units, what is exact to 1e-7 before it is so to 1e-4 after some steps of it.
    """
    times = 100 if options.get("layer_norm") and dtype == torch.float32 else 1
    return Tolerance(rtol=times * CLOSE[dtype]["rtol"], atol=times * CLOSE[dtype]["atol"])
