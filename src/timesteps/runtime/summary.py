"""`summary`: the layers of a model with their output shapes and parameters, as Keras prints them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from textwrap import wrap
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime import native
from timesteps.runtime.costs import LayerCost, layer_costs
from timesteps.runtime.counting import count_layers, count_parameters
from timesteps.runtime.display import fitted, printable
from timesteps.runtime.engine import why_not_native as why_no_engine
from timesteps.runtime.layout import member_network
from timesteps.runtime.network import why_in_numpy
from timesteps.runtime.spec import ModelSpec, NetworkSpec
from timesteps.runtime.streamable import bidirectional, why_not_streamed

__all__ = ["Loaded", "Summary", "SummaryRow", "summary"]

_LAYER, _SHAPE, _COUNT = 34, 18, 13  # widths of the columns: 80 with two counts and two blanks between them
_FLOAT32 = 4  # bytes


class Loaded(Protocol):
    """A model with its weights, such as a `timesteps.runtime.session.Session`."""

    @property
    def spec(self) -> ModelSpec: ...  # noqa: D102

    @property
    def tensors(self) -> Mapping[str, NDArray[Any]]: ...  # noqa: D102


@dataclass(frozen=True)
class SummaryRow:
    """A layer: what comes out of it, and its parameters as Keras and as torch count them."""

    name: str
    kind: str
    output_shape: tuple[str | int, ...]  # "B" rows, "T" steps
    keras_parameters: int
    torch_parameters: int


@dataclass(frozen=True)
class Summary:
    """What a model is made of. `str()` of it is a table of at most 80 columns."""

    rows: tuple[SummaryRow, ...]  # of one member
    keras_parameters: int  # of one member, with one bias a recurrent layer (two in a GRU that resets after)
    torch_parameters: int  # of one member, with two biases a recurrent layer, as stored
    members: int
    all_parameters: tuple[int, int]  # of all members, as Keras and as torch count them
    bytes: int  # of all members' weights, in float32 where the weights are not at hand
    streams: bool  # whether steps can be fed one at a time, as they come
    streams_because: str
    costs: tuple[LayerCost, ...]  # of a step of one row, of one member
    runs: str  # what runs the recurrent layers of whole sequences, and why nothing faster
    runs_steps: str  # and of streams, one step at a time
    reads: str
    guide: str  # what stands beside the steps and in the answer; nothing without a guide
    classes: tuple[str | int | float | bool, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for --json."""
        return {
            "layers": [
                {
                    "name": row.name,
                    "kind": row.kind,
                    "output_shape": list(row.output_shape),
                    "parameters": {"keras": row.keras_parameters, "torch": row.torch_parameters},
                }
                for row in self.rows
            ],
            "parameters": {"keras": self.keras_parameters, "torch": self.torch_parameters},
            "members": self.members,
            "bytes": self.bytes,
            "streams": self.streams,
            "streams_because": self.streams_because,
            "costs": [asdict(cost) for cost in self.costs],
            "flops": {often: self.flops(often) for often in ("step", "answer")},
            "state_bytes": self.state_bytes,
            "runs": {"sequences": self.runs, "streams": self.runs_steps},
            "reads": self.reads,
            "guide": self.guide,
            "classes": list(self.classes),
        }

    def flops(self, often: str = "step") -> int:
        """Products with weights for a step of one row, or for its answer; of all members."""
        return self.members * sum(cost.flops for cost in self.costs if cost.often == often)

    @property
    def state_bytes(self) -> int:
        """Of what is carried from step to step; of all members."""
        return self.members * sum(cost.state_bytes for cost in self.costs)

    def full(self) -> str:
        """`str()` with the costs of a step, and what runs the layers, behind it."""
        lines = [str(self), "", _cost_line("Cost of a step of one row", "FLOPs", "weights read", "state"), "=" * 80]
        for cost in self.costs:
            name = cost.name if cost.often == "step" else f"{cost.name}, once for an answer"
            lines.append(_cost_line(name, _number(cost.flops), _size(cost.weight_bytes), _size(cost.state_bytes)))
        of = f", of {self.members} members" if self.members > 1 else ""
        total = [
            _number(self.flops()),
            _size(self.members * sum(cost.weight_bytes for cost in self.costs if cost.often == "step")),
            _size(self.state_bytes),
        ]
        lines += ["-" * 80, _cost_line(f"A step{of}", *total), ""]
        for name, what in (("Sequences", self.runs), ("Streams", self.runs_steps)):
            lines += wrap(printable(what), 80, initial_indent=f"{name:<10}", subsequent_indent=" " * 10)
        return "\n".join(lines)

    def __str__(self) -> str:
        lines = [_line("Layer (type)", "Output shape", "Keras params", "torch params"), "=" * 80]
        for row in self.rows:
            shape = "(" + ", ".join(map(str, row.output_shape)) + ")"
            counts = _number(row.keras_parameters), _number(row.torch_parameters)
            lines.append(_line(f"{row.name} ({row.kind})", shape, *counts))
        lines += ["-" * 80, _line("Total", "", _number(self.keras_parameters), _number(self.torch_parameters))]
        if self.members > 1:
            keras, torch = map(_number, self.all_parameters)
            lines.append(_line(f"{self.members} members, mean logit", "", keras, torch))
        facts = {
            "Reads": self.reads,
            "Guide": self.guide,
            "Classes": _listed(self.classes),
            "Size": f"{_size(self.bytes)} of weights",
            "Streams": f"{'yes' if self.streams else 'no'}: {self.streams_because}",
            "Counting": "torch stores two biases a recurrent layer, Keras one where one will do",
        }
        facts = {name: what for name, what in facts.items() if what}
        return "\n".join([*lines, "", *(fitted(f"{name:<10}{printable(what)}", 80) for name, what in facts.items())])


