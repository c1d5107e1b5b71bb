"""The average of sparse tables, kept lazily, against averaging everything in every step."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from timesteps.training.averages import WeightAverage

STEPS = st.lists(st.lists(st.integers(0, 5), max_size=3, unique=True), min_size=1, max_size=30)


def run(steps: list[list[int]], decay: float, looks: set[int]) -> None:
    generator = torch.Generator().manual_seed(len(steps))
    dense = nn.Parameter(torch.randn(3, generator=generator))
    table = nn.Parameter(torch.randn(6, 2, generator=generator))
    average = WeightAverage({"dense": dense}, {"table": table}, decay)
    expected = [weight.detach().double().clone() for weight in (dense, table)]
    for number, rows in enumerate(steps, 1):
        values = torch.randn(len(rows), 2, generator=generator)
        index = torch.tensor([sorted(rows)])
        table.grad = torch.sparse_coo_tensor(index, values, (6, 2), check_invariants=True).coalesce()
        average.before_step()
        with torch.no_grad():
            table.sub_(table.grad.to_dense())
            dense.add_(torch.randn(3, generator=generator))
        average.after_step()
        now = min(decay, number / (9 + number))
        expected = [now * old + (1 - now) * new.detach() for old, new in zip(expected, (dense, table), strict=True)]
        if number in looks or number == len(steps):
            before = [dense.detach().clone(), table.detach().clone()]
            with average.applied():
                for got, wanted in zip((dense, table), expected, strict=True):
                    torch.testing.assert_close(got.detach().double(), wanted, rtol=1e-4, atol=1e-5)
            assert torch.equal(dense, before[0])
            assert torch.equal(table, before[1])


@given(STEPS, st.sampled_from([0.5, 0.9, 0.995]), st.sets(st.integers(1, 30)))
def test_rows_between_their_steps(steps: list[list[int]], decay: float, looks: set[int]) -> None:
    run(steps, decay, looks)


def test_the_weights_are_back_after_an_error() -> None:
    weight = nn.Parameter(torch.zeros(2))
    average = WeightAverage({"weight": weight}, {}, 0.9)
    weight.data.fill_(1.0)
    with pytest.raises(RuntimeError), average.applied():
        assert weight.tolist() == [0, 0]
        raise RuntimeError
    assert weight.tolist() == [1, 1]


def test_a_dense_gradient_of_a_table_touches_every_row() -> None:
    table = nn.Parameter(torch.zeros(3, 1))
    average = WeightAverage({}, {"table": table}, 0.99)
    expected = torch.zeros(3, 1)
    for step in range(1, 6):
        table.grad = torch.ones(3, 1)
        average.before_step()
        table.data.add_(1.0)
        average.after_step()
        decay = step / (9 + step)
        expected = decay * expected + (1 - decay) * table.detach()
    with average.applied():
        torch.testing.assert_close(table.detach(), expected)
