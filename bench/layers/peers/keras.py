"""Keras on TensorFlow: its own layers in a `tf.function`."""

from __future__ import annotations

import os
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

from bench.layers.peers.contestant import Contestant, Problem, gates_of

PACKAGES = ("keras", "tensorflow-cpu", "tensorflow")
#: Keras' gates by torch's number: z r h, not r z n.
ORDERS = {"RNN": (0,), "LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2)}
LAYERS = {"RNN": "SimpleRNN", "LSTM": "LSTM", "GRU": "GRU"}


def build(problem: Problem) -> Contestant:
    """The layer, batch first as Keras has it."""
    tf.config.threading.set_intra_op_parallelism_threads(problem.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    order = ORDERS[problem.cell]
    kernel, recurrent, b_ih, b_hh = (
        gates_of(problem, name, order) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    layer = getattr(keras.layers, LAYERS[problem.cell])(recurrent.shape[1], return_sequences=True)
    layer.build((None, None, kernel.shape[1]))
    layer.set_weights([kernel.T, recurrent.T, np.stack([b_ih, b_hh]) if problem.cell == "GRU" else b_ih + b_hh])
    x = tf.constant(problem.x.transpose(1, 0, 2).copy())
    if problem.dy is None:
        forward = tf.function(lambda x: layer(x, training=False))
        return Contestant(lambda: forward(x).numpy(), lambda: (forward(x).numpy().transpose(1, 0, 2), None))
    dy = tf.constant(problem.dy.transpose(1, 0, 2).copy())

    @tf.function
    def train(x: Any, dy: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        return y, tape.gradient(y, [x, *layer.trainable_variables], output_gradients=dy)

    def results() -> Any:
        y, (dx, *_) = train(x, dy)
        return y.numpy().transpose(1, 0, 2), dx.numpy().transpose(1, 0, 2)

    return Contestant(lambda: train(x, dy)[1][-1].numpy(), results)
