"""The meeting point: what no other format can carry is refused by name, and what stays behind is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import networks
import numpy as np
import pytest

from timesteps.errors import ModelError
from timesteps.interchange import to_torch
from timesteps.interchange.checking import Check, difference, judged
from timesteps.interchange.plain import from_session
from timesteps.runtime.layout import network_tensors
from timesteps.runtime.session import Session
from timesteps.runtime.spec import BagSpec, GuideSpec, LayerSpec, ModelSpec, NetworkSpec, TextSpec


def session(network: dict[str, Any] | None = None, **model: Any) -> Any:
    layer = LayerSpec(cell="gru", input_size=4, hidden_size=3)
    shape = {"input": "ids", "input_size": 9, "embedding_size": 4, "layers": (layer,), "outputs": 1}
    spec = NetworkSpec(**(shape | (network or {})))
    words = tuple("abcdef")
    found = {"task": "classify", "classes": ("no", "yes"), "text": TextSpec(words=words), "network": spec} | model
    return SimpleNamespace(spec=ModelSpec(**found), tensors={})


def with_layer(**options: Any) -> Any:
    return session({"layers": (LayerSpec(**({"cell": "lstm", "input_size": 4, "hidden_size": 3} | options)),)})


LEARNED = LayerSpec(cell="gru", input_size=4, hidden_size=3, initial_state="learned")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (session({"input": "bag"}, text=TextSpec(bag=BagSpec())), "has bags of n-grams, .* train one with input='ids'"),
        (session(text=TextSpec(guide=GuideSpec())), "has a guide of n-grams, .* train one with guide='none'"),
        (session(members=3), "has 3 members, .* train one with members=1"),
        (session({"layers": (LEARNED,)}), "has a learned initial state, .* initial_state='zero'"),
        (with_layer(cell="mingru"), "has a mingru as layer 0, .* cell='gru'"),
        (with_layer(cell="minlstm"), "has a minlstm as layer 0, .* cell='gru'"),
        (with_layer(layer_norm=True), "has layer 0 with layer norm, .* layer_norm=False"),
        (with_layer(peephole=True), "has layer 0 with peephole connections, .* peephole=False"),
        (with_layer(zoneout=0.1), "has layer 0 with zoneout, .* zoneout=0"),
        (with_layer(zoneout_cell=0.1), "has layer 0 with zoneout of c, .* zoneout_cell=0"),
    ],
)
def test_what_no_format_can_carry(model: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        from_session(model)


def weights(spec: NetworkSpec) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in network_tensors(spec).items()}


def test_text_processing_stays_behind() -> None:
    spec = session().spec
    notes = from_session(Session(spec, weights(spec.network))).notes
    assert "tokenizer word" in notes[0] and "logit of the class 'yes'" in notes[1]


def test_one_hot_becomes_numbers(tmp_path: Path) -> None:
    layer = LayerSpec(cell="lstm", input_size=9, hidden_size=3)
    spec = session({"input": "one_hot", "embedding_size": 0, "layers": (layer,)}).spec
    model = Session(spec, weights(spec.network))
    exported = to_torch(model, tmp_path / "it.safetensors")
    assert exported.check.largest is not None and any("one-hot vector of 9 numbers" in note for note in exported.notes)


def test_doubles_go_out_as_floats(tmp_path: Path) -> None:
    spec = msgspec.structs.replace(session().spec, text=TextSpec(tokenizer="ids", num_words=9))
    model = Session(spec, {name: value.astype(np.float64) for name, value in weights(spec.network).items()})
    assert any("float64" in note for note in to_torch(model, tmp_path / "it.safetensors").notes)


def test_a_difference_is_relative_to_large_numbers_only() -> None:
    assert difference(np.array([[0.1]]), np.array([[0.2]])) == pytest.approx(0.1)
    assert difference(np.array([[1000.0]]), np.array([[1001.0]])) == pytest.approx(0.001)
    assert difference(np.zeros((2, 1)), np.zeros((1, 2))) == difference(np.zeros(1), np.array([np.nan])) == np.inf
    for wrong in (2e-5, np.inf, np.nan):
        with pytest.raises(ModelError):
            judged(Check("peer", wrong, 1))


def test_onnx_goes_without_torch(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    networks.imported(networks.network()).save(tmp_path / "run")
    script = f"""
import sys
from timesteps.interchange import from_onnx, to_onnx
to_onnx({str(tmp_path / "run")!r}, {str(tmp_path / "it.onnx")!r})
from_onnx({str(tmp_path / "it.onnx")!r}).save({str(tmp_path / "again")!r})
assert not {{"torch", "keras"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
