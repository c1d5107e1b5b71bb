"""ONNX Runtime: the operator RNN, LSTM or GRU of a graph of one node. Inference only."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from bench.layers.peers.contestant import Contestant, Problem, gates_of

PACKAGES = ("onnxruntime", "onnx")
#: ONNX's gates by torch's number: i o f c; z r h.
ORDERS = {"RNN": (0,), "LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}
OPSET = 17


def build(problem: Problem) -> Contestant | None:
    """The operator, None for training."""
    if problem.dy is not None:
        return None
    order = ORDERS[problem.cell]
    w_ih, w_hh, b_ih, b_hh = (
        gates_of(problem, name, order) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    parameters = {"W": w_ih[None], "R": w_hh[None], "B": np.concatenate([b_ih, b_hh])[None]}
    attributes: dict[str, Any] = {"hidden_size": w_hh.shape[1]}
    if problem.cell == "GRU":
        attributes["linear_before_reset"] = 1  # as torch has it
    node = helper.make_node(problem.cell, ["x", *parameters], ["y"], **attributes)
    shape, directed = list(problem.x.shape), [problem.x.shape[0], 1, problem.x.shape[1], w_hh.shape[1]]
    graph = helper.make_graph(
        [node],
        problem.cell,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, directed)],
        [numpy_helper.from_array(array, name) for name, array in parameters.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 8  # that of the operator set; a newer one may be unknown to the runtime
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = problem.threads, 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {"x": problem.x}
    return Contestant(lambda: session.run(None, feed), lambda: (session.run(None, feed)[0][:, 0], None))
