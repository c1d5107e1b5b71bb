"""`lab`: a network at work, as table, drawing and file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import timesteps
from timesteps.errors import DataError, UsageError
from timesteps.inspect.handset import HANDSETS
from timesteps.inspect.lab import lab


@pytest.mark.parametrize("name", HANDSETS)
def test_the_file_answers_at_the_end_and_streams(name: str, tmp_path: Path) -> None:
    shown = lab(name)
    shown.save(tmp_path / "model.safetensors")
    session = timesteps.load(tmp_path / "model.safetensors", verify=True)
    inputs = shown.followed.inputs
    assert list(session.predict([inputs])) == shown.followed.answers[-1:]
    assert session.run(inputs) == pytest.approx(shown.followed.outputs, rel=1e-6, abs=1e-6)
    assert session.spec.golden and session.spec.training == {"handset": name}


def test_a_trained_network_does_the_same(tmp_path: Path) -> None:
    shown = lab("parity", "0101101011", "lstm")
    assert shown.followed.answers == lab("parity", "0101101011").followed.answers
    assert shown.found is not None and shown.found.accuracy == {1000: 1.0}
    assert any("100 % of the steps are right" in note for note in shown.notes)
    shown.save(tmp_path / "model.safetensors")
    session = timesteps.load(tmp_path / "model.safetensors", verify=True)
    assert session.predict([shown.followed.inputs]) == [0]


def test_everything_is_json() -> None:
    for name in HANDSETS:
        found = json.loads(json.dumps(lab(name).to_dict(), allow_nan=False))
        assert found["lab"] == name and found["trained"] is None
        assert len(found["steps"]) == len(lab(name).followed)


def test_neither_hand_set_nor_learned_networks_need_torch() -> None:
    code = "import sys; from timesteps.inspect.lab import lab; lab('count').svg(); lab('parity', None, 'lstm').lines()"
    subprocess.run([sys.executable, "-c", f"{code}; assert 'torch' not in sys.modules"], check=True, timeout=120)


@pytest.mark.parametrize(("name", "text"), [("parity", "0101101011"), ("count", "1100011101")])
def test_the_pictures_of_the_docs_are_what_is_drawn(name: str, text: str) -> None:
    committed = (Path(__file__).parents[2] / "docs" / "images" / f"lab-{name}.svg").read_text("utf-8")
    assert lab(name, text).svg() == committed, f"run `timesteps lab {name} {text} --svg docs/images/lab-{name}.svg`"
    assert len(committed) < 20_000


def test_what_cannot_be() -> None:
    with pytest.raises(UsageError, match="there is no lab 'expresivity'; did you mean expressivity"):
        lab("expresivity")
    with pytest.raises(UsageError, match="cell='lstm' with 'sum'; training is for parity, count, copy"):
        lab("sum", None, "lstm")
    with pytest.raises(UsageError, match="cell is 'lstn'"):
        lab("parity", None, "lstn")
    with pytest.raises(DataError, match="character 1"):
        lab("parity", "x")