def summary(model: ModelSpec | NetworkSpec | Loaded) -> Summary:
    """The layers of a model, from its specification or from the loaded model.

    Args:
        model: a `ModelSpec`, a `NetworkSpec`, or anything with `spec` and `tensors`, such as a `Session`. With tensors,
            `bytes` is the size of all of them, the n-gram table included; else 4 bytes a parameter.

    >>> from timesteps.runtime.spec import LayerSpec
    >>> layer = LayerSpec(cell="lstm", input_size=16, hidden_size=8)
    >>> print(summary(NetworkSpec(input="ids", input_size=500, embedding_size=16, layers=(layer,), outputs=1)))
    Layer (type)                      Output shape       Keras params   torch params
    ================================================================================
    input (ids)                       (B, T)                        0              0
    embedding (Embedding)             (B, T, 16)                8,000          8,000
    rnn.l0 (LSTM)                     (B, T, 8)                   800            832
    pool (last)                       (B, 8)                        0              0
    head (Dense)                      (B, 1)                        9              9
    --------------------------------------------------------------------------------
    Total                                                       8,809          8,841
    <BLANKLINE>
    Size      34.5 KiB of weights
    Streams   yes: a step needs only the state before it
    Counting  torch stores two biases a recurrent layer, Keras one where one will do
    """
    tensors: Mapping[str, NDArray[Any]] | None = None
    if isinstance(model, NetworkSpec):
        network, spec = model, None
    else:
        if isinstance(model, ModelSpec):
            spec = model
        else:
            spec, tensors = model.spec, model.tensors
        network = spec.network
    shape: tuple[str | int, ...] = ("B", "T") if network.input in ("ids", "bag") else ("B", "T", network.input_size)
    rows = [SummaryRow("input", network.input, shape, 0, 0)]
    for keras, torch in zip(count_layers(network, "keras"), count_layers(network, "torch"), strict=True):
        rows.append(SummaryRow(keras.name, keras.kind, keras.output_shape, keras.parameters, torch.parameters))
    members = 1 if spec is None else spec.members
    every = _all_parameters(spec or network, "torch")
    streams, because = _streams(network, spec)
    double = spec is not None and spec.numeric is not None and network.weights != "int8"
    reason = why_in_numpy(network, np.dtype(np.float64 if double else np.float32))
    return Summary(
        rows=tuple(rows),
        keras_parameters=sum(row.keras_parameters for row in rows),
        torch_parameters=sum(row.torch_parameters for row in rows),
        members=members,
        all_parameters=(_all_parameters(spec or network, "keras"), every),
        bytes=_FLOAT32 * every if tensors is None else sum(tensor.nbytes for tensor in tensors.values()),
        streams=streams,
        streams_because=because,
        costs=layer_costs(network),
        runs=native.explained(reason),
        runs_steps=native.explained(why_no_engine()) if streams else f"not at all: {because}",
        reads="" if spec is None else _reads(spec),
        guide="" if spec is None else _guide(spec),
        classes=() if spec is None else spec.classes,
    )


