"""What a step costs: products as torch counts them, bytes as the tensors have them, state as a stream carries it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from random_models import (
    guided_model,
    ids_model,
    in_int8,
    network,
    numeric_model,
    tagger_model,
    text_model,
    token_model,
)
from torch.utils.flop_counter import FlopCounterMode

from timesteps.errors import ModelError
from timesteps.nn import CELLS
from timesteps.nn.cells.cell import as_state
from timesteps.nn.models import build
from timesteps.runtime.costs import layer_costs
from timesteps.runtime.layout import network_tensors
from timesteps.runtime.session import Session
from timesteps.runtime.summary import summary

torch.set_num_threads(1)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", list(CELLS))
def test_products_are_those_that_torch_counts(cell: str, bidirectional: bool) -> None:
    spec = network(cell, input="numeric", input_size=3, hidden_sizes=(4, 6), bidirectional=bidirectional, outputs=5)
    module, steps, counted = build(spec), 7, 0
    for number, layer in enumerate(spec.layers):
        with FlopCounterMode(display=False) as counter:
            for way in range(1 + bidirectional):
                one = module.rnn.cell(number, way == 1)
                state = as_state(one.zero_state(1))
                for _ in range(steps):
                    _, state = one.step(one.project(torch.zeros(1, layer.input_size)), state)
        cost = next(each for each in layer_costs(spec) if each.name == f"rnn.l{number}")
        assert counter.get_total_flops() == steps * cost.flops
        counted += cost.flops
    with FlopCounterMode(display=False) as counter:
        module.head(torch.zeros(1, spec.width))
    found = summary(spec)
    assert found.flops() == counted and found.flops("answer") == counter.get_total_flops()


def test_one_hot_products_and_embeddings_are_looked_up() -> None:
    spec = network("lstm", input="one_hot", input_size=11)
    (layer, _) = layer_costs(spec)
    assert layer.flops == 2 * 16 * 4  # the state's
    assert layer.weight_bytes == 4 * (16 + 16 * 4 + 2 * 16)  # a column, weight_hh, two biases
    (embedding, *_) = layer_costs(network("lstm", input="ids"))
    assert (embedding.flops, embedding.weight_bytes) == (0, 4 * 5)


@pytest.mark.parametrize("cell", list(CELLS))
def test_a_numeric_network_reads_all_its_weights(cell: str) -> None:
    spec = network(cell, input="numeric", input_size=3, hidden_sizes=(4, 6), initial_state="learned")
    costs = sum(cost.weight_bytes for cost in layer_costs(spec))
    assert costs == 4 * sum(int(np.prod(shape)) for shape in network_tensors(spec).values())


def test_int8_weights_are_read_as_bytes() -> None:
    spec, tensors = in_int8(numeric_model(cell="lstm"))
    plain = summary(numeric_model(cell="lstm")[0])
    found = Session(spec, tensors).summary()
    products = sum(t.size for name, t in tensors.items() if t.dtype == np.int8)
    assert sum(c.weight_bytes for c in plain.costs) - sum(c.weight_bytes for c in found.costs) == 3 * products
    assert found.flops() == plain.flops()


@pytest.mark.parametrize(
    "model", [text_model, ids_model, numeric_model, tagger_model, token_model, guided_model], ids=lambda m: m.__name__
)
def test_the_summary_streams_what_a_stream_streams(model: Any) -> None:
    session = Session(*model())
    found = session.summary()
    try:
        session.stream()
    except ModelError as error:
        assert not found.streams and found.streams_because in str(error)
    else:
        assert found.streams
        session.step("영화" if session.spec.numeric is None else np.zeros(3))
        carried = {name: part.nbytes for name, part in session.state.items() if name != "steps"}
        assert sum(carried.values()) == found.state_bytes and found.runs_steps.startswith(("native", "numpy"))
    assert session.explain().startswith(f"whole sequences: {found.runs}\n")


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_parameters_are_torchs_and_kerass(cell: str) -> None:
    spec = network(cell, input="ids", input_size=500, embedding_size=16, hidden_sizes=(8,))
    module = build(spec)
    found = module.summary()
    assert found.torch_parameters == sum(part.numel() for part in module.parameters())
    (own,) = (row for row in found.rows if row.name == "rnn.l0")
    assert own.keras_parameters == {"rnn": 200, "lstm": 800, "gru": 624}[cell]
    assert found.rows[1].keras_parameters == 8000


def test_the_whole_text_has_80_columns() -> None:
    for model in (text_model(3), ids_model(), numeric_model(), guided_model()):
        found = Session(*model).summary()
        assert max(map(len, found.full().splitlines())) <= 80
        assert found.full().startswith(str(found))
    assert found.to_dict()["costs"][-1]["often"] == "answer"
