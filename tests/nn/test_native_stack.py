"""Plain calls of RNN, LSTM and GRU: equal to the general way, taken when they may be, and cheap in memory."""

from __future__ import annotations

import copy
import pickle
import random
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from bench.layers.memory import kept_bytes
from tolerances import CLOSE, EXACT
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import parametrizations
from torch.testing import assert_close

from timesteps.errors import UsageError
from timesteps.nn import GRU, LSTM, RNN, native_stack, recurrent
from timesteps.nn.native_stack import run_plain
from timesteps.runtime import native

pytestmark = pytest.mark.skipif(native.core is None, reason=native.explain())
layers = pytest.mark.parametrize("layer", [LSTM, GRU, RNN], ids=lambda layer: layer.__name__)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Of each call that may be plain, whether it was."""
    found: list[bool] = []

    def spy(*arguments: Any, **more: Any) -> Any:
        outputs = run_plain(*arguments, **more)
        found.append(outputs is not None)
        return outputs

    monkeypatch.setattr(recurrent, "run_plain", spy)
    yield found


def flat(y: Tensor, state: Any) -> list[Tensor]:
    return [y, *(state if isinstance(state, tuple) else (state,))]


def gradients(rnn: nn.Module, x: Tensor, hx: Any, **more: Any) -> list[Tensor | None]:
    """Outputs, states, and the gradients of everything that has one, from random ones."""
    outputs = flat(*rnn(x, hx, **more))
    generator = torch.Generator().manual_seed(1)
    loss = sum((out * torch.randn(out.shape, generator=generator, dtype=out.dtype)).sum() for out in outputs)
    given = () if hx is None else hx if isinstance(hx, tuple) else (hx,)
    leaves = [t for t in (x, *given, *rnn.parameters()) if t.requires_grad]
    assert isinstance(loss, Tensor)
    return [*outputs, *torch.autograd.grad(loss, leaves, allow_unused=True)]


def test_equal_to_the_general_way_bit_for_bit(taken: list[bool]) -> None:
    torch.set_num_threads(1)
    draw = random.Random(0)
    for trial in range(120):
        torch.manual_seed(trial)
        kind, options = draw.choice([(LSTM, {}), (LSTM, {"proj_size": 3}), (GRU, {}), (GRU, {"reset_after": False}),
                                     (RNN, {}), (RNN, {"nonlinearity": "relu"})])  # fmt: skip
        count, both, first = draw.randint(1, 3), draw.random() < 0.5, draw.random() < 0.5
        dtype, rows, steps = draw.choice([torch.float32, torch.float64]), draw.randint(1, 9), draw.randint(1, 12)
        rnn = kind(
            4, 7, count, bias=draw.random() < 0.8, bidirectional=both, batch_first=first, dtype=dtype,
            recompute=draw.choice([None, 3]), **options,
        )  # fmt: skip
        for parameter in rnn.parameters():
            parameter.requires_grad_(draw.random() < 0.8)
        shape = (rows, steps, 4) if first else (steps, rows, 4)
        x = draw.choice(
            [torch.randn(shape), torch.randn(shape[::-1]).transpose(0, 2), torch.randn(*shape[:2], 9)[..., 3:7]]
        )
        x = x.to(dtype).detach().requires_grad_(draw.random() < 0.7)
        hx = None
        if draw.random() < 0.6:
            sizes = [rnn.proj_size or 7] + [7] * (kind is LSTM)
            parts = tuple(torch.randn(count * (1 + both), rows, size, dtype=dtype) for size in sizes)
            parts[0].requires_grad_(draw.random() < 0.6)
            hx = parts if kind is LSTM else parts[0]
        if not any(t.requires_grad for t in (x, *(hx if isinstance(hx, tuple) else ()), *rnn.parameters())):
            x.requires_grad_()
        got = gradients(rnn, x, hx)
        assert taken.pop()
        expected = gradients(rnn, x, hx, implementation="native")
        for mine, other in zip(got, expected, strict=True):
            assert (mine is None) == (other is None)
            assert_close(mine, other, **EXACT)
        with torch.inference_mode():
            assert_close(flat(*rnn(x.detach(), hx)), flat(*rnn(x.detach(), hx, implementation="native")), **EXACT)


@layers
def test_what_is_not_plain_goes_the_general_way(layer: type[nn.Module], taken: list[bool]) -> None:
    rnn, x = layer(3, 4, batch_first=True), torch.randn(2, 5, 3)
    expected = rnn(x)[0]
    assert taken == [True]

    class Special(Tensor):
        pass

    rnn(x.as_subclass(Special))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rnn(x)
    rnn(torch.empty(0, 5, 3))
    rnn(x.bfloat16().float().to_sparse().to_dense())
    assert taken == [True, False, False, False, True]
    assert_close(functional_call(rnn, {k: 0 * p for k, p in rnn.named_parameters()}, (x,))[0], 0 * expected, **EXACT)
    assert taken.pop()
    meta = layer(3, 4, device="meta")
    assert meta(torch.empty(5, 2, 3, device="meta"))[0].shape == (5, 2, 4) and not taken.pop()
    dropping = layer(3, 4, recurrent_dropout=0.5)
    dropping(x)
    assert len(taken) == 5  # nothing was even asked
    assert dropping.eval()(x)[0].shape == expected.shape and taken.pop()
    assert layer(3, 4, initial_state="learned")(x)[0].shape == expected.shape and len(taken) == 5


@layers
def test_parametrized_weights_are_read_when_they_are_needed(layer: type[nn.Module]) -> None:
    rnn, x = layer(3, 4), torch.randn(5, 2, 3)
    plain = rnn(x)[0]
    parametrizations.weight_norm(rnn, "weight_hh_l0")
    assert_close(rnn(x)[0], plain, **CLOSE[torch.float32])
    with torch.no_grad():
        rnn.parametrizations.weight_hh_l0.original0.mul_(2)
    assert (rnn(x)[0] - plain).abs().max() > 1e-3
    rnn(x)[0].sum().backward()
    assert rnn.parametrizations.weight_hh_l0.original1.grad is not None


@layers
def test_weights_may_change_between_calls(layer: type[nn.Module], taken: list[bool]) -> None:
    rnn, x = layer(3, 4), torch.randn(5, 2, 3)
    with torch.no_grad():
        for change in (
            lambda: rnn.weight_hh_l0.data.mul_(3),
            lambda: setattr(rnn.weight_ih_l0, "data", torch.randn(rnn.weight_ih_l0.shape)),
            lambda: setattr(rnn, "bias_hh_l0", nn.Parameter(torch.randn(rnn.bias_hh_l0.shape))),
            lambda: rnn.load_state_dict(layer(3, 4).state_dict()),
            lambda: setattr(rnn.weight_ih_l0, "data", torch.randn(3, len(rnn.weight_ih_l0)).t()),
        ):
            change()
            assert_close(rnn(x)[0], rnn(x, implementation="loop")[0], **CLOSE[torch.float32])
    assert taken == [True] * 4 + [False]  # the last weight lies the other way round
    for twin in (copy.deepcopy(rnn), pickle.loads(pickle.dumps(rnn))):
        assert_close(twin(x)[0], rnn(x)[0], **EXACT)
    assert rnn.double()(x.double())[0].dtype == torch.float64
    with pytest.raises(UsageError, match="float32"):
        rnn(x)
    rnn.float().weight_ih_l0.data = torch.randn(len(rnn.weight_ih_l0) - 1, 3)
    with pytest.raises(UsageError, match="weight_ih"):
        rnn(x)


@layers
def test_autograd_sees_what_it_must(layer: type[nn.Module]) -> None:
    rnn, x = layer(3, 4, 2, bidirectional=True), torch.randn(5, 2, 3)
    seen: list[Any] = []
    rnn.register_forward_hook(lambda *_: seen.append("module"))
    rnn.weight_hh_l1.register_hook(lambda grad: seen.append(grad.shape))
    y, _ = rnn(x)
    y.sum().backward()
    assert seen == ["module", rnn.weight_hh_l1.shape]
    y, _ = rnn(x)
    with torch.no_grad():
        rnn.weight_hh_l1.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    for name, parameter in rnn.named_parameters():
        parameter.requires_grad_("_l1" in name)
    _, state = rnn(x)
    (state[0] if layer is LSTM else state)[3].sum().backward()  # nothing but the last direction's state is used
    assert rnn.weight_ih_l1_reverse.grad is not None and rnn.weight_ih_l0.grad is not None


@layers
@pytest.mark.parametrize("recompute", [None, 2])
def test_gradients_of_gradients_through_the_whole_stack(layer: type[nn.Module], recompute: int | None) -> None:
    rnn = layer(3, 4, 2, bidirectional=True, dtype=torch.float64, recompute=recompute)
    x = torch.randn(5, 2, 3, dtype=torch.float64, requires_grad=True)
    hx = torch.randn(4, 2, 4, dtype=torch.float64, requires_grad=True)

    def penalty(implementation: str | None) -> list[Tensor]:
        leaves = [x, hx, *rnn.parameters()]
        y, state = rnn(x, (hx, 2 * hx) if layer is LSTM else hx, implementation=implementation)
        loss = y.square().sum() + flat(y, state)[-1].sum()
        first = torch.autograd.grad(loss, leaves, create_graph=True)
        return list(torch.autograd.grad(sum(g.square().sum() for g in first), leaves))  # type: ignore[arg-type]

    expected = penalty("loop")
    assert_close(penalty(None), expected, **CLOSE[torch.float64])
    assert_close(penalty("native"), expected, **CLOSE[torch.float64])


@layers
def test_what_is_kept_is_no_more_than_torchs(layer: type[nn.Module]) -> None:
    x = torch.randn(100, 32, 128, requires_grad=True)
    theirs = kept_bytes(getattr(nn, layer.__name__)(128, 128), x)
    mine = kept_bytes(layer(128, 128), x)
    assert mine <= theirs
    again = kept_bytes(layer(128, 128, recompute=20), x)
    assert again <= (4 * 32 * 128 * 4 if layer is LSTM else 0)  # c before every segment but the first
    assert again < mine / 20


def test_long_sums_are_as_exact_as_torchs() -> None:
    torch.manual_seed(0)
    theirs, mine, x = nn.RNN(512, 512), RNN(512, 512), torch.randn(30, 4, 512)
    mine.load_state_dict(theirs.state_dict())
    with torch.no_grad():
        exact = copy.deepcopy(theirs).double()(x.double())[0]
        assert (mine(x)[0] - exact).abs().max() <= 1.3 * (theirs(x)[0] - exact).abs().max()


def test_the_plan_knows_only_what_the_kernels_have() -> None:
    class Own(native_stack.Cell):
        gates, states = ("h",), ("h",)

        def step(self, gx: Tensor, state: Any, recurrent_mask: Tensor | None = None) -> Any:
            return gx, gx

    assert native_stack.Plan.of([Own(3, 4)], [""]) is None
