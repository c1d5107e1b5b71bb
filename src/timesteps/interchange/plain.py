"""The meeting point of all formats: a network's specification and its tensors, in torch's names and gate order.

Every format has one function that makes a `PlainNetwork` and one that is given one. What a `PlainNetwork` cannot say,
no file can carry in or out, and is refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import ModelError, UsageError, option
from timesteps.runtime.layout import GATES, LINEAR, all_finite, check_model
from timesteps.runtime.session import Session
from timesteps.runtime.spec import (
    CellName,
    LayerSpec,
    ModelSpec,
    NetworkSpec,
    Nonlinearity,
    NumericSpec,
    PoolName,
    TextSpec,
)

__all__ = ["Direction", "Layer", "PlainNetwork", "assemble", "from_session", "to_session"]

Array = NDArray[Any]
Label = str | int | float | bool


@dataclass(frozen=True)
class Direction:
    """The weights of a layer and direction: (G * H, I), (G * H, H), two biases (G * H,); gates in torch's order."""

    weight_ih: Array
    weight_hh: Array
    bias_ih: Array
    bias_hh: Array


@dataclass(frozen=True)
class Layer:
    """One recurrent layer: its equation, and one set of weights a direction."""

    cell: CellName
    directions: tuple[Direction, ...]
    nonlinearity: Nonlinearity = "tanh"
    reset_after: bool = True


@dataclass(frozen=True)
class PlainNetwork:
    """A network of ids or numbers: (scaler) → (embedding) → recurrent layers → pooling → dense.

    `tensors` are those of `runtime.layout.network_tensors(spec)`; `scaler` is the mean and the scale of each feature.
    """

    spec: NetworkSpec
    tensors: dict[str, Array]
    scaler: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    notes: tuple[str, ...] = field(default=(), compare=False)  # what the reader of the new file should know

    def direction(self, layer: int, reverse: bool = False) -> Direction:
        """The weights of one layer and direction."""
        end = f"l{layer}{'_reverse' if reverse else ''}"
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return Direction(*(self.tensors[f"rnn.{name}_{end}"] for name in names))


def assemble(
    layers: Sequence[Layer],
    head: tuple[Array, Array | None],
    *,
    embedding: Array | None = None,
    pool: PoolName = "last",
    attention: Array | None = None,
    scaler: tuple[Array, Array] | None = None,
    notes: tuple[str, ...] = (),
) -> PlainNetwork:
    """A network from its parts; `head` is the dense layer's weight (outputs, features) and its bias, if it has one.

    Raises:
        ModelError: parts that do not fit each other; the message says which.
    """
    if not layers:
        raise ModelError("there is no recurrent layer in it", mend="convert a model with an RNN, an LSTM or a GRU")
    tensors: dict[str, Array] = {}
    if embedding is not None:
        _expect("the embedding", embedding, (None, None))
        tensors["embedding.weight"] = _floats(embedding)
    specs = []
    width = layers[0].directions[0].weight_ih.shape[-1] if embedding is None else embedding.shape[1]
    for number, layer in enumerate(layers):
        specs.append(_layer(layer, number, width, tensors))
        width = specs[-1].hidden_size * len(layer.directions)
    weight, bias = head
    features = 2 * width if pool == "mean+max" else width
    _expect(f"the dense layer, after pooling by {pool},", weight, (None, features))
    tensors["head.weight"] = _floats(weight)
    tensors["head.bias"] = np.zeros(len(weight), np.float32) if bias is None else _floats(bias)
    _expect("the dense layer's bias", tensors["head.bias"], (len(weight),))
    if attention is not None:
        _expect("the attention's weight", attention, (1, width))
        tensors["attention.weight"] = _floats(attention)
    spec = NetworkSpec(
        input="numeric" if embedding is None else "ids",
        input_size=specs[0].input_size if embedding is None else len(embedding),
        embedding_size=0 if embedding is None else embedding.shape[1],
        layers=tuple(specs),
        pool=pool,
        outputs=len(weight),
    )
    return PlainNetwork(spec, tensors, None if scaler is None else _scaler(scaler, spec), notes)


def _layer(layer: Layer, number: int, width: int, tensors: dict[str, Array]) -> LayerSpec:
    """Its specification; its weights are checked and added to `tensors`."""
    hidden = layer.directions[0].weight_hh.shape[-1]
    rows = GATES[layer.cell] * hidden
    for suffix, part in zip(("", "_reverse"), layer.directions, strict=False):
        shapes = {"weight_ih": (rows, width), "weight_hh": (rows, hidden), "bias_ih": (rows,), "bias_hh": (rows,)}
        for name, shape in shapes.items():
            full = f"{name}_l{number}{suffix}"
            _expect(f"{full} of the {layer.cell}", getattr(part, name), shape)
            tensors[f"rnn.{full}"] = _floats(getattr(part, name))
    return LayerSpec(
        cell=layer.cell,
        input_size=width,
        hidden_size=hidden,
        bidirectional=len(layer.directions) == 2,
        nonlinearity=layer.nonlinearity,
        reset_after=layer.reset_after,
    )


def _scaler(scaler: tuple[Array, Array], spec: NetworkSpec) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean, scale = (np.asarray(part, np.float64).reshape(-1) for part in scaler)
    mean, scale = (np.repeat(part, spec.input_size) if part.size == 1 else part for part in (mean, scale))
    _expect("the scaler's mean", mean, (spec.input_size,))
    _expect("the scaler's scale", scale, (spec.input_size,))
    if spec.input != "numeric" or not (scale > 0).all():
        raise ModelError("a scaler stands before an embedding, or a scale of it is not above 0")
    return mean, scale


