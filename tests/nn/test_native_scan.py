"""The compiled kernels of `scan` against torch.nn and against the plain loop, over shapes, numbers and layouts."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import CLOSE, EXACT, close
from torch import Tensor, nn
from torch.testing import assert_close
from user_cells import PooledCell

from timesteps.nn import Cell, ElmanCell, GRUCell, LinearCell, LSTMCell, MinGRUCell, MinLSTMCell, scan
from timesteps.nn.cells.cell import as_state, as_tuple
from timesteps.nn.dropout import chosen_at, draw_keys
from timesteps.nn.dropped import Dropped
from timesteps.nn.padding import read_steps
from timesteps.nn.scan import scan_steps
from timesteps.nn.zoneout import Zoneout
from timesteps.runtime import native

pytestmark = pytest.mark.skipif(native.core is None, reason=native.explain())


CELLS: list[tuple[type[Cell], dict[str, Any]]] = [
    (LSTMCell, {}),
    (GRUCell, {}),
    (GRUCell, {"reset_after": False}),
    (ElmanCell, {}),
    (ElmanCell, {"nonlinearity": "relu"}),
    (MinGRUCell, {}),
    (MinLSTMCell, {}),
    (PooledCell, {}),
    (LSTMCell, {"layer_norm": True}),
    (LSTMCell, {"peephole": True}),
    (LSTMCell, {"layer_norm": True, "peephole": True, "projected": True}),
    (GRUCell, {"layer_norm": True}),
    (GRUCell, {"layer_norm": True, "reset_after": False}),
    (ElmanCell, {"layer_norm": True}),
]
every_cell = pytest.mark.parametrize(("cell", "options"), CELLS, ids=lambda v: getattr(v, "__name__", str(v)))
#: numbers around the widths of vectors, panels and tiles
SIZES = st.one_of(st.integers(1, 20), st.sampled_from([31, 32, 33, 48, 63, 64, 65, 100, 127, 128, 129, 160]))


def make(cell: type[Cell], options: dict[str, Any], inputs: int, hidden: int, bias: bool = True) -> Cell:
    """A cell; `projected` is to somewhat more than half of the units."""
    options = dict(options)
    if options.pop("projected", False) and hidden > 1:
        options["proj_size"] = hidden // 2 + (hidden > 2)
    return cell(inputs, hidden, bias, **options)


def torchs(kind: str, inputs: int, hidden: int, dtype: torch.dtype, bias: bool) -> tuple[nn.Module, Cell]:
    """A layer of torch's and our cell with the same weights."""
    cell: Cell
    if kind == "LSTM":
        layer, cell = nn.LSTM(inputs, hidden, bias=bias, batch_first=True), LSTMCell(inputs, hidden, bias)
    elif kind == "projected":
        size = hidden // 2 + (hidden > 2)
        layer = nn.LSTM(inputs, hidden, bias=bias, batch_first=True, proj_size=size)
        cell = LSTMCell(inputs, hidden, bias, proj_size=size)
    elif kind == "GRU":
        layer, cell = nn.GRU(inputs, hidden, bias=bias, batch_first=True), GRUCell(inputs, hidden, bias)
    else:
        layer = nn.RNN(inputs, hidden, nonlinearity=kind, bias=bias, batch_first=True)
        cell = ElmanCell(inputs, hidden, bias, nonlinearity=kind)
    layer.to(dtype), cell.to(dtype)
    for mine, theirs in zip(cell.parameters(), layer.parameters(), strict=True):
        mine.data.copy_(theirs.data)
    return layer, cell


