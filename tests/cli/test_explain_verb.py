"""`timesteps explain`."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import SMALL, Answer, reviews
from test_without_torch import RUN

from timesteps.runtime import modelfile
from timesteps.runtime.language.loading import load_language
from timesteps.runtime.language.scoring import score
from timesteps.runtime.layout import model_tensors
from timesteps.runtime.session import load
from timesteps.runtime.spec import LayerSpec, ModelSpec, NetworkSpec, NumericSpec

Command = Callable[..., Answer]
TEXT = "a good film number 3, 정말 좋다"


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    """A model of two features a step."""
    layer = LayerSpec(cell="lstm", input_size=2, hidden_size=4, bidirectional=True)
    network = NetworkSpec(input="numeric", input_size=2, layers=(layer,), outputs=1)
    spec = ModelSpec(task="classify", classes=("down", "up"), numeric=NumericSpec(features=2), network=network)
    rng = np.random.default_rng(0)
    tensors = {
        name: (np.ones(shape) if "scaler" in name else rng.normal(size=shape)).astype(kinds[0])
        for name, (kinds, shape) in model_tensors(spec).items()
    }
    modelfile.save(tmp_path / "model.safetensors", spec, tensors)
    return tmp_path / "model.safetensors"


def refused(answer: Answer, code: int, part: str) -> None:
    lines = answer.err.splitlines()
    assert answer.code == code and answer.out == "" and part in lines[-1], answer
    assert lines[-1].startswith("timesteps: ") and "Traceback" not in answer.err


def test_a_page_beside_the_data_of_the_run(timesteps: Command, trained: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = timesteps("explain", trained, TEXT)
    assert answer.code == 0 and answer.out == "" and "wrote explain.html" in answer.err and "browser" in answer.err
    page = (tmp_path / "explain.html").read_text("utf-8")
    label = load(trained).predict([TEXT])[0]
    assert f"<h1>{label}, " in page and "정말" in page and "Nearest rows" in page and "the data of the run" in page
    monkeypatch.setattr("sys.stdin", io.StringIO(TEXT + "\n"))
    other = timesteps("explain", trained, "-", "--out", "-", "--unit", "5")
    assert other.out.startswith("<!DOCTYPE html>") and "l0 " in other.out


def test_json_is_what_python_gives(timesteps: Command, trained: Path, tmp_path: Path, data: Path) -> None:
    answer = timesteps("explain", trained, TEXT, "--json", "--data", data, "--target", "neg")
    found = json.loads(answer.out)
    session = load(trained)
    trace = session.trace([TEXT])
    np.testing.assert_allclose(found["layers"]["l0"]["f"], trace["l0"]["f"])
    assert found["score"]["value"] == pytest.approx(-float(session.logits([TEXT])[0, 0]), abs=1e-5)
    assert found["steps"][:4] == ["a", "good", "film", "number"]
    assert found["neighbours"][0]["label"] in ("pos", "neg") and len(found["left_out"]) == len(found["steps"])
    both = timesteps("explain", trained, TEXT, "--json", "--out", tmp_path / "page.html")
    assert json.loads(both.out)["answer"] == found["answer"] and (tmp_path / "page.html").stat().st_size > 20_000


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (["  "], 3, "without any token"),
        ([TEXT, "--unit", "h.99"], 2, "has units 0 to 7"),
        ([TEXT, "--unit", "gate"], 2, "--unit"),
        ([TEXT, "--layer", "l0_revers"], 2, "did you mean l0"),
        ([TEXT, "--member", "1"], 2, "--member"),
        ([TEXT, "--target", "possitive"], 2, "--target"),
        ([TEXT, "--step", "2"], 2, "leave --step out"),
        ([TEXT, "--data", "nowhere.csv"], 3, "nowhere.csv: no such file"),
        ([TEXT, "--json", "--out", "-"], 2, "both want standard output"),
        ([TEXT, "--out", "nowhere/page.html"], 2, "cannot be written"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(timesteps: Command, trained: Path, words, code, part) -> None:
    refused(timesteps("explain", trained, *words), code, part)


def test_data_of_another_task_are_refused(timesteps: Command, trained: Path, tmp_path: Path, numbers: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text(reviews(20).replace(",pos", ",spam").replace(",neg", ",ham"), "utf-8")
    refused(timesteps("explain", trained, TEXT, "--data", other), 3, "does not occur in the training data")
    refused(timesteps("explain", numbers, "1 2; 3 4", "--data", other), 2, "--data is for models of texts")
    refused(timesteps("explain", tmp_path / "none", TEXT), 4, "none")


def test_numbers_from_the_line_and_from_a_file(timesteps: Command, tmp_path: Path, numbers: Path) -> None:
    series = tmp_path / "series.csv"
    series.write_text("a,b\n0.5,1\n-1,2\n3,0.25\n", "utf-8")
    inline = timesteps("explain", numbers, "0.5 1; -1 2; 3 0.25", "--json")
    from_file = timesteps("explain", numbers, series, "--json")
    assert inline.code == from_file.code == 0
    assert json.loads(inline.out) == json.loads(from_file.out)
    assert np.array(json.loads(inline.out)["integrated_gradients"]["features"]).shape == (3, 2)
    series.write_text("0.5,1\n-1\n", "utf-8")
    refused(timesteps("explain", numbers, series), 3, "series.csv:2: 1 numbers, where the first step has 2")
    series.write_text("0.5,1\n-1,x\n", "utf-8")
    refused(timesteps("explain", numbers, series), 3, "series.csv:2: '-1,x' is no line of numbers")
    series.write_text("1\n2\n", "utf-8")
    refused(timesteps("explain", numbers, series), 3, "this model reads (steps, 2)")
    refused(timesteps("explain", numbers, "up and down"), 3, "give numbers, or the file that has them")
    refused(timesteps("explain", numbers, ";"), 3, "there are no numbers")


def test_of_a_language_model_it_is_the_surprise_of_each_token(timesteps: Command, tmp_path: Path) -> None:
    text, run, page = tmp_path / "text.txt", tmp_path / "ngram", tmp_path / "page.html"
    text.write_text("a b c\nb c a\n가 나 다\n" * 20, "utf-8")
    assert timesteps("train", "ngram", text, "--out", run, "--order", "2").code == 0
    found = json.loads(timesteps("explain", run, "가 b <zebra>", "--json", "--out", page).out)
    scored = score(load_language(run), "가 b <zebra>")
    np.testing.assert_allclose(found["bits"], -scored.log_probs / np.log(2))
    assert found["units"] == [*scored.units[:-1], "(end)"] and found["perplexity"] == pytest.approx(scored.perplexity)
    written = page.read_text("utf-8")
    assert "<script" not in written and "<zebra>" not in written and "가" in written and "<svg" in written
    refused(timesteps("explain", run, "a b", "--unit", "h.1"), 2, "--unit is not for language models")
    refused(timesteps("explain", run, " "), 3, "without any token")


def test_torch_is_not_needed(trained: Path, tmp_path: Path) -> None:
    words = ["explain", str(trained), TEXT, "--out", str(tmp_path / "page.html")]
    run = subprocess.run([sys.executable, "-c", RUN, *words], capture_output=True, text=True)
    assert run.returncode == 0 and (tmp_path / "page.html").exists(), run.stderr


def test_it_says_what_is_cut(timesteps: Command, data: Path, tmp_path: Path) -> None:
    words = ["train", "classify", data, "--out", tmp_path / "run", "--epochs", "1", "--max-length", "4", *SMALL]
    assert timesteps(*words).code == 0
    answer = timesteps("explain", tmp_path / "run", TEXT, "--out", tmp_path / "page.html")
    assert "tokens and the model reads 4" in answer.err
