"""`Recurrent`: torch's constructor, layouts and states around a stack of equal layers."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from timesteps.errors import UsageError
from timesteps.nn.cells import Cell, State
from timesteps.nn.cells.cell import as_state, as_tuple
from timesteps.nn.dropout import draw_keys
from timesteps.nn.native_stack import Plan, run_plain
from timesteps.nn.padding import check_flags, read_steps
from timesteps.nn.stack import INITIAL_STATES, NOISE, Layer, RecurrentStack
from timesteps.nn.trace import Recorder, StackTrace


class Recurrent(RecurrentStack):
    """What `RNN`, `LSTM` and `GRU` share; their docstrings say what the arguments mean."""

    def __init__(
        self,
        cell: type[Cell],
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        options: dict[str, Any],
        *,
        input_dropout: float,
        recurrent_dropout: float,
        zoneout: float,
        zoneout_cell: float = 0.0,
        weight_drop: float = 0.0,
        initial_state: str,
        recompute: int | None = None,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
    ) -> None:
        if not isinstance(num_layers, int) or num_layers < 1:
            raise UsageError(f"num_layers is {num_layers!r}", mend="give a positive whole number")
        if initial_state not in INITIAL_STATES:
            raise UsageError(f"initial_state is {initial_state!r}", mend=f"use one of {', '.join(INITIAL_STATES)}")
        if dropout and num_layers == 1:
            warnings.warn("dropout acts between layers, and there is only one layer", stacklevel=3)
        width = (options.get("proj_size") or hidden_size) * (2 if bidirectional else 1)
        sizes = [input_size] + [width] * (num_layers - 1)
        learned = initial_state == "learned"
        super().__init__(
            [Layer(cell, size, hidden_size, bidirectional, learned, options, zoneout, zoneout_cell) for size in sizes],
            bias=bias,
            dropout=dropout,
            input_dropout=input_dropout,
            recurrent_dropout=recurrent_dropout,
            weight_drop=weight_drop,
            initial_state_noise=NOISE if initial_state == "random" else 0.0,
            recompute=recompute,
            device=device,
            dtype=dtype,
        )
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.batch_first, self.bidirectional, self.initial_state = batch_first, bidirectional, initial_state
        self.proj_size = options.get("proj_size", 0)
        self.layer_norm, self.peephole = options.get("layer_norm", False), options.get("peephole", False)
        self.zoneout, self.zoneout_cell = zoneout, zoneout_cell
        plain = not (learned or zoneout or zoneout_cell)
        self._plan = Plan.of(self.equations, self.layers[0].suffixes) if plain else None

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: Any = None,
        *,
        lengths: Tensor | None = None,
        mask: Tensor | None = None,
        reset: Tensor | None = None,
        generator: torch.Generator | None = None,
        implementation: str | None = None,
    ) -> tuple[Any, Any]:
        """Run over a batch: torch's arguments and results, and more by keyword.

        Args:
            input: (T, B, I), or (B, T, I) with `batch_first`; (T, I) without a batch; or a PackedSequence. Whole
                numbers, without the last dimension, stand for one-hot vectors.
            hx: where to go on from, (D * num_layers, B, H) for each state; None is the initial state.
            lengths: (B,) whole numbers: the real steps of each row.
            mask: True = real, of the input's layout: (T, B), or (B, T) with `batch_first`.
            reset: True where a new sequence begins within a row, of the same layout.
            generator: of the random numbers of dropout, zoneout and random initial states; None is torch's default.
            implementation: "native", "torch" or "loop" instead of the fastest that is exact.

        Returns:
            The outputs of all steps, laid out like the input (packed if it was), zero on padding; and the state after
            each row's last visited step, laid out like `hx`.

        Raises:
            UsageError: shapes that do not fit.
        """
        everywhere = lengths is None and mask is None and reset is None
        dropping = self.training and self.weight_drop > 0
        plain = everywhere and implementation is None and not (self.draws or dropping)
        if self._plan is not None and plain:
            found = run_plain(
                self._plan, self._parameters, input, hx, steps_first=not self.batch_first,
                recompute=self.recompute or 0, recorder=self.recorder,
            )  # fmt: skip
            if found is not None:
                y, h, c = found
                return y, h if c is None else (h, c)
        if isinstance(input, PackedSequence):
            if not everywhere:
                raise UsageError("a PackedSequence brings its own lengths", mend="leave lengths, mask and reset out")
            x, lengths = pad_packed_sequence(input, batch_first=True)
            y, state = self._batch(x, hx, lengths, None, None, generator, implementation)
            return _pack_like(input, y, lengths), state
        x = input
        batched = x.dim() == (3 if x.is_floating_point() else 2)
        if not batched:
            x = x.unsqueeze(0)
            mask, reset = (None if part is None else part.unsqueeze(0) for part in (mask, reset))
            hx = None if hx is None else as_state(tuple(part.unsqueeze(1) for part in as_tuple(hx)))
            lengths = None if lengths is None else torch.as_tensor(lengths).view(1)
        elif not self.batch_first:
            x = x.transpose(0, 1)
            mask, reset = (None if part is None else part.transpose(0, 1) for part in (mask, reset))
        y, state = self._batch(x, hx, lengths, mask, reset, generator, implementation)
        if not batched:
            return y.squeeze(0), as_state(tuple(part.squeeze(1) for part in as_tuple(state)))
        return (y if self.batch_first else y.transpose(0, 1).contiguous()), state

    def trace(
        self,
        input: Tensor | PackedSequence,
        hx: Any = None,
        *,
        lengths: Tensor | None = None,
        mask: Tensor | None = None,
        reset: Tensor | None = None,
    ) -> StackTrace:
        """Every gate and state of a call, by layer and direction, as numpy arrays laid out like the outputs (those of a
        PackedSequence as a padded batch, rows first), zero on padding; without gradients. The arguments are those of
        `forward`, whose result is `output`.

        It takes at most half as long again as the call itself where the compiled kernels run it. A cell of one's own
        shows its states, and the gates that its `gates_at` names.

        Example:
            >>> import torch
            >>> from timesteps.nn import LSTM
            >>> trace = LSTM(5, 8, 2, bidirectional=True).trace(torch.zeros(10, 3, 5))
            >>> trace["l1_reverse"]["f"].shape, [layer.name for layer in trace.layers]
            ((10, 3, 8), ['l0', 'l0_reverse', 'l1', 'l1_reverse'])
        """
        self.recorder = Recorder()
        try:
            with torch.no_grad():
                output = self(input, hx, lengths=lengths, mask=mask, reset=reset)
            found = self.recorder.trace(output)
        finally:
            self.recorder = None
        if isinstance(input, PackedSequence):
            return found
        if input.dim() < (3 if input.is_floating_point() else 2):
            return found.arranged(lambda array: array[0])
        return found if self.batch_first else found.arranged(lambda array: array.swapaxes(0, 1))

    def _batch(
        self,
        x: Tensor,
        hx: Any,
        lengths: Tensor | None,
        mask: Tensor | None,
        reset: Tensor | None,
        generator: torch.Generator | None,
        implementation: str | None,
    ) -> tuple[Tensor, State]:
        if x.dim() < 2:
            raise UsageError(f"input has {x.dim()} dimensions", mend="give (B, T, I), or (T, I) without a batch")
        rows = x.shape[0]
        steps = read_steps(rows, x.shape[1], lengths, mask, x.device)
        if reset is not None:
            check_flags("reset", reset, rows, x.shape[1])
        states = None if hx is None else self._split(hx, rows)
        keys = draw_keys(rows, device=x.device, generator=generator) if self.draws else None
        weight_key = self.draw_weight_key(generator)
        y, finals = self.run(
            x, steps, states, reset=reset, keys=keys, weight_key=weight_key, implementation=implementation
        )
        if len(finals) == 1:
            return y, as_state(tuple(part.unsqueeze(0) for part in as_tuple(finals[0])))
        parts = [as_tuple(final) for final in finals]
        return y, as_state(tuple(torch.stack(part) for part in zip(*parts, strict=True)))

    def _split(self, hx: Any, rows: int) -> list[State]:
        cell = self.equations[0]
        count = self.num_layers * (2 if self.bidirectional else 1)
        wanted = [(count, rows, size) for size in cell.state_sizes]
        parts = as_tuple(hx)
        if [tuple(part.shape) for part in parts] != wanted:
            raise UsageError(
                f"hx has shape {', '.join(str(tuple(part.shape)) for part in parts)}",
                mend=f"give {', '.join(f'{n} {shape}' for n, shape in zip(cell.states, wanted, strict=True))}",
            )
        return [as_state(tuple(part[n] for part in parts)) for n in range(count)]

    @property
    def all_weights(self) -> list[list[nn.Parameter]]:
        """The parameters of each layer and direction, as torch lists them."""
        directions = range(2 if self.bidirectional else 1)
        return [list(self.cell(k, bool(d)).parameters()) for k in range(self.num_layers) for d in directions]

    def flatten_parameters(self) -> None:
        """Does nothing: kept so that code written for torch's layers runs. No kernel here wants one flat buffer."""

    def extra_repr(self) -> str:
        """The arguments that differ from their defaults, for print(layer)."""
        defaults = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0,
            "bidirectional": False,
            "input_dropout": 0,
            "recurrent_dropout": 0,
            "zoneout": 0,
            "zoneout_cell": 0,
            "weight_drop": 0,
            "initial_state": "zero",
            "recompute": None,
            "nonlinearity": "tanh",
            "reset_after": True,
            "layer_norm": False,
            "peephole": False,
        }
        extras = {name: getattr(self, name, default) for name, default in defaults.items()}
        shown = [f"{name}={value!r}" for name, value in extras.items() if value != defaults[name]]
        return ", ".join([str(self.input_size), str(self.hidden_size), *shown])


def _pack_like(packed: PackedSequence, y: Tensor, lengths: Tensor) -> PackedSequence:
    order = packed.sorted_indices
    if order is not None:
        y, lengths = y[order], lengths[order.to(lengths.device)]
    data = pack_padded_sequence(y, lengths, batch_first=True).data
    return PackedSequence(data, packed.batch_sizes, order, packed.unsorted_indices)
