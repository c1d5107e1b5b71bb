"""What each verb prints, in words and as JSON."""

from __future__ import annotations

import html
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import SMALL, Answer, finish, reviews, spawn

from timesteps.data.catalogue import DATASETS
from timesteps.version import __version__

Command = Callable[..., Answer]


def test_version_and_help(timesteps: Command) -> None:
    assert timesteps("--version") == (0, f"timesteps {__version__}\n", "")
    for words in (["--help"], ["train", "classify", "-h"], ["evaluate", "-h"], ["predict", "-h"], ["data", "-h"]):
        answer = timesteps(*words)
        assert answer.code == 0 and "Usage: timesteps" in answer.out and answer.err == ""
        assert max(map(len, answer.out.splitlines())) <= 100
    assert "Usage" in timesteps().out and timesteps().code == 2


def test_training_prints_the_result_and_leaves_a_folder(timesteps: Command, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    answer = timesteps("train", "classify", data, "--out", out, "--epochs", 2, *SMALL)
    assert answer.code == 0
    assert "Judged on 40 validation rows." in answer.out and f"timesteps predict {out} FILE" in answer.out
    assert "text column" in answer.err and "200 rows read, all used" in answer.err and "epoch 2/2" in answer.err
    names = {path.name for path in out.iterdir()}
    assert {"model.safetensors", "report.html", "card.md", "request.json", "checkpoint"} <= names
    assert len((out / "log.jsonl").read_text().splitlines()) == 2


def test_training_with_json_has_only_json_on_standard_output(timesteps: Command, data: Path, tmp_path: Path) -> None:
    words = [word for word in SMALL if word != "--no-baselines"]
    answer = timesteps("train", "classify", data, "--out", tmp_path / "run", "--epochs", 1, "--json", *words)
    assert answer.code == 0
    found = json.loads(answer.out)
    assert set(found) == {"folder", "verdict", "model", "baselines", "rows", "seconds"}
    assert set(found["rows"]) == {"read", "used", "train", "valid", "left_out", "sha256"}
    assert found["rows"]["read"] == found["rows"]["used"] == 200
    assert {"n", "accuracy", "accuracy_interval", "macro_f1", "log_loss", "confusion"} <= set(found["model"])
    assert len(found["baselines"]) >= 2 and all(each["n"] == found["rows"]["valid"] for each in found["baselines"])
    assert "epoch 1/1" not in answer.err


def test_the_members_of_an_ensemble_are_counted(timesteps: Command, data: Path, tmp_path: Path) -> None:
    answer = timesteps("train", "classify", data, "--out", tmp_path / "run", "--epochs", 1, "--members", 2, *SMALL)
    lines = [line for line in answer.err.splitlines() if "epoch 1/1" in line or line.startswith("member")]
    assert [line.split(" · ")[0] for line in lines] == ["member 1 of 2"] * 2 + ["member 2 of 2"] * 2


def test_dry_run_writes_nothing(timesteps: Command, data: Path, tmp_path: Path) -> None:
    words = ["train", "classify", data, "--out", tmp_path / "run", "--dry-run", *SMALL]
    answer = timesteps(*words)
    assert answer.code == 0 and "Nothing was trained or written" in answer.out and "MiB" in answer.out
    found = json.loads(timesteps(*words, "--json").out)
    assert set(found) == {"rows", "classes", "steps", "model", "options", "estimate", "first_batch", "diagnosis"}
    assert found["rows"]["train"] + found["rows"]["valid"] == found["rows"]["read"] == 200
    assert found["options"]["hidden_size"] == 8 and found["estimate"]["seconds"] > 0
    assert sum(found["classes"].values()) == found["rows"]["train"]
    assert not (tmp_path / "run").exists()


def test_the_report_tells_a_command_that_gives_the_same_model(
    timesteps: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data.parent)
    choices = ["--one-hot", "--cell", "gru", "--reset-before", "--forward-only", "--truncating", "pre"]
    words = ["train", "classify", data, "--validation-split", 0.3, "--epochs", 1, *choices, *SMALL[2:]]
    assert timesteps(*words, "--out", tmp_path / "run").code == 0
    page = html.unescape((tmp_path / "run" / "report.html").read_text("utf-8"))
    found = re.search(r"timesteps (train classify [^<\n]* --out run)", page)
    assert found is not None
    again = [tmp_path / "again" if word == "run" else word for word in shlex.split(found[1])]
    assert timesteps(*again).code == 0
    models = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("run", "again")]
    assert models[0] == models[1]


