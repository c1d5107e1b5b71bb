"""`ElmanCell`: the vanilla recurrent network."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from timesteps.errors import UsageError
from timesteps.nn.cells.cell import Cell, State


def _identity(a: Tensor) -> Tensor:
    return a


NONLINEARITIES: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "relu": torch.relu, "linear": _identity}


class ElmanCell(Cell):
    """Vanilla RNN: the hidden state is a function of the input and the previous hidden state.

        h' = φ(W_ih x + b_ih + W_hh h + b_hh)

    φ is tanh, relu, or linear (the identity, for networks whose weights are set by hand).

    Elman (1990), Finding structure in time, Cognitive Science 14. Deviation: two biases, as in
    torch, where one would do. `layer_norm` is that of `Cell`.

    Raises:
        UsageError: unknown nonlinearity, or a size below 1.

    Example:
        >>> import torch
        >>> from timesteps.nn import ElmanCell
        >>> ElmanCell(5, 8, nonlinearity="relu")(torch.zeros(3, 5)).shape
        torch.Size([3, 8])
    """

    gates: ClassVar[tuple[str, ...]] = ("h",)
    states: ClassVar[tuple[str, ...]] = ("h",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        layer_norm: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if nonlinearity not in NONLINEARITIES:
            raise UsageError(f"nonlinearity is {nonlinearity!r}", mend=f"use one of {', '.join(NONLINEARITIES)}")
        super().__init__(input_size, hidden_size, bias, layer_norm=layer_norm, device=device, dtype=dtype)
        self.nonlinearity = nonlinearity

    def step(self, gx: Tensor, state: State, recurrent_mask: Tensor | None = None) -> tuple[Tensor, State]:
        """gx (B, H), h (B, H) -> h' (B, H), h'."""
        assert isinstance(state, Tensor)
        h = state if recurrent_mask is None else state * recurrent_mask
        new = NONLINEARITIES[self.nonlinearity](gx + self.recur(h))
        return new, new

    def extra_repr(self) -> str:
        """Sizes and nonlinearity, for print(cell)."""
        return f"{super().extra_repr()}, nonlinearity={self.nonlinearity!r}"
