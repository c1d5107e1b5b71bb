"""How PyTorch reaches the compiled kernels: its compilers, its transformations, and what memory that takes."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tolerances import CLOSE, EXACT
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.export import Dim, export
from torch.func import functional_call, grad, vmap
from torch.testing import assert_close
from user_cells import PooledCell

from timesteps.nn import GRU, LSTM, RNN, GRUCell, LSTMCell, MinGRU, MinLSTM, explain, scan
from timesteps.nn.dropout import draw_keys
from timesteps.nn.native_operators import recurrent
from timesteps.runtime import native

pytestmark = pytest.mark.skipif(native.core is None, reason=native.explain())
F32 = CLOSE[torch.float32]
layers = pytest.mark.parametrize("layer", [LSTM, GRU, RNN, MinGRU, MinLSTM], ids=lambda layer: layer.__name__)
REGULAR = {"layer_norm": True, "zoneout": 0.2}
regularised = pytest.mark.parametrize(
    ("layer", "options"),
    [(layer, {}) for layer in (LSTM, GRU, RNN, MinGRU, MinLSTM)] + [(layer, REGULAR) for layer in (LSTM, GRU, RNN)],
    ids=lambda v: getattr(v, "__name__", "regularised" if v else "plain"),
)


class Reader(nn.Module):
    """A layer in a network, with lengths if there are any."""

    def __init__(self, layer: type[nn.Module], **options: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = layer(5, 9, 2, batch_first=True, bidirectional=True, **options)
        self.out = nn.Linear(18, 1)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        y, _ = self.layer(x, lengths=lengths)
        return self.out(y)


@regularised
@pytest.mark.parametrize("with_lengths", [False, True])
def test_compiles_whole_and_once(layer: type[nn.Module], options: dict[str, Any], with_lengths: bool) -> None:
    torch._dynamo.reset()
    model, frames = Reader(layer, **options), []
    model.train(not options)  # in evaluation, zoneout draws nothing

    def backend(graph: Any, inputs: Any) -> Any:
        frames.append(graph.print_readable(print_output=False))
        return torch._dynamo.backends.debugging.aot_eager(graph, inputs)

    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend=backend)
    draw = random.Random(1)
    once = 0
    for call in range(50):
        rows, steps = draw.randint(2, 9), draw.randint(2, 40)
        x = torch.randn(rows, steps, 5, requires_grad=True)
        lengths = torch.randint(0, steps + 1, (rows,)) if with_lengths else None
        got, expected = compiled(x, lengths), model(x, lengths)
        assert_close(got, expected, **F32)
        leaves = [x, *model.parameters()]
        assert_close(
            torch.autograd.grad(got.square().sum(), leaves), torch.autograd.grad(expected.square().sum(), leaves), **F32
        )
        once = len(frames) if call == 0 else once
    assert len(frames) == once
    assert "timesteps.recurrent" in frames[-1]


@regularised
def test_exports_with_any_batch_and_length(layer: type[nn.Module], options: dict[str, Any]) -> None:
    model = Reader(layer, **options).eval()
    dynamic = {"x": {0: Dim.DYNAMIC, 1: Dim.DYNAMIC}, "lengths": {0: Dim.DYNAMIC}}
    program = export(model, (torch.randn(4, 6, 5), torch.tensor([6, 3, 2, 0])), dynamic_shapes=dynamic)
    assert "timesteps.recurrent" in str(program.graph)
    for rows, steps in ((2, 3), (9, 20)):
        x, lengths = torch.randn(rows, steps, 5), torch.randint(0, steps + 1, (rows,))
        assert_close(program.module()(x, lengths), model(x, lengths), **F32)


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4, 5, 6, 7])
def test_the_operator_keeps_the_rules(kind: int) -> None:
    gates, size, linear = (1, 4, 3, 3, 4, 2, 2, 3)[kind], 2 if kind == 4 else 6, kind >= 5
    torch.manual_seed(0)
    x, h0, c0 = torch.randn(3, 4, 5), torch.randn(3, size), torch.randn(3, 6)
    weights = [torch.randn(gates * 6, 5), torch.randn(gates * 6, size), torch.randn(gates * 6), torch.randn(gates * 6)]
    leaves: list[Tensor | None] = [t.double().requires_grad_() for t in (x, h0, *weights)]
    if linear:  # no recurrent product
        leaves[3], leaves[5] = torch.empty(0, 6, dtype=torch.float64), None
    cells = c0.double().requires_grad_() if kind in (1, 4) else None
    projection = torch.randn(size, 6).double().requires_grad_() if kind == 4 else None
    counts = torch.tensor([4, 0, 2])
    norms: list[Tensor | None] = [torch.randn(gates * 6).double().requires_grad_() for _ in range(2)]
    keys = draw_keys(3)
    own = [torch.randn(n * 6).double().requires_grad_() if kind in (1, 4) else None for n in (1, 1, 3)]
    rates = (0.3, 0.2 if kind in (1, 4) else 0.0, 6, 8)
    if linear:
        norms, rates = [None, None], (0.0, 0.0, 0, 0)
    arguments = (kind, 0, *rates, True, True, *leaves[:2], cells, None, None, *leaves[2:], projection, *norms, *own,
                 None, counts, None, None, keys)  # fmt: skip
    # not compared with itself when traced: what it keeps for backward has gaps that nobody writes
    torch.library.opcheck(
        recurrent, arguments, test_utils=("test_schema", "test_autograd_registration", "test_faketensor")
    )


@pytest.mark.parametrize("kind", [5, 6, 7])
def test_linear_cells_have_no_regularised_kernels(kind: int) -> None:
    gates = (2, 2, 3)[kind - 5]
    x, h0, norm = torch.randn(3, 4, 5), torch.randn(3, 6), torch.randn(gates * 6)
    inputs = [x, h0, *[None] * 3, torch.randn(gates * 6, 5), torch.empty(0, 6), norm, *[None] * 13]
    for rate, place in ((0.3, None), (0.0, 10)):
        given = [norm if n == place else tensor for n, tensor in enumerate(inputs[:20])]
        with pytest.raises(ValueError, match="linear cells have no layer norm"):
            recurrent(kind, 0, rate, 0.0, 0, 0, False, False, *given)


def test_a_users_linear_cell_compiles_whole_and_is_transformed() -> None:
    torch._dynamo.reset()
    cell, frames = PooledCell(5, 9), []

    def run(x: Tensor, lengths: Tensor) -> Tensor:
        return scan(cell, x, lengths, reverse=True)[0]

    def backend(graph: Any, inputs: Any) -> Any:
        frames.append(graph.print_readable(print_output=False))
        return torch._dynamo.backends.debugging.aot_eager(graph, inputs)

    compiled = torch.compile(run, fullgraph=True, dynamic=True, backend=backend)
    once = 0
    for rows, steps in ((3, 4), (5, 7), (2, 11)):
        x, lengths = torch.randn(rows, steps, 5, requires_grad=True), torch.randint(0, steps + 1, (rows,))
        got, expected = compiled(x, lengths), run(x, lengths)
        assert_close(got, expected, **F32)
        leaves = [x, *cell.parameters()]
        assert_close(
            torch.autograd.grad(got.square().sum(), leaves), torch.autograd.grad(expected.square().sum(), leaves), **F32
        )
        once = once or len(frames)
    assert len(frames) == once and "timesteps.recurrent" in frames[-1]
    xs = torch.randn(3, 4, 5)
    each = vmap(lambda x: scan(cell, x.unsqueeze(0))[0][0])(xs)
    assert_close(each, scan(cell, xs)[0], **F32)


@layers
def test_transformations_take_the_loop_and_are_right(layer: type[nn.Module]) -> None:
    rnn, xs = layer(3, 4, batch_first=True), torch.randn(6, 5, 3)
    parameters = dict(rnn.named_parameters())

    def loss(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(rnn, parameters, (x.unsqueeze(0),))[0].square().sum()

    each = vmap(grad(loss), in_dims=(None, 0))(parameters, xs)
    for b in range(6):
        alone = torch.autograd.grad(rnn(xs[b : b + 1])[0].square().sum(), list(parameters.values()))
        assert_close([value[b] for value in each.values()], list(alone), **F32)
    direction = torch.randn_like(xs)
    with forward_ad.dual_level():
        slope = forward_ad.unpack_dual(rnn(forward_ad.make_dual(xs, direction))[0]).tangent
    step = 1e-3
    numeric = (rnn.double()(xs.double() + step * direction)[0] - rnn(xs.double() - step * direction)[0]) / (2 * step)
    assert_close(slope.double(), numeric, rtol=1e-3, atol=1e-4)


@regularised
def test_gradients_of_gradients(layer: type[nn.Module], options: dict[str, Any]) -> None:
    rnn = layer(3, 4, batch_first=True, **options).double().eval()
    x, lengths = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True), torch.tensor([5, 2])

    def penalty(implementation: str | None) -> list[Tensor]:
        leaves = [x, *rnn.parameters()]
        y, _ = rnn(x, lengths=lengths, implementation=implementation)
        first = torch.autograd.grad(y.square().sum(), leaves, create_graph=True)
        return list(torch.autograd.grad(sum(g.square().sum() for g in first), leaves))  # type: ignore[arg-type]

    assert explain(rnn, x)[0].implementation == "native"
    assert_close(penalty(None), penalty("loop"), **CLOSE[torch.float64])


def test_autocast_and_checkpointing() -> None:
    rnn, x = LSTM(3, 4, batch_first=True), torch.randn(2, 5, 3, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_close(rnn(x)[0].float(), rnn(x, implementation="loop")[0].float(), rtol=0.05, atol=0.05)
    plain = torch.autograd.grad(rnn(x)[0].sum(), x)
    again = torch.utils.checkpoint.checkpoint(lambda x: rnn(x)[0].sum(), x, use_reentrant=False)
    assert_close(torch.autograd.grad(again, x), plain, **EXACT)


def test_a_backward_pass_can_be_repeated_and_left_out() -> None:
    cell, x = LSTMCell(3, 4), torch.randn(2, 5, 3, requires_grad=True)
    y, _ = scan(cell, x)
    first = torch.autograd.grad(y.sum(), x, retain_graph=True)
    assert_close(torch.autograd.grad(y.sum(), x, retain_graph=True), first, **EXACT)
    with torch.no_grad():
        y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(y.sum(), x)


def test_outputs_may_be_changed_in_place() -> None:
    """Outputs that backward does not need belong to the caller, in either layout."""
    for batch_first in (False, True):
        rnn, x = LSTM(3, 4, batch_first=batch_first), torch.randn(2, 5, 3, requires_grad=True)
        with torch.no_grad():
            y, _ = rnn(x)
            expected = 2 * y
            assert_close(y.mul_(2), expected, **EXACT)
        _, (h, _) = rnn(x)
        h.mul_(2).sum().backward()


def test_a_count_beyond_the_steps_is_refused_by_the_kernels_themselves() -> None:
    compiled = torch.compile(Reader(GRU), fullgraph=True, dynamic=True, backend="aot_eager")
    with pytest.raises(ValueError, match="count"), torch.no_grad():
        recurrent(2, 0, 0.0, 0.0, 0, 0, False, False, torch.zeros(1, 2, 3), None, None, None, None, torch.zeros(12, 3),
                  torch.zeros(12, 4), *[None] * 9, torch.tensor([3]), None, None, None)  # fmt: skip
    with torch.no_grad():
        assert compiled(torch.zeros(2, 3, 5), torch.tensor([3, 1])).shape == (2, 3, 1)


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="there is no /proc")
def test_memory_stays_flat() -> None:
    draw, cell = random.Random(0), GRUCell(24, 40)

    def batches(count: int) -> None:
        for _ in range(count):
            rows, steps = draw.randint(1, 48), draw.randint(1, 60)
            x = torch.randn(rows, steps, 24)
            y, _ = scan(cell, x, torch.randint(0, steps + 1, (rows,)))
            y.sum().backward()

    batches(300)
    before = resident()
    batches(1200)
    assert resident() - before < 24 << 20


@pytest.mark.slow
@pytest.mark.parametrize("instructions", ["avx2", "baseline"])
def test_other_instruction_sets(instructions: str) -> None:
    """The comparisons again, on what an older processor has."""
    here = Path(__file__).parent
    environment = {**os.environ, "TIMESTEPS_INSTRUCTIONS": instructions}
    code = "from timesteps.runtime.native import core; print(core.recurrent_instructions)"
    name = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    if name.stdout.strip() != instructions:
        pytest.skip(f"this processor runs {name.stdout.strip()}")
    command = [sys.executable, "-m", "pytest", "-q", "-x", str(here / "test_native_scan.py")]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=here.parents[1])
    assert run.returncode == 0, run.stdout[-3000:]
