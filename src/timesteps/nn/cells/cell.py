"""`Cell`: the contract of one recurrent equation, one time step."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from timesteps.errors import UsageError

State = Tensor | tuple[Tensor, ...]
"""A plain value: one (B, H) tensor where a cell has one state, else a tuple in the order of `Cell.states`."""

NORM_EPSILON = 1e-5
"""Added to the variance before its root, in layer norm."""

STARTS = {"norm_ih": 1.0, "norm_hh": 1.0, "norm_c": 1.0, "norm_c_bias": 0.0}
"""Parameters that are not drawn, and what they begin at."""

_TORCHS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")


class Cell(nn.Module, ABC):
    """One equation: what a recurrent layer does in one time step.

    Parameters carry torch's names and gate order: `weight_ih` (G*H, I), `weight_hh` (G*H, H), `bias_ih` and `bias_hh`
    (G*H,), drawn from U(-1/sqrt(H), 1/sqrt(H)) in that order, so the same seed gives the weights of torch's own cells.
    What torch's cells do not have comes after them.

    With `layer_norm`, the products with the weights are normalised, and the biases added after that:

        LN(W_ih x; γ_ih) + b_ih    LN(W_hh h; γ_hh) + b_hh    LN(a; γ) = γ ∘ (a - mean(a)) / sqrt(var(a) + 1e-5)

    with gains `norm_ih` and `norm_hh` (G*H,), ones at first, and the biased variance. What one matrix of the cell's
    paper multiplies is normalised together: `norm_blocks`. Ba, Kiros and Hinton (2016), arXiv:1607.06450.

    A cell knows nothing of time, padding or direction; `timesteps.nn.scan` runs it over sequences.

    Raises:
        UsageError: a size is not a positive whole number, or proj_size is not below hidden_size.
    """

    gates: ClassVar[tuple[str, ...]]  # row blocks of weight_ih and weight_hh, in order
    states: ClassVar[tuple[str, ...]]  # names of the state's tensors; the first is the output
    has_recurrent_product: ClassVar[bool] = True  # whether there are weight_hh and bias_hh
    norm_blocks: ClassVar[tuple[int, ...]] = ()  # numbers of gates that layer norm takes together; (): all
    weight_ih: Tensor
    weight_hh: Tensor  # with a recurrent product
    bias_ih: Tensor  # with `bias`
    bias_hh: Tensor  # with both
    norm_ih: Tensor  # with `layer_norm`
    norm_hh: Tensor  # with `layer_norm`

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        proj_size: int = 0,
        layer_norm: bool = False,
        peephole: bool = False,
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
        self.layer_norm, self.peephole = layer_norm, peephole
        for name, shape in self.parameter_shapes().items():
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

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Parameter names and shapes, torch's own first and in torch's order."""
        rows = len(self.gates) * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, self.input_size)}
        if self.has_recurrent_product:
            shapes["weight_hh"] = (rows, self.output_size)
        sides = ("ih", "hh") if self.has_recurrent_product else ("ih",)
        if self.bias:
            shapes |= {f"bias_{side}": (rows,) for side in sides}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        if self.layer_norm:
            shapes |= {f"norm_{side}": (rows,) for side in sides}
        return shapes

    def reset_parameters(self) -> None:
        """Draw all parameters anew, as torch does; gains of layer norm become 1."""
        reset([self])

    def input_bias(self) -> Tensor | None:
        """The bias that `project` adds, (G*H,). Cells that add all biases at once sum them here."""
        return self.bias_ih + self.bias_hh if self.bias else None

    def project(self, x: Tensor) -> Tensor:
        """Input side of all gates, for any number of steps at once: x (..., I) -> (..., G*H), normalised and biased.

        Whole numbers (...) stand for one-hot vectors: columns of `weight_ih` are looked up, nothing is multiplied.
        """
        if not x.is_floating_point():
            return self.project_one_hot(x)
        if not self.layer_norm:
            return F.linear(x, self.weight_ih, self.input_bias())
        return self._biased(self._normed(F.linear(x, self.weight_ih), self.norm_ih))

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
        return self._biased(self._normed(gx, self.norm_ih) if self.layer_norm else gx)

    def recur(self, h: Tensor, bias: Tensor | None = None) -> Tensor:
        """State's side of all gates: h (B, size of h) -> W_hh h + bias (B, G*H), normalised before the bias."""
        if not self.layer_norm:
            return F.linear(h, self.weight_hh, bias)
        gh = self._normed(F.linear(h, self.weight_hh), self.norm_hh)
        return gh if bias is None else gh + bias

    def _biased(self, gx: Tensor) -> Tensor:
        bias = self.input_bias()
        return gx if bias is None else gx + bias

    def _normed(self, a: Tensor, gain: Tensor) -> Tensor:
        """a (..., G*H), each of `norm_blocks` normalised."""
        sizes = [gates * self.hidden_size for gates in self.norm_blocks or (len(self.gates),)]
        pairs = zip(torch.split(a, sizes, -1), torch.split(gain, sizes), strict=True)
        parts = [normed(*pair) for pair in pairs]
        return parts[0] if len(parts) == 1 else torch.cat(parts, -1)

    @abstractmethod
    def step(self, gx: Tensor, state: State, recurrent_mask: Tensor | None = None) -> tuple[Tensor, State]:
        """One time step: gx (B, G*H) from `project`, state -> output (B, H), state.

        `recurrent_mask` (B, H) multiplies the hidden state where it enters `weight_hh`, and only there.
        """

    def gates_at(self, gx: Tensor, before: tuple[Tensor, ...], made: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """The gates of a step by their names, as the activations leave them: (B, H) each.

        For looking inside (`trace`); a cell that does not say gives none. `gx` is what `step` read, `before` the state
        that it began with, `made` the one that it gave. Linear cells get gx (..., G*H) of all steps, and no states.
        """
        return {}

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
        text += f", proj_size={self.proj_size}" if self.proj_size else ""
        text += ", layer_norm=True" if self.layer_norm else ""
        return text + (", peephole=True" if self.peephole else "")


def normed(a: Tensor, gain: Tensor, shift: Tensor | None = None) -> Tensor:
    """Layer norm over the last dimension, a (..., N), gain and shift (N,)."""
    return F.layer_norm(a, gain.shape, gain, shift, NORM_EPSILON)


def reset(cells: Sequence[Cell]) -> None:
    """Draw the parameters of cells anew, U(-1/sqrt(H), 1/sqrt(H)), torch's own first, so that they are torch's whatever
    else there is; those of `STARTS` become their constants.
    """
    for torchs in (True, False):
        for cell in cells:
            bound = 1 / math.sqrt(cell.hidden_size)
            for name, parameter in cell.named_parameters():
                if (name in _TORCHS) != torchs:
                    continue
                if name in STARTS:
                    nn.init.constant_(parameter, STARTS[name])
                else:
                    nn.init.uniform_(parameter, -bound, bound)


def as_tuple(state: State) -> tuple[Tensor, ...]:
    """The state's tensors."""
    return (state,) if isinstance(state, Tensor) else tuple(state)


def as_state(parts: tuple[Tensor, ...]) -> State:
    """The inverse of `as_tuple`."""
    return parts[0] if len(parts) == 1 else parts
