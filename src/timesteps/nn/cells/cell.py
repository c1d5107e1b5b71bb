"""`Cell`: the contract of one recurrent equation, one time step."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from timesteps.errors import UsageError

State = Tensor | tuple[Tensor, ...]
"""A plain value: one (B, H) tensor where a cell has one state, else a tuple in the order of `Cell.states`."""


class Cell(nn.Module, ABC):
    """One equation: what a recurrent layer does in one time step.

    Parameters carry torch's names and gate order: `weight_ih` (G*H, I), `weight_hh` (G*H, H), `bias_ih` and `bias_hh`
    (G*H,), drawn from U(-1/sqrt(H), 1/sqrt(H)) in that order, so the same seed gives the weights of torch's own cells.

    A cell knows nothing of time, padding or direction; `timesteps.nn.scan` runs it over sequences.

    Raises:
        UsageError: a size is not a positive whole number, or proj_size is not below hidden_size.
    """

    gates: ClassVar[tuple[str, ...]]  # row blocks of weight_ih and weight_hh, in order
    states: ClassVar[tuple[str, ...]]  # names of the state's tensors; the first is the output
    has_recurrent_product: ClassVar[bool] = True  # whether there are weight_hh and bias_hh
    weight_ih: Tensor
    weight_hh: Tensor  # with a recurrent product
    bias_ih: Tensor  # with `bias`
    bias_hh: Tensor  # with both

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
            if not isinstance(size, int) or size < 1:
                raise UsageError(f"{name} is {size!r}", mend="give a positive whole number")
        if not 0 <= proj_size < hidden_size:
            raise UsageError(f"proj_size is {proj_size}", mend="use 0 (none) or a size smaller than hidden_size")
        self.input_size, self.hidden_size, self.bias, self.proj_size = input_size, hidden_size, bias, proj_size
        for name, shape in self.parameter_shapes(input_size, hidden_size, bias, proj_size).items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))
        self.reset_parameters()

    def bound_to(self, parameters: Mapping[str, Tensor]) -> Self:
        """This equation over tensors that someone else owns: how a layer lends its parameters for one call."""
        cell = type(self).__new__(type(self))
        cell.__dict__.update(self.__dict__)
        cell.__dict__["_parameters"] = dict(parameters)
        return cell

    @property
    def output_size(self) -> int:
        """Size of the output, states[0]: proj_size, or hidden_size without a projection."""
        return self.proj_size or self.hidden_size

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Size of each of `states`."""
        return (self.output_size,)

    @classmethod
    def parameter_shapes(
        cls, input_size: int, hidden_size: int, bias: bool = True, proj_size: int = 0
    ) -> dict[str, tuple[int, ...]]:
        """Parameter names and shapes, in torch's order."""
        rows = len(cls.gates) * hidden_size
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (rows, input_size),
            "weight_hh": (rows, proj_size or hidden_size),
        }
        if bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if proj_size:
            shapes["weight_hr"] = (proj_size, hidden_size)
        return shapes

    def reset_parameters(self) -> None:
        """Draw all parameters anew, as torch does."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def input_bias(self) -> Tensor | None:
        """The bias that `project` adds, (G*H,). Cells that add all biases at once sum them here."""
        return self.bias_ih + self.bias_hh if self.bias else None

    def project(self, x: Tensor) -> Tensor:
        """Input side of all gates, for any number of steps at once: x (..., I) -> (..., G*H).

        Whole numbers (...) stand for one-hot vectors: columns of `weight_ih` are looked up, nothing is multiplied.
        """
        if not x.is_floating_point():
            return self.project_one_hot(x)
        return F.linear(x, self.weight_ih, self.input_bias())

    def project_one_hot(self, ids: Tensor, scale: Tensor | None = None) -> Tensor:
        """`project(scale * one_hot(ids))` without the one-hot vectors: ids (...), scale (...) -> (..., G*H).

        A negative id stands for the zero vector.
        """
        known = ids >= 0
        if not bool(known.all()):
            ids, scale = ids.clamp(min=0), known if scale is None else known * scale
        gx = F.embedding(ids, self.weight_ih.t())
        if scale is not None:
            gx = gx * scale.unsqueeze(-1)
        bias = self.input_bias()
        return gx if bias is None else gx + bias

    @abstractmethod
    def step(self, gx: Tensor, state: State, recurrent_mask: Tensor | None = None) -> tuple[Tensor, State]:
        """One time step: gx (B, G*H) from `project`, state -> output (B, H), state.

        `recurrent_mask` (B, H) multiplies the hidden state where it enters `weight_hh`, and only there.
        """

    def zero_state(self, batch_size: int) -> tuple[Tensor, ...]:
        """Zeros (B, size) for each of `states`."""
        weight = self.weight_ih
        return tuple(weight.new_zeros(batch_size, size) for size in self.state_sizes)

    def forward(self, x: Tensor, state: State | None = None) -> State:
        """One step, as torch.nn.LSTMCell and its siblings do it: x (B, I) or (I,), state -> state.

        Example:
            >>> import torch
            >>> from timesteps.nn import GRUCell
            >>> GRUCell(5, 8)(torch.zeros(3, 5)).shape
            torch.Size([3, 8])
        """
        batched = x.dim() == 2
        rows = x if batched else x.unsqueeze(0)
        if state is None:
            parts = self.zero_state(len(rows))
        else:
            parts = as_tuple(state) if batched else tuple(part.unsqueeze(0) for part in as_tuple(state))
        _, new = self.step(self.project(rows), as_state(parts))
        return new if batched else as_state(tuple(part.squeeze(0) for part in as_tuple(new)))

    def extra_repr(self) -> str:
        """Sizes, for print(cell)."""
        text = f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")
        return text + (f", proj_size={self.proj_size}" if self.proj_size else "")


def as_tuple(state: State) -> tuple[Tensor, ...]:
    """The state's tensors."""
    return (state,) if isinstance(state, Tensor) else tuple(state)


def as_state(parts: tuple[Tensor, ...]) -> State:
    """The inverse of `as_tuple`."""
    return parts[0] if len(parts) == 1 else parts
