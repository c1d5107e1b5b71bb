"""The options of `train classify`: each is a choice of `Options` or a field of `Request`, and arrives there."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import SMALL, Answer

from timesteps import load
from timesteps.cli.train import classify
from timesteps.tasks.classify.options import Options
from timesteps.tasks.classify.request import Request, flag_words

Command = Callable[..., Answer]

#: Parameters of the command that say what to do with a request.
_DOING = {"context", "one_hot", "out", "resume", "dry_run", "as_json"}


def test_every_choice_has_a_flag_and_every_flag_is_a_choice() -> None:
    flags = set(inspect.signature(classify).parameters) - _DOING
    asked = set(Request.__struct_fields__) - {"choices", "directory"}
    assert flags == set(Options.names()) | asked
    assert not set(Options.names()) & asked


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["--consistency", "2.5"], "consistency", 2.5),
        (["--ema", "0.9"], "ema", 0.9),
        (["--schedule", "cosine"], "schedule", "cosine"),
        (["--warmup", "0.25"], "warmup", 0.25),
        (["--clip-norm", "0.5"], "clip_norm", 0.5),
        (["--clip-norm", "none"], "clip_norm", None),
        (["--weight-decay", "0.2"], "weight_decay", 0.2),
        (["--squeeze", "3"], "squeeze", 3),
        (["--squeeze", "0"], "squeeze", 0),
        (["--syllable", "2-3"], "syllable", [2, 3]),
        (["--syllable", "none"], "syllable", None),
        (["--jamo", "5"], "jamo", [5, 5]),
        (["--jamo", "none"], "jamo", None),
        (["--label-smoothing", "0.1"], "label_smoothing", 0.1),
        (["--word-dropout", "0.1"], "word_dropout", 0.1),
        (["--feature-dropout", "0.1"], "feature_dropout", 0.1),
        (["--no-lowercase"], "lowercase", False),
        (["--max-length", "none"], "max_length", None),
        (["--max-length", "7"], "max_length", 7),
        (["--patience", "none"], "patience", None),
        (["--patience", "0"], "patience", 0),
        (["--one-hot"], "input", "one_hot"),
        (["--layer-norm"], "layer_norm", True),
        (["--chrono", "100"], "chrono", 100),
        (["--peephole"], "peephole", True),
        (["--zoneout", "0.1"], "zoneout", 0.1),
        (["--zoneout-cell", "0.2"], "zoneout_cell", 0.2),
        (["--weight-drop", "0.3"], "weight_drop", 0.3),
        (["--engine", "torch"], "engine", "torch"),
        (["--nonfinite", "skip"], "nonfinite", "skip"),
    ],
)
def test_a_flag_changes_its_choice_and_no_other(
    words: list[str], name: str, value: Any, timesteps: Command, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Request] = []

    def stop(request: Request, *_: object) -> None:
        found.append(request)
        raise KeyboardInterrupt

    monkeypatch.setattr("timesteps.tasks.classify.plan.plan", stop)
    assert timesteps("train", "classify", data, "--recipe", "ids", "--dry-run", *words).code == 130
    before, after = Options(), Options().but(**found[0].choices)
    assert json.loads(json.dumps(getattr(after, name))) == value
    changed = {each for each in Options.names() if getattr(before, each) != getattr(after, each)}
    assert changed <= {name} and set(found[0].choices) == {name}


def test_the_flags_of_a_run_make_the_same_run(timesteps: Command, data: Path, tmp_path: Path) -> None:
    """Ranges and "none" survive the request in the folder, and the command that the report tells."""
    words = ["--input", "bag", "--syllable", "2-3", "--jamo", "none", "--clip-norm", "none", "--epochs", "1"]
    words += ["--hidden-size", "8", "--embedding-size", "8", "--no-baselines", "--wide", "--schedule", "cosine"]
    words += ["--layer-norm", "--peephole", "--zoneout", "0.1", "--zoneout-cell", "0.2", "--weight-drop", "0.3"]
    run = tmp_path / "run"
    assert timesteps("train", "classify", data, "--out", run, *words).code == 0
    layer = load(run).spec.network.layers[0]
    assert (layer.layer_norm, layer.peephole, layer.zoneout, layer.zoneout_cell) == (True, True, 0.1, 0.2)
    request = Request.read(run)
    assert request.choices["syllable"] == [2, 3] and request.choices["jamo"] == "none"
    told = [word for name, value in request.choices.items() for word in flag_words(name, value)]
    assert {"--syllable", "2-3", "--jamo", "none", "--clip-norm", "--wide"} <= set(told)
    assert timesteps("train", "classify", data, "--out", tmp_path / "again", "--no-baselines", *told).code == 0
    models = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("run", "again")]
    assert models[0] == models[1]
    assert timesteps("train", "classify", "--out", run, "--resume", *words).code == 0  # asks for what it was begun with
    answer = timesteps("train", "classify", "--out", run, "--resume", "--syllable", "2-4")
    assert answer.code == 2 and "--syllable is 2-4, but the run was begun with 2-3" in answer.err


def test_help_fits_a_narrow_terminal_and_names_every_flag(timesteps: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    help = timesteps("train", "classify", "--help").out
    assert max(map(len, help.splitlines())) <= 80
    for name in Options.names():
        assert f"{flag_words(name)[0]} " in help, name
    for panel in ("Data", "Text to steps", "Network", "Regularisation", "Training", "Run"):
        assert f"─ {panel} ─" in help


def test_resuming_elsewhere_finds_data_named_by_relative_paths(
    timesteps: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    (here / "rows.csv").write_bytes(data.read_bytes())
    (here / "valid.csv").write_bytes(data.read_bytes().replace(b"film", b"movie"))
    (here / "small.vec").write_text("good " + "1 " * 7 + "1\nbad " + "0 " * 7 + "1\n")
    words = ["--valid", "valid.csv", "--vectors", "small.vec", "--epochs", 2, *SMALL]
    monkeypatch.chdir(here)
    assert timesteps("train", "classify", "rows.csv", "--out", tmp_path / "run", *words).code == 0
    whole = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    (tmp_path / "run" / "card.md").unlink()  # as if it had been killed just before its end
    monkeypatch.chdir(there)
    answer = timesteps("train", "classify", "--out", tmp_path / "run", "--resume")
    assert answer.code == 0, answer.err
    for name in ("model.safetensors", "log.jsonl", "request.json"):
        assert (tmp_path / "run" / name).read_bytes() == whole[name]
    for name in ("card.md", "report.html"):
        assert str(tmp_path) not in (tmp_path / "run" / name).read_text("utf-8")
        assert "rows.csv" in (tmp_path / "run" / name).read_text("utf-8")
    same = [here / "rows.csv", "--valid", "../here/valid.csv"]
    assert timesteps("train", "classify", *same, "--out", tmp_path / "run", "--resume").code == 0
    answer = timesteps("train", "classify", "rows.csv", "--out", tmp_path / "run", "--resume")
    assert answer.code == 2 and "DATA is rows.csv, but the run was begun with /" in answer.err
