"""Zoneout: units of the state that keep their value over a step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from timesteps.errors import UsageError
from timesteps.nn.cells import Cell
from timesteps.nn.dropout import check_probability, chosen_at


@dataclass(frozen=True)
class Zoneout:
    """Zoneout of one scan: probabilities that a unit keeps its value, the rows' keys, the streams of the masks.

        h_t = m ∘ h_{t-1} + (1 - m) ∘ ĥ_t        each unit of m is 1 with probability p, drawn anew at each visit
        h_t = p h_{t-1} + (1 - p) ĥ_t            without keys: the expectation

    and so for an LSTM's c. What the cell gives at step t, ĥ_t and ĉ_t, it computes from the state before it, so that
    ĥ_t comes from ĉ_t, not from the c_t that is kept. A unit's mask at the row's visit t (its real steps, in the order
    in which they are visited, from 0) is number t * size + unit of the stream.

    Krueger et al. (2016), arXiv:1606.01305.
    """

    h: float = 0.0
    c: float = 0.0
    keys: Tensor | None = None  # (B,)
    h_stream: int = 6
    c_stream: int = 8

    def __bool__(self) -> bool:
        return self.h > 0 or self.c > 0

    def __call__(self, t: int, old: tuple[Tensor, ...], new: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The state (h, …) after visit t."""
        rates, streams = (self.h, self.c), (self.h_stream, self.c_stream)
        kept = [self._kept(t, *each) for each in zip(rates, streams, old[:2], new[:2], strict=False)]
        return (*kept, *new[2:])

    def _kept(self, t: int, p: float, stream: int, old: Tensor, new: Tensor) -> Tensor:
        if p == 0:
            return new
        if self.keys is None:
            return p * old + (1 - p) * new
        size = old.shape[1]
        units = torch.arange(t * size, (t + 1) * size, device=old.device).unsqueeze(0)
        return torch.where(chosen_at(self.keys, units, p, stream), old, new)


NO_ZONEOUT = Zoneout()


def check_zoneout(cell: Cell, zoneout: float, zoneout_cell: float) -> None:
    """UsageError unless both are probabilities, and the cell has the state c that `zoneout_cell` acts on."""
    check_probability(zoneout, "zoneout")
    check_probability(zoneout_cell, "zoneout_cell")
    if zoneout_cell and cell.states[1:2] != ("c",):
        raise UsageError(
            f"zoneout_cell is {zoneout_cell}, but {type(cell).__name__} has no state c", mend="use zoneout, or an LSTM"
        )
