"""`RecurrentStack`: recurrent layers on top of each other, one or two directions each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from timesteps.errors import UsageError
from timesteps.nn.cells import Cell, State
from timesteps.nn.cells.cell import reset as reset_cells
from timesteps.nn.dropout import check_probability, draw_keys, dropout_mask, random_normal
from timesteps.nn.dropped import Dropped
from timesteps.nn.padding import Steps
from timesteps.nn.scan import check_recompute, check_recurrent_dropout, scan_steps
from timesteps.nn.trace import Recorder
from timesteps.nn.zoneout import Zoneout, check_zoneout

INITIAL_STATES = ("zero", "learned", "random")
NOISE = 0.1  # standard deviation of initial_state="random"


@dataclass(frozen=True)
class Layer:
    """What one layer of a stack is made of."""

    cell: type[Cell]
    input_size: int
    hidden_size: int
    bidirectional: bool = False
    learned_state: bool = False
    options: dict[str, Any] = field(default_factory=dict)  # further arguments of the cell
    zoneout: float = 0.0
    zoneout_cell: float = 0.0

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What follows the layer's number in the names of its parameters, one a direction."""
        return ("", "_reverse") if self.bidirectional else ("",)


class _Streams:
    """Numbers of the random streams of one layer: no two masks of a network share one."""

    def __init__(self, layer: int) -> None:
        self.input = 16 * layer  # shared by both directions
        self.recurrent = (16 * layer + 1, 16 * layer + 2)
        self.between = 16 * layer + 3
        self.noise = (16 * layer + 4, 16 * layer + 10)  # and the next number for c
        self.zoneout = (16 * layer + 6, 16 * layer + 7)
        self.zoneout_cell = (16 * layer + 8, 16 * layer + 9)
        self.weights = (16 * layer + 12, 16 * layer + 13)


