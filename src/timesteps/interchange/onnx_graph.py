"""An ONNX file as plain values: nodes, constants, inputs. Nothing in it may point outside of it."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import ModelError
from timesteps.interchange.files import read_bytes, shown

if TYPE_CHECKING:
    import onnx

__all__ = ["Graph", "Input", "Node", "read_graph"]

_MAX_BYTES = 2**31 - 1
_MAX_NODES = 20_000
_MAX_RANK = 8
_DTYPES = {1: "<f4", 11: "<f8", 10: "<f2", 7: "<i8", 6: "<i4", 9: "|b1"}  # TensorProto's numbers
_TYPED = {1: "float_data", 11: "double_data", 10: "int32_data", 7: "int64_data", 6: "int32_data", 9: "int32_data"}


@dataclass(frozen=True)
class Input:
    """An input of the graph; a size is None where it is free."""

    name: str
    integer: bool
    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True)
class Node:
    """A node; `where` names it in messages."""

    op: str
    where: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Graph:
    """All of it, and the bytes that ONNX Runtime may run: the graph, without anything else that was in the file."""

    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    constants: dict[str, NDArray[Any]]
    nodes: tuple[Node, ...]
    opset: int
    encoded: bytes


def read_graph(path: str | os.PathLike[str]) -> Graph:
    """Read an ONNX file.

    Raises:
        ModelError: it is damaged, keeps weights in other files, or has functions, subgraphs or operators of others.
    """
    import onnx
    from google.protobuf.message import DecodeError

    data = read_bytes(path, _MAX_BYTES)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, RecursionError) as error:
        raise ModelError("is no ONNX file", path=path) from error
    try:
        return _graph(model)
    except ModelError as error:
        raise ModelError(error.what, path=path, mend=error.mend) from error


def _graph(model: onnx.ModelProto) -> Graph:
    import onnx

    graph = model.graph
    for wrong, what in (
        (not graph.node, "has no nodes"),
        (len(graph.node) > _MAX_NODES, f"has more than {_MAX_NODES:,} nodes"),
        (bool(model.functions), "defines functions of its own"),
        (bool(model.training_info), "holds training steps"),
        (bool(graph.sparse_initializer), "has sparse weights"),
    ):
        if wrong:
            raise ModelError(f"the graph {what}", mend="export the trained network alone")
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    constants: dict[str, NDArray[Any]] = {}
    for tensor in graph.initializer:
        if tensor.name in constants:
            raise ModelError(f"the weight {shown(tensor.name)} is there twice")
        constants[tensor.name] = _array(tensor, tensor.name)
    inputs = tuple(_input(each) for each in graph.input if each.name not in constants)
    nodes = tuple(_node(node, number) for number, node in enumerate(graph.node))
    defined = [*constants, *(each.name for each in inputs), *(name for node in nodes for name in node.outputs if name)]
    if len(set(defined)) != len(defined):
        raise ModelError("a name is defined twice in the graph")
    clean = onnx.ModelProto(ir_version=model.ir_version)
    clean.opset_import.extend(model.opset_import)
    clean.graph.CopyFrom(graph)
    outputs = tuple(each.name for each in graph.output)
    return Graph(inputs, outputs, constants, nodes, opset, clean.SerializeToString())


def _input(given: onnx.ValueInfoProto) -> Input:
    kind = given.type.tensor_type
    if not given.type.HasField("tensor_type") or kind.elem_type not in _DTYPES:
        raise ModelError(f"the input {shown(given.name)} is not a tensor of numbers")
    shape = tuple(each.dim_value if each.HasField("dim_value") else None for each in kind.shape.dim)
    if any(size is not None and not 1 <= size < 2**31 for size in shape):
        raise ModelError(f"the input {shown(given.name)} has shape {shape}")
    return Input(given.name, kind.elem_type in (6, 7), shape, _DTYPES[kind.elem_type])


def _array(tensor: onnx.TensorProto, name: str) -> NDArray[Any]:
    """A weight that lies in the file itself, exactly as large as its shape says."""
    what = f"the weight {shown(name)}"
    if tensor.data_location == tensor.EXTERNAL or tensor.external_data:
        raise ModelError(f"{what} lies in another file", mend="save the model in one file")
    if tensor.data_type not in _DTYPES or tensor.HasField("segment"):
        raise ModelError(f"{what} is of data type {tensor.data_type}, which is not read here")
    shape = tuple(tensor.dims)
    if len(shape) > _MAX_RANK or any(size < 0 for size in shape):
        raise ModelError(f"{what} has shape {shown(shape)}")
    dtype = np.dtype(_DTYPES[tensor.data_type])
    count = math.prod(shape)
    if tensor.HasField("raw_data"):
        if len(tensor.raw_data) != count * dtype.itemsize:
            raise ModelError(f"{what} of shape {shown(shape)} has {len(tensor.raw_data):,} bytes")
        return np.frombuffer(tensor.raw_data, dtype).reshape(shape)
    data = getattr(tensor, _TYPED[tensor.data_type])
    if len(data) != count:
        raise ModelError(f"{what} of shape {shown(shape)} has {len(data):,} numbers")
    if tensor.data_type == 10:  # halves come as the bits of whole numbers
        return np.asarray(data, np.int64).astype(np.uint16).view(np.float16).reshape(shape)
    return np.asarray(data, dtype).reshape(shape)


def _node(node: onnx.NodeProto, number: int) -> Node:
    where = f"the node {shown(node.op_type, 40)} {shown(node.name or number)}"
    if node.domain not in ("", "ai.onnx"):
        raise ModelError(f"{where} is of the domain {shown(node.domain)}, not of ONNX")
    attributes: dict[str, Any] = {}
    for attribute in node.attribute:
        if attribute.name in attributes:
            raise ModelError(f"{where} has the attribute {shown(attribute.name)} twice")
        attributes[attribute.name] = _value(attribute, where)
    return Node(node.op_type, where, tuple(node.input), tuple(node.output), attributes)


def _value(attribute: onnx.AttributeProto, where: str) -> Any:
    kind = attribute.type
    if kind == attribute.FLOAT:
        return attribute.f
    if kind == attribute.INT:
        return attribute.i
    if kind == attribute.STRING:
        return attribute.s.decode(errors="replace")
    if kind == attribute.FLOATS:
        return list(attribute.floats)
    if kind == attribute.INTS:
        return list(attribute.ints)
    if kind == attribute.STRINGS:
        return [text.decode(errors="replace") for text in attribute.strings]
    if kind == attribute.TENSOR:
        return _array(attribute.t, attribute.name)
    raise ModelError(f"{where} has the attribute {shown(attribute.name)}, which holds no number or tensor")
