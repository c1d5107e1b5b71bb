"""To ONNX: one file, states in and out, any number of rows and steps.

Inputs: `ids` (batch, time) int64 or `x` (batch, time, features) float32, padded on the right; `lengths` (batch,) int64,
each at least 1; and for each layer `h_l0` (directions, batch, hidden), for an LSTM also `c_l0`: zeros at the start of a
sequence. Outputs: `logits` (batch, outputs) and the states after the last step, `h_l0_out`, …. Opset 17.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.errors import ModelError, UsageError
from timesteps.interchange.checking import Batch, Check, measure, missing, version
from timesteps.interchange.exported import Exported, checked_ending
from timesteps.interchange.onnx_recurrent import NODES, activations, to_weights
from timesteps.interchange.plain import PlainNetwork, from_session
from timesteps.runtime.atomic import atomic_write
from timesteps.runtime.session import Session, load
from timesteps.version import __version__

if TYPE_CHECKING:
    import onnx

__all__ = ["OPSET", "needs_onnx", "onnx_runner", "session_of", "to_onnx"]

OPSET = 17
_IR_VERSION = 8  # what belongs to opset 17
_MAX_BYTES = 2**31 - 1  # of a protocol buffer
_OPS = {cell: op for op, cell in NODES.items()}


def to_onnx(model: Session | str | os.PathLike[str], path: str | os.PathLike[str]) -> Exported:
    """Write a model as one ONNX file. Text processing stays behind: the file reads token ids or numbers.

    Where ONNX Runtime is installed, it runs the file on random inputs, and the largest difference goes into the file's
    metadata. With pooling by mean, max or attention, the logits are those of the steps of one call.

    Args:
        model: a trained model, or its run folder.
        path: the file to write; its name ends in `.onnx`.

    Raises:
        ModelError: a model with parts that ONNX has no nodes for, or answers that differ by more than 1e-5.
        UsageError: onnx is not installed, another ending, or a place that cannot be written to.

    >>> import tempfile, torch, onnxruntime
    >>> from timesteps.interchange import from_torch, to_onnx
    >>> model = from_torch(torch.nn.GRU(3, 4), head=torch.nn.Linear(4, 1)).session
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     exported = to_onnx(model, f"{folder}/gru.onnx")
    ...     peer = onnxruntime.InferenceSession(exported.path)
    >>> x, h = np.zeros((2, 5, 3), np.float32), np.zeros((1, 2, 4), np.float32)
    >>> logits, h = peer.run(None, {"x": x, "lengths": [5, 3], "h_l0": h})
    >>> logits.shape, h.shape
    ((2, 1), (1, 2, 4))
    """
    path = checked_ending(path, ".onnx")
    needs_onnx()
    network = from_session(model if isinstance(model, Session) else load(model))
    built = _built(network)
    why = missing("onnxruntime")
    check = Check(why) if why else measure(network, _runner(network, built), version("onnxruntime"))
    record = {**check.to_dict(), "pool": network.spec.pool, "notes": list(network.notes)}
    entry = built.metadata_props.add()
    entry.key, entry.value = "timesteps", msgspec.json.encode(record).decode()
    with atomic_write(path) as file:
        file.write(built.SerializeToString())
    return Exported(path, check, network.notes)


def needs_onnx() -> None:
    """`UsageError` where onnx is not installed."""
    if why := missing("onnx"):
        raise UsageError(why, mend="pip install 'timesteps[onnx]'")


def session_of(encoded: bytes) -> Any:
    """An ONNX Runtime session on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(encoded, options, providers=["CPUExecutionProvider"])


def onnx_runner(network: PlainNetwork) -> Callable[[Batch], NDArray[Any]]:
    """What runs a network as the file that `to_onnx` writes, by ONNX Runtime: padded rows to logits (B, outputs).

    Raises:
        ModelError: it takes more than one file can hold.
    """
    return _runner(network, _built(network))


