"""A Keras model as a plain list of layers, and that list as a `PlainNetwork` and back.

Keras keeps weights transposed, (I, G * H); its LSTM has the gates i f c o, as torch, its GRU z r h. A GRU that resets
after the product has its two biases as the rows of one (2, 3 * H); every other layer has one bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import ModelError
from timesteps.interchange.checking import Ending, check_ending
from timesteps.interchange.files import shown
from timesteps.interchange.plain import Direction, Layer, PlainNetwork, assemble
from timesteps.runtime.layout import GATES
from timesteps.runtime.spec import CellName, PoolName

__all__ = ["CELLS", "KerasLayer", "Read", "from_plain", "to_plain"]

Array = NDArray[Any]
CELLS: dict[str, CellName] = {"SimpleRNN": "rnn", "LSTM": "lstm", "GRU": "gru"}
_KINDS = {cell: kind for kind, cell in CELLS.items()}
_ORDER = {"rnn": [0], "lstm": [0, 1, 2, 3], "gru": [1, 0, 2]}  # its own inverse
_EPSILON = 1e-7  # Keras' Normalization divides by no less


@dataclass(frozen=True)
class KerasLayer:
    """One layer: its class, the options that change its answer, and its weights as `get_weights()` lists them.

    `kind` is the class's name, but "MeanMax" stands for both global poolings side by side, and a Bidirectional layer
    has the kind of the layer in it and the option `bidirectional`.
    """

    kind: str
    name: str
    options: dict[str, Any] = field(default_factory=dict)
    weights: tuple[Array, ...] = ()


@dataclass(frozen=True)
class Read:
    """What a list of layers turned out to be."""

    network: PlainNetwork
    ending: Ending
    masks: bool  # whether padding is known as such


def to_plain(layers: Sequence[KerasLayer], notes: tuple[str, ...] = ()) -> Read:
    """The network of a list of layers.

    Raises:
        ModelError: a layer in a place where a model file has none, by name.
    """
    left = [layer for layer in layers if layer.kind not in ("InputLayer", "Dropout", "SpatialDropout1D")]
    last = left.pop() if left and left[-1].kind == "Activation" else None
    embedding = scaler = None
    masks = False
    if left and left[0].kind == "Normalization":
        scaler = _statistics(left.pop(0))
    while left and left[0].kind in ("Embedding", "Masking"):
        first = left.pop(0)
        masks = first.options["mask_zero"]
        if first.kind == "Embedding":
            (embedding,) = _weights(first, 1)
            _check_sizes(first, embedding.shape, (first.options["input_dim"], first.options["output_dim"]))
    stack = []
    while left and left[0].kind in CELLS:
        stack.append(left.pop(0))
    for below in stack[:-1]:
        if not below.options["return_sequences"]:
            raise ModelError(f"{_named(below)} gives its last step only to the layer above it")
    pool, rest = _pooling(stack, left)
    if len(rest) != 1 or rest[0].kind != "Dense":
        found = next((layer for layer in rest if layer.kind != "Dense"), rest[-1] if rest else None)
        raise ModelError(
            "there is no dense layer behind it" if found is None else f"{_named(found)} has no place there",
            mend="convert a model of an embedding, SimpleRNN, LSTM or GRU layers, pooling and one Dense layer",
        )
    dense = rest[0]
    kernel, *bias = _weights(dense, 2 if dense.options.get("use_bias", True) else 1)
    _check_sizes(dense, kernel.shape[1:], (dense.options["units"],))
    ending = _ending(dense, last, kernel)
    network = assemble(
        [_from_keras(layer) for layer in stack],
        (kernel.T, bias[0] if bias else None),
        embedding=embedding,
        pool=pool,
        scaler=scaler,
        notes=notes,
    )
    return Read(network, ending, masks)


def _named(layer: KerasLayer) -> str:
    return f"the layer {shown(layer.name)} ({shown(layer.kind)})"


def _weights(layer: KerasLayer, count: int) -> tuple[Array, ...]:
    if len(layer.weights) != count:
        raise ModelError(f"{_named(layer)} has {len(layer.weights)} weights, not {count}")
    return layer.weights


def _check_sizes(layer: KerasLayer, found: tuple[int, ...], told: tuple[int, ...]) -> None:
    """Keras would make what it is told, however large, before it looks at the weights."""
    if found != told:
        raise ModelError(f"{_named(layer)} has weights for sizes {shown(found)}, its configuration says {shown(told)}")


def _pooling(stack: list[KerasLayer], left: list[KerasLayer]) -> tuple[PoolName, list[KerasLayer]]:
    """How the last recurrent layer's outputs become one vector, and the layers behind that."""
    pools: dict[str, PoolName] = {"GlobalAveragePooling1D": "mean", "GlobalMaxPooling1D": "max", "MeanMax": "mean+max"}
    pooled = left[0].kind if left and left[0].kind in pools else None
    if stack and bool(stack[-1].options["return_sequences"]) != (pooled is not None):
        what = "gives all steps, which nothing pools" if pooled is None else "gives its last step only, which is pooled"
        raise ModelError(f"{_named(stack[-1])} {what}", mend="add GlobalAveragePooling1D, or drop return_sequences")
    return ("last", left) if pooled is None else (pools[pooled], left[1:])


