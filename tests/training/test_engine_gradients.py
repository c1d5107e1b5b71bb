"""The native engine's loss and gradients are torch's, in double precision."""

from __future__ import annotations

from itertools import product
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from engine_problems import CELLS, DROPOUTS, INPUTS, LOSSES, POOLS, network_of, rates_for, rows_of, spec_of
from hypothesis import given, settings
from hypothesis import strategies as st

from timesteps.nn.models import Network
from timesteps.runtime import native
from timesteps.runtime.layout import network_tensors
from timesteps.runtime.regularization import Regularization
from timesteps.runtime.spec import LayerSpec, NetworkSpec
from timesteps.training.collate import collate
from timesteps.training.engines.native_engine import NativeEngine
from timesteps.training.examples import Examples
from timesteps.training.losses import disagreement, loss
from timesteps.training.randomness import reseed
from timesteps.training.settings import Settings

pytestmark = pytest.mark.skipif(native.core is None, reason="no compiled core")


def both(
    network: Network, rows: Examples, options: Settings
) -> tuple[float, dict[str, np.ndarray[Any, Any]], float, dict[str, np.ndarray[Any, Any]]]:
    """Loss and gradients of all rows: the native engine's, then torch's."""
    network = network.double().train()
    weights = {name: network.state_dict()[name].numpy() for name in network_tensors(network.spec)}
    engine = NativeEngine(network.spec, network.regularization, weights, rows, options, 1, network)
    index = np.arange(len(rows))
    value, gradients = engine.gradients(3, index)
    reseed(options.seed, 3)
    if options.consistency:
        index = np.concatenate([index, index])
    with patch.object(native, "core", None), patch.object(native, "left_aside", True):  # torch's own operators
        logits = network(collate(rows.sequences, index))
        units = rows.units(index)
        targets, shares = torch.from_numpy(rows.targets[units]), torch.from_numpy(rows.weights[units])
        expected = loss(logits, targets, shares, options.label_smoothing, options.criterion)
        if options.consistency:
            expected = expected + options.consistency * disagreement(logits, shares)
        expected.backward()
    wanted = {name: part.grad.to_dense().numpy() for name, part in network.named_parameters() if part.grad is not None}
    return value, gradients, expected.item(), wanted


def agree(network: Network, rows: Examples, options: Settings) -> None:
    value, gradients, expected, wanted = both(network, rows, options)
    assert value == pytest.approx(expected, rel=1e-10)
    assert gradients.keys() == wanted.keys()
    largest = max(np.abs(gradient).max() for gradient in wanted.values())
    assert largest > 1e-4
    for name, gradient in wanted.items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=1e-9, atol=1e-11 * largest, err_msg=name)


@pytest.mark.parametrize(("kind", "cell"), list(product(INPUTS, CELLS)))
def test_every_input_cell_and_pool(kind: str, cell: str) -> None:
    for pool in POOLS:
        spec = spec_of(kind, cell, pool, outputs=3, layers=2, bidirectional=True, learned=True)
        rows = rows_of(kind, outputs=3, per_step=pool == "none")
        agree(network_of(spec, rates_for(cell)), rows, Settings(label_smoothing=0.1))


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("soft", [False, True])
def test_every_cross_entropy(pool: Any, outputs: int, soft: bool) -> None:
    rows = rows_of("ids", outputs=outputs, soft=soft, per_step=pool == "none")
    for smoothing, consistency in product((0.0, 0.2), (0.0, 1.5)):
        options = Settings(label_smoothing=smoothing, consistency=consistency)
        agree(network_of(spec_of("ids", "gru", pool, outputs=outputs), DROPOUTS), rows, options)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_of_numbers(pool: Any, name: Any) -> None:
    options = Settings(loss=name, quantiles=LOSSES[name])
    for kind, numbers in (("ids", 1), ("numeric", 6), ("wide", 2)):
        rows = rows_of(kind, numbers=numbers, loss=name, per_step=pool == "none")
        spec = spec_of(kind, "lstm", pool, outputs=options.criterion.outputs(numbers), bidirectional=True)
        agree(network_of(spec, DROPOUTS), rows, options)


RATES = st.fixed_dictionaries({name: st.sampled_from([0.0, 0.3]) for name in vars(DROPOUTS)})


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(INPUTS),
    cell=st.sampled_from(sorted(CELLS)),
    pool=st.sampled_from(POOLS),
    rates=RATES,
    layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    learned=st.booleans(),
    hidden=st.integers(1, 11),
    rows=st.integers(1, 7),
    longest=st.integers(0, 6),
    full=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_combination(
    kind: str, cell: str, pool: Any, rates: dict[str, float], layers: int, bidirectional: bool, learned: bool,
    hidden: int, rows: int, longest: int, full: bool, seed: int,
) -> None:  # fmt: skip
    spec = spec_of(kind, cell, pool, layers=layers, bidirectional=bidirectional, learned=learned, hidden=hidden)
    examples = rows_of(kind, rows, longest=longest, full=full, per_step=pool == "none", seed=seed)
    if not examples.counted().any():  # rows without steps, where steps have targets
        return
    value, gradients, expected, wanted = both(
        network_of(spec, rates_for(cell, Regularization(**rates)), seed), examples, Settings(seed=seed)
    )
    assert value == pytest.approx(expected, rel=1e-10)
    for name, gradient in wanted.items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=1e-8, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("cell", ["lstm", "gru", "minlstm"])
def test_products_of_distinct_words_in_several_blocks(cell: Any) -> None:
    layer = LayerSpec(cell=cell, input_size=150, hidden_size=45, bidirectional=True)
    spec = NetworkSpec(input="ids", input_size=12, embedding_size=150, layers=(layer,), pool="max", outputs=1)
    agree(network_of(spec, Regularization(word_dropout=0.2)), rows_of("ids"), Settings())


def test_distinct_words_and_all_words_give_the_same_gradients() -> None:
    """Few rows have nearly as many words as steps, and their products are made step by step."""
    spec = spec_of("ids", "lstm", "mean", bidirectional=True)
    few, many = rows_of("ids", 2, longest=4, full=True, seed=5), rows_of("ids", 48)
    assert len(np.unique(few.sequences.values)) > 0.6 * len(few.sequences.values)
    assert len(np.unique(many.sequences.values)) < 0.6 * len(many.sequences.values)
    for rows in (few, many):
        agree(network_of(spec), rows, Settings())
