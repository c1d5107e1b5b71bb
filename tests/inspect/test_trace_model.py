"""`trace` of models, networks and any module with recurrent layers in it."""

from __future__ import annotations

import numpy as np
import pytest
import random_models as models
import torch
from torch import nn

from timesteps.errors import UsageError
from timesteps.inspect import trace
from timesteps.nn import GRU, LSTM
from timesteps.nn.models import build
from timesteps.runtime.network import Network
from timesteps.runtime.session import Session
from timesteps.training.collate import collate

torch.set_num_threads(1)
LENGTHS = [5, 1, 7, 3]


@pytest.mark.parametrize("pool", ["last", "mean+max", "attention", "none"])
@pytest.mark.parametrize("input", ["ids", "bag", "one_hot", "numeric"])
def test_of_a_network_it_is_that_of_the_runtime(input, pool) -> None:
    spec = models.network("lstm", input=input, hidden_sizes=(5, 3), bidirectional=True, pool=pool, outputs=2)
    weights, sequences = models.weights(spec), models.sequences(spec, LENGTHS)
    network = build(spec).eval()
    network.load_state_dict({name: torch.from_numpy(w) for name, w in weights.items()})
    ours, theirs = Network(spec, weights).trace(sequences), trace(network, collate(sequences, np.arange(4)))
    np.testing.assert_array_equal(ours.lengths, theirs.lengths)
    np.testing.assert_allclose(ours.logits, theirs.logits, atol=1e-5)
    for one, other in zip(ours, theirs, strict=True):
        assert one.name == other.name and list(one.arrays) == list(other.arrays)
        for name in one.arrays:
            np.testing.assert_allclose(one[name], other[name], atol=1e-5)
    for name in ("inputs", "weights", "taken"):
        one, other = getattr(ours, name), getattr(theirs, name)
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_allclose(one, other, atol=1e-5)


class Mixed(nn.Module):
    """Two recurrent layers that are called, and one that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.below, self.inner = LSTM(3, 4, batch_first=True), nn.ModuleDict({"top": GRU(4, 2, bidirectional=True)})
        self.unused, self.head = GRU(3, 3), nn.Linear(4, 1)

    def forward(self, x, lengths=None):
        y, _ = self.below(x, lengths=lengths)
        return self.head(self.inner["top"](y.transpose(0, 1))[0])


def test_of_any_module_by_the_names_of_its_layers() -> None:
    torch.manual_seed(0)
    model, x, lengths = Mixed().eval(), torch.randn(2, 6, 3), torch.tensor([6, 2])
    found = trace(model, x, lengths=lengths)
    assert list(found.stacks) == ["below", "inner.top"]
    torch.testing.assert_close(found.output, model(x, lengths).detach())
    alone = model.below.trace(x, lengths=lengths)
    np.testing.assert_array_equal(found["below"]["l0"]["f"], alone["l0"]["f"])
    assert found["inner.top"]["l0_reverse"]["z"].shape == (2, 6, 2)  # rows first, whatever the layer's layout
    assert all(part.recorder is None for part in (model.below, model.inner["top"], model.unused))


def test_of_a_layer_and_of_a_session_it_is_their_own() -> None:
    layer = GRU(3, 4, batch_first=True)
    x = torch.randn(2, 5, 3)
    np.testing.assert_array_equal(trace(layer, x)["l0"]["z"], layer.trace(x)["l0"]["z"])
    session = Session(*models.text_model(2))
    assert len(trace(session, models.TEXTS).members) == 2


def test_modules_without_recurrent_layers_are_refused() -> None:
    with pytest.raises(UsageError, match="Linear has no recurrent layer"):
        trace(nn.Linear(2, 2), torch.zeros(1, 2))

    class Idle(Mixed):
        def forward(self, x):
            return x

    with pytest.raises(UsageError, match="Idle called none"):
        trace(Idle(), torch.zeros(1, 2))

    class Broken(Mixed):
        def forward(self, x):
            raise RuntimeError("broken")

    model = Broken()
    with pytest.raises(RuntimeError, match="broken"):
        trace(model, torch.zeros(1, 2))
    assert model.below.recorder is None
