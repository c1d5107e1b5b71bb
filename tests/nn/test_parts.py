"""Embeddings, pooling, initialization and explain."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tolerances import EXACT
from torch import Tensor, nn
from torch.testing import assert_close

from timesteps.errors import UsageError
from timesteps.nn import (
    GRU,
    LSTM,
    RNN,
    AttentionPool,
    Cell,
    ElmanCell,
    Embedding,
    GRUCell,
    LSTMCell,
    explain,
    initialize,
    last_pool,
    max_pool,
    mean_pool,
    native_scan,
    set_gate_bias,
)
from timesteps.runtime import native

torch.set_num_threads(1)


def test_embedding_is_torchs() -> None:
    torch.manual_seed(0)
    theirs = nn.Embedding(10, 4, padding_idx=0)
    torch.manual_seed(0)
    mine = Embedding(10, 4, padding_idx=0, mask_zero=True)
    ids = torch.tensor([[3, 0, 9], [0, 0, 1]])
    assert_close(mine(ids), theirs(ids), **EXACT)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    assert mine.compute_mask(ids).tolist() == [[True, False, True], [False, False, True]]
    assert bool(Embedding(10, 4).compute_mask(ids).all())
    frozen = Embedding.from_pretrained(torch.eye(4))
    assert isinstance(frozen, Embedding) and not frozen.weight.requires_grad


def test_embedding_takes_the_vectors_there_are() -> None:
    embedding = Embedding(3, 2)
    before = embedding.weight.detach().clone()
    vectors = np.array([[np.nan, np.nan], [1.0, 2.0], [3.0, np.nan]])
    assert embedding.set_vectors(vectors) == 1
    assert embedding.weight[1].tolist() == [1.0, 2.0]
    assert_close(embedding.weight[[0, 2]], before[[0, 2]], **EXACT)
    with pytest.raises(UsageError, match=r"\(2, 3\)"):
        embedding.set_vectors(np.zeros((2, 3)))


@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=4))
def test_pools_see_real_steps_only(rows: list[list[bool]]) -> None:
    mask = torch.tensor(rows)
    torch.manual_seed(1)
    y = torch.randn(len(rows), 5, 6)
    poisoned = y.masked_fill(~mask.unsqueeze(2), float("nan"))
    attention = AttentionPool(6)
    nn.init.normal_(attention.weight)
    got = {
        "last": last_pool(poisoned, mask),
        "both ends": last_pool(poisoned, mask, bidirectional=True),
        "mean": mean_pool(poisoned, mask),
        "max": max_pool(poisoned, mask),
        "attention": attention(poisoned, mask),
    }
    for b in range(len(rows)):
        real = y[b, mask[b]]
        if len(real) == 0:
            assert all(bool((pooled[b] == 0).all()) for pooled in got.values())
            continue
        weights = torch.softmax(real @ attention.weight[0], 0)
        expected = {
            "last": real[-1],
            "both ends": torch.cat([real[-1, :3], real[0, 3:]]),
            "mean": real.mean(0),
            "max": real.max(0).values,
            "attention": (weights.unsqueeze(1) * real).sum(0),
        }
        assert_close({name: pooled[b] for name, pooled in got.items()}, expected)


def test_pools_of_nothing_are_zero_and_have_gradients() -> None:
    mask = torch.tensor([[False, False], [True, False]])
    y = torch.randn(2, 2, 4, requires_grad=True)
    attention = AttentionPool(4)
    (last_pool(y, mask) + mean_pool(y, mask) + max_pool(y, mask) + attention(y, mask)).sum().backward()
    assert y.grad is not None
    assert y.grad.tolist() == [[[0.0] * 4] * 2, [[4.0] * 4, [0.0] * 4]]
    none = torch.zeros(2, 0, dtype=torch.bool)
    for pooled in (
        last_pool(y[:, :0], none),
        mean_pool(y[:, :0], none),
        max_pool(y[:, :0], none),
        attention(y[:, :0], none),
    ):
        assert pooled.tolist() == [[0.0] * 4] * 2
    with pytest.raises(UsageError):
        AttentionPool(0)


@pytest.mark.parametrize("layer", [RNN(3, 4, 2, bidirectional=True), LSTM(3, 4, proj_size=2), GRUCell(3, 4)], ids=str)
@pytest.mark.parametrize("scheme", ["torch", "keras", "orthogonal"])
def test_initialization(layer: nn.Module, scheme: str) -> None:
    def weights(seed: int) -> list[torch.Tensor]:
        initialize(layer, scheme, generator=torch.Generator().manual_seed(seed))
        return [parameter.detach().clone() for parameter in layer.parameters()]

    first, again, other = weights(1), weights(1), weights(2)
    assert_close(first, again, **EXACT)
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    for name, parameter in layer.named_parameters():
        if scheme == "torch":
            assert 0.25 < float(parameter.detach().abs().max()) <= 0.5
        elif "bias_hh" in name:
            assert bool((parameter == 0).all())
        elif "weight_hh" in name and parameter.shape[1] == 4:
            blocks = parameter.split(4) if scheme == "orthogonal" else [parameter]
            for block in blocks:
                assert_close(block.T @ block, torch.eye(4), rtol=0, atol=1e-5)


@pytest.mark.parametrize("scheme", ["torch", "keras", "orthogonal"])
def test_initialization_of_what_torch_does_not_have(scheme: str) -> None:
    lstm = LSTM(3, 4, bidirectional=True, layer_norm=True, peephole=True)
    with torch.no_grad():
        for parameter in lstm.parameters():
            parameter.fill_(7.0)
    initialize(lstm, scheme, forget_bias=2.0, generator=torch.Generator().manual_seed(0))
    for reverse in (False, True):
        cell = lstm.cell(0, reverse)
        assert all(bool((part == 1).all()) for part in (cell.norm_ih, cell.norm_hh, cell.norm_c))
        assert bool((cell.norm_c_bias == 0).all())
        assert (cell.bias_ih + cell.bias_hh)[4:8].tolist() == [2.0] * 4
        most = float(cell.weight_ch.detach().abs().max())
        assert len(cell.weight_ch.unique()) == 12 and 0.3 < most <= (0.5 if scheme == "torch" else 0.5 * 3**0.5)


@pytest.mark.parametrize("layer", [RNN, LSTM, GRU])
def test_what_torch_has_is_drawn_first(layer: type[nn.Module]) -> None:
    more = {"peephole": True} if layer is LSTM else {}
    torch.manual_seed(1)
    plain = layer(3, 4, 2, bidirectional=True).state_dict()
    torch.manual_seed(1)
    normed = layer(3, 4, 2, bidirectional=True, layer_norm=True, **more).state_dict()
    assert_close({name: normed[name] for name in plain}, dict(plain), **EXACT)
    names = [name for name in normed if name.endswith("_l0")]
    assert names[:4] == [name for name in plain if name.endswith("_l0")]
    assert {"norm_ih_l0", "norm_hh_l0"} <= set(names[4:]) and bool((normed["norm_ih_l1"] == 1).all())
    if layer is LSTM:
        assert 0.2 < float(normed["weight_ch_l1"].abs().max()) <= 0.5


def test_gate_biases() -> None:
    lstm = LSTMCell(3, 2)
    initialize(lstm, "torch", forget_bias=2.0)
    assert (lstm.bias_ih + lstm.bias_hh)[2:4].tolist() == [2.0, 2.0]
    assert not bool((lstm.bias_ih[:2] == 0).any())
    initialize(lstm, "keras", forget_bias=0.0)
    assert bool((lstm.bias_ih == 0).all())
    with pytest.raises(UsageError, match="i, f, g, o"):
        set_gate_bias(lstm, "z", 1.0)
    with pytest.raises(UsageError, match="torch, keras, orthogonal"):
        initialize(lstm, "zeros")


@pytest.mark.skipif(native.core is None, reason=native.explain())
def test_explain_names_the_compiled_kernels() -> None:
    x = torch.zeros(2, 5, 3)
    for cell in (LSTMCell(3, 4), GRUCell(3, 4, reset_after=False), ElmanCell(3, 4, nonlinearity="linear").double()):
        line = explain(
            cell, x.to(cell.weight_hh.dtype), reset=torch.zeros(2, 5, dtype=torch.bool), recurrent_dropout=0.5
        )
        assert str(line) == "native"
    assert str(explain(LSTMCell(3, 4), torch.zeros(2, 5, dtype=torch.int64))) == "native"
    refused: list[tuple[Cell, Tensor, str]] = [
        (LSTMCell(3, 4), x.double(), "float64"),
        (LSTMCell(3, 4).bfloat16(), x.bfloat16(), "bfloat16"),
        (LSTMCell(3, 4, device="meta"), x.to("meta"), "meta"),
    ]
    for cell, kind, reason in refused:
        (line,) = explain(cell, kind)
        assert line.implementation != "native" and reason in line.why_not["native"]
    with torch.autocast("cpu"):
        assert "autocast" in explain(LSTMCell(3, 4), x)[0].why_not["native"]
    assert [line.name for line in explain(GRU(3, 4, 2), x)] == ["l0", "l1"]


def test_explain_names_what_runs_and_why_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "core", None)
    monkeypatch.setattr(native, "left_aside", True)
    x = torch.zeros(2, 5, 3)
    (line,) = explain(LSTMCell(3, 4), x)
    assert line.implementation == "torch" and line.why_not["native"] == native.explain()
    loops: list[tuple[Cell, dict[str, object], str]] = [
        (GRUCell(3, 4, reset_after=False), {}, "before"),
        (ElmanCell(3, 4, nonlinearity="linear"), {}, "linear"),
        (LSTMCell(3, 4), {"recurrent_dropout": 0.5}, "recurrent dropout"),
        (LSTMCell(3, 4), {"reset": torch.zeros(2, 5, dtype=torch.bool)}, "start afresh"),
    ]
    for cell, options, reason in loops:
        (line,) = explain(cell, x, **options)  # type: ignore[arg-type]
        assert line.implementation == "loop" and reason in line.why_not["torch"]
    (line,) = explain(LSTMCell(3, 4), torch.zeros(2, 5, dtype=torch.int64))
    assert "one-hot" in line.why_not["torch"]
    for cell, reason in (
        (GRUCell(3, 4, layer_norm=True), "layer norm"),
        (LSTMCell(3, 4, peephole=True), "peephole connections"),
    ):
        (line,) = explain(cell, x)
        assert line.implementation == "loop" and reason in line.why_not["torch"]
    assert "zoneout" in explain(GRUCell(3, 4), x, zoneout=0.1)[0].why_not["torch"]
    assert "zoneout" in explain(LSTM(3, 4, zoneout_cell=0.1).eval(), x)[0].why_not["torch"]
    assert explain(LSTM(3, 4, weight_drop=0.5), x)[0].implementation == "torch"
    layer = GRU(3, 4, 2, recurrent_dropout=0.5)
    assert [line.implementation for line in explain(layer, x)] == ["loop", "loop"]
    assert {line.implementation for line in explain(layer.eval(), x)} == {"torch"}


def test_missing_kernels_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "core", None)
    monkeypatch.setattr(native, "left_aside", False)
    monkeypatch.setattr(native_scan, "_warned", False)
    with pytest.warns(UserWarning, match="without compiled kernels"):
        LSTM(3, 4)(torch.zeros(5, 2, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LSTM(3, 4)(torch.zeros(5, 2, 3))


def test_explain_knows_equations_of_others() -> None:
    x = torch.zeros(2, 5, 3)

    class Doubled(ElmanCell):
        def step(self, gx, state, recurrent_mask=None):  # type: ignore[no-untyped-def]
            y, new = super().step(gx, state, recurrent_mask)
            return 2 * y, 2 * new

    (line,) = explain(Doubled(3, 4), x)
    assert line.implementation == "loop" and "Doubled" in line.why_not["torch"] and "Doubled" in line.why_not["native"]
