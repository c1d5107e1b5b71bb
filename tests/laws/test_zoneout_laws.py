"""The laws of zoneout, over every cell × implementation that has it × direction."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cases import ALL, Form, I, can_run, flags, random_input, random_state
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import CLOSE, EXACT
from torch import Tensor
from torch.testing import assert_close

from timesteps.errors import UsageError
from timesteps.nn import GRU, LSTM, RNN, Cell, scan
from timesteps.nn.cells.cell import as_state, as_tuple
from timesteps.nn.dropout import draw_keys, random_bits
from timesteps.nn.stack import _Streams

F64 = CLOSE[torch.float64]
# One of each state and of each kernel: zoneout knows nothing of what is inside a step.
FORMS = {
    "rnn",
    "lstm",
    "lstm-peephole=True-layer_norm=True-proj_size=2",
    "gru-reset_after=False",
    "gru-layer_norm=True",
    "mingru",
}
RUNS = [
    (form, implementation, reverse)
    for form in ALL
    if str(form) in FORMS
    for implementation in ("loop", "native")
    for reverse in (False, True)
    if implementation == "loop" or (can_run(form, implementation) and form.make().has_recurrent_product)
]
assert {str(form) for form, *_ in RUNS} == FORMS
IDS = [f"{form}-{implementation}-{'reverse' if reverse else 'forward'}" for form, implementation, reverse in RUNS]
every_run = pytest.mark.parametrize(("form", "implementation", "reverse"), RUNS, ids=IDS)
modes = pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])


def rates(cell: Cell, h: float = 0.4, c: float = 0.7) -> dict[str, float]:
    return {"zoneout": h, "zoneout_cell": c} if "c" in cell.states else {"zoneout": h}


def seeded(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def fold(
    cell: Cell, x: Tensor, state: tuple[Tensor, ...], mask: Tensor, reset: Tensor, fresh: Any, reverse: bool, keys: Any
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The definition: row by row, visit by visit; without keys the expectation."""
    p = tuple(rates(cell).values())
    outputs, finals = x.new_zeros(*mask.shape, cell.output_size), []
    for b in range(len(x)):
        now = tuple(part[b : b + 1] for part in state)
        visit = 0
        for t in reversed(range(x.shape[1])) if reverse else range(x.shape[1]):
            if reset[b, t] and not reverse:
                now = tuple(part[b : b + 1] for part in fresh)
            if mask[b, t]:
                new = []
                for n, part in enumerate(as_tuple(cell.step(cell.project(x[b : b + 1, t]), as_state(now))[1])):
                    kept: Any = p[n]
                    if keys is not None:
                        numbers = visit * part.shape[1] + torch.arange(part.shape[1])
                        kept = (random_bits(keys[b : b + 1], 6 + 2 * n, numbers[None]) < round(p[n] * 2**31)).double()
                    new.append(kept * now[n] + (1 - kept) * part)
                now, visit = tuple(new), visit + 1
                outputs[b, t] = now[0][0]
            if reset[b, t] and reverse:
                now = tuple(part[b : b + 1] for part in fresh)
        finals.append(now)
    return outputs, tuple(torch.cat(parts) for parts in zip(*finals, strict=True))


@every_run
@modes
@settings(max_examples=8)
@given(mask=flags(), data=st.data())
def test_law_1_scan_is_the_definition(
    form: Form, implementation: str, reverse: bool, training: bool, mask: Tensor, data: st.DataObject
) -> None:
    cell, (rows, steps) = form.make(), mask.shape
    x, state, fresh = random_input(rows, steps), random_state(cell, rows), random_state(cell, rows, seed=3)
    bits = data.draw(st.lists(st.booleans(), min_size=rows * steps, max_size=rows * steps), label="reset")
    reset = torch.tensor(bits).view(rows, steps)
    y, final = scan(
        cell,
        x,
        state=as_state(state),
        mask=mask,
        reset=reset,
        reverse=reverse,
        initial=as_state(fresh),
        training=training,
        generator=seeded(),
        implementation=implementation,
        **rates(cell),
    )
    keys = draw_keys(rows, generator=seeded()) if training else None
    expected, end = fold(cell, x, state, mask, reset, fresh, reverse, keys)
    assert_close(y, expected, **F64)
    assert_close(as_tuple(final), end, **F64)


