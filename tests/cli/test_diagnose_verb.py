"""`timesteps diagnose`, `timesteps summary` and the dry runs: what they print, write and refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Answer

from timesteps import LanguageModel, Regressor, Tagger, load
from timesteps.inspect.diagnose import diagnose
from timesteps.runtime.display import columns_of

Command = Callable[..., Answer]

TAGGED = "the\tD\ndog\tN\nruns\tV\n\na\tD\ncat\tN\nsleeps\tV\n\n" * 8


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tagger") / "model.safetensors"
    rows = [["the", "dog", "runs"], ["a", "cat", "sleeps"]] * 8
    Tagger(hidden_size=4, embedding_size=4, epochs=1).fit(rows, [["D", "N", "V"]] * 16).save(path)
    return path


@pytest.fixture(scope="module")
def language(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("language") / "model.safetensors"
    small: dict[str, Any] = {"embedding_size": 8, "hidden_size": 8, "num_layers": 1, "batch_size": 2, "bptt": 5}
    LanguageModel("char", epochs=1, **small).fit(["hello world " * 20] * 4).save(path)
    return path


def narrow(answer: Answer) -> list[str]:
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert max(map(columns_of, lines)) <= 80
    return lines


def test_a_classifier_on_data_and_on_its_own_rows(
    timesteps: Command, trained: Path, data: Path, tmp_path: Path
) -> None:
    lines = narrow(timesteps("diagnose", trained, data, "--rows", "20", "--out", tmp_path / "page.html"))
    assert lines[0] == "model     a classifier"
    assert lines[1].startswith(f"data      {data}"[:40])
    assert any(line.startswith("  o l0, h") for line in lines)
    assert "Gradient flow" in (tmp_path / "page.html").read_text("utf-8")
    own = json.loads(timesteps("diagnose", trained, "--json").out)
    assert own["data"] == "the rows in the model file" and own["intake"]["rows"] == 4
    assert own["flows"][0]["spectral"][0] > 0 and {"half_life", "memory", "frobenius"} <= own["flows"][0].keys()


def test_taggers_and_language_models(timesteps: Command, tagger: Path, language: Path, tmp_path: Path) -> None:
    sentences = tmp_path / "tagged.txt"
    sentences.write_text(TAGGED, "utf-8")
    assert narrow(timesteps("diagnose", tagger, sentences))[0] == "model     a tagger"
    text = tmp_path / "text.txt"
    text.write_text("hello world\n" * 200, "utf-8")
    assert narrow(timesteps("diagnose", language, text))[0] == "model     a language model"
    refused = timesteps("diagnose", language)
    assert refused.code == 3 and "a language model keeps no text; give one" in refused.err
    text.write_text("hello\nworld\n", "utf-8")
    wrong = timesteps("diagnose", tagger, text)
    assert wrong.code == 3 and wrong.err.count("\n") == 1 and "tag" in wrong.err


def test_untrained_cells(timesteps: Command, tmp_path: Path) -> None:
    plain = narrow(timesteps("diagnose", "--cell", "rnn", "--hidden-size", "16", "--input-size", "3"))
    assert plain[0] == "model     untrained rnn 3 → 16"
    assert any("try --cell lstm, or --chrono 100 with it" in " ".join(plain[at : at + 2]) for at in range(len(plain)))
    table = tmp_path / "series.csv"
    numbers = np.random.default_rng(0).normal(size=(150, 2))
    table.write_text("a,b\n" + "".join(f"{a:.4f},{b:.4f}\n" for a, b in numbers), "utf-8")
    found = timesteps("diagnose", table, "--cell", "gru", "--target", "a", "--target", "b", "--chrono", "100", "--json")
    assert found.code == 0, found.err
    said = json.loads(found.out)
    assert said["about"] == "untrained gru 2 → 64" and said["intake"]["longest"] == 150
    assert said["flows"][0]["memory"] is None or said["flows"][0]["memory"] > 50


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], 2, "neither a run nor --cell; give one of them"),
        (["run", "data", "--cell", "lstm"], 2, "run and --cell were both given"),
        (["nowhere"], 4, "nowhere"),
        (["--cell", "rnn", "--chrono", "50"], 2, "--chrono 50 sets the bias of a gate, which --cell rnn does not have"),
        (["--cell", "gru", "--peephole"], 2, "--peephole"),
        (["--cell", "gru", "--lags", "0"], 2, "--lags is 0; give at least 1"),
    ],
)
def test_bad_questions_get_one_line(timesteps: Command, words: list[str], code: int, says: str) -> None:
    answer = timesteps("diagnose", *words)
    assert (answer.code, answer.out) == (code, "") and says in answer.err and answer.err.count("\n") == 1


def test_a_run_has_its_own_layers(timesteps: Command, trained: Path, data: Path) -> None:
    for verb in ("diagnose", "summary"):
        answer = timesteps(verb, trained, "--hidden-size", "8")
        assert answer.code == 2 and "--hidden-size is for --cell" in answer.err


def test_numbers_are_for_python(timesteps: Command, data: Path, tmp_path: Path) -> None:
    path = tmp_path / "numbers.safetensors"
    rows = [np.random.default_rng(n).normal(size=(9, 2)) for n in range(12)]
    Regressor(hidden_size=4, epochs=1).fit(rows, [row.sum() for row in rows]).save(path)
    refused = timesteps("diagnose", path, data)
    assert refused.code == 4 and "this model reads numbers" in refused.err
    assert "a regressor" in narrow(timesteps("diagnose", path))[0]
    assert diagnose(load(path), rows).intake.rows == 12


def test_sequences_of_numbers_and_single_layers(timesteps: Command, tmp_path: Path) -> None:
    said = json.loads(timesteps("diagnose", "basic-motions", "--cell", "gru", "--hidden-size", "8", "--json").out)
    assert said["intake"]["rows"] == 40 and said["intake"]["median"] == 100 and len(said["intake"]["means"]) == 6
    small = ["--hidden-size", "4", "--epochs", "1", "--bidirectional", "--no-baselines", "--out", tmp_path / "run"]
    assert timesteps("train", "classify", "basic-motions", *small).code == 0
    found = json.loads(timesteps("diagnose", tmp_path / "run", "basic-motions", "--layer", "l0 reverse", "--json").out)
    assert {flow["layer"] for flow in found["flows"]} == {"l0 reverse"} and len(found["intake"]["means"]) == 6
    wrong = timesteps("diagnose", tmp_path / "run", "--layer", "l0 revers")
    assert wrong.code == 2 and "there is no layer 'l0 revers'; did you mean 'l0 reverse'?" in wrong.err


def test_summary_of_runs_and_cells(timesteps: Command, trained: Path, language: Path) -> None:
    whole = narrow(timesteps("summary", trained))
    info = narrow(timesteps("info", trained))
    assert whole[: len(info)] == info
    assert any(line.startswith("Cost of a step of one row") for line in whole)
    assert any(line.startswith(("Sequences native", "Sequences numpy")) for line in whole)
    textbook = ["--num-words", "500", "--embedding-size", "16", "--hidden-size", "8", "--json"]
    for cell, parameters in (("rnn", 200), ("lstm", 800), ("gru", 624)):
        found = json.loads(timesteps("summary", "--cell", cell, *textbook).out)
        assert [layer["parameters"]["keras"] for layer in found["layers"][1:3]] == [8000, parameters]
    told = timesteps("summary", language)
    assert told.code == 0 and "FLOPs/token" in told.out and "state bytes" in told.out
    assert timesteps("summary").code == 2


def test_dry_runs_train_and_write_nothing(timesteps: Command, data: Path, tmp_path: Path) -> None:
    sentences, text = tmp_path / "tagged.txt", tmp_path / "text.txt"
    sentences.write_text(TAGGED, "utf-8")
    text.write_text("the dog runs and the cat sleeps\n" * 200, "utf-8")
    small = ["--embedding-size", "8", "--hidden-size", "8", "--dry-run", "--out", tmp_path / "run"]
    for words in (["classify", data], ["tag", sentences], ["language", text, "--batch-size", "4", "--bptt", "5"]):
        lines = narrow(timesteps("train", *words, *small))
        assert lines[-1] == "Nothing was trained or written (--dry-run)."
        assert any(line.startswith("batch     loss ") for line in lines)
        assert any(line.startswith("time      about ") for line in lines)
        found = json.loads(timesteps("train", *words, *small, "--json").out)
        assert found["first_batch"]["loss"] == pytest.approx(found["first_batch"]["chance"], rel=0.3)
        assert found["diagnosis"]["flows"] and found["estimate"]["bytes"] > 0
    assert not (tmp_path / "run").exists()
