"""Keras on TensorFlow: the model and the step in a `tf.function`, as it is and compiled by XLA."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

from bench.layers.peers.contestant import Problem, gates_of
from bench.layers.peers.keras import LAYERS, ORDERS, PACKAGES
from bench.training.plan import Model
from bench.training.steps import PARITY_STEPS, Step, batch_of
from timesteps.training.initial import initial_weights

__all__ = ["PACKAGES", "contestants", "same_steps"]


def same_steps(model: Model) -> int:
    """How many losses have to be ours: Keras' LSTM and SimpleRNN have one bias, where Adam steps both of torch's, and
    only the first loss is the same."""
    return PARITY_STEPS if model.cell == "gru" else 1


def contestants(model: Model, threads: int) -> dict[str, Step]:
    """Both, by name."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return {"keras": _step(model, False), "keras, XLA": _step(model, True)}


def _step(model: Model, compiled: bool) -> Step:
    weights, cell = initial_weights(model.spec()), model.cell.upper()
    named = {name: weights[f"rnn.{name}_l0"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    problem = Problem(cell, named, np.zeros(0, np.float32), None, 1)
    kernel, recurrent, b_ih, b_hh = (gates_of(problem, name, ORDERS[cell]) for name in named)
    parts = [getattr(keras.layers, LAYERS[cell])(model.hidden), keras.layers.Dense(1)]
    values = [kernel.T, recurrent.T, np.stack([b_ih, b_hh]) if cell == "GRU" else b_ih + b_hh]
    values += [weights["head.weight"].T, weights["head.bias"]]
    if model.words:
        parts.insert(0, keras.layers.Embedding(model.words, model.inputs))
        values.insert(0, weights["embedding.weight"])
    network = keras.Sequential(parts)
    inputs, targets = batch_of(model)
    x, y = tf.constant(inputs), tf.constant(targets[:, None])
    network(x)
    network.set_weights(values)
    adam = keras.optimizers.Adam(1e-3, epsilon=1e-8)
    adam.build(network.trainable_variables)
    loss_of = keras.losses.BinaryCrossentropy(from_logits=True) if model.words else keras.losses.MeanSquaredError()

    @tf.function(jit_compile=compiled)
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = loss_of(y, network(x, training=True))
        # Dense, for Adam is to take the same step as elsewhere: of slices Keras' own makes another one.
        adam.apply([tf.convert_to_tensor(each) for each in tape.gradient(loss, network.trainable_variables)])
        return loss

    return lambda: float(step())