@every_run
@modes
def test_nothing_at_zero_and_everything_at_one(form: Form, implementation: str, reverse: bool, training: bool) -> None:
    cell, x, lengths = form.make(), random_input(3, 5), torch.tensor([5, 0, 3])
    state, more = random_state(cell, 3), {"reverse": reverse, "training": training, "implementation": implementation}
    plain = scan(cell, x, lengths, as_state(state), reverse=reverse)
    before = torch.get_rng_state()
    assert_close(scan(cell, x, lengths, as_state(state), **rates(cell, 0.0, 0.0), **more), plain, **F64)
    assert torch.equal(torch.get_rng_state(), before)
    y, final = scan(cell, x, lengths, as_state(state), **rates(cell, 1.0, 1.0), **more)
    assert_close(as_tuple(final), state, **EXACT)
    for b, length in enumerate(lengths.tolist()):
        assert_close(y[b, :length], state[0][b].expand(length, -1), **EXACT)
    if "c" in cell.states:  # of one state alone: c stands still, and h moves
        _, (h, c) = scan(cell, x, state=as_state(state), zoneout_cell=1.0, **more)
        assert torch.equal(c, state[1]) and not bool((h == state[0]).any())


@every_run
def test_law_2_stopping_and_resuming_changes_no_expectation(form: Form, implementation: str, reverse: bool) -> None:
    cell, x = form.make(), random_input(3, 7)
    options = {**rates(cell), "training": False, "reverse": reverse, "implementation": implementation}
    y, final = scan(cell, x, **options)
    first, second = (x[:, 4:], x[:, :4]) if reverse else (x[:, :4], x[:, 4:])
    begun, state = scan(cell, first, **options)
    ended, end = scan(cell, second, state=state, **options)
    assert_close(torch.cat([ended, begun] if reverse else [begun, ended], 1), y, **F64)
    assert_close(end, final, **F64)


@every_run
@modes
@settings(max_examples=8)
@given(mask=flags())
def test_laws_3_and_12_a_row_does_not_know_the_batch(
    form: Form, implementation: str, reverse: bool, training: bool, mask: Tensor
) -> None:
    cell, (rows, steps) = form.make(), mask.shape
    options = {**rates(cell), "training": training, "reverse": reverse, "implementation": implementation}
    x = random_input(rows, steps)
    poisoned = x.masked_fill(~mask.unsqueeze(2), float("nan")).requires_grad_()
    y, final = scan(cell, poisoned, mask=mask, generator=seeded(), **options)
    assert bool((y[~mask] == 0).all())
    sum(part.sum() for part in (y, *as_tuple(final))).backward()
    assert poisoned.grad is not None and bool((poisoned.grad[~mask] == 0).all())
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in cell.parameters())
    generator = seeded()
    for b in range(rows):  # alone, without its padding
        alone, end = scan(cell, x[b : b + 1, mask[b]], generator=generator, **options)
        assert_close(y[b, mask[b]], alone[0], **F64)
        assert_close([part[b] for part in as_tuple(final)], [part[0] for part in as_tuple(end)], **F64)


@every_run
@modes
def test_laws_5_and_6_gradients(form: Form, implementation: str, reverse: bool, training: bool) -> None:
    cell = form.make()
    options = {**rates(cell), "training": training, "reverse": reverse, "implementation": implementation}
    x, state, lengths = random_input(3, 4).requires_grad_(), random_state(cell, 3), torch.tensor([4, 2, 0])
    names = [name for name, _ in cell.named_parameters()]

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        bound = cell.bound_to(dict(zip(names, rest[len(state) :], strict=True)))
        y, final = scan(bound, x, lengths, as_state(rest[: len(state)]), generator=seeded(), **options)
        return (y, *as_tuple(final))

    assert torch.autograd.gradcheck(run, (x, *(part.requires_grad_() for part in state), *cell.parameters()))
    for t in range(4):
        y, _ = scan(cell, x, generator=seeded(), **options)
        (grad,) = torch.autograd.grad(y[:, t].sum(), x)
        assert not bool(grad[:, slice(0, t) if reverse else slice(t + 1, 4)].any())