def _expect(what: str, array: Array, shape: tuple[int | None, ...]) -> None:
    fits = array.ndim == len(shape) and all(want in (None, got) for want, got in zip(shape, array.shape, strict=True))
    if not fits or array.size == 0:
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ModelError(f"{what} has shape {array.shape}, not ({wanted})")
    if array.dtype.kind == "f" and not all_finite(array):
        raise ModelError(f"{what} is not finite everywhere", mend="convert a model whose training did not diverge")


def _floats(array: Array) -> Array:
    """Float32 or float64 as they are, narrower floats widened. `ModelError` for anything else."""
    if array.dtype in (np.float32, np.float64):
        return np.ascontiguousarray(array)
    if array.dtype == np.float16:
        return array.astype(np.float32)
    raise ModelError(f"a weight is of dtype {array.dtype}", mend="convert a model with float weights")


def from_session(session: Session) -> PlainNetwork:
    """The network of a trained model, its weights in float32.

    Raises:
        ModelError: a model with parts that no other library has; the message names the part.
    """
    spec, network = session.spec, session.spec.network
    refused = [
        (spec.text is not None and spec.text.guide is not None, "a guide of n-grams", option("guide", "none")),
        (network.input == "bag", "bags of n-grams", option("input", "ids")),
        (network.pool == "none", "an answer at every step", "pooling"),
        (spec.targets is not None, "predicted numbers on a scale of their own", "classes"),
        (spec.members > 1, f"{spec.members} members", option("members", 1)),
        (
            any(layer.initial_state == "learned" for layer in network.layers),
            "a learned initial state",
            option("initial_state", "zero"),
        ),
    ]
    for number, layer in enumerate(network.layers):
        name = f"layer {number} with"
        refused += [
            (layer.cell in LINEAR, f"a {layer.cell} as layer {number}", option("cell", "gru")),
            (layer.layer_norm, f"{name} layer norm", option("layer_norm", False)),
            (layer.peephole, f"{name} peephole connections", option("peephole", False)),
            (layer.zoneout > 0, f"{name} zoneout", option("zoneout", 0)),
            (layer.zoneout_cell > 0, f"{name} zoneout of c", option("zoneout_cell", 0)),
        ]
    if network.weights == "int8":
        raise ModelError("the weights are in int8, which no other library takes", mend="export the model they are from")
    for wrong, what, choice in refused:
        if wrong:
            raise ModelError(f"the model has {what}, which cannot be exported", mend=f"train one with {choice}")
    notes = []
    scaler = None
    tensors = {name: np.asarray(tensor, np.float32) for name, tensor in session.tensors.items() if "scaler" not in name}
    if any(tensor.dtype == np.float64 for name, tensor in session.tensors.items() if "scaler" not in name):
        notes.append("weights in float64 are written in float32")
    tensors = {
        name: tensor for name, tensor in tensors.items() if name.startswith(("embedding", "rnn", "attention", "head"))
    }
    if spec.numeric is not None:
        mean, scale = (np.asarray(session.tensors[f"scaler.{part}"], np.float64) for part in ("mean", "scale"))
        scaler = None if not mean.any() and (scale == 1).all() else (mean, scale)
    if spec.text is not None and spec.text.tokenizer != "ids":
        notes.append(f"the text processing (tokenizer {spec.text.tokenizer}) stays behind: the file reads token ids")
    if network.input == "one_hot":
        network = NetworkSpec(
            input="numeric",
            input_size=network.input_size,
            layers=network.layers,
            pool=network.pool,
            outputs=network.outputs,
        )
        notes.append(f"the file reads each token id as a one-hot vector of {network.input_size:,} numbers")
    if network.outputs == 1:
        notes.append(f"its one output is the logit of the class {spec.classes[1]!r}")
    else:
        notes.append(
            f"its outputs are the logits of the classes {', '.join(map(repr, spec.classes[:10]))}"
            + "…" * (len(spec.classes) > 10)
        )
    return PlainNetwork(network, tensors, scaler, tuple(notes))


def to_session(
    network: PlainNetwork, classes: Sequence[Label] | None, training: dict[str, str | int | float | bool | None]
) -> Session:
    """The model of a network that came from elsewhere: it reads rows of token ids or of numbers.

    `classes` are the labels in the order of the outputs, two for one output; by default "0", "1", ….

    Raises:
        UsageError: another number of classes than the network has, or repeated ones.
        ModelError: weights that are not finite.
    """
    spec = network.spec
    count = max(2, spec.outputs)
    labels = tuple(str(k) for k in range(count)) if classes is None else tuple(classes)
    if len(labels) != count or len(set(labels)) != count:
        raise UsageError(
            f"{option('classes')} names {len(set(labels))} different classes, the network has {count}",
            mend="name each once, in the order of the outputs",
        )
    tensors = dict(network.tensors)
    text = numeric = None
    if spec.input == "ids":
        text = TextSpec(tokenizer="ids", num_words=spec.input_size)
    else:
        numeric = NumericSpec(features=spec.input_size)
        zero, one = np.zeros(spec.input_size), np.ones(spec.input_size)
        tensors["scaler.mean"], tensors["scaler.scale"] = network.scaler or (zero, one)
    model = ModelSpec(task="classify", classes=labels, text=text, numeric=numeric, network=spec, training=training)
    check_model(model, tensors)
    return Session(model, tensors)
