"""The nodes around the recurrent ones: what each makes of the meanings of its inputs, None if it has none here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from timesteps.interchange.checking import Ending, check_ending
from timesteps.interchange.onnx_graph import Node
from timesteps.interchange.onnx_meaning import Meaning, Walk, given

__all__ = ["VISITS"]


def _axes(found: Walk, node: Node, inputs: list[Meaning]) -> list[int]:
    """The axes that Squeeze, Unsqueeze or a reduction names, by an attribute or, from opset 13 on, an input."""
    if "axes" in node.attributes:
        return [int(axis) for axis in node.attributes["axes"]]
    if len(inputs) > 1 and inputs[1].array is not None:
        return [int(axis) for axis in inputs[1].array.reshape(-1)]
    return []


def _same(found: Walk, node: Node, inputs: list[Meaning]) -> Meaning | None:
    return inputs[0]


def _cast(found: Walk, node: Node, inputs: list[Meaning]) -> Meaning | None:
    """Between kinds of floats, or of whole numbers; anything else would round."""
    whole = inputs[0].source is not None and inputs[0].source.integer
    return inputs[0] if node.attributes.get("to") in ((6, 7) if whole else (1, 11)) else None


def _transpose(found: Walk, node: Node, inputs: list[Meaning]) -> Meaning | None:
    x = inputs[0]
    perm = node.attributes.get("perm", list(range(len(x.axes)))[::-1])
    if sorted(perm) != list(range(len(x.axes))):
        return None
    return replace(x, axes=tuple(x.axes[k] for k in perm))


def _squeeze(found: Walk, node: Node, inputs: list[Meaning]) -> Meaning | None:
    """Of a lone direction, or of what a reduction left."""
    x = inputs[0]
    axes = [axis % len(x.axes) for axis in _axes(found, node, inputs)] if x.axes else []
    for axis in axes:
        lone = x.axes[axis] == "D" and _directions(found, x) == 1
        if not lone and x.axes[axis] != "1":
            return None
    return replace(x, axes=tuple(name for k, name in enumerate(x.axes) if k not in axes)) if axes else None


def _directions(found: Walk, x: Meaning) -> int:
    if x.kind == "state":
        return len(x.pieces)
    return len(found.layers[x.layer].directions) if x.layer >= 0 else 0


def _reshape(found: Walk, node: Node, inputs: list[Meaning]) -> Meaning | None:
    """Directions and features, side by side in memory, become the features."""
    x, shape = inputs[0], inputs[1].array
    if x.kind not in ("steps", "state") or shape is None or x.axes[-2:] != ("D", "F"):
        return None
    whole = sum(found.layers[layer].directions[0].weight_hh.shape[1] for layer, _ in x.pieces)
    if x.kind == "steps":
        layer = found.layers[x.layer]
        whole = len(layer.directions) * layer.directions[0].weight_hh.shape[1]
    if len(shape) != len(x.axes) - 1 or shape[-1] not in (-1, whole):
        return None
    return replace(x, axes=(*x.axes[:-2], "F"))


def _gather(found: Walk, node: Node, inputs: list[Meaning]) -> Meaning | None:
    """Rows of the embedding, the last step, or one direction's state."""
    x, index = inputs
    axis = node.attributes.get("axis", 0)
    if x.array is not None and x.array.ndim == 2 and index.kind == "input" and index.source is not None:
        if axis != 0 or not index.source.integer or len(index.axes) != 2 or found.table is not None:
            return None
        found.table, found.main = x.array, index.source
        return Meaning("steps", (*index.axes, "F"))
    if index.array is None or index.array.size != 1 or not x.axes:
        return None
    at, name = int(index.array.reshape(-1)[0]), x.axes[axis % len(x.axes)]
    left = tuple(each for k, each in enumerate(x.axes) if k != axis % len(x.axes))
    axes = left if index.array.ndim == 0 else tuple("1" if each == name else each for each in x.axes)
    if x.kind == "state" and name == "D" and -len(x.pieces) <= at < len(x.pieces):
        return replace(x, axes=axes, pieces=(x.pieces[at],))
    if x.kind == "steps" and name == "T" and at == -1 and x.layer >= 0 and len(found.layers[x.layer].directions) == 1:
        return Meaning("state", axes, layer=x.layer, pieces=((x.layer, 0),))
    return None


def _concat(found: Walk, node: Node, inputs: list[Meaning]) -> Meaning | None:
    """States of directions, or the mean and the maximum."""
    x = inputs[0]
    axis = node.attributes.get("axis", 0)
    if any(each.axes != x.axes or each.kind != x.kind for each in inputs) or not -len(x.axes) <= axis < len(x.axes):
        return None
    name = x.axes[axis]
    if x.kind == "state" and name in ("D", "F"):
        return replace(x, pieces=tuple(piece for each in inputs for piece in each.pieces))
    if x.kind == "pooled" and name == "F" and [each.pool for each in inputs] == ["mean", "max"]:
        return replace(x, pool="mean+max")
    return None