def test_evaluation_is_what_training_does_on_average() -> None:
    """Exactly so in a linear network, whose masks and states are independent."""
    cell = Form("rnn", {"nonlinearity": "linear"}).make()
    with torch.no_grad():
        cell.weight_hh.mul_(0.5)
    x, (h,), rows = random_input(1, 6), random_state(cell, 1), 40_000
    many, _ = scan(cell, x.expand(rows, -1, -1), state=h.expand(rows, -1), zoneout=0.3, generator=seeded())
    expected, _ = scan(cell, x, state=h, zoneout=0.3, training=False)
    error = (many.mean(0) - expected[0]).abs()
    assert bool((error < 5 * many.std(0) / rows**0.5).all())
    kept = (many[:, 1:] == many[:, :-1]).double()
    assert float(kept.mean()) == pytest.approx(0.3, abs=0.005)
    units = kept - 0.3  # each decides for itself: neither with its neighbour nor with its own past
    assert abs(float((units[..., 1:] * units[..., :-1]).mean())) < 0.003
    assert abs(float((units[:, 1:] * units[:, :-1]).mean())) < 0.003


def test_layers_directions_and_states_have_masks_of_their_own() -> None:
    """Seen where units stand still, which differ however equal the weights are."""
    torch.manual_seed(0)
    lstm = LSTM(3, 64, 2, batch_first=True, bidirectional=True, zoneout=0.5, dtype=torch.float64)
    x = random_input(1, 9)
    y, _ = lstm(x, generator=seeded())
    forward, reverse = y[0].split(64, -1)
    still = [forward[1:] == forward[:-1], (reverse[:-1] == reverse[1:]).flip(0)]
    assert 0.35 < float((still[0] == still[1]).double().mean()) < 0.65
    _, (_, c) = LSTM(3, 64, batch_first=True, zoneout_cell=0.5, dtype=torch.float64)(x[:, :1], generator=seeded())
    _, (h, _) = LSTM(3, 64, batch_first=True, zoneout=0.5, dtype=torch.float64)(x[:, :1], generator=seeded())
    for still in (c == 0, h == 0, (c == 0) == (h == 0)):
        assert 0.35 < float(still.double().mean()) < 0.65


def test_no_two_masks_of_a_network_share_a_stream() -> None:
    streams = []
    for k in range(3):
        for name, numbers in vars(_Streams(k)).items():
            each = (numbers,) if isinstance(numbers, int) else numbers
            streams += [n + state for n in each for state in range(2 if name == "noise" else 1)]
    assert len(set(streams)) == len(streams) == 3 * 14


@pytest.mark.parametrize("layer", [RNN, LSTM, GRU])
def test_layers_zone_out_in_both_modes(layer: type[torch.nn.Module]) -> None:
    torch.manual_seed(0)
    rnn = layer(I, 5, 2, batch_first=True, bidirectional=True, zoneout=0.3, dtype=torch.float64)
    plain = layer(I, 5, 2, batch_first=True, bidirectional=True, dtype=torch.float64)
    plain.load_state_dict(rnn.state_dict())
    x, lengths = random_input(4, 6), torch.tensor([6, 2, 5, 1])
    whole, state = rnn(x, lengths=lengths, generator=seeded())
    generator = seeded()
    parts = [rnn(x[rows], lengths=lengths[rows], generator=generator) for rows in (slice(3), slice(3, 4))]
    assert_close(whole, torch.cat([y for y, _ in parts]), **F64)
    assert_close(as_tuple(state)[0][:, 3:], as_tuple(parts[1][1])[0], **F64)
    assert not torch.allclose(whole, rnn(x, lengths=lengths)[0], atol=1e-2)
    y, _ = rnn.eval()(x, lengths=lengths)
    assert_close(y, rnn(x, lengths=lengths)[0], **EXACT)
    assert not torch.allclose(y, plain(x, lengths=lengths)[0], atol=1e-2)
    forward, _ = scan(rnn.cell(), x, lengths, zoneout=0.3, training=False)
    reverse, _ = scan(rnn.cell(0, True), x, lengths, reverse=True, zoneout=0.3, training=False)
    between = torch.cat([forward, reverse], 2)
    assert_close(y[..., :5], scan(rnn.cell(1), between, lengths, zoneout=0.3, training=False)[0], **F64)


def test_what_zoneout_refuses() -> None:
    cell, x = Form("gru").make(), random_input(1, 2)
    for wrong, words in (
        (lambda: scan(cell, x, zoneout_cell=0.1), "GRUCell has no state c"),
        (lambda: scan(cell, x, zoneout=1.5), "zoneout is 1.5"),
        (lambda: scan(cell, x, zoneout=-0.1), "zoneout is -0.1"),
        (lambda: LSTM(3, 4, zoneout_cell=2.0), "zoneout_cell is 2.0"),
        (lambda: scan(cell, x, zoneout=0.1, implementation="torch"), "no zoneout"),
    ):
        with pytest.raises(UsageError, match=words):
            wrong()
