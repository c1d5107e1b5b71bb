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


@pytest.mark.parametrize("name", ["adam", "adamw", "rmsprop", "sgd", "nesterov"])
def test_dense_steps_are_torchs(name: Any) -> None:
    settings = Settings(
        optimizer="sgd" if name == "nesterov" else name, nesterov=name == "nesterov", learning_rate=0.05,
        weight_decay=0.1, momentum=0.8, betas=(0.8, 0.95), clip_norm=0.5,
    )  # fmt: skip
    ours, reference = (seeded(lambda: nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1))) for _ in range(2))
    matrices = [p for p in reference.parameters() if p.dim() == 2]
    vectors = [p for p in reference.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    expected = {
        "adam": lambda: torch.optim.Adam(groups, lr=0.05, betas=(0.8, 0.95)),
        "adamw": lambda: torch.optim.AdamW(groups, lr=0.05, betas=(0.8, 0.95)),
        "rmsprop": lambda: torch.optim.RMSprop(groups, lr=0.05, momentum=0.8),
        "sgd": lambda: torch.optim.SGD(groups, lr=0.05, momentum=0.8),
        "nesterov": lambda: torch.optim.SGD(groups, lr=0.05, momentum=0.8, nesterov=True),
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


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize(("wide_rate", "expected"), [(0.3, 0.3), (None, 0.01)])
def test_the_wide_term_has_a_rate_of_its_own(
    wide_rate: float | None, expected: float, native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adam's first step is as long as the rate, whatever the gradient: so the rates can be read off the tables."""
    if not native:
        monkeypatch.setattr("timesteps.runtime.native.core", None)
    network = seeded(Mixed)
    settings = Settings(learning_rate=0.002, table_learning_rate=0.01, wide_learning_rate=wide_rate, clip_norm=None)
    optimizers = Optimizers(network, settings, 10)
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    advance(network, optimizers, range(1))
    touched = inputs(0).unique()
    moved = {name: (p.detach() - before[name]).abs() for name, p in network.named_parameters()}
    rates = {"bags.wide": expected, "bags.weight": 0.01, "ids.weight": 0.01}
    for name, rate in rates.items():
        torch.testing.assert_close(moved[name][touched], torch.full_like(moved[name][touched], rate), rtol=1e-3, atol=0)
        rest = torch.ones(8, dtype=torch.bool).index_fill(0, touched, False)
        assert not moved[name][rest].any()
    assert 0 < float(moved["head.weight"].max()) < 0.0021


def test_a_larger_wide_rate_moves_only_the_wide_term() -> None:
    after = []
    for rate in (0.05, 0.1):
        network = seeded(Mixed)
        settings = Settings(learning_rate=0.002, wide_learning_rate=rate, schedule="linear", warmup=0.5)
        optimizers = Optimizers(network, settings, 4)
        optimizers.zero_grad()
        network(inputs(0)).square().sum().backward()
        optimizers.step(
            0, optimizers.gradient_norm().item()
        )  # in the middle of the warm-up: the schedule is a factor on every rate
        after.append(dict(network.named_parameters()))
    wide = [tables["bags.wide"] for tables in after]
    torch.testing.assert_close(2 * wide[0], wide[1])  # both began at zero
    assert wide[0].any()
    for name in set(after[0]) - {"bags.wide"}:
        assert torch.equal(after[0][name], after[1][name]), name


def test_gradients_of_distinct_rows_are_not_copied() -> None:
    network = seeded(Mixed)
    optimizers = Optimizers(network, Settings(), 1)
    ids = torch.tensor([4, 2, 4])  # one twice: the gradient of the plain embedding has its row twice
    network(ids).square().sum().backward()
    places = {name: table.grad._values().data_ptr() for name, table in optimizers.tables.items()}
    norm = optimizers.gradient_norm()
    same = {name: table.grad._values().data_ptr() == places[name] for name, table in optimizers.tables.items()}
    assert same == {"bags.weight": True, "bags.wide": True, "ids.weight": False}
    assert all(table.grad.is_coalesced() for table in optimizers.tables.values())
    dense = [parameter.grad.to_dense() for parameter in network.parameters()]
    torch.testing.assert_close(norm, torch.cat([each.flatten() for each in dense]).norm())
