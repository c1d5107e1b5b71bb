"""An exponential moving average of the weights, exact for sparse tables at the cost of the rows a step touches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["WeightAverage"]


class WeightAverage:
    r"""Exponential moving average of weights, :math:`a_t = d_t a_{t-1} + (1 - d_t) w_t`, from :math:`a_0 = w_0`.

    The decay is :math:`d_t = \min(d, t / (9 + t))` for t = 1, 2, …, so that the average of a short run is not an
    average of its beginning (Polyak and Juditsky 1992 for the idea, the ramp as in TensorFlow).

    A row of a sparse table changes only in the steps that touch it. Between two such steps its weights w stand still,
    and the average moves along :math:`a_{t+k} = w + (a_t - w) \prod d_{t+i}`. So a row is brought up to date when it
    is about to change and when the average is asked for: the same numbers as averaging the whole table in every step,
    without touching it.

    Args:
        dense: parameters averaged in every step, by name.
        tables: parameters with sparse gradients, by name.
        decay: d, in (0, 1).

    In a step: `before_step` when the gradients are known, the optimizer, `after_step`.

    >>> weight = nn.Parameter(torch.zeros(2, 2))
    >>> average = WeightAverage({"weight": weight}, {}, decay=0.5)
    >>> average.before_step()
    >>> _ = weight.data.fill_(1.0)
    >>> average.after_step()
    >>> with average.applied():
    ...     print(weight[0].tolist())
    [0.8999999761581421, 0.8999999761581421]
    """

    def __init__(self, dense: Mapping[str, nn.Parameter], tables: Mapping[str, nn.Parameter], decay: float) -> None:
        self._dense, self._tables, self._decay = dict(dense), dict(tables), decay
        self._averages = {name: weight.detach().clone() for name, weight in (self._dense | self._tables).items()}
        self._steps = 0
        self._log_decay = 0.0  # sum of log d over all steps
        # What the sum was when a row was last brought up to date: its decay since is exp of the difference.
        self._marks = {
            name: torch.zeros(len(table), dtype=torch.float64, device=table.device)
            for name, table in self._tables.items()
        }

    @torch.no_grad()
    def before_step(self) -> None:
        """Bring the rows that are about to change up to date."""
        for name, table in self._tables.items():
            if table.grad is None:
                continue
            if not table.grad.is_sparse:
                self._catch_up(name)
                continue
            rows = table.grad.indices()[0]
            marks, averages = self._marks[name], self._averages[name]
            share = torch.exp(self._log_decay - marks[rows]).to(table.dtype)
            averages.index_copy_(0, rows, torch.lerp(table[rows], averages[rows], _column(share, table)))
            marks.index_fill_(0, rows, self._log_decay)

    @torch.no_grad()
    def after_step(self) -> None:
        """Take in the weights that the step left."""
        self._steps += 1
        decay = min(self._decay, self._steps / (9 + self._steps))
        self._log_decay += math.log(decay)
        if self._dense:
            averages = [self._averages[name] for name in self._dense]
            torch._foreach_lerp_(averages, list(self._dense.values()), 1.0 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The averages stand in for the weights inside the block; the weights are back after it."""
        weights = self._dense | self._tables
        kept = {name: weight.detach().clone() for name, weight in weights.items()}
        try:
            self.apply()
            yield
        finally:
            with torch.no_grad():
                for name, weight in weights.items():
                    weight.copy_(kept[name])

    @torch.no_grad()
    def apply(self) -> None:
        """Replace the weights by their averages."""
        for name in self._tables:
            self._catch_up(name)
        for name, weight in (self._dense | self._tables).items():
            weight.copy_(self._averages[name])

    def state(self) -> dict[str, Tensor]:
        """All that `load_state` needs to continue with the same bits; the averages are not copies."""
        for name in self._tables:
            self._catch_up(name)  # then the marks are all the same and need not be kept
        clock = torch.tensor([self._steps, self._log_decay], dtype=torch.float64)
        return {"clock": clock} | {f"weights.{name}": average for name, average in self._averages.items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a state."""
        self._steps, self._log_decay = int(state["clock"][0]), float(state["clock"][1])
        for name, average in self._averages.items():
            average.copy_(state[f"weights.{name}"])
        for marks in self._marks.values():
            marks.fill_(self._log_decay)

    @torch.no_grad()
    def _catch_up(self, name: str) -> None:
        table, averages, marks = self._tables[name], self._averages[name], self._marks[name]
        share = torch.exp(self._log_decay - marks).to(table.dtype)
        torch.lerp(table, averages, _column(share, table), out=averages)
        marks.fill_(self._log_decay)


def _column(share: Tensor, table: Tensor) -> Tensor:
    return share.view(-1, *(1 for _ in table.shape[1:]))
