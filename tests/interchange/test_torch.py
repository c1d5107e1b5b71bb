"""To torch.nn and back, against torch.nn itself."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
import torch
from hypothesis import given
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

import timesteps
from timesteps import nn as ours
from timesteps.errors import ModelError, UsageError
from timesteps.interchange import from_torch, to_torch

CASES = [case for case in networks.matrix() if case["form"].get("reset_after", True)]


def rebuilt(path: Path) -> nn.Module:
    with safe_open(path, "pt") as file:
        space: dict[str, Any] = {}
        exec(file.metadata()["python"], space)
    module: nn.Module = space["load"](path)
    return module


@pytest.mark.parametrize("case", CASES, ids=networks.named)
def test_out_and_back(case: dict[str, Any], tmp_path: Path) -> None:
    model = networks.model(networks.network(**case))
    exported = to_torch(model, tmp_path / "it.safetensors")
    assert exported.check.largest is not None and exported.check.rows == 20
    module = rebuilt(exported.path)
    rng = np.random.default_rng(3)
    lengths = [6, 2, 1]
    values = rng.integers(0, case["ids"], (3, 6)) if case["ids"] else rng.normal(size=(3, 6, 4)).astype(np.float32)
    found = module(torch.from_numpy(values), torch.tensor(lengths)).detach().numpy()
    rows = [row[:n] for row, n in zip(values, lengths, strict=True)]
    np.testing.assert_allclose(found, model.logits(rows), rtol=1e-5, atol=1e-5)
    back = from_torch(exported.path, nonlinearity=case["form"].get("nonlinearity", "tanh"))
    assert networks.same_weights(model, back.session)


@given(networks.sizes)
def test_state_dicts_of_any_size(tmp_path_factory: pytest.TempPathFactory, case: dict[str, Any]) -> None:
    if not case["form"].get("reset_after", True):
        return
    model = networks.model(networks.network(**case))
    exported = to_torch(model, tmp_path_factory.mktemp("any") / "it.safetensors")
    back = from_torch(exported.path, nonlinearity=case["form"].get("nonlinearity", "tanh"))
    assert networks.same_weights(model, back.session)


class Tagged(nn.Module):
    """A module as people write them."""

    def __init__(self, layer: nn.Module, width: int, pooling: str, embedding: nn.Module | None = None) -> None:
        super().__init__()
        self.emb, self.core, self.drop, self.fc = embedding, layer, nn.Dropout(0.5), nn.Linear(width, 3)
        self.pooling, self.time = pooling, 1 if layer.batch_first else 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, state = self.core(x if self.emb is None else self.emb(x))
        h = state[0] if isinstance(state, tuple) else state
        if self.pooling == "last":
            pooled = torch.cat([h[-2], h[-1]], 1) if self.core.bidirectional else y.select(self.time, -1)
        elif self.pooling == "mean":
            pooled = y.mean(self.time)
        elif self.pooling == "max":
            pooled = y.amax(self.time)
        else:
            pooled = torch.cat([y.mean(self.time), y.amax(self.time)], 1)
        return self.fc(self.drop(pooled))


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "mean+max"])
@pytest.mark.parametrize("more", [{}, {"bias": False}, {"batch_first": True, "num_layers": 2}], ids=str)
def test_modules(kind: type[nn.Module], bidirectional: bool, pooling: str, more: dict[str, Any]) -> None:
    torch.manual_seed(0)
    embedding = nn.Embedding(11, 4, padding_idx=0) if pooling != "max" else None
    width = (10 if bidirectional else 5) * (2 if pooling == "mean+max" else 1)
    module = Tagged(kind(4, 5, bidirectional=bidirectional, **more), width, pooling, embedding).train()
    imported = from_torch(module, classes=("a", "b", "c"))
    assert imported.session.spec.network.pool == pooling
    assert module.training and module.drop.training
    values = torch.randint(0, 11, (2, 6)) if embedding is not None else torch.randn(2, 6, 4)
    x = values if more.get("batch_first") else values.transpose(0, 1)
    expected = module.eval()(x).detach().numpy()
    np.testing.assert_allclose(imported.session.logits(list(values.numpy())), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["sigmoid", "softmax", "log_softmax"])
def test_the_ending_of_a_module_is_found(name: str) -> None:
    class Ended(Tagged):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = super().forward(x)
            return y.sigmoid() if name == "sigmoid" else getattr(y, name)(1)

    module = Ended(nn.GRU(4, 5, batch_first=True), 5, "last")
    if name == "sigmoid":
        assert "a sigmoid of 3 outputs" in refused(module)
        module.fc = nn.Linear(5, 1)
    assert any(name in note for note in from_torch(module).notes)


def test_forward_with_lengths_is_tried_on_ragged_rows() -> None:
    class Ragged(Tagged):
        def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
            packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            return self.fc(self.core(packed)[1][-1])

    assert from_torch(Ragged(nn.GRU(4, 5, batch_first=True), 5, "last")).check.rows == 20


def test_both_forms_of_our_own_gru() -> None:
    for reset_after in (True, False):
        module = Tagged(ours.GRU(4, 5, batch_first=True, reset_after=reset_after), 5, "last")
        spec = from_torch(module).session.spec.network
        assert spec.layers[0].reset_after is reset_after


def test_doubles_stay_doubles() -> None:
    imported = from_torch(Tagged(nn.LSTM(4, 5), 5, "last").double())
    assert imported.session.tensors["rnn.weight_hh_l0"].dtype == np.float64
    assert imported.check.largest is not None and imported.check.largest < 1e-12


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_floats_are_widened_exactly(dtype: torch.dtype, tmp_path: Path) -> None:
    state = {name: value.to(dtype) for name, value in Tagged(nn.LSTM(4, 5), 5, "last").state_dict().items()}
    save_file(state, tmp_path / "it.safetensors")
    imported = from_torch(tmp_path / "it.safetensors")
    weight = imported.session.tensors["rnn.weight_hh_l0"]
    assert weight.dtype == np.float32 and np.array_equal(weight, state["core.weight_hh_l0"].float().numpy())


def test_pt_files(tmp_path: Path) -> None:
    module = Tagged(nn.LSTM(4, 5, bias=False), 5, "last")
    for number, content in enumerate(({"epoch": 3, "state_dict": module.state_dict()}, module.state_dict())):
        torch.save(content, tmp_path / f"{number}.pt")
        imported = from_torch(tmp_path / f"{number}.pt", pool="last")
        assert np.array_equal(imported.session.tensors["rnn.weight_ih_l0"], module.core.weight_ih_l0.detach().numpy())
        assert not imported.session.tensors["rnn.bias_hh_l0"].any()


def refused(source: Any, **more: Any) -> str:
    with pytest.raises(ModelError) as caught:
        from_torch(source, **more)
    return str(caught.value)


def test_what_has_no_place_is_refused_by_name() -> None:
    state = dict(Tagged(nn.LSTM(4, 5, 3), 5, "last", nn.Embedding(7, 4)).state_dict())
    assert "layer 1 of core. is missing" in refused({n: t for n, t in state.items() if "_l1" not in n})
    assert "bias_hh of core.l2 is missing" in refused({n: t for n, t in state.items() if n != "core.bias_hh_l2"})
    assert "no dense layer that reads 5" in refused({n: t for n, t in state.items() if "fc" not in n})
    assert "norm.weight" in refused(state | {"norm.weight": torch.ones(5)})
    assert "no torch.nn.RNN" in refused({"fc.weight": torch.ones(3, 5)})
    assert "both be the dense layer" in refused(state | {"x.weight": torch.ones(3, 5), "x.bias": torch.ones(3)})
    assert "reads 3 numbers" in refused(state | {"core.weight_ih_l0": torch.ones(20, 3)})
    assert "dtype int64" in refused(state | {"core.weight_ih_l0": torch.ones(20, 4, dtype=torch.int64)})
    assert "not finite" in refused(state | {"fc.bias": torch.full((3,), torch.nan)})
    assert "proj_size" in refused(nn.LSTM(4, 5, proj_size=2))
    assert "max_norm" in refused(Tagged(nn.LSTM(4, 5), 5, "last", nn.Embedding(7, 4, max_norm=1.0)))
    assert "not a tensor" in refused({"a": "b"})
    assert "cannot be run" in refused(nn.Sequential(nn.LSTM(4, 5), nn.Linear(5, 2)))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (ours.LSTM(4, 5, layer_norm=True), "layer norm cannot be converted"),
        (ours.LSTM(4, 5, peephole=True), "weight_ch_l0: an LSTM with peephole connections"),
        (ours.GRU(4, 5, initial_state="learned"), "h0_l0: a learned initial state"),
        (ours.GRU(4, 5, zoneout=0.1), "zoneout=0.1 cannot be converted"),
        (ours.LSTM(4, 5, zoneout_cell=0.1), "zoneout_cell=0.1 cannot be converted"),
        (ours.MinGRU(4, 5), r"a linear recurrence \(minGRU, minLSTM\)"),
        (ours.MinLSTM(4, 5), r"a linear recurrence \(minGRU, minLSTM\)"),
    ],
)
def test_what_torch_does_not_have_is_refused_by_name(layer: nn.Module, message: str) -> None:
    head = nn.Linear(5, 2)
    assert re.search(message, refused(layer, head=head))
    assert re.search(message, refused(Tagged(layer, 5, "last")))


def test_a_linear_rnn_is_not_written_for_torch(tmp_path: Path) -> None:
    model = networks.model(networks.network(**next(networks.linear())))
    with pytest.raises(ModelError, match="layer 0 is a linear RNN"):
        to_torch(model, tmp_path / "it.safetensors")


def test_a_module_that_does_more_is_refused() -> None:
    class More(Tagged):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) * 1.01

    assert "more than 1e-05" in refused(More(nn.LSTM(4, 5), 5, "last"))
    assert "more than 1e-05" in refused(Tagged(nn.LSTM(4, 5), 5, "mean"), pool="last")


def test_a_gru_that_resets_before_has_no_torch_form(tmp_path: Path) -> None:
    model = networks.model(networks.network({"cell": "gru", "reset_after": False}))
    with pytest.raises(ModelError, match=r"torch\.nn\.GRU cannot"):
        to_torch(model, tmp_path / "it.safetensors")
    with pytest.raises(UsageError, match="ending"):
        to_torch(model, tmp_path / "it.onnx")
    assert not list(tmp_path.iterdir())


def test_the_folder_of_an_import(tmp_path: Path) -> None:
    imported = from_torch(Tagged(nn.LSTM(4, 5), 5, "last"), classes=("a", "b", "c"))
    folder = imported.save(tmp_path / "run")
    session = timesteps.load(folder, verify=True)
    assert session.classes == ("a", "b", "c")
    assert session.spec.training["imported_from"] == "torch"
    assert session.spec.training["largest_difference"] == imported.check.largest
    assert "largest difference" in (folder / "card.md").read_text()
    with pytest.raises(UsageError, match="holds a model already"):
        imported.save(folder)
    with pytest.raises(UsageError, match="the network has 3"):
        from_torch(Tagged(nn.LSTM(4, 5), 5, "last"), classes=("a", "b"))


def test_the_difference_is_in_the_file(tmp_path: Path) -> None:
    exported = to_torch(networks.model(networks.network()), tmp_path / "it.safetensors")
    with safe_open(exported.path, "pt") as file:
        assert json.loads(file.metadata()["check"])["largest_difference"] == exported.check.largest
