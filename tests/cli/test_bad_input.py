"""Every bad input ends in one line that says what and where, with the exit code of its kind."""

from __future__ import annotations

import json
import os
import re
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import SMALL, Answer, finish, reviews, spawn

Command = Callable[..., Answer]
GOOD = reviews(60)


def refused(answer: Answer, code: int, *patterns: str) -> None:
    """One line on standard error that begins with the command's name, after whatever was noted about the data."""
    assert answer.code == code, answer
    assert "Traceback" not in answer.err and answer.out == ""
    lines = [line for line in answer.err.splitlines() if line.startswith("timesteps: ")]
    assert lines == answer.err.splitlines()[-1:], answer.err
    for pattern in patterns:
        assert re.search(pattern, lines[0]), (pattern, lines[0])


TABLES = {
    "ragged": (GOOD + "one,two,pos\n", r"data\.csv:62: "),
    "short row": (GOOD + "only a text\n", r"data\.csv:62: "),
    "empty": ("", r"data\.csv: .*empty"),
    "only a header": ("text,label\n", r"data\.csv: "),
    "NUL": (GOOD + "a\0b,pos\n", r"data\.csv:62: .*NUL"),
    "unclosed quotes": (GOOD + '"never closed,pos\n' + GOOD, r"data\.csv:62: "),
    "one class": ("text,label\n" + "".join(f"text {n},pos\n" for n in range(50)), "same label, 'pos'"),
    "labels that are texts": ("text,label\n" + "".join(f"text {n},label {n}\n" for n in range(50)), "different labels"),
    "two rows": ("text,label\ngood,1\nbad,0\n", "few|class"),
    "all empty": ("text,label\n,pos\n,neg\n", r"data\.csv"),
    "Latin-1": (GOOD.encode() + "un café,pos\n".encode("latin-1"), r"data\.csv:62: .*--encoding"),
    "a line of 100 MB": (GOOD.encode() + b"x" * 100_000_000 + b",pos\n", r"data\.csv:62: .*more than"),
}


@pytest.mark.parametrize("name", TABLES)
def test_bad_tables(name: str, timesteps: Command, tmp_path: Path) -> None:
    content, pattern = TABLES[name]
    path = tmp_path / "data.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    answer = timesteps("train", "classify", path, "--out", tmp_path / "run", *SMALL)
    refused(answer, 3, pattern)
    assert not (tmp_path / "run" / "model.safetensors").exists()


ENCODED = {
    "BOM": (GOOD.encode("utf-8-sig"), []),
    "UTF-16": (GOOD.encode("utf-16"), []),
    "Latin-1": ((GOOD + "un café,pos\n").encode("latin-1"), ["--encoding", "latin-1"]),
}


@pytest.mark.parametrize("name", ENCODED)
def test_other_encodings_lose_no_row(name: str, timesteps: Command, tmp_path: Path) -> None:
    content, options = ENCODED[name]
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    answer = timesteps("train", "classify", path, "--dry-run", "--json", *options, *SMALL)
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert found["rows"]["read"] == found["rows"]["used"] == (61 if name == "Latin-1" else 60)
    assert set(found["classes"]) == {"neg", "pos"}


def test_missing_columns_and_files(timesteps: Command, data: Path, tmp_path: Path, trained: Path) -> None:
    out = ["--out", tmp_path / "run", *SMALL]
    answer = timesteps("train", "classify", data, "--text-column", "review", *out)
    refused(answer, answer.code if answer.code in (2, 3) else -1, "no column 'review'", "text.*label")
    refused(timesteps("train", "classify", tmp_path / "nowhere.csv", *out), 3, "no such file", "imdb")
    refused(timesteps("evaluate", trained, tmp_path / "nowhere.csv"), 3, "no such file")
    refused(timesteps("predict", trained, tmp_path / "nowhere.txt"), 3, "nowhere.txt")
    refused(timesteps("predict", tmp_path / "nowhere", data), 4, "nowhere")


