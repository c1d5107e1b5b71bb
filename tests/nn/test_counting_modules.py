"""The numbers of parameters that textbooks print."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from timesteps.errors import UsageError
from timesteps.nn import GRU, LSTM, RNN, Embedding, LSTMCell, build, count_parameters
from timesteps.runtime import counting
from timesteps.runtime.layout import network_tensors
from timesteps.runtime.spec import LayerSpec, NetworkSpec


@pytest.mark.parametrize(
    ("module", "keras", "torch_count"),
    [
        (Embedding(500, 16), 8000, 8000),
        (RNN(16, 8), 200, 208),
        (LSTM(16, 8), 800, 832),
        (GRU(16, 8), 624, 624),
        (GRU(16, 8, reset_after=False), 600, 624),
        (nn.Linear(8, 1), 9, 9),
        (LSTM(8, 8), 544, 576),
        (RNN(500, 8), 4072, 4080),
        (LSTMCell(16, 8), 800, 832),
        (nn.LSTM(16, 8), 800, 832),
        (nn.GRU(16, 8), 624, 624),
        (nn.RNNCell(16, 8), 200, 208),
        (nn.Sequential(LSTM(16, 8, 2, bidirectional=True), nn.GRU(16, 8)), 2 * (800 + 800) + 624, 2 * 1664 + 624),
        (LSTM(16, 8, bias=False), 768, 768),
        (RNN(16, 8, layer_norm=True), 200 + 16, 208 + 16),
        (GRU(16, 8, layer_norm=True), 624 + 48, 624 + 48),
        (LSTM(16, 8, layer_norm=True, peephole=True), 800 + 64 + 16 + 24, 832 + 64 + 16 + 24),
    ],
    ids=lambda v: str(v) if isinstance(v, int) else type(v).__name__,
)
def test_modules(module: nn.Module, keras: int, torch_count: int) -> None:
    assert count_parameters(module, biases="keras") == keras
    assert count_parameters(module) == torch_count == sum(p.numel() for p in module.parameters())


def test_the_textbooks_network_row_by_row() -> None:
    layers = (
        LayerSpec(cell="lstm", input_size=16, hidden_size=8),
        LayerSpec(cell="lstm", input_size=8, hidden_size=8),
    )
    spec = NetworkSpec(input="ids", input_size=500, embedding_size=16, layers=layers, outputs=1)
    rows = counting.count_layers(spec, biases="keras")
    assert [(row.kind, row.parameters) for row in rows] == [
        ("Embedding", 8000),
        ("LSTM", 800),
        ("LSTM", 544),
        ("last", 0),
        ("Dense", 9),
    ]
    assert count_parameters(spec, "keras") == 9353
    assert [row.parameters for row in counting.count_layers(spec)][1:3] == [832, 576]


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("biases", ["keras", "torch"])
@pytest.mark.parametrize("layers", [1, 12])
def test_specification_and_network_agree(cell: str, reset_after: bool, biases: str, layers: int) -> None:
    stack = tuple(
        LayerSpec(
            cell=cell,  # type: ignore[arg-type]
            input_size=5 if k == 0 else 8,
            hidden_size=4,
            bidirectional=True,
            reset_after=reset_after,
            initial_state="learned",
            layer_norm=k % 2 == 0,
            peephole=cell == "lstm" and k % 3 == 0,
        )
        for k in range(layers)
    )
    spec = NetworkSpec(
        input="bag", input_size=30, embedding_size=5, layers=stack, pool="attention", outputs=3, wide=True
    )
    network = build(spec)
    assert count_parameters(spec, biases) == count_parameters(network, biases)
    assert {name: tuple(t.shape) for name, t in network.state_dict().items()} == network_tensors(spec)


@pytest.mark.parametrize("thing", [nn.Linear(1, 1), None])
def test_other_ways_of_counting(thing: nn.Module | None) -> None:
    spec = NetworkSpec(
        input="numeric", input_size=1, layers=(LayerSpec(cell="rnn", input_size=1, hidden_size=1),), outputs=1
    )
    with pytest.raises(UsageError, match="keras, torch"):
        count_parameters(thing or spec, "both")
    assert torch.tensor(count_parameters(spec)) == 6
