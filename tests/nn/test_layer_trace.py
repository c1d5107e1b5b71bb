"""Gates and states of layers: from the kernels, from the plain loop, and by torch's own cells."""

from __future__ import annotations

import gc
import sys
import weakref
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import close
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

import timesteps.nn  # noqa: F401
from timesteps.nn import GRU, LSTM, RNN, LinearCell, MinGRU, MinLSTM
from timesteps.nn.stack import Layer, RecurrentStack

torch.set_num_threads(1)
I, H = 3, 5  # noqa: E741
LAYERS = [
    (RNN, {}),
    (RNN, {"nonlinearity": "relu", "layer_norm": True}),
    (LSTM, {}),
    (LSTM, {"bias": False}),
    (LSTM, {"proj_size": 2}),
    (LSTM, {"layer_norm": True, "peephole": True, "proj_size": 2}),
    (LSTM, {"peephole": True, "zoneout": 0.3, "zoneout_cell": 0.2}),
    (GRU, {}),
    (GRU, {"reset_after": False}),
    (GRU, {"layer_norm": True}),
    (GRU, {"layer_norm": True, "reset_after": False, "zoneout": 0.4}),
    (MinGRU, {}),
    (MinGRU, {"zoneout": 0.4}),
    (MinLSTM, {"initial_state": "learned"}),
]
HOW = ["", "l", "m", "mr"]  # lengths, mask, reset


def make(kind, options, dtype=torch.float32, **more):
    torch.manual_seed(0)
    layer = kind(I, H, 2, batch_first=True, bidirectional=True, dtype=dtype, **options, **more).eval()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(0.6 * torch.randn_like(parameter))
    return layer


def by_loop():
    """Every scan by the plain loop."""
    scan = sys.modules["timesteps.nn.scan"]
    choose = scan.choose

    def loop(cell, x, reset, recurrent_dropout, zoneout=False, wanted=None, states=()):
        return choose(cell, x, reset, recurrent_dropout, zoneout, "loop", states)

    return patch.object(scan, "choose", loop)


def assert_same(one, other, tolerance) -> None:
    assert [layer.name for layer in one.layers] == [layer.name for layer in other.layers]
    for a, b in zip(one.layers, other.layers, strict=True):
        assert list(a.gates) == list(b.gates) and list(a.states) == list(b.states)
        for name in a.arrays:
            np.testing.assert_allclose(a[name], b[name], **tolerance, err_msg=f"{a.name} {name}")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("kind", "options"), LAYERS, ids=str)
@settings(max_examples=8, deadline=None)
@given(
    rows=st.integers(1, 5), steps=st.integers(1, 8), seed=st.integers(0, 99), how=st.sampled_from(["", "l", "m", "mr"])
)
def test_kernels_keep_what_the_loop_computes(kind, options, dtype, rows, steps, seed, how) -> None:
    layer = make(kind, options, dtype)
    torch.manual_seed(seed)
    x, arguments = torch.randn(rows, steps, I, dtype=dtype), {}
    if "l" in how:
        arguments["lengths"] = torch.randint(0, steps + 1, (rows,))
    if "m" in how:
        arguments["mask"] = torch.rand(rows, steps) > 0.4
    if "r" in how:
        arguments["reset"] = torch.rand(rows, steps) > 0.7
    found = layer.trace(x, **arguments)
    with by_loop():
        plain = layer.trace(x, **arguments)
    tolerance = close(dtype, options)
    assert_same(found, plain, tolerance)
    y, _ = layer(x, **arguments)
    torch.testing.assert_close(found.output[0], y, rtol=0, atol=0)
    last = [found[f"l1{end}"]["h"] for end in ("", "_reverse")]
    np.testing.assert_allclose(np.concatenate(last, axis=2), y.detach().numpy(), **tolerance)
    if arguments and "r" not in how:
        real = np.ones((rows, steps), bool)
        if "lengths" in arguments:
            real &= np.arange(steps) < arguments["lengths"].numpy()[:, None]
        real &= arguments.get("mask", torch.ones(rows, steps, dtype=torch.bool)).numpy()
        for part in found.layers:
            assert all((values[~real] == 0).all() for values in part.arrays.values())


