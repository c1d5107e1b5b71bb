"""`LinearCell`: cells whose recurrence is linear, and so needs no product with the state."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from timesteps.errors import UsageError
from timesteps.nn.cells.cell import Cell, State


class LinearCell(Cell):
    """Base of the cells whose state enters a step only times a factor, unit by unit:

        h' = a ∘ h + b    with a and b functions of the input alone

    So a and b of all steps are computed at once, and what is left is a scan that needs no weights. A cell of one's own
    names its `gates`, row blocks of `weight_ih`, and defines `coefficients`; `step` follows, and `scan` runs the cell
    by the compiled kernel. There is no recurrent product, and no `weight_hh`, `bias_hh` or recurrent dropout.

    minGRU and minLSTM are such cells. So are the pooling of QRNN (Bradbury et al. 2016, arXiv:1611.01576) and SRU (Lei
    et al. 2018, arXiv:1709.02755) without the recurrent vectors of its gates, which put out more than the state: see
    `output`.

    Example:
        >>> import torch
        >>> from timesteps.nn import LinearCell, scan
        >>> class QRNNCell(LinearCell):
        ...     '''c' = f ∘ c + (1 - f) ∘ z, y = o ∘ c'.'''
        ...
        ...     gates = ("z", "f", "o")
        ...
        ...     def coefficients(self, gx):
        ...         z, f, _ = gx.chunk(3, -1)
        ...         return torch.sigmoid(f), torch.sigmoid(-f) * torch.tanh(z)
        ...
        ...     def output(self, gx, h):
        ...         return torch.sigmoid(gx.chunk(3, -1)[2]) * h
        >>> y, c = scan(QRNNCell(5, 8), torch.zeros(2, 10, 5))
        >>> y.shape, c.shape
        (torch.Size([2, 10, 8]), torch.Size([2, 8]))
    """

    states: ClassVar[tuple[str, ...]] = ("h",)
    has_recurrent_product: ClassVar[bool] = False

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, device=device, dtype=dtype)

    def input_bias(self) -> Tensor | None:
        """`bias_ih`: there is no other."""
        return self.bias_ih if self.bias else None

    @abstractmethod
    def coefficients(self, gx: Tensor) -> tuple[Tensor, Tensor]:
        """a and b of any number of steps at once: gx (..., G*H) from `project` -> (..., H), (..., H)."""

    def output(self, gx: Tensor, h: Tensor) -> Tensor:
        """What the layer puts out, of any number of steps at once: gx (..., G*H), the states h' (..., H) -> (..., H).

        The state itself, if a cell does not say otherwise.
        """
        return h

    def step(self, gx: Tensor, state: State, recurrent_mask: Tensor | None = None) -> tuple[Tensor, State]:
        """gx (B, G*H), h (B, H) -> output (B, H), h'."""
        if recurrent_mask is not None:
            raise UsageError(f"a recurrent mask, but {no_recurrent_product(self)}", mend="leave it out")
        a, b = self.coefficients(gx)
        _, new = linear_step(torch.cat([a, b], -1), state)
        assert isinstance(new, Tensor)
        return self.output(gx, new), new


def linear_step(coefficients: Tensor, state: State, recurrent_mask: Tensor | None = None) -> tuple[Tensor, State]:
    """a and b side by side (B, 2H), h (B, H) -> h' = a ∘ h + b, twice: the step that all linear cells share."""
    assert isinstance(state, Tensor) and recurrent_mask is None
    a, b = coefficients.chunk(2, -1)
    new = a * state + b
    return new, new


def no_recurrent_product(cell: Cell) -> str:
    """Why recurrent dropout cannot act on a cell."""
    return f"{type(cell).__name__} has no recurrent product that it could act on"