def _all_parameters(model: ModelSpec | NetworkSpec, biases: str) -> int:
    if isinstance(model, NetworkSpec):
        return count_parameters(model, biases)
    return sum(count_parameters(member_network(model, member), biases) for member in range(model.members))


def _streams(network: NetworkSpec, spec: ModelSpec | None) -> tuple[bool, str]:
    reason = bidirectional(network) if spec is None else why_not_streamed(spec)
    if reason is not None:
        return False, reason
    text = None if spec is None else spec.text
    if text is not None and text.max_length is not None and text.truncating != "post":
        return True, f"while texts stay within {text.max_length} steps, the earliest of which may be dropped"
    return True, "a step needs only the state before it"


def _reads(spec: ModelSpec) -> str:
    if spec.numeric is not None:
        steps = "any number of" if spec.numeric.steps is None else f"{spec.numeric.steps:,}"
        return f"{steps} steps of {spec.numeric.features:,} numbers"
    text = spec.text
    if text is None:
        return ""
    given = {"ids": "token ids", "tokens": "lists of tokens"}
    what = given.get(text.tokenizer, f"texts, a step a {text.tokenizer}")
    piece = None if text.bag is None else text.bag.piece
    what += "" if piece is None else f" (of Hangul, about {piece} syllables)"
    bag = ", each a bag of n-grams" if text.bag is not None else ""
    longest = "" if text.max_length is None else f", at most {text.max_length:,} steps"
    return what + bag + longest


def _guide(spec: ModelSpec) -> str:
    guide = None if spec.text is None else spec.text.guide
    if guide is None:
        return ""
    without = f"; {spec.unguided} of {spec.members} members without" if spec.unguided else ""
    return f"n-grams of 1–{guide.longest} {guide.unit}s, {spec.network.share:.0%} of the answer{without}"


def _line(layer: str, shape: str, keras: str, torch: str) -> str:
    left = f"{fitted(layer, _LAYER - 1):<{_LAYER}}{fitted(shape, _SHAPE - 1):<{_SHAPE}}"
    return f"{left}{keras:>{_COUNT}}  {torch:>{_COUNT}}".rstrip()


def _cost_line(name: str, flops: str, weights: str, state: str) -> str:
    return f"{fitted(name, 33):<34}{flops:>14}{weights:>16}{state:>16}"


def _number(count: int) -> str:
    return text if len(text := f"{count:,}") <= _COUNT else f"{count:.6g}"


def _listed(classes: tuple[str | int | float | bool, ...]) -> str:
    shown = ", ".join(str(label) for label in classes[:10])
    return f"{shown}, … ({len(classes):,})" if len(classes) > 10 else shown


def _size(size: int) -> str:
    if size < 1024:
        return f"{size} bytes"
    return f"{size / 2**10:.1f} KiB" if size < 2**20 else f"{size / 2**20:.1f} MiB"
