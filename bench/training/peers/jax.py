"""JAX: the model in `lax.scan`, loss, gradients and Adam in one jitted step."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from bench.layers.peers.jax import PACKAGES, STEPS
from bench.training.plan import Model
from bench.training.steps import PARITY_STEPS, Step, batch_of
from timesteps.training.initial import initial_weights

__all__ = ["PACKAGES", "contestants", "same_steps"]

RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8


def same_steps(model: Model) -> int:
    """How many losses have to be ours: of every cell as many as of torch."""
    return PARITY_STEPS


def contestants(model: Model, threads: int) -> dict[str, Step]:
    """The compiled step."""
    inputs, targets = batch_of(model)
    x, y = jnp.asarray(np.swapaxes(inputs, 0, 1)), jnp.asarray(targets)
    cell, states = STEPS[model.cell.upper()]

    def loss_of(weights: Any) -> Any:
        vectors = weights["embedding.weight"][x] if model.words else x
        b_ih, b_hh = weights["rnn.bias_ih_l0"], weights["rnn.bias_hh_l0"]
        gx = vectors @ weights["rnn.weight_ih_l0"].T + (b_ih if model.cell == "gru" else b_ih + b_hh)
        w_hh = weights["rnn.weight_hh_l0"]
        zeros = (jnp.zeros((model.batch, model.hidden), gx.dtype),) * states
        state, _ = lax.scan(lambda state, gx_t: (cell(gx_t, state, w_hh, b_hh)[0], None), zeros, gx)
        z = state[0] @ weights["head.weight"][0] + weights["head.bias"][0]
        if not model.words:
            return jnp.mean((z - y) ** 2)
        return jnp.mean(jnp.maximum(z, 0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z))))

    def adam(weight: Any, grad: Any, mean: Any, square: Any, count: Any) -> Any:
        mean, square = mean + (1 - BETA1) * (grad - mean), BETA2 * square + (1 - BETA2) * grad * grad
        root = jnp.sqrt(square) / jnp.sqrt(1 - BETA2**count) + EPSILON
        return weight - RATE / (1 - BETA1**count) * mean / root, mean, square

    @jax.jit
    def train(state: Any) -> Any:
        weights, means, squares, count = state
        loss, grads = jax.value_and_grad(loss_of)(weights)
        new = {name: adam(weights[name], grads[name], means[name], squares[name], count + 1) for name in weights}
        parts = ({name: each[part] for name, each in new.items()} for part in range(3))
        return (*parts, count + 1), loss

    weights = {name: jnp.asarray(each) for name, each in initial_weights(model.spec()).items()}
    zeros = {name: jnp.zeros_like(each) for name, each in weights.items()}
    state = (weights, zeros, zeros, jnp.zeros((), jnp.float32))

    def step() -> float:
        nonlocal state
        state, loss = train(state)
        return float(loss)

    return {"jax": step}