@pytest.mark.parametrize("seed", range(20))
def test_two_thousand_random_configurations_are_torchs(seed: int) -> None:
    torch.set_num_threads(1)
    draw = random.Random(seed)
    torch.manual_seed(seed)
    for _ in range(100):
        kind = draw.choice(["LSTM", "projected", "GRU", "tanh", "relu"])
        dtype = draw.choice([torch.float32, torch.float64])
        rows, steps = draw.choice([1, 2, 3, 5, 7, 12, 13, 33]), draw.choice([1, 2, 3, 5, 11])
        inputs, hidden = (draw.choice([1, 2, 3, 5, 8, 13, 16, 17, 24, 33, 64, 70]) for _ in range(2))
        kind = "LSTM" if hidden == 1 and kind == "projected" else kind
        layer, cell = torchs(kind, inputs, hidden, dtype, bias=draw.random() < 0.8)
        reverse, output_atol, grad_rtol = (draw.random() < 0.3, *((1e-6, 1e-5), (1e-12, 1e-9))[dtype == torch.float64])
        # weights are drawn by H alone: many inputs to few units would make sums that float32 holds to 1e-6 at best
        x = min(1.0, (hidden / inputs) ** 0.5) * torch.randn(rows, steps, inputs, dtype=dtype)
        x.requires_grad_()
        state = tuple(torch.randn_like(part).requires_grad_() for part in cell.zero_state(rows))
        y, final = scan(cell, x, state=as_state(state), reverse=reverse, implementation="native")
        flipped, end = layer(x.flip(1) if reverse else x, as_state(tuple(part.unsqueeze(0) for part in state)))
        expected = [flipped.flip(1) if reverse else flipped, *(part[0] for part in as_tuple(end))]
        got = [y, *as_tuple(final)]
        where = f"{kind} {dtype} B={rows} T={steps} I={inputs} H={hidden}"
        for a, b in zip(got, expected, strict=True):
            scale = max(1.0, float(b.detach().abs().max()))  # relu's states are not bounded
            assert float((a - b).detach().abs().max()) <= output_atol * scale, where
        grads = [torch.randn_like(part) for part in expected]
        mine = torch.autograd.grad(got, [x, *state, *cell.parameters()], grads)
        theirs = torch.autograd.grad(expected, [x, *state, *layer.parameters()], grads)
        for a, b in zip(mine, theirs, strict=True):
            # below a tenth a sum of numbers near one has cancelled out, and rounding is what is left
            assert float((a - b).norm()) <= grad_rtol * max(float(b.norm()), 0.1), where


def run(cell: Cell, x: Tensor, implementation: str, **more: Any) -> list[Tensor]:
    """Outputs, final state, and gradients of everything for fixed gradients of those."""
    x = x.detach().requires_grad_()
    states = {
        name: tuple(part.detach().requires_grad_() for part in as_tuple(more[name]))
        for name in ("state", "initial")
        if name in more
    }
    more |= {name: as_state(parts) for name, parts in states.items()}
    y, final = scan(cell, x, implementation=implementation, **more)
    outputs = [y, *as_tuple(final)]
    generator = torch.Generator().manual_seed(5)
    grads = [torch.randn(part.shape, generator=generator, dtype=torch.float64).to(x.dtype) for part in outputs]
    leaves = [x, *(part for parts in states.values() for part in parts), *cell.parameters()]
    found = torch.autograd.grad(outputs, leaves, grads, allow_unused=True)
    return [*(part.detach() for part in outputs), *(torch.zeros(1) if grad is None else grad for grad in found)]


def strange(x: Tensor, layout: str) -> Tensor:
    """The same numbers, lying differently."""
    if layout == "time first":
        return x.transpose(0, 1).contiguous().transpose(0, 1)
    if layout == "features first":
        return x.transpose(1, 2).contiguous().transpose(1, 2)
    if layout == "every second":
        return torch.stack([x, torch.full_like(x, torch.nan)], 3).flatten(2)[..., ::2]
    if layout == "off the line":
        return torch.cat([x.new_zeros(1), x.flatten()])[1:].view(x.shape)
    if layout == "part of more":
        return torch.nn.functional.pad(x, [2, 3, 1, 1], value=torch.nan)[:, 1:-1, 2:-3]
    return x