def test_rows_that_are_in_both_files_are_left_out_of_training(timesteps: Command, data: Path, tmp_path: Path) -> None:
    valid = tmp_path / "valid.csv"
    valid.write_text(reviews(25, start=190))  # ten of them are training rows, too
    answer = timesteps(
        "train", "classify", data, "--valid", valid, "--out", tmp_path / "run", "--epochs", 1, "--json", *SMALL
    )
    rows = json.loads(answer.out)["rows"]
    assert (rows["read"], rows["train"], rows["valid"]) == (225, 190, 25)
    assert rows["left_out"] == {"also in the validation file": 10}
    assert "10 training rows are in the validation file, too, and were left out (lines 192, 193, 194, …)" in answer.err


def test_empty_texts_are_counted_and_said(timesteps: Command, tmp_path: Path) -> None:
    path = tmp_path / "holes.csv"
    path.write_text(reviews(60) + ",pos\n  ,neg\n")
    answer = timesteps("train", "classify", path, "--out", tmp_path / "run", "--epochs", 1, "--json", *SMALL)
    rows = json.loads(answer.out)["rows"]
    assert rows["read"] == rows["used"] + sum(rows["left_out"].values()) == 62
    assert "62 rows read, 60 used, left out: 2 empty text (first at line 62)" in answer.err


def test_evaluate(timesteps: Command, trained: Path, data: Path) -> None:
    answer = timesteps("evaluate", trained, data)
    assert answer.code == 0
    assert answer.out.startswith("accuracy   ") and "200 read, 200 judged, 0 left out" in answer.out
    found = json.loads(timesteps("evaluate", trained / "model.safetensors", data, "--json").out)
    assert {"run", "data", "split", "rows", "n", "accuracy", "macro_f1", "log_loss", "confusion"} <= set(found)
    assert found["n"] == 200 and found["accuracy"] > 0.95 and found["classes"] == ["neg", "pos"]


