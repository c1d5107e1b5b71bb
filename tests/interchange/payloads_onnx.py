"""Attacks on ONNX files: weights elsewhere, sizes that lie, code by other names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from payloads import Runs, payload, pickle, touch


def sound() -> Any:
    rng = np.random.default_rng(0)
    shapes = {"W": (1, 12, 2), "R": (1, 12, 3), "K": (3, 2), "b": (2,)}
    tensors = [
        numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name) for name, shape in shapes.items()
    ]
    tensors.append(numpy_helper.from_array(np.array([0], np.int64), "axis"))
    nodes = [
        helper.make_node("LSTM", ["x", "W", "R"], ["", "h"], hidden_size=3),
        helper.make_node("Squeeze", ["h", "axis"], ["last"]),
        helper.make_node("Gemm", ["last", "K", "b"], ["logits"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["T", "B", 2])
    y = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", 2])
    graph = helper.make_graph(nodes, "g", [x], [y], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def onnx(change: Callable[[Any, Path], None]) -> Callable[[Path], Path]:
    """A model, honest but for one change."""

    def write(folder: Path) -> Path:
        model = sound()
        (folder / "secret").write_bytes(bytes(96))
        change(model, folder)
        (folder / "evil.onnx").write_bytes(model.SerializeToString())
        return folder / "evil.onnx"

    write.__name__ = change.__name__
    return write


def elsewhere(tensor: Any, location: str) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "96")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value


@payload("lies in another file")
@onnx
def onnx_external_data_above(model: Any, folder: Path) -> None:
    """CVE-2022-25882 and its kin."""
    elsewhere(model.graph.initializer[0], "../../../../etc/passwd")


@payload("lies in another file")
@onnx
def onnx_external_data_absolute(model: Any, folder: Path) -> None:
    elsewhere(model.graph.initializer[0], "/etc/passwd")


@payload("lies in another file")
@onnx
def onnx_external_data_through_a_link(model: Any, folder: Path) -> None:
    (folder / "link").symlink_to("/etc/passwd")
    elsewhere(model.graph.initializer[0], "link")


@payload("lies in another file")
@onnx
def onnx_external_data_in_a_constant(model: Any, folder: Path) -> None:
    tensor = numpy_helper.from_array(np.zeros(24, np.float32))
    elsewhere(tensor, "secret")
    model.graph.node.insert(0, helper.make_node("Constant", [], ["c"], value=tensor))


@payload("has 96 bytes")
@onnx
def onnx_sizes_without_data(model: Any, folder: Path) -> None:
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend([2**31, 2**31, 2])


@payload("has shape")
@onnx
def onnx_negative_sizes(model: Any, folder: Path) -> None:
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend([-1, -12, 2])


@payload("has shape")
@onnx
def onnx_rank_of_a_thousand(model: Any, folder: Path) -> None:
    model.graph.initializer[0].dims.extend([1] * 1000)


@payload("of the domain com.evil")
@onnx
def onnx_operator_of_a_library(model: Any, folder: Path) -> None:
    model.graph.node.append(helper.make_node("Run", ["logits"], ["r"], domain="com.evil", code=touch(folder)))


@payload("node PythonOp")
@onnx
def onnx_operator_that_runs_python(model: Any, folder: Path) -> None:
    model.graph.node.append(
        helper.make_node("PythonOp", ["logits"], ["r"], code=pickle.dumps(Runs(exec, touch(folder))))
    )


@payload("functions of its own")
@onnx
def onnx_functions_that_call_each_other(model: Any, folder: Path) -> None:
    for one, other in (("A", "B"), ("B", "A")):
        inner = [helper.make_node(other, ["x"], ["y"], domain="own")]
        model.functions.append(helper.make_function("own", one, ["x"], ["y"], inner, [helper.make_opsetid("own", 1)]))


@payload("holds no number or tensor")
@onnx
def onnx_endless_loop(model: Any, folder: Path) -> None:
    model.graph.node.append(helper.make_node("Loop", ["", ""], ["r"], body=model.graph))


@payload("is there twice|defined twice")
@onnx
def onnx_same_weight_twice(model: Any, folder: Path) -> None:
    model.graph.initializer.append(model.graph.initializer[0])


@payload("sparse weights")
@onnx
def onnx_sparse_bomb(model: Any, folder: Path) -> None:
    values, indices = (numpy_helper.from_array(np.ones(1, dtype)) for dtype in (np.float32, np.int64))
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [2**31]))


@payload("which is not read here")
@onnx
def onnx_strings(model: Any, folder: Path) -> None:
    model.graph.initializer.append(helper.make_tensor("s", TensorProto.STRING, [1], [b"x"]))


@payload("training steps")
@onnx
def onnx_training_steps(model: Any, folder: Path) -> None:
    model.training_info.add()


@payload("has shape")
@onnx
def onnx_input_of_no_size(model: Any, folder: Path) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = -5


@payload("node Expand")
@onnx
def onnx_expansion(model: Any, folder: Path) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array([2**31, 2**31], np.int64), "big"))
    model.graph.node.append(helper.make_node("Expand", ["logits", "big"], ["r"]))


@payload("cannot be computed from its constants")
@onnx
def onnx_reshape_that_does_not_fit(model: Any, folder: Path) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array([2**40, 2**40], np.int64), "big"))
    model.graph.node.append(helper.make_node("Reshape", ["K", "big"], ["r"]))


@payload("is no ONNX file|has no nodes")
def onnx_that_is_a_pickle(folder: Path) -> Path:
    (folder / "evil.onnx").write_bytes(pickle.dumps(Runs(exec, touch(folder)), 2))
    return folder / "evil.onnx"


@payload("is no ONNX file")
def onnx_depth_bomb(folder: Path) -> Path:
    """Graphs in attributes of nodes of graphs …: what makes a careless parser run out of stack."""
    data = b""
    for _ in range(3000):  # GraphProto.node(1) ← NodeProto.attribute(5) ← AttributeProto.g(6)
        for field in (6, 5, 1):
            data = bytes([field << 3 | 2]) + varint(len(data)) + data
    (folder / "evil.onnx").write_bytes(bytes([7 << 3 | 2]) + varint(len(data)) + data)
    return folder / "evil.onnx"


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])