@every_cell
@settings(max_examples=60)
@given(
    rows=st.integers(1, 20), steps=st.integers(1, 9), inputs=SIZES, hidden=SIZES,
    dtype=st.sampled_from([torch.float32, torch.float64]),
    layout=st.sampled_from(["", "time first", "features first", "every second", "off the line", "part of more"]),
    reverse=st.booleans(), padding=st.sampled_from(["", "lengths", "mask"]), resets=st.booleans(),
    dropout=st.booleans(), zoneout=st.sampled_from(["", "h", "c", "both", "mean"]),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_kernels_are_the_loop(
    cell: type[Cell],
    options: dict[str, Any],
    rows: int,
    steps: int,
    inputs: int,
    hidden: int,
    dtype: torch.dtype,
    layout: str,
    reverse: bool,
    padding: str,
    resets: bool,
    dropout: bool,
    zoneout: str,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    equation = make(cell, options, inputs, hidden).to(dtype)
    x = torch.randn(rows, steps, inputs, dtype=dtype)
    more: dict[str, Any] = {"reverse": reverse}
    for name in ("state", "initial"):
        more[name] = as_state(tuple(torch.randn_like(part) for part in equation.zero_state(rows)))
    if padding == "lengths":
        more["lengths"] = torch.randint(0, steps + 1, (rows,))
    elif padding == "mask":
        more["mask"] = torch.rand(rows, steps) < 0.6
    if resets:
        more["reset"] = torch.rand(rows, steps) < 0.3
    if dropout:
        more |= {"recurrent_dropout": 0.4 if equation.has_recurrent_product else 0.0, "input_dropout": 0.2}
    if zoneout and equation.has_recurrent_product:
        more |= {"zoneout": 0.3 * (zoneout != "c"), "training": zoneout != "mean"}
        more["zoneout_cell"] = 0.2 if zoneout != "h" and cell is LSTMCell else 0.0
    results = []
    for implementation in ("native", "loop"):
        more["generator"] = torch.Generator().manual_seed(seed)
        results.append(run(equation, strange(x, layout), implementation, **more))
    assert_close(results[0], results[1], **close(dtype, options))


@every_cell
@settings(max_examples=30)
@given(
    rows=st.integers(1, 9), steps=st.integers(1, 7), inputs=SIZES, hidden=SIZES, reverse=st.booleans(),
    masked=st.booleans(), dropout=st.booleans(), bias=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_one_hot_inputs_are_looked_up(
    cell: type[Cell],
    options: dict[str, Any],
    rows: int,
    steps: int,
    inputs: int,
    hidden: int,
    reverse: bool,
    masked: bool,
    dropout: bool,
    bias: bool,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    equation = make(cell, options, inputs, hidden, bias).double()
    ids = torch.randint(-1, inputs, (rows, steps))
    mask = torch.rand(rows, steps) < 0.6 if masked else None
    results = []
    for implementation in ("native", "loop"):
        generator = torch.Generator().manual_seed(seed)
        rate = 0.3 if dropout else 0.0
        y, final = scan(equation, ids if mask is None else ids.masked_fill(~mask, 10**9), mask=mask, reverse=reverse,
                        input_dropout=rate, recurrent_dropout=rate if equation.has_recurrent_product else 0.0,
                        generator=generator,
                        implementation=implementation)  # fmt: skip
        loss = y.square().sum() + sum(part.sum() for part in as_tuple(final))
        results.append([y, *as_tuple(final), *torch.autograd.grad(loss, list(equation.parameters()))])
    assert_close(results[0], results[1], **CLOSE[torch.float64])


@every_cell
@pytest.mark.parametrize("hidden", [8, 24, 64, 70])
def test_bits_know_neither_threads_nor_batch(cell: type[Cell], options: dict[str, Any], hidden: int) -> None:
    torch.manual_seed(0)
    rows, steps = 37, 40
    equation = make(cell, options, 33, hidden)
    x, lengths = torch.randn(rows, steps, 33), torch.randint(0, steps + 1, (rows,))
    state = as_state(tuple(torch.randn_like(part) for part in equation.zero_state(rows)))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        two = run(equation, x, "native", lengths=lengths, state=state)
    finally:
        torch.set_num_threads(before)
    torch.set_num_threads(1)
    one = run(equation, x, "native", lengths=lengths, state=state)
    assert_close(two, one, **EXACT)
    assert_close(run(equation, x, "native", lengths=lengths, state=state), one, **EXACT)
    parts = []
    with torch.no_grad():  # and what is kept for gradients changes nothing
        for some in (slice(0, 1), slice(1, 6), slice(6, 37)):
            begin = as_state(tuple(part[some] for part in as_tuple(state)))
            parts.append(scan(equation, x[some], lengths[some], begin, implementation="native"))
    assert_close(torch.cat([y for y, _ in parts]), one[0], **EXACT)
    assert_close(torch.cat([as_tuple(final)[0] for _, final in parts]), one[1], **EXACT)


@pytest.mark.parametrize(
    ("cell", "options"), [pair for pair in CELLS if not issubclass(pair[0], LinearCell)], ids=lambda v: str(v)
)
@pytest.mark.parametrize("hidden", [8, 24, 70])
def test_units_zone_out_whatever_the_batch_and_the_threads(
    cell: type[Cell], options: dict[str, Any], hidden: int
) -> None:
    torch.manual_seed(0)
    rows, steps = 37, 40
    equation, keys = make(cell, options, 33, hidden), draw_keys(rows)
    x, lengths = torch.randn(rows, steps, 33), torch.randint(0, steps + 1, (rows,))

    def outputs(some: slice) -> list[Tensor]:
        visits, zoneout = read_steps(len(keys[some]), steps, lengths[some], None, "cpu"), Zoneout(0.3, 0.2, keys[some])
        y, final = scan_steps(equation, x[some], visits, zoneout=zoneout, implementation="native")
        return [y.detach(), *(part.detach() for part in as_tuple(final))]

    whole, before = outputs(slice(0, rows)), torch.get_num_threads()
    parts = [outputs(some) for some in (slice(0, 1), slice(1, 6), slice(6, 37))]
    assert_close([torch.cat(each) for each in zip(*parts, strict=True)], whole, **EXACT)
    try:
        torch.set_num_threads(2 if before == 1 else 1)
        assert_close(outputs(slice(0, rows)), whole, **EXACT)
    finally:
        torch.set_num_threads(before)


def test_zoned_units_are_those_that_the_keys_name() -> None:
    """h counts its visits: what is missing has been kept, exactly where the definition says."""
    cell, keys = ElmanCell(1, 19, nonlinearity="linear"), draw_keys(3)
    for parameter in cell.parameters():
        nn.init.zeros_(parameter)
    nn.init.ones_(cell.weight_ih)
    x = torch.arange(1.0, 8.0).expand(3, 7).unsqueeze(2)
    y, _ = scan_steps(cell, x, read_steps(3, 7, None, None, "cpu"), zoneout=Zoneout(0.4, keys=keys, h_stream=11))
    stays = chosen_at(keys, torch.arange(7 * 19).unsqueeze(0), 0.4, 11).view(3, 7, 19)
    before = torch.cat([y.new_zeros(3, 1, 19), y[:, :-1]], 1)
    assert_close(y, torch.where(stays, before, x.expand(3, 7, 19)), **EXACT)
    for p, expected in ((1.0, torch.zeros(3, 7, 19)), (1e-12, x.expand(3, 7, 19))):
        y, _ = scan_steps(cell, x, read_steps(3, 7, None, None, "cpu"), zoneout=Zoneout(p, keys=keys))
        assert_close(y, expected, **EXACT)


@every_cell
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 1e-42, 3e38, -0.0, 88.5, -150.0])
@pytest.mark.parametrize("hidden", [5, 16, 21])
def test_numbers_that_are_none_or_extreme(
    cell: type[Cell], options: dict[str, Any], dtype: torch.dtype, number: float, hidden: int
) -> None:
    torch.manual_seed(1)
    equation = make(cell, options, 3, hidden).to(dtype)
    x = torch.randn(4, 6, 3, dtype=dtype)
    x[1, 2, 0] = x[3, 0, 1] = number
    got, expected = run(equation, x, "native"), run(equation, x, "loop")
    assert bool(got[0][0].isfinite().all()) and bool(got[0][2].isfinite().all())  # rows do not touch each other
    near = close(dtype, options)
    if 10 < abs(number) < 1000:  # sums that large are held less exactly
        near = {name: 100 * value for name, value in near.items()}  # type: ignore[assignment]
    if options.get("layer_norm") and dtype == torch.float32 and number > 1e30:
        # its square is no number any more, and torch's layer norm makes NaN of some of that
        got, expected = ([outputs[0][::2]] for outputs in (got, expected))
    for a, b in zip(got, expected, strict=True):
        large = number == 3e38 and not equation.has_recurrent_product and bool(b.isfinite().any())
        scale = float(b[b.isfinite()].abs().max()) if large else 1.0  # states as large: what cancels is held no better
        assert_close(a, b, equal_nan=True, rtol=near["rtol"], atol=near["atol"] * max(1.0, scale))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_none_in_states_and_weights(number: float) -> None:
    for cell, options in CELLS:
        torch.manual_seed(2)
        equation = make(cell, options, 3, 5)
        state = [torch.randn_like(part) for part in equation.zero_state(3)]
        state[-1][1, 2] = number
        more = {"state": as_state(tuple(state))}
        x = torch.randn(3, 4, 3)
        assert_close(
            run(equation, x, "native", **more), run(equation, x, "loop", **more), equal_nan=True, **CLOSE[x.dtype]
        )
        with torch.no_grad():
            (equation.weight_hh if equation.has_recurrent_product else equation.weight_ih)[2, 1] = number
        assert_close(run(equation, x, "native"), run(equation, x, "loop"), equal_nan=True, **CLOSE[x.dtype])


def test_sigmoid_and_tanh_keep_their_digits() -> None:
    """Through cells that are nothing but one of them: h' = tanh(x), and z ∘ h with h = 1."""
    x = torch.cat([torch.linspace(-100, 100, 20_001), torch.logspace(-40, 1, 500), -torch.logspace(-40, 1, 500)])
    cell = ElmanCell(1, 1, bias=False)
    with torch.no_grad():
        cell.weight_ih.fill_(1)
        cell.weight_hh.zero_()
        tanh = scan(cell, x.view(-1, 1, 1), implementation="native")[0].flatten()
        exact = x.double().tanh()
        assert float(((tanh - exact) / exact.abs().clamp(min=1e-37)).abs().max()) < 4e-7
        gru = GRUCell(1, 1, bias=False)
        for parameter in gru.parameters():
            parameter.zero_()
        gru.weight_ih[1] = 1
        sigmoid = scan(gru, x.view(-1, 1, 1), state=torch.ones(len(x), 1), implementation="native")[0].flatten()
    exact = x.double().sigmoid()
    assert float((sigmoid - exact).abs().max()) < 2e-7
    middle = x.abs() < 80
    assert float(((sigmoid - exact) / exact)[middle].abs().max()) < 1e-6


@every_cell
def test_rates_of_dropout_without_keys_change_nothing(cell: type[Cell], options: dict[str, Any]) -> None:
    torch.manual_seed(3)
    equation, x = make(cell, options, 3, 4), torch.randn(2, 5, 3)
    if not equation.has_recurrent_product:
        pytest.skip("there is no recurrent dropout")
    steps = read_steps(2, 5, None, None, "cpu")
    plain, _ = scan_steps(equation, x, steps, implementation="native")
    assert_close(scan_steps(equation, x, steps, dropped=Dropped(0.5, 0.5), implementation="native")[0], plain, **EXACT)
    dropped, _ = scan_steps(equation, x, steps, dropped=Dropped(0.0, 0.5, draw_keys(2)), implementation="native")
    assert not torch.equal(dropped, plain) and torch.equal(dropped[:, 0], plain[:, 0])


def test_only_wanted_gradients() -> None:
    cell, x = LSTMCell(3, 4), torch.randn(2, 5, 3, requires_grad=True)
    expected = torch.autograd.grad(scan(cell, x)[0].sum(), [x, *cell.parameters()])
    for kept in range(5):
        leaves: list[Tensor] = [x, *cell.parameters()]
        for n, leaf in enumerate(leaves):
            leaf.requires_grad_(n == kept)
        y, _ = scan(cell, x, implementation="native")
        (grad,) = torch.autograd.grad(y.sum(), leaves[kept])
        assert_close(grad, expected[kept], **EXACT)
    for leaf in leaves:
        leaf.requires_grad_(False)
    assert not scan(cell, x)[0].requires_grad


def test_gradients_of_the_final_state_alone() -> None:
    for cell, options in CELLS:
        equation, x = make(cell, options, 3, 4), torch.randn(2, 5, 3, requires_grad=True)
        grads = []
        for implementation in ("native", "loop"):
            _, final = scan(equation, x, torch.tensor([5, 2]), implementation=implementation)
            grads.append(torch.autograd.grad(as_tuple(final)[-1].sum(), [x, *equation.parameters()]))
        assert_close(grads[0], grads[1], **CLOSE[x.dtype])
