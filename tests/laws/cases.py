"""Every cell in every form, as the laws try them. A new line in CELLS is in here at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from timesteps.nn import CELLS, Cell
from timesteps.nn.cells.cell import as_state, as_tuple
from timesteps.nn.kernels import why_not_torch
from timesteps.nn.native_scan import why_not_native

torch.set_num_threads(1)

I, H = 3, 4  # noqa: E741

FORMS: dict[str, list[dict[str, Any]]] = {
    "rnn": [{}, {"nonlinearity": "relu"}, {"nonlinearity": "linear"}, {"bias": False}, {"layer_norm": True}],
    "lstm": [
        {},
        {"proj_size": 2},
        {"bias": False},
        {"layer_norm": True},
        {"layer_norm": True, "proj_size": 2},
        {"peephole": True},
        {"peephole": True, "layer_norm": True, "proj_size": 2},
    ],
    "gru": [
        {},
        {"reset_after": False},
        {"bias": False},
        {"reset_after": False, "bias": False},
        {"layer_norm": True},
        {"layer_norm": True, "reset_after": False},
        {"layer_norm": True, "bias": False},
    ],
}


@dataclass(frozen=True)
class Form:
    """One cell with its options."""

    name: str
    options: dict[str, Any] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return "-".join([self.name, *(f"{key}={value}" for key, value in self.options.items())])

    def make(self, dtype: torch.dtype = torch.float64, seed: int = 0) -> Cell:
        """The cell, its weights larger than torch's so that mistakes show."""
        torch.manual_seed(seed)
        cell = CELLS[self.name](I, H, **self.options, dtype=dtype)
        with torch.no_grad():
            for parameter in cell.parameters():
                parameter.copy_(0.7 * torch.randn(parameter.shape))
        return cell


ALL = [Form(name, options) for name in CELLS for options in FORMS.get(name, [{}])]


def can_run(form: Form, implementation: str) -> bool:
    """Whether an implementation knows the form's equation."""
    cell = form.make()
    return {
        "loop": lambda: True,
        "torch": lambda: why_not_torch(cell) is None,
        "native": lambda: why_not_native(cell, cell.weight_hh) is None,
    }[implementation]()


RUNS = [
    (form, implementation, reverse)
    for form in ALL
    for implementation in ("loop", "torch", "native")
    for reverse in (False, True)
    if can_run(form, implementation)
]
IDS = [f"{form}-{implementation}-{'reverse' if reverse else 'forward'}" for form, implementation, reverse in RUNS]


def random_state(cell: Cell, rows: int, seed: int = 1) -> tuple[Tensor, ...]:
    """A state that is not zero."""
    torch.manual_seed(seed)
    return tuple(0.5 * torch.randn_like(part) for part in cell.zero_state(rows))


def random_input(rows: int, steps: int, dtype: torch.dtype = torch.float64, seed: int = 2) -> Tensor:
    """(rows, steps, I)."""
    torch.manual_seed(seed)
    return torch.randn(rows, steps, I, dtype=dtype)


def fold(
    cell: Cell,
    x: Tensor,
    state: tuple[Tensor, ...],
    mask: Tensor,
    reset: Tensor,
    fresh: tuple[Tensor, ...],
    reverse: bool,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """What `scan` must return, by its definition: one row and one real step after the other."""
    rows, steps = mask.shape
    outputs = x.new_zeros(rows, steps, cell.output_size)
    finals: list[tuple[Tensor, ...]] = []
    for b in range(rows):
        now = tuple(part[b : b + 1] for part in state)
        begin = tuple(part[b : b + 1] for part in fresh)
        for t in reversed(range(steps)) if reverse else range(steps):
            if reset[b, t] and not reverse:
                now = begin
            if mask[b, t]:
                y, new = cell.step(cell.project(x[b : b + 1, t]), as_state(now))
                outputs[b, t] = y[0]
                now = as_tuple(new)
            if reset[b, t] and reverse:
                now = begin
        finals.append(now)
    return outputs, tuple(torch.cat(parts) for parts in zip(*finals, strict=True))


@st.composite
def flags(draw: st.DrawFn, max_rows: int = 4, max_steps: int = 6) -> Tensor:
    """Any boolean (B, T): left, right, holes, empty rows."""
    rows, steps = draw(st.integers(1, max_rows)), draw(st.integers(1, max_steps))
    cells = st.lists(st.booleans(), min_size=steps, max_size=steps)
    return torch.tensor(draw(st.lists(cells, min_size=rows, max_size=rows)))


@st.composite
def lengths_of(draw: st.DrawFn, max_rows: int = 4, max_steps: int = 6) -> tuple[Tensor, int]:
    """Lengths (B,) and T, at least the longest."""
    steps = draw(st.integers(1, max_steps))
    lengths = draw(st.lists(st.integers(0, steps), min_size=1, max_size=max_rows))
    return torch.tensor(lengths), steps