def test_known_data_sets_are_judged_on_their_test_part(
    timesteps: Command, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "nsmc"
    folder.mkdir()
    for part, rows in (("train", 30), ("test", 10)):
        lines = [f"{n}\ta good film {part} {n}\t{'pos' if n % 2 else 'neg'}" for n in range(rows)]
        (folder / f"ratings_{part}.txt").write_text("\n".join(["id\tdocument\tlabel", *lines]) + "\n")
    monkeypatch.setenv("TIMESTEPS_DATA", str(tmp_path))
    assert json.loads(timesteps("evaluate", trained, "nsmc", "--json").out)["n"] == 10
    answer = timesteps("evaluate", trained, "nsmc", "--split", "train", "--json")
    assert json.loads(answer.out)["n"] == 30 and "may have been trained on" in answer.err
    (folder / "ratings_test.txt").unlink()
    answer = timesteps("evaluate", trained, "nsmc")
    assert answer.code == 3 and "only train here, not test" in answer.err
    assert timesteps("evaluate", trained, folder / "ratings_train.txt", "--split", "test").code == 2


def test_info(timesteps: Command, trained: Path) -> None:
    answer = timesteps("info", trained)
    assert answer.code == 0 and "8" in answer.out and max(map(len, answer.out.splitlines())) <= 80
    found = json.loads(timesteps("info", trained, "--json").out)
    assert isinstance(found, dict) and str(found).count("parameters")


def test_data(timesteps: Command) -> None:
    answer = timesteps("data")
    assert answer.code == 0 and [line.split()[0] for line in answer.out.splitlines()] == list(DATASETS)
    assert list(DATASETS)[:5] == ["imdb", "nsmc", "sample", "shakespeare", "house-prices"]
    assert "\nstocks " in answer.out and "(here)" in answer.out
    found = json.loads(timesteps("data", "nsmc", "--json").out)
    assert set(found) == {
        "name", "what", "languages", "rows", "licence", "citation", "from", "download_bytes", "here"
    }  # fmt: skip
    assert "CC0" in timesteps("data", "sample").out
    assert "target: price, time: date, group: country" in timesteps("data", "house-prices").out
    assert timesteps("data", "nope").code == 2
    assert timesteps("data", "--download").code == 2


def test_predict_gives_a_line_for_every_line(timesteps: Command, trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("a good film\n\na bad film\n" * 700)
    answer = timesteps("predict", trained, path)
    lines = answer.out.splitlines()
    assert answer.code == 0 and len(lines) == 2100
    assert [line.split("\t")[0] for line in lines[::3]] == ["pos"] * 700
    assert [line.split("\t")[0] for line in lines[2::3]] == ["neg"] * 700
    found = [json.loads(line) for line in timesteps("predict", trained, path, "--json").out.splitlines()]
    assert len(found) == 2100 and set(found[0]) == {"label", "probability", "probabilities"}
    assert found[0]["probability"] == max(found[0]["probabilities"].values())
    assert lines[0] == f"pos\t{found[0]['probability']:.4f}"


def test_predict_answers_each_line_at_once(trained: Path) -> None:
    process = spawn("predict", trained, "-")
    assert process.stdin is not None and process.stdout is not None
    for word, label in (("good", "pos"), ("bad", "neg"), ("good", "pos")):
        process.stdin.write(f"a {word} film\n")
        process.stdin.flush()
        # The input is still open: an answer that waits for its end never comes.
        assert process.stdout.readline().startswith(f"{label}\t")
    assert finish(process) == (0, "", "")


def test_predict_gives_the_answers_before_a_bad_line(trained: Path) -> None:
    process = spawn("predict", trained, "-", text=False)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b"a good film\n")  # type: ignore[call-overload]
    process.stdin.flush()
    assert process.stdout.readline().startswith(b"pos\t")  # type: ignore[arg-type]
    _, err = process.communicate(b"a b\xffd film\n", timeout=60)  # type: ignore[arg-type]
    assert process.returncode == 3
    assert err.startswith(b"timesteps: ") and b":2: " in err and err.count(b"\n") == 1  # type: ignore[arg-type, operator]


def test_rows_from_standard_input(data: Path, trained: Path, tmp_path: Path) -> None:
    words = ["train", "classify", "-", "--out", tmp_path / "run", "--epochs", 1, "--json", *SMALL]
    answer = finish(spawn(*words), data.read_text())
    assert answer.code == 0 and json.loads(answer.out)["rows"]["read"] == 200
    answer = finish(spawn("evaluate", trained, "-", "--json"), data.read_text())
    assert answer.code == 0 and json.loads(answer.out)["n"] == 200


def test_a_reader_that_leaves_is_no_error(trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("a good film\n" * 50_000)
    process = spawn("predict", trained, path)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr.read() == ""


@pytest.mark.parametrize("words", [["--help"], ["train", "classify", "--help"], ["predict", "RUN"], ["info", "RUN"]])
def test_light_verbs_do_without_torch(words: list[str], trained: Path) -> None:
    words = [str(trained) if word == "RUN" else word for word in words]
    script = f"""
import sys
from timesteps import cli
assert cli._run({words!r}, True) == 0
heavy = {{"torch", "sklearn", "scipy", "pandas"}} & set(sys.modules)
assert not heavy, heavy
"""
    run = subprocess.run([sys.executable, "-c", script], input="a good film\n", capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
