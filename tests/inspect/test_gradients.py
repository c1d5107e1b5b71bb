"""Gradients of answers with respect to what the first layer reads, beside autograd."""

from __future__ import annotations

import numpy as np
import pytest
import random_models as models
import torch

from timesteps.inspect.gradients import input_gradients, why_no_gradients
from timesteps.nn.models import build
from timesteps.nn.padding import Steps
from timesteps.runtime import native
from timesteps.runtime.network import Network
from timesteps.runtime.spec import NetworkSpec

CELLS = [
    ("rnn", {"nonlinearity": "relu"}),
    ("lstm", {}),
    ("lstm", {"layer_norm": True, "peephole": True, "zoneout": 0.2, "zoneout_cell": 0.3}),
    ("gru", {"initial_state": "learned"}),
    ("gru", {"reset_after": False}),
    ("mingru", {}),
    ("minlstm", {}),
]
POOLS = ["last", "mean", "max", "mean+max", "attention", "none"]


def by_autograd(spec: NetworkSpec, tensors, x, weights, step):
    """Of rows (T, B, I): Σ weights · logits and its gradients, by torch."""
    network = build(spec).double().eval()
    network.load_state_dict({name: torch.from_numpy(w).double() for name, w in tensors.items()})
    rows = torch.from_numpy(x).double().transpose(0, 1).contiguous().requires_grad_()
    y, _ = network.rnn.run(rows, Steps(*rows.shape[:2], None, None, False, rows.shape[1]), implementation="loop")
    mask = torch.ones(rows.shape[:2], dtype=torch.bool)
    pooled = y[:, step] if spec.pool == "none" else network._pool(y, mask)
    answers = network.head(pooled) @ torch.from_numpy(weights)
    answers.sum().backward()
    return answers.detach().numpy(), rows.grad.transpose(0, 1).numpy()


@pytest.mark.skipif(native.core is None, reason="by the core")
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize(("cell", "options"), CELLS, ids=str)
def test_they_are_autograds(cell, options, pool) -> None:
    for bidirectional in (False, True):
        spec = models.network(
            cell, input="numeric", input_size=3, hidden_sizes=(4, 5), bidirectional=bidirectional, pool=pool, outputs=3,
            **options,
        )  # fmt: skip
        tensors = models.weights(spec, dtype=np.float64)
        rng = np.random.default_rng(0)
        x, weights, step = rng.normal(size=(6, 4, 3)), np.array([1.0, -0.5, 0.25]), 2 if pool == "none" else None
        network = Network(spec, tensors, np.float64)
        assert why_no_gradients(network) is None
        answers, gradients = input_gradients(network, x, weights, step)
        wanted, slopes = by_autograd(spec, tensors, x, weights, step)
        np.testing.assert_allclose(answers, wanted, atol=1e-11)
        np.testing.assert_allclose(gradients, slopes, atol=1e-9)
        single = Network(spec, tensors, np.float32)
        answers, gradients = input_gradients(single, x.astype(np.float32), weights, step)
        np.testing.assert_allclose(gradients, slopes, atol=2e-3 if options.get("layer_norm") else 1e-4)


@pytest.mark.skipif(native.core is None, reason="by the core")
def test_of_one_hot_vectors_they_are_those_of_the_products() -> None:
    spec = models.network("lstm", input="one_hot", input_size=7, bidirectional=True, pool="mean", outputs=2)
    tensors = models.weights(spec, dtype=np.float64)
    network = Network(spec, tensors, np.float64)
    ids, weights = np.array([3, 1, 1, 6]), np.array([1.0, -1.0])
    read = network.reads(models.Sequences(ids.astype(np.int32), np.array([0, 4])))
    x = read.products(network.weights[0], np.arange(4))
    _, gradients = input_gradients(network, x[:, None], weights)
    vectors = np.eye(7)[ids][:, None]
    numbers = models.network("lstm", input="numeric", input_size=7, bidirectional=True, pool="mean", outputs=2)
    _, slopes = by_autograd(numbers, tensors, vectors, weights, None)
    ways = np.concatenate([tensors["rnn.weight_ih_l0"], tensors["rnn.weight_ih_l0_reverse"]])
    np.testing.assert_allclose(gradients[:, 0] @ ways, slopes[:, 0], atol=1e-10)


def test_why_there_are_none() -> None:
    spec = models.network("mingru", input="numeric", zoneout=0.2)
    assert "zoneout has no kernel" in str(why_no_gradients(Network(spec, models.weights(spec))))
    model, tensors = models.in_int8(models.text_model())
    assert why_no_gradients(Network(model.network, tensors)) == "weights in int8 have no gradients"
    with native.without_core():
        spec = models.network("lstm")
        assert "no native core" in str(why_no_gradients(Network(spec, models.weights(spec))))
