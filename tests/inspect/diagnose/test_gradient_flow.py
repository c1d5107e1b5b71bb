"""Gradient flow against autograd's Jacobians, for every cell and option that a model file can hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from timesteps.inspect.diagnose.flow import Flow, flow, jacobian_norms
from timesteps.inspect.diagnose.replay import Replay, replay, replay_network
from timesteps.nn import CELLS
from timesteps.nn.cells import Cell
from timesteps.nn.cells.cell import as_state, as_tuple
from timesteps.runtime.layout import network_tensors
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.spec import LayerSpec, NetworkSpec

torch.set_num_threads(1)

I, H = 3, 5  # noqa: E741
PLAIN: list[dict[str, Any]] = [
    {"cell": "rnn"},
    {"cell": "rnn", "nonlinearity": "relu"},
    {"cell": "rnn", "layer_norm": True},
    {"cell": "rnn", "layer_norm": True, "nonlinearity": "relu"},
    {"cell": "lstm"},
    {"cell": "lstm", "layer_norm": True},
    {"cell": "lstm", "peephole": True},
    {"cell": "lstm", "peephole": True, "layer_norm": True},
    {"cell": "gru"},
    {"cell": "gru", "reset_after": False},
    {"cell": "gru", "layer_norm": True},
    {"cell": "gru", "layer_norm": True, "reset_after": False},
    {"cell": "mingru"},
    {"cell": "minlstm"},
]
ZONED = [{**form, "zoneout": 0.3} for form in PLAIN] + [
    {**form, "zoneout": 0.1, "zoneout_cell": 0.4} for form in PLAIN if form["cell"] == "lstm"
]
FORMS = [*PLAIN, *ZONED, *({**form, "initial_state": "learned"} for form in PLAIN)]
every_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(f"{k}={v}" for k, v in form.items()))


def network(form: dict[str, Any], layers: int = 1, bidirectional: bool = False) -> NetworkSpec:
    sizes = [I] + [H * (2 if bidirectional else 1)] * (layers - 1)
    stacked = tuple(LayerSpec(input_size=n, hidden_size=H, bidirectional=bidirectional, **form) for n in sizes)
    return NetworkSpec(input="numeric", input_size=I, layers=stacked, outputs=1)


def weights(spec: NetworkSpec, seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    draw = np.random.default_rng(seed)
    return {name: 0.6 * draw.normal(size=shape) for name, shape in network_tensors(spec).items()}


def of_torch(layer: LayerSpec, tensors: dict[str, Any], end: str) -> tuple[Cell, tuple[torch.Tensor, ...]]:
    """The same cell with gradients, and its state before the first step."""
    options = {name: getattr(layer, name) for name in ("layer_norm", "peephole") if getattr(layer, name)}
    options |= {"nonlinearity": layer.nonlinearity} if layer.cell == "rnn" else {}
    options |= {"reset_after": layer.reset_after} if layer.cell == "gru" else {}
    cell = CELLS[layer.cell](layer.input_size, layer.hidden_size, dtype=torch.float64, **options)
    for name, parameter in cell.named_parameters():
        parameter.data = torch.from_numpy(tensors[f"rnn.{name}_{end}"])
    starts = [tensors.get(f"rnn.{name}0_{end}", np.zeros(layer.hidden_size)) for name in cell.states]
    return cell, tuple(torch.from_numpy(start)[None] for start in starts)


def by_autograd(
    layer: LayerSpec, cell: Cell, start: tuple[torch.Tensor, ...], x: torch.Tensor, t: int, lag: int, part: int
) -> torch.Tensor:
    """∂s_t/∂s_{t-lag} (H, H) after t steps of x (T, I)."""
    state = start
    rates = (layer.zoneout, layer.zoneout_cell)

    def step(state: tuple[torch.Tensor, ...], at: int) -> tuple[torch.Tensor, ...]:
        _, new = cell.step(cell.project(x[at : at + 1]), as_state(state))
        return tuple(p * old + (1 - p) * now for p, old, now in zip(rates, state, as_tuple(new), strict=False))

    for at in range(t - lag):
        state = step(state, at)

    def rest(own: torch.Tensor) -> torch.Tensor:
        now = tuple(own if number == part else each for number, each in enumerate(state))
        for at in range(t - lag, t):
            now = step(now, at)
        return now[part][0]

    found = torch.autograd.functional.jacobian(rest, state[part].detach())
    assert isinstance(found, torch.Tensor)
    return found[:, 0]


def check(seen: Replay, tensors: dict[str, Any], end: str, rows: list[np.ndarray[Any, Any]], lags: list[int]) -> None:
    """Norms from the last step of each row, in the order of the replay, are those of autograd."""
    cell, start = of_torch(seen.layer, tensors, end)
    ends = [(row, len(x)) for row, x in enumerate(rows)]
    for part in range(len(seen.before)):
        spectral, frobenius = jacobian_norms(seen, ends, lags, part)
        for row, x in enumerate(rows):
            for place, lag in enumerate(lags):
                exact = by_autograd(seen.layer, cell, start, torch.from_numpy(x), len(x), lag, part)
                wanted = torch.linalg.matrix_norm(exact, 2).item(), torch.linalg.matrix_norm(exact).item() / H**0.5
                got = spectral[row, place], frobenius[row, place]
                np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-12)


def rows_of(*lengths: int, size: int = I) -> list[np.ndarray[Any, Any]]:
    draw = np.random.default_rng(1)
    return [draw.normal(size=(length, size)) for length in lengths]


@every_form
def test_norms_are_autograds(form: dict[str, Any]) -> None:
    spec = network(form)
    tensors, rows = weights(spec), rows_of(9, 7)
    (seen,) = replay_network(spec, tensors, Sequences.of(rows, np.float64))
    check(seen, tensors, "l0", rows, [1, 2, 3, 7])


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "mingru", "minlstm"])
def test_the_other_direction_looks_from_the_first_step_to_the_last(cell: str) -> None:
    spec = network({"cell": cell}, bidirectional=True)
    tensors, rows = weights(spec), rows_of(8, 6, 6)
    forward, reverse = replay_network(spec, tensors, Sequences.of(rows, np.float64))
    assert (forward.name, reverse.name) == ("l0", "l0 reverse")
    check(forward, tensors, "l0", rows, [1, 4, 6])
    check(reverse, tensors, "l0_reverse", [np.ascontiguousarray(row[::-1]) for row in rows], [1, 4, 6])


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "mingru", "minlstm"])
def test_upper_layers_read_the_lower_ones(cell: str) -> None:
    spec = network({"cell": cell}, layers=2, bidirectional=True)
    tensors, rows = weights(spec), rows_of(7, 5)
    found = replay_network(spec, tensors, Sequences.of(rows, np.float64))
    assert [each.name for each in found] == ["l0", "l0 reverse", "l1", "l1 reverse"]
    outputs = [np.concatenate(lower_outputs(found[:2], row)) for row in range(2)]
    check(found[2], tensors, "l1", outputs, [1, 3, 5])


def lower_outputs(lower: list[Replay], row: int) -> list[np.ndarray[Any, Any]]:
    """What a bidirectional layer gives the next one, step by step, from the states that autograd's cells have."""
    forward, reverse = lower
    length = int(forward.steps.lengths[row])
    ways = []
    for seen in (forward, reverse):
        states = [tuple(part[seen.place(row, t)][None] for part in seen.before) for t in range(length)]
        last = seen.cell.advance(seen.gates[seen.place(row, length - 1)][None].copy(), states[-1])
        ways.append([states[t + 1][0] for t in range(length - 1)] + [last[0]])
    return [np.concatenate([ways[0][t], ways[1][length - 1 - t]], axis=1) for t in range(length)]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.sampled_from(["rnn", "lstm", "gru", "mingru"]))