class RecurrentStack(nn.Module):
    """Recurrent layers, each reading the one below: the forward and the reverse outputs, side by side.

    Parameters are named as torch does: `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0` (`weight_hr_l0` with
    a projection; then what torch's cells do not have), then `weight_ih_l0_reverse`, … and, last, learned initial states
    `h0_l0` (and `c0_l0`), (H,) zeros at first. Layers may differ in cell and size.

    Args:
        layers: from the input to the output.
        bias: whether cells have biases.
        dropout: ordinary dropout on the output of every layer but the last.
        input_dropout: dropout fixed over time on the input of every layer; both directions share the mask.
        recurrent_dropout: dropout fixed over time on the hidden state inside every layer.
        weight_drop: dropout on the entries of every `weight_hh`, one mask a call, for all rows and steps (Merity,
            Keskar and Socher 2017, arXiv:1708.02182).
        initial_state_noise: standard deviation of the normal noise added to initial states in training, where none are
            given (Zimmermann, Tietz and Grothmann 2012, Forecasting with recurrent neural networks: 12 tricks).
        recompute: keep the state of about every so many steps for backward, and compute the rest again, see `scan`.

    Raises:
        UsageError: sizes that do not follow from the layer below, or bad options.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        bias: bool = True,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        weight_drop: float = 0.0,
        initial_state_noise: float = 0.0,
        recompute: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.recorder: Recorder | None = None  # while somebody looks inside
        if not layers:
            raise UsageError("a stack has no layers", mend="give at least one")
        self.bias = bias
        self.dropout = check_probability(dropout, "dropout")
        self.input_dropout = check_probability(input_dropout, "input_dropout")
        self.recurrent_dropout = check_probability(recurrent_dropout, "recurrent_dropout")
        self.weight_drop = check_probability(weight_drop, "weight_drop")
        if not 0 <= initial_state_noise < math.inf:
            raise UsageError(
                f"initial_state_noise is {initial_state_noise}", mend="give a standard deviation, 0 or more"
            )
        self.initial_state_noise = initial_state_noise
        self.recompute = check_recompute(recompute) or None
        self.layers = tuple(layers)
        # Equations without weights, not children: `cell` lends them this module's parameters, flatly named as in torch.
        self.equations = tuple(
            layer.cell(layer.input_size, layer.hidden_size, bias, **layer.options, device="meta") for layer in layers
        )
        for layer, equation in zip(layers, self.equations, strict=True):
            check_recurrent_dropout(equation, recurrent_dropout)
            check_recurrent_dropout(equation, weight_drop, "weight_drop")
            check_zoneout(equation, layer.zoneout, layer.zoneout_cell)
        for k in range(1, len(layers)):
            if layers[k].input_size != self.output_size(k - 1):
                raise UsageError(
                    f"layer {k} reads {layers[k].input_size} features, layer {k - 1} gives {self.output_size(k - 1)}"
                )
        factory = {"device": device, "dtype": dtype}
        for name, shape in self._shapes().items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape, **factory)))  # type: ignore[arg-type]
        self.reset_parameters()

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        weights: dict[str, tuple[int, ...]] = {}
        states: dict[str, tuple[int, ...]] = {}
        for k, (layer, equation) in enumerate(zip(self.layers, self.equations, strict=True)):
            for suffix in layer.suffixes:
                weights |= {f"{name}_l{k}{suffix}": tuple(p.shape) for name, p in equation.named_parameters()}
                if layer.learned_state:
                    for name, size in zip(equation.states, equation.state_sizes, strict=True):
                        states[f"{name}0_l{k}{suffix}"] = (size,)
        return weights | states

    def output_size(self, layer: int = -1) -> int:
        """Features that a layer puts out: both directions' together."""
        return self.equations[layer].output_size * len(self.layers[layer].suffixes)

    def reset_parameters(self) -> None:
        """Draw all weights anew as torch does, U(-1/sqrt(H), 1/sqrt(H)); learned initial states become zero."""
        places = [(k, bool(reverse)) for k, layer in enumerate(self.layers) for reverse in range(len(layer.suffixes))]
        reset_cells([self.cell(*place) for place in places])
        for place in places:
            for state in self.learned_state(*place):
                nn.init.zeros_(state)

    def cell(self, layer: int = 0, reverse: bool = False) -> Cell:
        """The cell of one layer and direction, over this module's own parameters."""
        equation, end = self.equations[layer], f"_l{layer}{self.layers[layer].suffixes[reverse]}"
        return equation.bound_to({name: getattr(self, name + end) for name in equation._parameters})

    def learned_state(self, layer: int = 0, reverse: bool = False) -> tuple[Tensor, ...]:
        """The learned initial state of one layer and direction, one (H,) a state; empty where it is not learned."""
        if not self.layers[layer].learned_state:
            return ()
        end = f"0_l{layer}{self.layers[layer].suffixes[reverse]}"
        return tuple(getattr(self, name + end) for name in self.equations[layer].states)

    @property
    def draws(self) -> bool:
        """Whether the next call needs random keys."""
        rates = (self.dropout, self.input_dropout, self.recurrent_dropout, self.initial_state_noise)
        return self.training and any(rates + tuple(layer.zoneout + layer.zoneout_cell for layer in self.layers))

    def draw_weight_key(self, generator: torch.Generator | None = None) -> Tensor | None:
        """The key (1,) of the next call's dropped weights; None, and nothing drawn, where none are dropped."""
        if not (self.training and self.weight_drop):
            return None
        return draw_keys(1, device=next(self.parameters()).device, generator=generator)

    def run(
        self,
        x: Tensor,
        steps: Steps,
        states: Sequence[State] | None = None,
        *,
        reset: Tensor | None = None,
        keys: Tensor | None = None,
        weight_key: Tensor | None = None,
        spared: int = 0,
        implementation: str | None = None,
    ) -> tuple[Tensor, list[State]]:
        """x (B, T, I), or (B, T) one-hot positions -> y (B, T, output_size()), final states.

        Args:
            x: the input.
            steps: which steps are real.
            states: where to go on from, one for each layer and direction (layer 0, its reverse, layer 1, …).
            reset: (B, T) booleans, see `scan`.
            keys: (B,) of `draw_keys`; needed when `draws`.
            weight_key: of `draw_weight_key`.
            spared: the first layer's input dropout leaves so many inputs, the last ones, alone.
            implementation: see `scan`.
        """
        finals: list[State] = []
        if self.recorder is not None:
            parts = [
                layer.hidden_size * len(layer.suffixes) * len(layer.cell.gates + layer.cell.states)
                for layer in self.layers
            ]
            self.recorder.memory.reserve(len(x) * x.shape[1] * sum(parts), next(self.parameters()).detach())
        for k, layer in enumerate(self.layers):
            streams, outputs = _Streams(k), []
            for reverse in range(len(layer.suffixes)):
                cell = self._dropping(self.cell(k, bool(reverse)), weight_key, streams.weights[reverse])
                dropped = Dropped()
                zoneout = Zoneout(
                    layer.zoneout,
                    layer.zoneout_cell,
                    keys if self.training else None,
                    streams.zoneout[reverse],
                    streams.zoneout_cell[reverse],
                )
                if self.training and keys is not None:
                    dropped = Dropped(
                        self.input_dropout,
                        self.recurrent_dropout,
                        keys,
                        streams.input,
                        streams.recurrent[reverse],
                        0 if k else spared,
                    )
                y, final = scan_steps(
                    cell,
                    x,
                    steps,
                    None if states is None else states[len(finals)],
                    self._initial(k, bool(reverse), steps.batch_size, keys),
                    reset,
                    bool(reverse),
                    dropped,
                    zoneout,
                    implementation,
                    self.recompute or 0,
                    None if self.recorder is None else self.recorder.scan(k, bool(reverse), cell, x),
                )
                outputs.append(y)
                finals.append(final)
            x = outputs[0] if len(outputs) == 1 else torch.cat(outputs, 2)
            if self.training and self.dropout and keys is not None and k < len(self.layers) - 1:
                x = x * dropout_mask(keys, x.shape[1] * x.shape[2], self.dropout, streams.between, x.dtype).view(
                    x.shape
                )
        return x, finals

    def _dropping(self, cell: Cell, key: Tensor | None, stream: int) -> Cell:
        """The cell with entries of `weight_hh` dropped, before any implementation sees them."""
        if key is None or not (self.training and self.weight_drop):
            return cell
        weight = cell.weight_hh
        mask = dropout_mask(key, weight.numel(), self.weight_drop, stream, weight.dtype).view(weight.shape)
        return cell.bound_to({**dict(cell.named_parameters()), "weight_hh": weight * mask})

    def _initial(self, layer: int, reverse: bool, batch_size: int, keys: Tensor | None) -> State | None:
        noisy = self.training and self.initial_state_noise > 0 and keys is not None
        if not (noisy or self.layers[layer].learned_state):
            return None
        cell = self.cell(layer, reverse)
        parts = cell.zero_state(batch_size)
        if self.layers[layer].learned_state:
            parts = tuple(z + s for z, s in zip(parts, self.learned_state(layer, reverse), strict=True))
        if noisy and keys is not None:
            stream = _Streams(layer).noise[reverse]
            parts = tuple(
                part + self.initial_state_noise * random_normal(keys, part.shape[1], stream + n, part.dtype)
                for n, part in enumerate(parts)
            )
        return parts[0] if len(parts) == 1 else parts