@pytest.mark.parametrize(("kind", "reference"), [(LSTM, torch.nn.LSTM), (GRU, torch.nn.GRU)])
@pytest.mark.parametrize("implementation", ["native", "loop"])
def test_the_gates_make_the_states_of_torchs_own_layer(kind, reference, implementation) -> None:
    layer = make(kind, {}, torch.float64)
    theirs = reference(I, H, 2, batch_first=True, bidirectional=True, dtype=torch.float64)
    theirs.load_state_dict(layer.state_dict())
    x = torch.randn(2, 6, I, dtype=torch.float64)
    if implementation == "loop":
        with by_loop():
            found = layer.trace(x)
    else:
        found = layer.trace(x)
    y, _ = theirs(x)
    ours = np.concatenate([found["l1"]["h"], found["l1_reverse"]["h"]], axis=2)
    np.testing.assert_allclose(ours, y.detach().numpy(), atol=1e-12)
    weights, read = dict(layer.named_parameters()), x
    for number in range(2):
        for end in ("", "_reverse"):
            part = found[f"l{number}{end}"]
            w, u, b, d = (weights[f"{n}_l{number}{end}"] for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
            h = torch.from_numpy(part["h"])
            shifted = torch.zeros_like(h)
            if end:
                shifted[:, :-1] = h[:, 1:]
            else:
                shifted[:, 1:] = h[:, :-1]
            gx, gh = read @ w.T + b, shifted @ u.T + d
            if kind is LSTM:
                i, f, g, o = (gx + gh).chunk(4, 2)
                wanted = {"i": i.sigmoid(), "f": f.sigmoid(), "g": g.tanh(), "o": o.sigmoid()}
            else:
                r, z = (gx[:, :, : 2 * H] + gh[:, :, : 2 * H]).sigmoid().chunk(2, 2)
                wanted = {"r": r, "z": z, "n": (gx[:, :, 2 * H :] + r * gh[:, :, 2 * H :]).tanh()}
            assert list(part.gates) == list(wanted)
            for name, values in wanted.items():
                np.testing.assert_allclose(part[name], values.detach().numpy(), atol=1e-12, err_msg=name)
        read = torch.from_numpy(np.concatenate([found[f"l{number}"]["h"], found[f"l{number}_reverse"]["h"]], axis=2))


def test_arrays_lie_like_the_outputs() -> None:
    torch.manual_seed(0)
    layer, x = LSTM(I, H), torch.randn(7, 2, I)
    whole = layer.trace(x)
    assert whole["l0"]["f"].shape == (7, 2, H) and whole.inputs.shape == (7, 2, I)
    alone = layer.trace(x[:, 1])
    np.testing.assert_allclose(alone["l0"]["f"], whole["l0"]["f"][:, 1], atol=1e-6)
    packed = pack_padded_sequence(x, torch.tensor([7, 4]))
    found = layer.trace(packed)
    assert found["l0"]["f"].shape == (2, 7, H) and (found["l0"]["f"][1, 4:] == 0).all()
    ids = torch.tensor([[0, 2], [1, 1]])
    np.testing.assert_allclose(
        layer.trace(ids)["l0"]["c"], layer.trace(torch.nn.functional.one_hot(ids, I).float())["l0"]["c"], atol=1e-6
    )
    state = torch.randn(1, 2, H), torch.randn(1, 2, H)
    continued = layer.trace(x[:1], state)
    _, (_, c) = layer(x[:1], state)
    np.testing.assert_allclose(continued["l0"]["c"][0], c[0].detach().numpy(), atol=1e-6)


class GatedCell(LinearCell):
    """A cell of one's own that names its gate."""

    gates = ("f", "v")

    def coefficients(self, gx: Tensor) -> tuple[Tensor, Tensor]:
        f, v = gx.chunk(2, -1)
        return torch.sigmoid(f), torch.sigmoid(-f) * v

    def gates_at(self, gx, before, made):
        return {"f": torch.sigmoid(gx.chunk(2, -1)[0])}


class SilentCell(GatedCell):
    """One that does not."""

    def gates_at(self, gx, before, made):
        return {}


@pytest.mark.parametrize("loop", [False, True])
def test_cells_of_ones_own_show_what_they_name(loop) -> None:
    x, mask = torch.randn(2, 6, I), torch.tensor([[True] * 6, [True, False, True, True, False, False]])
    for kind, names in ((GatedCell, ["f"]), (SilentCell, [])):
        stack = RecurrentStack([Layer(kind, I, H)])
        weights = stack.weight_ih_l0
        layer = _AsLayer(stack)
        with by_loop() if loop else patch.dict({}):
            found = layer.trace(x, mask)
        part = found.layers[0]
        assert list(part.gates) == names and part.cell == kind.__name__
        if names:
            wanted = torch.sigmoid(x @ weights[:H].T + stack.bias_ih_l0[:H]).detach().numpy()
            np.testing.assert_allclose(part["f"][mask.numpy()], wanted[mask.numpy()], atol=1e-6)
            assert (part["f"][~mask.numpy()] == 0).all()


class _AsLayer:
    def __init__(self, stack) -> None:
        self.stack = stack

    def trace(self, x, mask):
        from timesteps.nn.padding import read_steps
        from timesteps.nn.trace import Recorder

        self.stack.recorder = Recorder()
        with torch.no_grad():
            y, _ = self.stack.run(x, read_steps(*x.shape[:2], None, mask, x.device))
        return self.stack.recorder.trace(y)


def test_nothing_stays_behind() -> None:
    layer = GRU(I, H)
    with pytest.raises(ValueError):
        layer.trace(torch.zeros(2, 2, I), lengths=torch.tensor([9, 9]))
    assert layer.recorder is None
    found = layer.trace(torch.zeros(2, 2, I, requires_grad=True))
    assert not found.output[0].requires_grad and layer.recorder is None
    layer.to(torch.bfloat16)
    assert layer.trace(torch.zeros(2, 2, I, dtype=torch.bfloat16))["l0"]["z"].dtype == np.float32


@pytest.mark.parametrize("size", [32, 37], ids=["aligned", "odd"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", [LSTM, GRU, MinLSTM])
def test_many_rows_are_copied_like_a_few(kind, dtype, size) -> None:
    """Large results pass by the caches, small ones do not."""
    layer = kind(I, size, batch_first=True, dtype=dtype)
    x = torch.randn(64, 64, I, dtype=dtype)  # more than the 512 KiB from which results are large
    whole, parts = layer.trace(x)["l0"], [layer.trace(some)["l0"] for some in x.split(8)]
    for name in whole.arrays:
        few = np.concatenate([part[name] for part in parts])
        np.testing.assert_allclose(whole[name], few, **close(dtype, {}))


def test_a_trace_is_gone_with_its_last_name() -> None:
    """Not only when the garbage collector comes round: until then, each trace would be in fresh memory."""
    gc.disable()
    try:
        for layer in (LSTM(I, H), MinLSTM(I, H)):
            found = layer.trace(torch.zeros(2, 2, I))
            parts = [weakref.ref(found["l0"][name]) for name in ("i", "h")]
            del found
            assert [part() for part in parts] == [None, None]
    finally:
        gc.enable()
