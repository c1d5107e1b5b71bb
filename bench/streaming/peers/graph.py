"""The step as an ONNX graph, for the runtimes that read one: x, h and c in, the logit and the new h and c out."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from bench.streaming.problem import Weights

ORDER = (0, 3, 1, 2)  # ONNX's gates i o f c by torch's number
OPSET = 17


def serialized(weights: Weights) -> bytes:
    """One LSTM node of a sequence of one step, and one Gemm."""
    hidden = weights["weight_hh"].shape[1]

    def gates(name: str) -> np.ndarray:
        return np.concatenate([np.split(weights[name], 4)[gate] for gate in ORDER])

    constants = {
        "W": gates("weight_ih")[None],
        "R": gates("weight_hh")[None],
        "B": np.concatenate([gates("bias_ih"), gates("bias_hh")])[None],
        "V": weights["head.weight"],
        "v": weights["head.bias"],
        "flat": np.array([1, hidden], np.int64),
    }
    nodes = [
        helper.make_node("LSTM", ["x", "W", "R", "B", "", "h", "c"], ["", "h_out", "c_out"], hidden_size=hidden),
        helper.make_node("Reshape", ["h_out", "flat"], ["last"]),
        helper.make_node("Gemm", ["last", "V", "v"], ["logit"], transB=1),
    ]

    def value(name: str, *shape: int) -> object:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    state = (1, 1, hidden)
    graph = helper.make_graph(
        nodes,
        "step",
        [value("x", *state), value("h", *state), value("c", *state)],
        [value("logit", 1, 1), value("h_out", *state), value("c_out", *state)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 8  # that of the operator set; a newer one may be unknown to a runtime
    checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content