def _ending(dense: KerasLayer, last: KerasLayer | None, kernel: Array) -> Ending:
    names = [dense.options.get("activation", "linear")]
    if last is not None:
        names.append(last.options["activation"])
    names = [name for name in names if name != "linear"]
    if len(names) > 1:
        raise ModelError(f"{_named(dense)} has two activations")
    endings: dict[str, Ending] = {"sigmoid": "sigmoid", "softmax": "softmax"}  # all that a configuration may say
    return check_ending(endings[names[0]], kernel.shape[-1]) if names else "none"


def _statistics(layer: KerasLayer) -> tuple[Array, Array]:
    """Mean and scale of a Normalization layer, from its options or, if it was adapted, its weights."""
    mean, variance = layer.options.get("mean"), layer.options.get("variance")
    if mean is None or variance is None:
        mean, variance, _ = _weights(layer, 3)
    found = [np.asarray(part, np.float64).reshape(-1) for part in (mean, variance)]
    if not (found[1] >= 0).all():
        raise ModelError(f"{_named(layer)} has a negative variance")
    return found[0], np.maximum(np.sqrt(found[1]), _EPSILON)


def _from_keras(layer: KerasLayer) -> Layer:
    options = layer.options
    cell = CELLS[layer.kind]
    both = options.get("bidirectional", False)
    per = 3 if options.get("use_bias", True) else 2
    weights = _weights(layer, per * (2 if both else 1))
    after = bool(options.get("reset_after", True)) if cell == "gru" else True
    parts = [weights[:per], weights[per:]] if both else [weights]
    directions = tuple(_direction(layer, cell, after, part) for part in parts)
    return Layer(cell, directions, options.get("activation", "tanh") if cell == "rnn" else "tanh", after)


def _direction(layer: KerasLayer, cell: CellName, after: bool, weights: Sequence[Array]) -> Direction:
    kernel, recurrent, *bias = weights
    hidden = recurrent.shape[0] if recurrent.ndim == 2 else 0
    columns = GATES[cell] * hidden
    double = cell == "gru" and after
    wanted = (2, columns) if double else (columns,)
    fits = kernel.ndim == 2 and recurrent.shape == (hidden, columns) and kernel.shape[1] == columns and columns > 0
    if not fits or (bias and bias[0].shape != wanted):
        raise ModelError(f"{_named(layer)} has weights of shapes {', '.join(str(each.shape) for each in weights)}")
    _check_sizes(layer, (hidden,), (layer.options["units"],))
    first, second = np.zeros(columns, kernel.dtype), np.zeros(columns, kernel.dtype)
    if bias:
        first, second = (bias[0][0], bias[0][1]) if double else (bias[0], second)
    order = _ORDER[cell]
    return Direction(*(_reordered(each, order).T for each in (kernel, recurrent, first, second)))


def _reordered(array: Array, order: list[int]) -> Array:
    """The blocks of columns in another order."""
    blocks = np.split(array, len(order), axis=-1)
    return np.concatenate([blocks[k] for k in order], axis=-1)


def from_plain(network: PlainNetwork, mask_zero: bool) -> list[KerasLayer]:
    """The layers of a network, without an activation behind the dense one.

    Raises:
        ModelError: pooling by attention, which is no layer of Keras.
    """
    spec = network.spec
    pools = {"mean": "GlobalAveragePooling1D", "max": "GlobalMaxPooling1D", "mean+max": "MeanMax"}
    if spec.pool not in (*pools, "last"):
        raise ModelError(f"pooling by {spec.pool} is no layer of Keras", mend="export to onnx or torch")
    layers = []
    if network.scaler is not None:
        mean, scale = network.scaler
        layers.append(KerasLayer("Normalization", "scaler", {"mean": mean, "variance": scale**2}))
    if spec.input == "ids":
        sizes = {"input_dim": spec.input_size, "output_dim": spec.embedding_size, "mask_zero": mask_zero}
        layers.append(KerasLayer("Embedding", "embedding", sizes, (network.tensors["embedding.weight"],)))
    for number, layer in enumerate(spec.layers):
        options: dict[str, Any] = {
            "units": layer.hidden_size,
            "return_sequences": number < len(spec.layers) - 1 or spec.pool != "last",
            "bidirectional": layer.bidirectional,
        }
        if layer.cell == "gru":
            options["reset_after"] = layer.reset_after
        if layer.cell == "rnn":
            options["activation"] = layer.nonlinearity
        weights: list[Array] = []
        for reverse in (False, True)[: 2 if layer.bidirectional else 1]:
            weights += _to_keras(layer.cell, layer.reset_after, network.direction(number, reverse))
        layers.append(KerasLayer(_KINDS[layer.cell], f"rnn_l{number}", options, tuple(weights)))
    if spec.pool != "last":
        layers.append(KerasLayer(pools[spec.pool], "pool"))
    head = (network.tensors["head.weight"].T, network.tensors["head.bias"])
    return [*layers, KerasLayer("Dense", "head", {"units": spec.outputs, "activation": "linear"}, head)]


def _to_keras(cell: CellName, after: bool, weights: Direction) -> list[Array]:
    """Kernel, recurrent kernel and bias; where Keras has one bias, ours are added."""
    order = _ORDER[cell]
    kernel, recurrent, first, second = (
        _reordered(each.T, order) for each in (weights.weight_ih, weights.weight_hh, weights.bias_ih, weights.bias_hh)
    )
    return [kernel, recurrent, np.stack([first, second]) if cell == "gru" and after else first + second]
