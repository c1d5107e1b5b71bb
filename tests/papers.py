"""The cells and their options as the papers write them, one row and one step after the other."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

GATES = {"rnn": 1, "lstm": 4, "gru": 3}


def normal(a: Tensor) -> Tensor:
    """Mean 0 and variance 1."""
    return (a - a.mean()) / (a.var(correction=0) + 1e-5).sqrt()


def by_steps(
    cell: str,
    weights: Mapping[str, Tensor],
    state: tuple[Tensor, ...],
    x: Tensor,
    *,
    nonlinearity: str = "tanh",
    reset_after: bool = True,
    layer_norm: bool = False,
    peephole: bool = False,
    proj_size: int = 0,
    zoneout: float = 0.0,
    zoneout_cell: float = 0.0,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One row: x (T, I), h (H,) or (h, c) -> outputs (T, size of h) and the last state. Zoneout is its expectation."""
    H = len(weights["weight_hh"]) // GATES[cell]
    outputs = []

    def product(matrix: str, first: int, last: int, v: Tensor) -> Tensor:
        """Of some gates, the bias included."""
        rows = slice(first * H, last * H)
        a = weights[f"weight_{matrix}"][rows] @ v
        if layer_norm:
            a = weights[f"norm_{matrix}"][rows] * normal(a)
        return a + weights[f"bias_{matrix}"][rows] if f"bias_{matrix}" in weights else a

    for step in x:
        h, *cs = state
        if cell == "rnn":
            function = {"tanh": torch.tanh, "relu": torch.relu, "linear": lambda a: a}[nonlinearity]
            new: tuple[Tensor, ...] = (function(product("ih", 0, 1, step) + product("hh", 0, 1, h)),)
        elif cell == "lstm":
            i, f, g, o = (product("ih", 0, 4, step) + product("hh", 0, 4, h)).split(H)
            p_i, p_f, p_o = weights["weight_ch"].split(H) if peephole else h.new_zeros(3, 1)
            c = torch.sigmoid(f + p_f * cs[0]) * cs[0] + torch.sigmoid(i + p_i * cs[0]) * torch.tanh(g)
            seen = weights["norm_c"] * normal(c) + weights["norm_c_bias"] if layer_norm else c
            hidden = torch.sigmoid(o + p_o * c) * torch.tanh(seen)
            new = (weights["weight_hr"] @ hidden if proj_size else hidden, c)
        else:
            r, z = torch.sigmoid(product("ih", 0, 2, step) + product("hh", 0, 2, h)).split(H)
            past = r * product("hh", 2, 3, h) if reset_after else product("hh", 2, 3, r * h)
            new = ((1 - z) * torch.tanh(product("ih", 2, 3, step) + past) + z * h,)
        rates = (zoneout, zoneout_cell)
        state = tuple(p * old + (1 - p) * part for p, old, part in zip(rates, state, new, strict=False))
        outputs.append(state[0])
    return torch.stack(outputs), state
