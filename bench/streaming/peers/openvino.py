"""OpenVINO on the CPU, one stream, with tensors that share numpy's memory."""

from __future__ import annotations

import numpy as np
import openvino
from numpy.typing import NDArray

from bench.streaming.peers.graph import serialized
from bench.streaming.problem import Contestant, Weights

PACKAGES = ("openvino", "onnx")


def build(weights: Weights) -> Contestant:
    """The ONNX graph, compiled; the new state is handed in again."""
    core = openvino.Core()
    model = core.read_model(serialized(weights), b"")
    compiled = core.compile_model(
        model,
        "CPU",
        {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"},
    )
    request = compiled.create_infer_request()
    hidden = weights["weight_hh"].shape[1]
    inputs = {name: np.zeros((1, 1, hidden), np.float32) for name in ("x", "h", "c")}
    for name, array in inputs.items():
        request.set_tensor(name, openvino.Tensor(array, shared_memory=True))
    outputs = {name: request.get_tensor(name).data for name in ("logit", "h_out", "c_out")}

    def step(x: NDArray[np.float32]) -> NDArray[np.float32]:
        inputs["x"][0, 0] = x
        request.infer()
        inputs["h"][:], inputs["c"][:] = outputs["h_out"], outputs["c_out"]
        answer: NDArray[np.float32] = outputs["logit"][0].copy()
        return answer

    def reset() -> None:
        inputs["h"][:], inputs["c"][:] = 0, 0

    return Contestant(step, reset)