def _built(network: PlainNetwork) -> onnx.ModelProto:
    built = _Graph(network).model()
    if (size := built.ByteSize()) > _MAX_BYTES:
        raise ModelError(
            f"takes {size:,} bytes, an ONNX file in one piece {_MAX_BYTES:,}", mend="use a smaller embedding"
        )
    return built


def _runner(network: PlainNetwork, built: onnx.ModelProto) -> Callable[[Batch], NDArray[Any]]:
    session = session_of(built.SerializeToString())
    name = "ids" if network.spec.input == "ids" else "x"

    def run(batch: Batch) -> NDArray[Any]:
        feed = {name: batch.values, "lengths": batch.lengths}
        for number, layer in enumerate(network.spec.layers):
            shape = (2 if layer.bidirectional else 1, len(batch.lengths), layer.hidden_size)
            for state in "hc" if layer.cell == "lstm" else "h":
                feed[f"{state}_l{number}"] = np.zeros(shape, np.float32)
        found: NDArray[Any] = session.run(["logits"], feed)[0]
        return found

    return run


class _Graph:
    """The graph as it grows: nodes in order, constants, inputs and outputs."""

    def __init__(self, network: PlainNetwork) -> None:
        self.network = network
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []

    def node(self, op: str, *inputs: str, name: str, **attributes: Any) -> str:
        """Add a node with one output, which has the node's name."""
        return self.add(op, list(inputs), [name], **attributes)

    def add(self, op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(op, inputs, outputs, name=outputs[0], **attributes))
        return outputs[0]

    def constant(self, name: str, value: Any, dtype: type = np.int64) -> str:
        self.constants[name] = np.asarray(value, dtype)
        return name

    def tell(self, where: list[onnx.ValueInfoProto], name: str, kind: str, shape: list[str | int]) -> str:
        from onnx import TensorProto, helper

        where.append(helper.make_tensor_value_info(name, getattr(TensorProto, kind), shape))
        return name

    def model(self) -> onnx.ModelProto:
        """The whole model."""
        from onnx import helper, numpy_helper

        spec = self.network.spec
        x = self._input()
        lengths = self.tell(self.inputs, "lengths", "INT64", ["batch"])
        ends = self.node("Cast", lengths, name="sequence_lens", to=6)  # int32, as the recurrent nodes want it
        self.tell(self.outputs, "logits", "FLOAT", ["batch", spec.outputs])
        state = ""
        for number in range(len(spec.layers)):
            x, state = self._layer(number, x, ends)
        pooled = self._pooled(x, state)
        head = [self.constant(name, self.network.tensors[name], np.float32) for name in ("head.weight", "head.bias")]
        self.node("Gemm", pooled, *head, name="logits", transB=1)
        tensors = [numpy_helper.from_array(np.ascontiguousarray(each), name) for name, each in self.constants.items()]
        graph = helper.make_graph(self.nodes, "timesteps", self.inputs, self.outputs, tensors)
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=_IR_VERSION,
            producer_name="timesteps",
            producer_version=__version__,
        )

    def _input(self) -> str:
        """What the first layer reads, (time, batch, features)."""
        spec, scaler = self.network.spec, self.network.scaler
        if spec.input == "ids":
            ids = self.tell(self.inputs, "ids", "INT64", ["batch", "time"])
            turned = self.node("Transpose", ids, name="ids_by_time", perm=[1, 0])
            table = self.constant("embedding.weight", self.network.tensors["embedding.weight"], np.float32)
            return self.node("Gather", table, turned, name="embedded")
        x = self.tell(self.inputs, "x", "FLOAT", ["batch", "time", spec.input_size])
        if scaler is not None:  # in double: large values with small differences keep their digits
            x = self.node("Cast", x, name="x_double", to=11)
            x = self.node("Sub", x, self.constant("scaler.mean", scaler[0], np.float64), name="x_centred")
            x = self.node("Div", x, self.constant("scaler.scale", scaler[1], np.float64), name="x_scaled")
            x = self.node("Cast", x, name="x_float", to=1)
        return self.node("Transpose", x, name="x_by_time", perm=[1, 0, 2])

    def _layer(self, number: int, x: str, ends: str) -> tuple[str, str]:
        """A recurrent layer: its outputs (time, batch, width) and its last h (directions, batch, hidden)."""
        layer = self.network.spec.layers[number]
        count = 2 if layer.bidirectional else 1
        directions = [self.network.direction(number, reverse) for reverse in (False, True)[:count]]
        weights = zip("WRB", to_weights(layer.cell, directions), strict=True)
        inputs = [x, *(self.constant(f"l{number}.{name}", value, np.float32) for name, value in weights), ends]
        states = ["h", "c"] if layer.cell == "lstm" else ["h"]
        for name in states:
            shape: list[str | int] = [count, "batch", layer.hidden_size]
            inputs.append(self.tell(self.inputs, f"{name}_l{number}", "FLOAT", shape))
            self.tell(self.outputs, f"{name}_l{number}_out", "FLOAT", shape)
        attributes: dict[str, Any] = {"hidden_size": layer.hidden_size}
        attributes["direction"] = "bidirectional" if layer.bidirectional else "forward"
        if layer.cell == "gru":
            attributes["linear_before_reset"] = int(layer.reset_after)
        if layer.cell == "rnn":
            attributes |= activations(layer.nonlinearity, count)
        outputs = [f"y_l{number}", *(f"{name}_l{number}_out" for name in states)]
        y = self.add(_OPS[layer.cell], inputs, outputs, **attributes)
        turned = self.node("Transpose", y, name=f"y_l{number}_by_row", perm=[0, 2, 1, 3])
        joined = self.constant("steps_joined", [0, 0, -1])
        return self.node("Reshape", turned, joined, name=f"y_l{number}_joined"), outputs[1]

    def _pooled(self, y: str, h: str) -> str:
        """One vector a row, (batch, features)."""
        pool = self.network.spec.pool
        if pool == "last":
            turned = self.node("Transpose", h, name="h_by_row", perm=[1, 0, 2])
            return self.node("Reshape", turned, self.constant("states_joined", [0, -1]), name="pooled")
        first = self.constant("first", [0])
        mask = self._mask(y)
        zero = self.constant("zero", 0, np.float32)
        lowest = self.constant("lowest", -np.inf, np.float32)
        found = []
        if pool == "attention":
            weight = self.constant("attention.weight", self.network.tensors["attention.weight"].T, np.float32)
            scores = self.node("MatMul", y, weight, name="scores")
            real = self.node("Where", mask, scores, lowest, name="real_scores")
            weighed = self.node("Mul", y, self.node("Softmax", real, name="shares", axis=0), name="weighed")
            return self.node("ReduceSum", weighed, first, name="pooled", keepdims=0)
        if pool in ("mean", "mean+max"):
            real = self.node("Where", mask, y, zero, name="real")
            sums = self.node("ReduceSum", real, first, name="sums", keepdims=0)
            counts = self.node("Cast", "lengths", name="counts_flat", to=1)
            counts = self.node("Unsqueeze", counts, self.constant("last", [1]), name="counts")
            found.append(self.node("Div", sums, counts, name="mean"))
        if pool in ("max", "mean+max"):
            real = self.node("Where", mask, y, lowest, name="real_or_lowest")
            found.append(self.node("ReduceMax", real, name="max", axes=[0], keepdims=0))
        return found[0] if len(found) == 1 else self.node("Concat", *found, name="pooled", axis=1)

    def _mask(self, y: str) -> str:
        """Where steps are real: (time, batch, 1)."""
        time = self.node("Gather", self.node("Shape", y, name="shape"), self.constant("index", 0), name="time")
        steps = self.node("Range", self.constant("start", 0), time, self.constant("delta", 1), name="steps")
        column = self.node("Unsqueeze", steps, self.constant("as_column", [1]), name="steps_column")
        real = self.node("Less", column, "lengths", name="real_steps")
        return self.node("Unsqueeze", real, self.constant("as_last", [2]), name="mask")
