"""`RNN`, `LSTM`, `GRU`: drop-ins for torch.nn's, with lengths, masks, resets and dropout in time."""

from __future__ import annotations

import torch

from timesteps.nn.cells import ElmanCell, GRUCell, LSTMCell
from timesteps.nn.recurrent import Recurrent


class RNN(Recurrent):
    """Vanilla RNN: torch.nn.RNN's constructor, names, weights and results; see `ElmanCell` for the equation.

    Args:
        input_size: features of a step.
        hidden_size: size of the state.
        num_layers: layers on top of each other.
        nonlinearity: "tanh", "relu" or "linear".
        bias: whether cells have biases.
        batch_first: (B, T, I) instead of (T, B, I).
        dropout: ordinary dropout between layers, as torch has it.
        bidirectional: a second direction in every layer, from each row's own end.
        input_dropout: dropout fixed over time on every layer's input, as Keras' `dropout` is.
        recurrent_dropout: the same on the hidden state inside every layer, Keras' `recurrent_dropout`.
        layer_norm: normalise the products with the weights inside the cells; see `Cell`.
        zoneout: probability that a unit of h keeps its value over a step, in training; in evaluation, the expectation
            of that (Krueger et al. 2016, arXiv:1606.01305). It stays a part of the trained layer's equation.
        weight_drop: dropout on the entries of `weight_hh`, one mask a call (Merity, Keskar and Socher 2017,
            arXiv:1708.02182).
        initial_state: "zero", "learned" (parameters `h0_l0`, …) or "random" (N(0, 0.1²) in training, else zero).
        recompute: for long sequences: backward keeps the states of about every so many steps, and computes the rest
            again; a third more time, a fraction of the memory, the same bits. See `scan`.
        device: of the parameters.
        dtype: of the parameters.

    Raises:
        UsageError: an argument out of range.

    Example:
        >>> import torch
        >>> from timesteps.nn import RNN
        >>> output, h_n = RNN(5, 8, batch_first=True)(torch.zeros(1, 10, 5))
        >>> output.shape, h_n.shape
        (torch.Size([1, 10, 8]), torch.Size([1, 1, 8]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        layer_norm: bool = False,
        input_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        weight_drop: float = 0.0,
        initial_state: str = "zero",
        recompute: int | None = None,
    ) -> None:
        super().__init__(
            ElmanCell,
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            {"nonlinearity": nonlinearity, "layer_norm": layer_norm},
            input_dropout=input_dropout,
            recurrent_dropout=recurrent_dropout,
            zoneout=zoneout,
            weight_drop=weight_drop,
            initial_state=initial_state,
            recompute=recompute,
            device=device,
            dtype=dtype,
        )
        self.nonlinearity = nonlinearity


class LSTM(Recurrent):
    """Long short-term memory: torch.nn.LSTM's constructor, names, weights and results; see `LSTMCell`.

    The arguments are those of `RNN` without the nonlinearity, and `proj_size`: the size of h, if not hidden_size; by
    keyword `peephole`: let the gates see c; and `zoneout_cell`: zoneout of c. Each state is a pair (h, c).

    Example:
        >>> import torch
        >>> from timesteps.nn import LSTM
        >>> output, (h_n, c_n) = LSTM(5, 8, 2, batch_first=True, bidirectional=True)(torch.zeros(1, 10, 5))
        >>> output.shape, h_n.shape
        (torch.Size([1, 10, 16]), torch.Size([4, 1, 8]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        layer_norm: bool = False,
        peephole: bool = False,
        input_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        zoneout_cell: float = 0.0,
        weight_drop: float = 0.0,
        initial_state: str = "zero",
        recompute: int | None = None,
    ) -> None:
        super().__init__(
            LSTMCell,
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            {"proj_size": proj_size, "layer_norm": layer_norm, "peephole": peephole},
            input_dropout=input_dropout,
            recurrent_dropout=recurrent_dropout,
            zoneout=zoneout,
            zoneout_cell=zoneout_cell,
            weight_drop=weight_drop,
            initial_state=initial_state,
            recompute=recompute,
            device=device,
            dtype=dtype,
        )


class GRU(Recurrent):
    """Gated recurrent unit: torch.nn.GRU's constructor, names, weights and results; see `GRUCell`.

    The arguments are those of `RNN` without the nonlinearity, and by keyword `reset_after`: False applies the reset
    gate before the recurrent product, as the paper does; torch cannot run that form.

    Example:
        >>> import torch
        >>> from timesteps.nn import GRU
        >>> output, h_n = GRU(5, 8, batch_first=True, reset_after=False)(torch.zeros(1, 10, 5))
        >>> output.shape, h_n.shape
        (torch.Size([1, 10, 8]), torch.Size([1, 1, 8]))
    """

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
        reset_after: bool = True,
        layer_norm: bool = False,
        input_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        weight_drop: float = 0.0,
        initial_state: str = "zero",
        recompute: int | None = None,
    ) -> None:
        super().__init__(
            GRUCell,
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            {"reset_after": reset_after, "layer_norm": layer_norm},
            input_dropout=input_dropout,
            recurrent_dropout=recurrent_dropout,
            zoneout=zoneout,
            weight_drop=weight_drop,
            initial_state=initial_state,
            recompute=recompute,
            device=device,
            dtype=dtype,
        )
        self.reset_after = reset_after
