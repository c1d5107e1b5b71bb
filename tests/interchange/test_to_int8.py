"""`to_int8`: what is written, what it says of itself, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from timesteps.errors import ModelError, UsageError
from timesteps.inspect.verification import verify
from timesteps.interchange import from_torch, to_int8, to_onnx
from timesteps.interchange.int8_out import quantized
from timesteps.runtime import modelfile
from timesteps.runtime.session import Session, load


def model(cell: type[torch.nn.Module] = torch.nn.LSTM, **option: object) -> Session:
    torch.manual_seed(0)
    ways = 2 if option.get("bidirectional") else 1
    recurrent = cell(32, 128, num_layers=2, **option)
    return from_torch(recurrent, head=torch.nn.Linear(128 * ways, 3)).session


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", [torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU])
def test_the_file_is_a_quarter_as_large_and_answers_alike(cell, bidirectional, tmp_path: Path) -> None:
    session = model(cell, bidirectional=bidirectional)
    modelfile.save(tmp_path / "float.safetensors", session.spec, session.tensors)
    exported = to_int8(tmp_path / "float.safetensors", tmp_path / "small.safetensors")
    assert exported.bytes_after == exported.path.stat().st_size
    assert exported.bytes_before == (tmp_path / "float.safetensors").stat().st_size
    small = load(exported.path, verify=True)
    of, before = (sum(part.nbytes for part in each.tensors.values()) for each in (small, session))
    assert of <= 0.3 * before
    rows = [np.random.default_rng(k).normal(size=(20, 32)) for k in range(50)]
    one, other = session.logits(rows), small.logits(rows)
    assert 1e-6 < np.abs(one - other).max() < 0.05 * np.abs(one).max() + 0.02
    assert exported.largest_difference < 0.05


def test_accuracy_is_measured_on_the_rows_and_kept(tmp_path: Path) -> None:
    session = model()
    rows = [np.random.default_rng(k).normal(size=(20, 32)) for k in range(40)]
    labels = session.predict(rows)
    exported = to_int8(session, tmp_path / "run", rows, labels, "forty rows")
    assert exported.path == tmp_path / "run" / "model.safetensors"
    right = np.mean([a == b for a, b in zip(load(tmp_path / "run").predict(rows), labels, strict=True)])
    assert (exported.accuracy_before, exported.accuracy_after, exported.rows) == (1.0, right, 40)
    card = (tmp_path / "run" / "card.md").read_text("utf-8")
    for said in (exported.check, "forty rows", f"{exported.bytes_after:,} after", "accuracy 100.00 % before"):
        assert said in card
    assert load(tmp_path / "run").spec.training["int8_accuracy"] == right
    with pytest.raises(UsageError, match="holds a model already"):
        to_int8(session, tmp_path / "run")


def test_without_rows_it_says_so(tmp_path: Path) -> None:
    exported = to_int8(model(), tmp_path / "small.safetensors")
    assert exported.accuracy_after is None and "not measured" in exported.notes[0]
    assert (tmp_path / "small.md").read_text("utf-8") == exported.card()


def test_every_engine_replays_it_or_says_why_not() -> None:
    found = {engine.name: engine for engine in verify(quantized(model())).engines}
    for name in ("native", "stream", "numpy"):
        assert found[name].agrees is not False and (found[name].largest_difference or 0) < 1e-6
    assert found["numpy"].agrees
    assert "int8" in (found["torch"].reason or "") and "int8" in (found["onnxruntime"].reason or "")


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    small = quantized(model(torch.nn.GRU))
    with pytest.raises(ModelError, match="in int8 already"):
        to_int8(small, tmp_path / "again.safetensors")
    with pytest.raises(ModelError, match="in int8, which no other library takes"):
        to_onnx(small, tmp_path / "it.onnx")
    with pytest.raises(UsageError, match="another ending"):
        to_int8(model(), tmp_path / "it.onnx")
    assert not list(tmp_path.iterdir())