def test_labels_that_training_did_not_have(timesteps: Command, data: Path, trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text(GOOD + "a strange film,so-so\n")
    line = r"other\.csv:62: label 'so-so' .*'neg', 'pos'"
    refused(timesteps("evaluate", trained, path), 3, line)
    refused(timesteps("train", "classify", data, "--valid", path, "--out", tmp_path / "run", *SMALL), 3, line)


def test_bad_lines_for_predict(timesteps: Command, trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    for content, pattern in (
        (b"a\nb\0c\n", ":2: .*NUL"),
        (b"a\n\xff\n", ":2: "),
        (b"x" * 20_000_000, ":1: .*more than"),
    ):
        path.write_bytes(content)
        answer = timesteps("predict", trained, path)
        assert answer.out.count("\n") <= 1
        refused(answer._replace(out=""), 3, pattern)


def corrupt(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-40] ^= 0xFF
    path.write_bytes(content)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def replace(path: Path) -> None:
    path.write_text("a pickle, perhaps")


@pytest.mark.parametrize("damage", [corrupt, truncate, replace, Path.unlink])
def test_damaged_models(
    damage: Callable[[Path], None], timesteps: Command, trained: Path, data: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model.safetensors"
    model.write_bytes((trained / "model.safetensors").read_bytes())
    damage(model)
    for words in (["predict", tmp_path, data], ["evaluate", tmp_path, data], ["info", tmp_path]):
        refused(timesteps(*words), 4, re.escape(str(tmp_path)))


def test_newer_models(timesteps: Command, trained: Path, tmp_path: Path) -> None:
    content = (trained / "model.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length]
    newer, count = re.subn(rb'(\\"(?:format|format_version|version)\\":)(\d)', rb"\g<1>9", header)
    assert count, header[:400]
    model = tmp_path / "model.safetensors"
    model.write_bytes(content[:8] + newer + content[8 + length :])
    refused(timesteps("info", model), 4, "newer|version")


@pytest.mark.parametrize(
    ("words", "pattern"),
    [
        (["--epochs", 0], "--epochs is 0"),
        (["--epochs", "x"], "--epochs"),
        (["--batch-size", 0], "--batch-size is 0"),
        (["--learning-rate", "nan"], "--learning-rate is nan"),
        (["--learning-rate", -1], "--learning-rate is -1"),
        (["--dropout", 1.5], "--dropout is 1.5"),
        (["--feature-dropout", 1], "--feature-dropout is 1"),
        (["--input-dropout", "nan"], "--input-dropout is nan"),
        (["--label-smoothing", 2], "--label-smoothing is 2"),
        (["--hidden-size", 0], "--hidden-size is 0"),
        (["--word-dropout", 1], "--word-dropout is 1"),
        (["--consistency", -1], "--consistency is -1"),
        (["--weight-decay", -1], "--weight-decay is -1"),
        (["--warmup", 1], "--warmup is 1"),
        (["--ema", 1.5], "--ema is 1.5"),
        (["--clip-norm", 0], "--clip-norm is 0"),
        (["--clip-norm", "much"], "'--clip-norm': 'much' is neither a number nor none"),
        (["--patience", "long"], "'--patience': 'long' is neither a whole number nor none"),
        (["--squeeze", -1], "--squeeze is -1"),
        (["--jamo", "4-"], "'--jamo': '4-' is neither a range such as 2-5 nor none"),
        (["--syllable", "3-2"], r"--syllable is \(3, 2\)"),
        (["--schedule", "steep"], "'steep' is not one of 'constant', 'linear', 'cosine'"),
        (["--no-mask", "--max-length", "none"], "^timesteps: --no-mask feeds .* --recipe textbook, or --input ids and"),
        (["--num-words", 2], "--num-words is 2"),
        (["--seed", -1], "--seed is -1"),
        (["--threads", 0], "--threads is 0"),
        (["--members", 0], "--members is 0"),
        (["--cell", "gated"], "'gated' is not one of 'rnn', 'lstm', 'gru'"),
        (["--recipe", "cake"], "no recipe 'cake'"),
        (["--validation-split", 1.5], "--validation-split is 1.5"),
        (["--validation-split", 0.1, "--valid", "x.csv"], "--valid and --validation-split"),
        (["--one-hot", "--input", "bag"], "--one-hot and --input bag were both given; choose one"),
        (["--guide-longest", 65], "--guide-longest is 65; give a whole number from 1 to 64"),
        (["--no-such-option"], "No such option"),
        (["--vectors", "nowhere.vec"], "nowhere.vec"),
    ],
)
def test_bad_options(words: list[object], pattern: str, timesteps: Command, data: Path, tmp_path: Path) -> None:
    answer = timesteps("train", "classify", data, "--out", tmp_path / "run", *SMALL, *words)
    refused(answer, 3 if "--vectors" in words else 2, pattern)


def test_verbs_that_do_not_exist(timesteps: Command) -> None:
    refused(timesteps("trian"), 2, "trian")
    refused(timesteps("predict"), 2, "RUN|run")


def test_folders_that_cannot_be_written(timesteps: Command, data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    refused(timesteps("train", "classify", data, "--out", tmp_path / "file", *SMALL), 2, "is a file, not a folder")
    refused(timesteps("train", "classify", data, "--out", tmp_path / "file" / "run", *SMALL), 2, "cannot be made")
    run = tmp_path / "run"
    (run / "checkpoint").mkdir(parents=True)
    (run / "request.json").mkdir()
    refused(timesteps("train", "classify", data, "--out", run, *SMALL), 2, "request.json: cannot be written")


@pytest.mark.parametrize("limit", [200, 20_000])
def test_a_full_disk(limit: int, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files may not grow beyond a limit: a small one stops the request, a larger one the checkpoint or the report."""

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    # Python's own cache of compiled modules must not be cut by the limit: it would stay broken for everyone after.
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    process = spawn("train", "classify", data, "--out", tmp_path / "run", "--epochs", 1, *SMALL, preexec_fn=full)
    refused(finish(process), 2, "run/.*: cannot be written: file too large; free some space")
    assert not list((tmp_path / "run").rglob("*.tmp"))


def test_full_standard_output(trained: Path, data: Path) -> None:
    with Path("/dev/full").open("w") as full:
        for words in (["predict", trained, data], ["info", trained, "--json"]):
            refused(finish(spawn(*words, stdout=full)), 2, "standard output: no space left")
