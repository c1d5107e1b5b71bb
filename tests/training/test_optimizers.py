"""Steps of all optimizers against torch's own, on networks with and without sparse tables."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from timesteps.errors import ModelError
from timesteps.nn.bags import BagEmbedding
from timesteps.training.lazy import LazyAdam
from timesteps.training.optimizers import Optimizers, table_names
from timesteps.training.settings import Settings


class Mixed(nn.Module):
    """Two sparse tables and a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.bags = BagEmbedding(8, 3, feature_dropout=0.0)
        self.ids = nn.Embedding(8, 3, sparse=True)
        self.head = nn.Linear(3, 1)

    def forward(self, ids: Tensor) -> Tensor:
        units, wide = self.bags(ids, torch.arange(len(ids) + 1))
        return self.head(units + self.ids(ids)) + wide


def seeded(make: Any) -> Any:
    torch.manual_seed(0)
    return make()


def inputs(step: int) -> Tensor:
    return torch.randint(0, 8, (5,), generator=torch.Generator().manual_seed(step))


def advance(network: nn.Module, optimizers: Optimizers, steps: range) -> None:
    for step in steps:
        optimizers.zero_grad()
        network(inputs(step)).square().sum().backward()
        optimizers.step(step, optimizers.gradient_norm().item())


def test_tables_are_found() -> None:
    assert table_names(Mixed()) == {"bags.weight", "bags.wide", "ids.weight"}
    assert table_names(nn.Embedding(3, 2)) == set()


@pytest.mark.parametrize("name", ["adam", "adamw", "rmsprop", "sgd"])
def test_dense_steps_are_torchs(name: Any) -> None:
    settings = Settings(
        optimizer=name, learning_rate=0.05, weight_decay=0.1, momentum=0.8, betas=(0.8, 0.95), clip_norm=0.5
    )
    ours, reference = (seeded(lambda: nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1))) for _ in range(2))
    matrices = [p for p in reference.parameters() if p.dim() == 2]
    vectors = [p for p in reference.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    expected = {
        "adam": lambda: torch.optim.Adam(groups, lr=0.05, betas=(0.8, 0.95)),
        "adamw": lambda: torch.optim.AdamW(groups, lr=0.05, betas=(0.8, 0.95)),
        "rmsprop": lambda: torch.optim.RMSprop(groups, lr=0.05, momentum=0.8),
        "sgd": lambda: torch.optim.SGD(groups, lr=0.05, momentum=0.8),
    }[name]()
    optimizers = Optimizers(ours, settings, 10)
    for step in range(10):
        x = torch.randn(6, 4, generator=torch.Generator().manual_seed(step))
        optimizers.zero_grad()
        ours(x).square().sum().backward()
        optimizers.step(step, optimizers.gradient_norm().item())
        expected.zero_grad()
        reference(x).square().sum().backward()
        torch.nn.utils.clip_grad_norm_(reference.parameters(), 0.5)
        expected.step()
    for one, two in zip(ours.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_tables_have_their_own_rate_and_share_the_clipping() -> None:
    settings = Settings(optimizer="sgd", learning_rate=0.1, table_learning_rate=0.3, clip_norm=0.2, schedule="linear")
    ours, reference = seeded(Mixed), seeded(Mixed)
    optimizers = Optimizers(ours, settings, 4)
    dense = torch.optim.SGD(reference.head.parameters(), lr=0.1)
    tables = LazyAdam([*reference.bags.parameters(), *reference.ids.parameters()], lr=0.3)
    for step in range(4):
        advance(ours, optimizers, range(step, step + 1))
        reference.zero_grad()
        reference(inputs(step)).square().sum().backward()
        total = torch.cat([p.grad.to_dense().flatten() for p in reference.parameters()]).norm()
        for parameter in reference.parameters():
            parameter.grad = parameter.grad * min(1.0, (0.2 / (total + 1e-6)).item())
        for group, rate in ((dense.param_groups[0], 0.1), (tables.param_groups[0], 0.3)):
            group["lr"] = rate * (1 - step / 4)
        dense.step()
        tables.step()
    for one, two in zip(ours.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


def test_the_norm_is_that_of_all_gradients() -> None:
    network = seeded(Mixed)
    optimizers = Optimizers(network, Settings(), 1)
    network(torch.tensor([1, 1, 1, 2])).square().sum().backward()
    expected = torch.cat([p.grad.to_dense().flatten() for p in network.parameters()]).norm()
    torch.testing.assert_close(optimizers.gradient_norm(), expected)


def test_setting_the_rate_moves_the_tables_in_proportion() -> None:
    network = seeded(Mixed)
    optimizers = Optimizers(network, Settings(learning_rate=0.1, table_learning_rate=0.4), 5)
    optimizers.learning_rate = 0.05
    advance(network, optimizers, range(1))
    rates = {kind: optimizer.param_groups[0]["lr"] for kind, optimizer in optimizers._optimizers.items()}
    assert rates == {"dense": 0.05, "tables": pytest.approx(0.2)}


@pytest.mark.parametrize("name", ["adam", "adamw", "rmsprop", "sgd"])
def test_a_state_continues_to_the_same_bits(name: Any) -> None:
    settings = Settings(optimizer=name, learning_rate=0.05, momentum=0.5)
    whole, half = seeded(Mixed), seeded(Mixed)
    first = Optimizers(whole, settings, 8)
    advance(whole, first, range(4))
    first.learning_rate = 0.02  # is part of the state
    advance(whole, first, range(4, 8))
    first = Optimizers(half, settings, 8)
    advance(half, first, range(4))
    first.learning_rate = 0.02
    second = Optimizers(half, settings, 8)
    second.load_state({entry: tensor.clone() for entry, tensor in first.state().items()})
    advance(half, second, range(4, 8))
    assert all(torch.equal(one, two) for one, two in zip(whole.parameters(), half.parameters(), strict=True))


def test_a_state_of_another_network_is_refused() -> None:
    network = seeded(Mixed)
    optimizers = Optimizers(network, Settings(), 1)
    advance(network, optimizers, range(1))
    with pytest.raises(ModelError, match="which the network has not"):
        Optimizers(network.head, Settings(), 1).load_state(optimizers.state())


def test_frozen_parameters_stay() -> None:
    network = seeded(Mixed)
    network.ids.weight.requires_grad_(False)
    before = network.ids.weight.clone()
    advance(network, Optimizers(network, Settings(), 2), range(2))
    assert torch.equal(network.ids.weight, before)


def test_an_undeclared_sparse_gradient_is_named() -> None:
    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(torch.zeros(4, 2))

        def forward(self, ids: Tensor) -> Tensor:
            return nn.functional.embedding(ids, self.table, sparse=True)

    network = Hidden()
    network(torch.tensor([1])).sum().backward()
    with pytest.raises(ModelError, match="table has a sparse gradient"):
        Optimizers(network, Settings(), 1).gradient_norm()
