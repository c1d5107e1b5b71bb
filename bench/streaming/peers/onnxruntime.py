"""ONNX Runtime with buffers bound once: the new state is written where the next step reads the old one."""

from __future__ import annotations

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from bench.streaming.peers.graph import serialized
from bench.streaming.problem import Contestant, Weights

PACKAGES = ("onnxruntime", "onnx")


def build(weights: Weights) -> Contestant:
    """Two bindings that take turns, as no output may lie where an input does."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(serialized(weights), options, providers=["CPUExecutionProvider"])
    hidden = weights["weight_hh"].shape[1]
    buffers = {name: np.zeros((1, 1, hidden), np.float32) for name in ("x", "h", "c", "h_out", "c_out")}
    buffers["logit"] = np.zeros((1, 1), np.float32)
    values = {name: onnxruntime.OrtValue.ortvalue_from_numpy(array) for name, array in buffers.items()}
    views = {name: value.numpy() for name, value in values.items()}
    bound = []
    for h, c, new_h, new_c in (("h", "c", "h_out", "c_out"), ("h_out", "c_out", "h", "c")):
        binding = session.io_binding()
        for name, place in (("x", "x"), ("h", h), ("c", c)):
            binding.bind_ortvalue_input(name, values[place])
        for name, place in (("logit", "logit"), ("h_out", new_h), ("c_out", new_c)):
            binding.bind_ortvalue_output(name, values[place])
        bound.append(binding)
    turn = 0
    run = session.run_with_iobinding

    def step(x: NDArray[np.float32]) -> NDArray[np.float32]:
        nonlocal turn
        values["x"].update_inplace(x.reshape(1, 1, -1))
        run(bound[turn])
        turn = 1 - turn
        answer: NDArray[np.float32] = values["logit"].numpy()[0].copy()
        return answer

    def reset() -> None:
        nonlocal turn
        turn = 0
        for name in ("h", "c"):
            values[name].update_inplace(np.zeros_like(views[name]))

    return Contestant(step, reset)
