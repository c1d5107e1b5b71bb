"""What a network did on its way to an answer: every gate and state, by layer and direction."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import DTypeLike, NDArray

from timesteps.errors import UsageError
from timesteps.runtime.cells import Array, sigmoid
from timesteps.runtime.layout import directions
from timesteps.runtime.spec import NetworkSpec, PoolName

__all__ = ["GATES", "STATES", "LayerTrace", "NetworkTrace", "Trace", "activate", "layer_name"]

GATES: dict[str, tuple[str, ...]] = {
    "rnn": (),
    "lstm": ("i", "f", "g", "o"),
    "gru": ("r", "z", "n"),
    "mingru": ("z", "candidate"),
    "minlstm": ("f", "i", "candidate"),
}
"""The gates of a cell, in the order of its weights."""

STATES: dict[str, tuple[str, ...]] = {cell: ("h", "c") if cell == "lstm" else ("h",) for cell in GATES}
"""What a cell carries from step to step; the first is its output."""

_LEFT_RAW = {"mingru": ("z",), "minlstm": ("f", "i")}  # cells compute these again wherever they need them


def layer_name(layer: int, reverse: bool) -> str:
    """As the weights of a layer and direction are named.

    >>> layer_name(0, False), layer_name(1, True)
    ('l0', 'l1_reverse')
    """
    return f"l{layer}" + ("_reverse" if reverse else "")


@dataclass(frozen=True)
class LayerTrace:
    """One layer and direction at all N steps, those of the first row first: arrays (N, H).

    Gates as they are after their activation: of an LSTM i, f, o in (0, 1) and g in (-1, 1); of a GRU r, z and n; of a
    minGRU z and its linear candidate; of a minLSTM f, i and its candidate; of a vanilla network none. States are those
    after the step, zoneout and all, wherever the direction came from: h, and an LSTM's c.
    """

    layer: int
    reverse: bool
    cell: str
    gates: dict[str, Array]
    states: dict[str, Array]

    @property
    def name(self) -> str:
        """As its weights are named: "l0", "l0_reverse", …"""
        return layer_name(self.layer, self.reverse)

    @property
    def arrays(self) -> dict[str, Array]:
        """Gates and states together, by name."""
        return self.gates | self.states

    def __getitem__(self, name: str) -> Array:
        """A gate or state. `UsageError` for another name."""
        found = self.arrays
        if name not in found:
            what = f"layer {self.name} ({self.cell}) has no gate or state {name!r}"
            raise UsageError(what, mend=_instead(name, list(found)))
        return found[name]

    def rows(self, index: slice) -> LayerTrace:
        """Some of the steps, as views."""
        gates, states = ({name: a[index] for name, a in part.items()} for part in (self.gates, self.states))
        return LayerTrace(self.layer, self.reverse, self.cell, gates, states)


@dataclass(frozen=True)
class NetworkTrace:
    """One network on R rows with N steps in all.

    Args:
        layers: each layer and direction, from the input to the output.
        lengths: (R,) steps of the rows.
        inputs: (N, I) what the first layer reads: vectors of the embedding, with the guide's channels behind them, or
            scaled numbers. None of one-hot vectors.
        logits: (R, outputs), or (N, outputs) of a network that answers at every step.
        pool: how steps become one vector.
        attention: (features,) what steps are weighed by, if they are.
    """

    layers: tuple[LayerTrace, ...]
    lengths: NDArray[np.int64]
    inputs: Array | None
    logits: Array
    pool: PoolName
    attention: Array | None = None

    def __iter__(self) -> Iterator[LayerTrace]:
        return iter(self.layers)

    def __getitem__(self, name: str) -> LayerTrace:
        """A layer and direction, by its name. `UsageError` for another name."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = [layer.name for layer in self.layers]
        raise UsageError(f"there is no layer {name!r}", mend=_instead(name, names))

    @property
    def outputs(self) -> Array:
        """(N, features) of the last layer, both directions side by side."""
        last = self.layers[-1].layer
        return np.concatenate([part.states["h"] for part in self.layers if part.layer == last], axis=1)

    @cached_property
    def weights(self) -> Array | None:
        """(N,) how much each step weighs in its row's pooled vector; sums to 1 a row. None where pooling does not
        weigh: "last", "max" (see `taken`) and "none".
        """
        if self.pool in ("mean", "mean+max"):
            weights: Array = np.repeat(1 / np.maximum(self.lengths, 1), self.lengths).astype(self.logits.dtype)
            return weights
        if self.attention is None:
            return None
        scores = self.outputs @ self.attention
        for begin, end in self._spans():
            row = np.exp(scores[begin:end] - scores[begin:end].max())
            scores[begin:end] = row / row.sum()
        return scores

    @cached_property
    def taken(self) -> NDArray[np.int64] | None:
        """(R, features) the step, from 0, at which each feature of a row is largest, which max pooling took; -1 in rows
        without steps. None without max pooling.
        """
        if self.pool not in ("max", "mean+max"):
            return None
        outputs = self.outputs
        taken = np.full((len(self.lengths), outputs.shape[1]), -1)
        filled = np.flatnonzero(self.lengths)
        for row, (begin, end) in zip(filled.tolist(), self._spans(), strict=True):
            taken[row] = outputs[begin:end].argmax(axis=0)
        return taken

    def _spans(self) -> list[tuple[int, int]]:
        """First and last step of each row that has any."""
        ends = np.cumsum(self.lengths).tolist()
        return [(end - n, end) for n, end in zip(self.lengths.tolist(), ends, strict=True) if n]


