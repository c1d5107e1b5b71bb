"""TFLite (ai-edge-litert) with XNNPACK, one thread; TensorFlow converts the step."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from bench.streaming.problem import Contestant, Weights

PACKAGES = ("ai-edge-litert", "tensorflow-cpu")


def build(weights: Weights) -> Contestant:
    """x, h and c in, the logit and the new h and c out; the new state is handed in again."""
    hidden = weights["weight_hh"].shape[1]
    w_ih, w_hh = (tf.constant(weights[name].T) for name in ("weight_ih", "weight_hh"))
    bias = tf.constant(weights["bias_ih"] + weights["bias_hh"])
    head, head_bias = tf.constant(weights["head.weight"].T), tf.constant(weights["head.bias"])

    def graph(x: tf.Tensor, h: tf.Tensor, c: tf.Tensor) -> dict[str, tf.Tensor]:
        i, f, g, o = tf.split(tf.matmul(x, w_ih) + tf.matmul(h, w_hh) + bias, 4, axis=1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        h = tf.sigmoid(o) * tf.tanh(c)
        return {"logit": tf.matmul(h, head) + head_bias, "h_out": h, "c_out": c}

    signature = [tf.TensorSpec((1, hidden), tf.float32, name) for name in ("x", "h", "c")]
    function = tf.function(graph, input_signature=signature).get_concrete_function()
    content = tf.lite.TFLiteConverter.from_concrete_functions([function]).convert()
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    places = {each["name"].split(":")[0].removeprefix("serving_default_"): each["index"]
              for each in interpreter.get_input_details()}  # fmt: skip
    shapes = [tuple(each["shape"]) for each in interpreter.get_output_details()]
    outputs = [each["index"] for each in interpreter.get_output_details()]
    state = {name: np.zeros((1, hidden), np.float32) for name in ("h", "c")}
    # The converter orders outputs by their names: c_out, h_out, logit.
    assert shapes == [(1, hidden), (1, hidden), (1, 1)], shapes

    def step(x: NDArray[np.float32]) -> NDArray[np.float32]:
        interpreter.set_tensor(places["x"], x[None])
        for name, array in state.items():
            interpreter.set_tensor(places[name], array)
        interpreter.invoke()
        state["c"], state["h"] = interpreter.get_tensor(outputs[0]), interpreter.get_tensor(outputs[1])
        answer: NDArray[np.float32] = interpreter.get_tensor(outputs[2])[0]
        return answer

    def reset() -> None:
        for name in state:
            state[name] = np.zeros((1, hidden), np.float32)

    return Contestant(step, reset)
