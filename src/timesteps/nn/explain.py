"""`explain`: which implementation runs each cell of a model, and why not a faster one."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from timesteps.nn.cells import Cell
from timesteps.nn.scan import Explanation, choose
from timesteps.nn.stack import RecurrentStack


class Explanations(tuple[Explanation, ...]):
    """One a cell, from the input to the output; prints one a line."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(map(str, self))


def explain(
    module: Cell | RecurrentStack, x: Tensor, *, reset: Tensor | None = None, recurrent_dropout: float = 0.0
) -> Explanations:
    """Which implementation `scan` runs for an input, and why not a faster one. Nothing is computed.

    Lengths, masks and directions do not matter: every implementation takes them all. A layer's own recurrent dropout
    counts in training mode; `recurrent_dropout` is for cells.

    Example:
        >>> import torch
        >>> from timesteps.nn import GRU, GRUCell, explain
        >>> print(explain(GRUCell(5, 8), torch.zeros(2, 10, 5)))
        torch
        >>> print(explain(GRU(5, 8, bidirectional=True, reset_after=False), torch.zeros(10, 2, 5)))
        l0: loop; not torch: torch's gru kernel resets after the product, this cell before it
        l0_reverse: loop; not torch: torch's gru kernel resets after the product, this cell before it
    """
    resets = reset is not None
    if isinstance(module, Cell):
        return Explanations([choose(module, x.is_floating_point(), resets, recurrent_dropout)])
    if module.training:
        recurrent_dropout = module.recurrent_dropout
    return Explanations(
        replace(
            choose(module.cell(k, bool(reverse)), k > 0 or x.is_floating_point(), resets, recurrent_dropout),
            name=f"l{k}{suffix}",
        )
        for k, layer in enumerate(module.layers)
        for reverse, suffix in enumerate(layer.suffixes)
    )
