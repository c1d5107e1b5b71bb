"""`explain`: which implementation runs each cell of a model, and why not a faster one."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from timesteps.nn.cells import Cell
from timesteps.nn.native_scan import recomputes
from timesteps.nn.scan import Explanation, choose
from timesteps.nn.stack import RecurrentStack


class Explanations(tuple[Explanation, ...]):
    """One a cell, from the input to the output; prints one a line."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(map(str, self))


def explain(
    module: Cell | RecurrentStack,
    x: Tensor,
    *,
    reset: Tensor | None = None,
    recurrent_dropout: float = 0.0,
    zoneout: float = 0.0,
) -> Explanations:
    """Which implementation `scan` runs for an input, and why not a faster one. Nothing is computed.

    Lengths, masks and directions do not matter: every implementation takes them all. A layer's own recurrent dropout
    counts in training mode, its zoneout always; `recurrent_dropout` and `zoneout` (of either state) are for cells.

    Example:
        >>> import torch
        >>> from timesteps.nn import GRU, GRUCell, explain
        >>> print(explain(GRUCell(5, 8), torch.zeros(2, 10, 5)))
        native
        >>> print(explain(GRU(5, 8, 2), torch.zeros(10, 2, 5).bfloat16())[0])
        l0: torch; not native: the weights are torch.float32 on cpu, a tensor is torch.bfloat16 on cpu
    """
    resets = reset is not None
    if isinstance(module, Cell):
        return Explanations([choose(module, x, resets, recurrent_dropout, zoneout > 0)])
    if module.training:
        recurrent_dropout = module.recurrent_dropout
    lines = []
    for k, layer in enumerate(module.layers):
        for reverse, suffix in enumerate(layer.suffixes):
            cell = module.cell(k, bool(reverse))
            zoneout = layer.zoneout + layer.zoneout_cell > 0
            line = choose(cell, x if k == 0 else cell.weight_ih, resets, recurrent_dropout, zoneout)
            keeps = bool(module.recompute) and (line.implementation != "native" or not recomputes(cell, zoneout))
            note = "it keeps every step, and recomputes nothing" if keeps else ""
            lines.append(replace(line, name=f"l{k}{suffix}", note=note))
    return Explanations(lines)
