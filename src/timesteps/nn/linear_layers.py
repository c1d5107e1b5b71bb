"""`MinGRU`, `MinLSTM`: layers of cells whose recurrence is linear, with the arguments of `GRU` and `LSTM`."""

from __future__ import annotations

from typing import ClassVar

import torch

from timesteps.nn.cells import LinearCell, MinGRUCell, MinLSTMCell
from timesteps.nn.recurrent import Recurrent


class _Linear(Recurrent):
    """The constructor that these layers share."""

    cell_type: ClassVar[type[LinearCell]]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        input_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        initial_state: str = "zero",
    ) -> None:
        super().__init__(
            self.cell_type,
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            {},
            input_dropout=input_dropout,
            recurrent_dropout=recurrent_dropout,
            zoneout=zoneout,
            initial_state=initial_state,
            device=device,
            dtype=dtype,
        )


class MinGRU(_Linear):
    """minGRU (Feng et al. 2024, arXiv:2410.01201): see `MinGRUCell` for the equation.

    The arguments are those of `GRU` without `reset_after`, `layer_norm` and `weight_drop`. There are no `weight_hh` and
    `bias_hh`, and no recurrent product that `recurrent_dropout` could act on: it has to stay 0.

    Raises:
        UsageError: an argument out of range.

    Example:
        >>> import torch
        >>> from timesteps.nn import MinGRU
        >>> output, h_n = MinGRU(5, 8, 2, batch_first=True)(torch.zeros(1, 10, 5))
        >>> output.shape, h_n.shape
        (torch.Size([1, 10, 8]), torch.Size([2, 1, 8]))
    """

    cell_type = MinGRUCell


class MinLSTM(_Linear):
    """minLSTM (Feng et al. 2024, arXiv:2410.01201): see `MinLSTMCell` for the equation.

    The arguments are those of `MinGRU`. The state is one tensor, not an LSTM's pair.

    Raises:
        UsageError: an argument out of range.

    Example:
        >>> import torch
        >>> from timesteps.nn import MinLSTM
        >>> output, h_n = MinLSTM(5, 8, batch_first=True, bidirectional=True)(torch.zeros(1, 10, 5))
        >>> output.shape, h_n.shape
        (torch.Size([1, 10, 16]), torch.Size([2, 1, 8]))
    """

    cell_type = MinLSTMCell
