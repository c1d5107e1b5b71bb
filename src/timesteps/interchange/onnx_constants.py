"""The few operators on constants that exporters leave in a graph; none makes more numbers than it is given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import ModelError
from timesteps.interchange.onnx_graph import Node

__all__ = ["OPERATORS", "evaluated"]

Array = NDArray[Any]
OPERATORS = frozenset(
    ("Constant", "Identity", "Cast", "Transpose", "Squeeze", "Unsqueeze", "Concat", "Slice", "Reshape")
)
_DTYPES = {1: np.float32, 11: np.float64, 7: np.int64, 6: np.int32}  # TensorProto's numbers


def evaluated(node: Node, inputs: list[Array | None]) -> Array:
    """The constant that a node of constants gives.

    Raises:
        ModelError: an argument that does not fit, or one that is not read here; the message names the node.
    """
    try:
        return _evaluated(node, [np.zeros(0, np.int64) if each is None else each for each in inputs])
    except (ValueError, IndexError, TypeError, KeyError, OverflowError) as error:
        raise ModelError(f"{node.where} cannot be computed from its constants") from error


def _evaluated(node: Node, inputs: list[Array]) -> Array:
    attributes = node.attributes
    if node.op == "Constant":
        (value,) = attributes.values()
        return np.asarray(value)
    x = inputs[0]
    if node.op == "Identity":
        return x
    if node.op == "Cast":
        return x.astype(_DTYPES[attributes["to"]])
    if node.op == "Transpose":
        return x.transpose(attributes.get("perm", None))
    if node.op == "Concat":
        return np.concatenate(inputs, attributes["axis"])
    if node.op == "Reshape":
        return x.reshape([x.shape[k] if size == 0 else int(size) for k, size in enumerate(inputs[1])])
    if node.op == "Slice":
        return _slice(x, attributes, inputs[1:])
    given = attributes["axes"] if "axes" in attributes else inputs[1].tolist()
    if node.op == "Squeeze":
        return np.squeeze(x, tuple(given))
    return np.expand_dims(x, tuple(given))


def _slice(x: Array, attributes: dict[str, Any], inputs: list[Array]) -> Array:
    if "starts" in attributes:
        starts, ends = attributes["starts"], attributes["ends"]
        axes, steps = attributes.get("axes", list(range(len(starts)))), [1] * len(starts)
    else:
        starts, ends, *more = (each.tolist() for each in inputs)
        axes = more[0] if more and more[0] else list(range(len(starts)))
        steps = more[1] if len(more) > 1 else [1] * len(starts)
    cut = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        cut[axis] = slice(start, end, step)
    return x[tuple(cut)]
