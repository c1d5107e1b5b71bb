"""What `timesteps bench` and bench/layers measure: the right work, and a wrong result is seen."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from timesteps import nn as ours
from timesteps.errors import UsageError
from timesteps.inspect.peak import peak
from timesteps.inspect.speed import (
    GATES,
    WORKS,
    Case,
    data,
    differences,
    errors_of,
    faults,
    grid,
    measure,
    on_threads,
    pair,
    results,
    worker,
)
from timesteps.runtime import native

torch.set_num_threads(1)
every_cell = pytest.mark.parametrize("cell", GATES)


@every_cell
@pytest.mark.parametrize("work", WORKS)
def test_operations_are_those_that_torch_counts(cell: str, work: str) -> None:
    case = Case(cell, 16, 3, work, steps=7)
    layer = getattr(ours, cell)(16, 16)
    x, dy = data(7, 3, 16, work)
    with FlopCounterMode(display=False) as counter:
        y, _ = layer(x.requires_grad_(dy is not None), implementation="loop")
        if dy is not None:
            y.backward(dy)
    counted = counter.get_total_flops()
    # The gradient of the first state, zeros that need none, is one product of a step that nobody computes.
    assert case.operations * (0.95 if dy is not None else 1) <= counted <= case.operations


@every_cell
def test_both_sides_do_the_same(cell: str) -> None:
    layers = pair(cell, 5, 6)
    assert type(layers["timesteps"]).__module__.startswith("timesteps") and isinstance(layers["torch"], nn.RNNBase)
    x, dy = torch.randn(2, 4, 3, 6)
    errors = errors_of(layers, x[..., :5], dy)
    for side in errors.values():
        assert set(side) == {"output", "gradient"} and not faults(side)
        assert 0 < side["output"] < 1e-6


@every_cell
def test_results_name_every_parameter_and_state(cell: str) -> None:
    x, dy = data(4, 3, 5, "training")
    found = results(pair(cell, 5, 5)["timesteps"], x, dy)
    states = 2 if cell == "LSTM" else 1
    names = ["x", "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    assert list(found) == ["output y", *(f"output state {n}" for n in range(states)), *(f"gradient {n}" for n in names)]
    assert all(value.abs().max() > 0 for value in found.values())
    assert not any("gradient" in name for name in results(pair(cell, 5, 5)["timesteps"], x, None))


def test_the_work_that_is_timed_is_the_work_that_is_named() -> None:
    layer = pair("GRU", 5, 5)["timesteps"]
    x, dy = data(4, 3, 5, "training")
    y, _ = worker(layer, x, None)()
    assert y.is_inference() and not layer.training
    worker(layer, x, dy)()
    once = [parameter.grad.clone() for parameter in layer.parameters()]
    expected = results(layer, x, dy)
    for (name, _), grad in zip(layer.named_parameters(), once, strict=True):
        torch.testing.assert_close(grad, expected[f"gradient {name}"])
    train = worker(layer, x, dy)
    train(), train()  # gradients start anew in each
    torch.testing.assert_close([parameter.grad for parameter in layer.parameters()], once)
    assert layer.training


def test_a_wrong_layer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Off(ours.LSTM):
        def forward(self, *args: Any, **options: Any) -> Any:
            y, state = super().forward(*args, **options)
            return y + 1e-5, state

    assert not faults(measure(Case("LSTM", 4, 2, steps=5), rounds=2).errors)
    monkeypatch.setattr("timesteps.nn.LSTM", Off)
    measured = measure(Case("LSTM", 4, 2, steps=5), rounds=2)
    assert faults(measured.errors, measured.torch_errors) == ["output is off by 1e-05"]


def test_differences_are_the_largest_of_their_kind_and_nan_is_one() -> None:
    want = {"output y": torch.tensor([1.0, 2.0]), "gradient a": torch.tensor([10.0, 1.0]), "gradient b": torch.ones(1)}
    found = {"output y": torch.tensor([1.0, 2.5]), "gradient a": torch.tensor([10.0, 0.0]), "gradient b": torch.ones(1)}
    assert differences(found, want) == pytest.approx({"output": 0.5, "gradient": 0.1})
    found["output y"][0] = torch.nan
    assert faults(differences(found, want)) == ["output is off by nan", "gradient is off by 0.1"]


def test_gradients_that_ought_to_be_zero() -> None:
    want = {"gradient weight_hh": torch.zeros(3)}
    assert differences({"gradient weight_hh": torch.zeros(3)}, want) == {"gradient": 0.0}
    assert differences({"gradient weight_hh": torch.full((3,), 0.5)}, want) == {"gradient": 0.5}
    assert not faults(measure(Case("GRU", 4, 1, "training", steps=1), rounds=2).errors)


def test_errors_as_large_as_twice_torchs_are_no_faults() -> None:
    assert faults({"output": 5e-6}) and not faults({"output": 5e-6}, {"output": 2.5e-6})
    assert faults({"output": 5.1e-6}, {"output": 2.5e-6}) and not faults({"output": 2e-6, "gradient": 1e-5})


def test_measured_figures_hang_together() -> None:
    measured = measure(Case("LSTM", 16, 4, "training", steps=10), rounds=3)
    assert set(measured.seconds) == {"timesteps", "torch"} and measured.rounds >= 3
    low, high = 0.5 * measured.ratio.low, 2 * measured.ratio.high
    assert low <= measured.seconds["torch"] / measured.seconds["timesteps"] <= high
    assert measured.peak_share is not None and measured.peak_share.median > 0
    assert measure(Case("RNN", 4, 2, threads=2, steps=3), rounds=2).peak_share is None


def test_threads_are_given_back() -> None:
    with pytest.raises(ArithmeticError), on_threads(2):
        assert torch.get_num_threads() == 2
        raise ArithmeticError
    assert torch.get_num_threads() == 1


def test_grid_has_all_combinations_and_threads_side_by_side() -> None:
    cases = grid(["RNN", "GRU"], [8, 16], [1], WORKS, [1, 2])
    assert len(set(cases)) == len(cases) == 16
    for one, two in zip(cases[::2], cases[1::2], strict=True):
        assert (one.cell, one.hidden, one.work) == (two.cell, two.hidden, two.work)
        assert (one.threads, two.threads) == (1, 2)


@pytest.mark.parametrize(
    "wrong", [("LSTN", 8, 1, "forward"), ("GRU", 0, 1, "forward"), ("GRU", 8, 1, "backward"), ("GRU", 8, 0, "forward")]
)
def test_cases_that_are_none(wrong: tuple[str, int, int, str]) -> None:
    with pytest.raises(UsageError):
        Case(*wrong)


def test_peak_without_the_core_is_a_product_of_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "core", None)
    found = peak()
    assert "lower bound" in found.how
    with FlopCounterMode(display=False) as counter:
        found.call()
    assert counter.get_total_flops() == found.operations


@pytest.mark.skipif(native.core is None, reason="there is no compiled core")
def test_peak_counts_what_the_core_does() -> None:
    found = peak()
    assert "registers" in found.how
    assert found.operations == found.call()
    assert native.core is not None
    assert native.core.multiply_and_add(1) in {2 * 12 * lanes for lanes in (1, 4, 8, 16)}
    assert native.core.multiply_and_add(0) == 0
