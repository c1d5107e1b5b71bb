"""JAX: the equations in `lax.scan`, compiled by XLA; the products with the inputs are one, before the scan."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from bench.layers.peers.contestant import Contestant, Problem

PACKAGES = ("jax", "jaxlib")


def _lstm(gx: Any, state: Any, w_hh: Any, _: Any) -> Any:
    h, c = state
    i, f, g, o = jnp.split(gx + h @ w_hh.T, 4, axis=1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def _gru(gx: Any, state: Any, w_hh: Any, b_hh: Any) -> Any:
    (h,) = state
    r_x, z_x, n_x = jnp.split(gx, 3, axis=1)
    r_h, z_h, n_h = jnp.split(h @ w_hh.T + b_hh, 3, axis=1)
    r, z = jax.nn.sigmoid(r_x + r_h), jax.nn.sigmoid(z_x + z_h)
    n = jnp.tanh(n_x + r * n_h)
    h = (1 - z) * n + z * h
    return (h,), h


def _rnn(gx: Any, state: Any, w_hh: Any, _: Any) -> Any:
    h = jnp.tanh(gx + state[0] @ w_hh.T)
    return (h,), h


STEPS = {"LSTM": (_lstm, 2), "GRU": (_gru, 1), "RNN": (_rnn, 1)}


def build(problem: Problem) -> Contestant:
    """The layer, compiled for the problem's shape."""
    step, states = STEPS[problem.cell]
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    weights = tuple(jnp.asarray(problem.weights[name]) for name in names)

    def layer(x: Any, weights: Any) -> Any:
        w_ih, w_hh, b_ih, b_hh = weights
        gx = x @ w_ih.T + (b_ih if problem.cell == "GRU" else b_ih + b_hh)
        zeros = (jnp.zeros((x.shape[1], w_hh.shape[1]), x.dtype),) * states
        return lax.scan(lambda state, gx_t: step(gx_t, state, w_hh, b_hh), zeros, gx)[1]

    x = jnp.asarray(problem.x)
    if problem.dy is None:
        forward = jax.jit(layer)
        return Contestant(
            lambda: forward(x, weights).block_until_ready(), lambda: (np.asarray(forward(x, weights)), None)
        )
    dy = jnp.asarray(problem.dy)

    @jax.jit
    def train(x: Any, weights: Any, dy: Any) -> Any:
        y, backward = jax.vjp(layer, x, weights)
        return y, backward(dy)

    def results() -> Any:
        y, (dx, _) = train(x, weights, dy)
        return np.asarray(y), np.asarray(dx)

    return Contestant(lambda: jax.block_until_ready(train(x, weights, dy)), results)