@dataclass(frozen=True)
class Trace:
    """What all members of a model did on R rows with N steps in all; `layers`, … are the first member's.

    >>> from timesteps.runtime.layout import model_tensors
    >>> from timesteps.runtime.session import Session
    >>> from timesteps.runtime.spec import LayerSpec, ModelSpec, NumericSpec
    >>> layer = LayerSpec(cell="lstm", input_size=1, hidden_size=4)
    >>> network = NetworkSpec(input="numeric", input_size=1, layers=(layer,), outputs=1)
    >>> spec = ModelSpec(task="classify", classes=("down", "up"), numeric=NumericSpec(features=1), network=network)
    >>> tensors = {name: np.ones(shape) for name, (_, shape) in model_tensors(spec).items()}
    >>> trace = Session(spec, tensors).trace([[0.5, 1.0, 2.0], [3.0]])
    >>> trace["l0"]["f"].shape, trace.lengths, bool((trace["l0"].states["h"] < trace["l0"].gates["o"]).all())
    ((4, 4), array([3, 1]), True)
    """

    members: tuple[NetworkTrace, ...]

    def __getitem__(self, name: str) -> LayerTrace:
        """A layer and direction of the first member. `UsageError` for another name."""
        return self.members[0][name]

    @property
    def layers(self) -> tuple[LayerTrace, ...]:
        """Each layer and direction of the first member."""
        return self.members[0].layers

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(R,) steps of the rows."""
        return self.members[0].lengths

    @property
    def logits(self) -> NDArray[np.float64]:
        """The model's logits: the members' mean."""
        mean: NDArray[np.float64] = np.mean([member.logits.astype(np.float64) for member in self.members], axis=0)
        return mean

    def span(self, row: int) -> slice:
        """The steps of a row among the N."""
        end = int(self.lengths[: row + 1].sum())
        return slice(end - int(self.lengths[row]), end)


def empty_layers(spec: NetworkSpec, steps: int, dtype: DTypeLike) -> list[list[LayerTrace]]:
    """Arrays to be filled, the directions of each layer. They are parts of one: many large ones, freed together, go
    back to the system, and the next trace would wait for fresh memory longer than it computes.
    """
    widths = [layer.hidden_size * len(GATES[layer.cell] + STATES[layer.cell]) for layer in spec.layers]
    ways = [len(directions(layer)) for layer in spec.layers]
    whole = np.empty(steps * sum(width * count for width, count in zip(widths, ways, strict=True)), dtype)
    layers: list[list[LayerTrace]] = []
    first = 0
    for number, layer in enumerate(spec.layers):
        layers.append([])
        for way in range(ways[number]):
            parts: list[dict[str, Array]] = []
            for names in (GATES[layer.cell], STATES[layer.cell]):
                parts.append({})
                for name in names:
                    last = first + steps * layer.hidden_size
                    parts[-1][name] = whole[first:last].reshape(steps, layer.hidden_size)
                    first = last
            layers[-1].append(LayerTrace(number, way == 1, layer.cell, *parts))
    return layers


def activate(trace: LayerTrace) -> None:
    """Apply, in place, what a linear cell's step leaves out: its gates as the product with the input left them."""
    for name in _LEFT_RAW.get(trace.cell, ()):
        sigmoid(trace.gates[name], out=trace.gates[name])


def _instead(name: str, names: Sequence[str]) -> str:
    """What to write instead of an unknown name."""
    close = difflib.get_close_matches(name, names, 1, 0.5)
    known = f"there {'is' if len(names) == 1 else 'are'} {', '.join(names)}"
    return f"did you mean {close[0]}? {known}" if close else known