def _reduce(found: Walk, node: Node, inputs: list[Meaning]) -> Meaning | None:
    x, axes = inputs[0], _axes(found, node, inputs)
    over = [x.axes[axis] for axis in axes]
    if x.kind not in ("steps", "weighed") or len(x.axes) != 3 or over != ["T"] or x.layer < 0:
        return None
    keep = node.attributes.get("keepdims", 1)
    left = tuple(name if name != "T" else "1" for name in x.axes if keep or name != "T")
    if x.kind == "weighed":
        return replace(x, kind="pooled", axes=left, pool="attention") if node.op == "ReduceSum" else None
    if node.op == "ReduceSum":
        return replace(x, kind="sum", axes=left)
    return replace(x, kind="pooled", axes=left, pool="mean" if node.op == "ReduceMean" else "max")


def _where(found: Walk, node: Node, inputs: list[Meaning]) -> Meaning | None:
    condition, x, other = inputs
    if condition.kind != "size" or other.array is None or other.array.size != 1 or x.kind not in ("steps", "scores"):
        return None
    return replace(x, masked=float(other.array.reshape(-1)[0]))


def _dense(found: Walk, node: Node, inputs: list[Meaning]) -> Meaning | None:
    """The dense layer, or the product with attention's weight."""
    x, weight = inputs[0], inputs[1].array
    gemm = node.op == "Gemm"
    if weight is None or weight.ndim != 2:
        return None
    if x.kind == "steps" and not gemm and x.layer >= 0 and weight.shape[1] == 1 and x.axes[-1] == "F":
        found.attention = weight.T
        return replace(x, kind="scores", axes=(*x.axes[:-1], "1"))
    plain = all(node.attributes.get(name, 1.0) == 1.0 for name in ("alpha", "beta"))
    if found.head is not None or x.axes != ("B", "F") or node.attributes.get("transA", 0) or not plain:
        return None
    if x.kind == "state":
        last = len(found.layers) - 1
        if x.pieces != tuple((last, d) for d in range(len(found.layers[last].directions))):
            return None
        found.pool = "last"
    elif x.kind == "pooled":
        found.pool = x.pool
    else:
        return None
    bias = inputs[2].array if gemm and given(node, 2) else None
    if gemm and given(node, 2) and bias is None:
        return None
    weight = weight if node.attributes.get("transB", 0) else weight.T
    found.head = (weight, None if bias is None else np.broadcast_to(bias.reshape(-1), len(weight)))
    return Meaning("logits", ("B", "K"))


def _add(found: Walk, node: Node, inputs: list[Meaning]) -> Meaning | None:
    """The bias of the dense layer, where the product is a MatMul."""
    x, bias = inputs if inputs[1].kind == "constant" else inputs[::-1]
    if x.kind != "logits" or bias.array is None or found.head is None or found.head[1] is not None:
        return None
    found.head = (found.head[0], np.broadcast_to(bias.array.reshape(-1), len(found.head[0])))
    return x


def _scale(found: Walk, node: Node, inputs: list[Meaning]) -> Meaning | None:
    """The scaler's mean and scale, or the number of steps under a sum."""
    x, by = inputs
    if x.kind == "input" and by.array is not None and x.source is not None and len(x.axes) == 3 and found.scale is None:
        found.main = x.source
        features = x.source.shape[2]
        if features is None or by.array.size not in (1, features):
            return None
        numbers = np.broadcast_to(by.array.reshape(-1), features).astype(np.float64)
        if node.op == "Sub" and found.mean is None:
            found.mean = numbers
        elif node.op == "Div" and found.mean is not None:
            found.scale = numbers
        else:
            return None
        return x
    if node.op == "Div" and x.kind == "sum" and by.kind == "size":
        return replace(x, kind="pooled", pool="mean")
    return None


def _multiply(found: Walk, node: Node, inputs: list[Meaning]) -> Meaning | None:
    steps, shares = inputs if inputs[0].kind == "steps" else inputs[::-1]
    alike = steps.kind == "steps" and shares.kind == "shares" and steps.layer == shares.layer
    return replace(steps, kind="weighed") if alike and steps.axes[:2] == shares.axes[:2] else None


def _softmax(found: Walk, node: Node, inputs: list[Meaning]) -> Meaning | None:
    x = inputs[0]
    axis = node.attributes.get("axis", -1 if found.graph.opset >= 13 else 1)
    if not -len(x.axes) <= axis < len(x.axes):
        return None
    if node.op == "Softmax" and x.kind == "scores" and x.axes[axis] == "T":
        return replace(x, kind="shares")
    return _ending(found, node, inputs) if x.kind == "logits" and x.axes[axis] == "K" else None


def _ending(found: Walk, node: Node, inputs: list[Meaning]) -> Meaning | None:
    endings: dict[str, Ending] = {"Sigmoid": "sigmoid", "Softmax": "softmax", "LogSoftmax": "log_softmax"}
    if inputs[0].kind != "logits" or found.ending != "none" or found.head is None:
        return None
    found.ending = check_ending(endings[node.op], len(found.head[0]))
    return inputs[0]


VISITS: dict[str, Callable[[Walk, Node, list[Meaning]], Meaning | None]] = {
    "Identity": _same,
    "Dropout": _same,
    "Cast": _cast,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Reshape": _reshape,
    "Gather": _gather,
    "Concat": _concat,
    "ReduceMean": _reduce,
    "ReduceMax": _reduce,
    "ReduceSum": _reduce,
    "Where": _where,
    "Gemm": _dense,
    "MatMul": _dense,
    "Add": _add,
    "Sub": _scale,
    "Div": _scale,
    "Mul": _multiply,
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    "Sigmoid": _ending,
}