def test_rows_of_any_lengths(lengths: list[int], cell: str) -> None:
    spec = network({"cell": cell})
    tensors, rows = weights(spec), rows_of(*lengths)
    (seen,) = replay_network(spec, tensors, Sequences.of(rows, np.float64))
    ordered = [rows[n] for n in np.argsort([-n for n in lengths], kind="stable")]
    check(seen, tensors, "l0", ordered[:1], [1, lengths and max(lengths)] if max(lengths) > 1 else [1])
    check(seen, tensors, "l0", ordered, [1])


def test_norms_too_small_for_a_float_are_zero_and_those_before_are_exact() -> None:
    spec = network({"cell": "rnn"})
    tensors = weights(spec)
    tensors["rnn.weight_hh_l0"] = 1e-3 * np.eye(H)
    tensors["rnn.weight_ih_l0"][:] = tensors["rnn.bias_ih_l0"][:] = tensors["rnn.bias_hh_l0"][:] = 0
    seen = replay(spec.layers, tensors, np.zeros((300, I)))[0]
    spectral, frobenius = jacobian_norms(seen, [(0, 300)], [1, 100, 102, 300])
    np.testing.assert_allclose(spectral[0, :3], [1e-3, 1e-300, 1e-306], rtol=1e-9)
    np.testing.assert_allclose(frobenius[0, :2], [1e-3, 1e-300], rtol=1e-9)
    assert spectral[0, 3] == 0


def test_half_life_of_a_known_decay() -> None:
    """A linear cell that keeps a share a: the norm after k steps is a^k, which is halved in log 2 / -log a steps."""
    spec = network({"cell": "mingru"})
    tensors = {name: np.zeros(shape) for name, shape in network_tensors(spec).items()}
    kept = 0.9
    tensors["rnn.bias_ih_l0"][:H] = np.log((1 - kept) / kept)  # z = 0.1
    seen = replay(spec.layers, tensors, np.ones((150, I)))[0]
    (found,) = flow(seen)
    assert found.lags[-1] == 150
    np.testing.assert_allclose(found.spectral, kept ** np.array(found.lags), rtol=1e-9)
    np.testing.assert_allclose(found.frobenius, found.spectral, rtol=1e-9)
    np.testing.assert_allclose(found.half_life, np.log(2) / -np.log(kept), rtol=1e-9)
    np.testing.assert_allclose(found.memory, np.log(100) / -np.log(kept), rtol=1e-9)
    (short,) = flow(seen, most=10)
    assert short.memory is None and short.half_life is not None


def test_half_life_counts_to_where_the_norm_is_last_above() -> None:
    lags, values = (1, 2, 3, 4), (1.0, 0.4, 0.8, 0.2)
    made = Flow("l0", "h", lags, values, values, values, values, 1)
    assert made.half_life is not None and 2 < made.half_life < 3  # from lag 1 to between 3 and 4
    dead = Flow("l0", "h", (1, 2), (0.0, 0.0), (0.0,) * 2, (0.0,) * 2, (0.0,) * 2, 1)
    assert dead.half_life == 0 and dead.memory == 0
