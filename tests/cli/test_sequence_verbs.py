"""`train classify`, `evaluate` and `predict` on sequences of numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Answer

from timesteps.data.sequences import read_sequences
from timesteps.errors import UsageError
from timesteps.tasks.classify.given import kind_of_request
from timesteps.tasks.classify.request import Request

Command = Callable[..., Answer]
SMALL = ["--hidden-size", "4", "--epochs", "20", "--learning-rate", "0.05", "--threads", "1"]
LONG = ["--group", "id", "--time", "t", "--label", "kind"]


def ramps(count: int, first: int = 0) -> list[tuple[str, list[float], str]]:
    """Sequences that rise and sequences that fall, of different lengths."""
    found = []
    for number in range(first, first + count):
        steps = [number % 7 + number / 100 + 0.5 * step for step in range(5 + number % 4)]
        found.append((f"s{number}", steps if number % 2 else steps[::-1], "up" if number % 2 else "down"))
    return found


def long_table(rows: list[tuple[str, list[float], str]], label: bool = True) -> str:
    head = "id,t,x,y" + ",kind" * label
    return "\n".join(
        [
            head,
            *(f"{name},{t},{x},{x * x:.3f}{f',{kind}' * label}" for name, xs, kind in rows for t, x in enumerate(xs)),
        ]
    )


def ts_file(rows: list[tuple[str, list[float], str]]) -> str:
    return "@univariate true\n@equalLength false\n@classLabel true up down\n@data\n" + "\n".join(
        ",".join(map(str, xs)) + ":" + kind for _, xs, kind in rows
    )


def test_a_table_with_a_row_a_step(tmp_path: Path, timesteps: Command) -> None:
    train, test, new = (tmp_path / f"{name}.csv" for name in ("train", "test", "new"))
    train.write_text(long_table(ramps(40)))
    test.write_text(long_table(ramps(10, 40)))
    new.write_text(
        long_table(ramps(4, 60), label=False).replace("x,y", "x,y,z").replace("\ns", "\ns").replace(",z", "")
    )
    out = tmp_path / "run"
    answer = timesteps("train", "classify", train, *LONG, "--out", out, *SMALL)
    assert answer.code == 0, answer.err
    assert "baseline: statistics" in answer.out and "baseline: 1-NN" in answer.out
    assert "held out by a hash of the numbers" in (out / "card.md").read_text()
    assert "train classify train.csv --label-column kind --time t --group id" in (out / "report.html").read_text()
    assert json.loads((out / "request.json").read_text())["features"] == ["x", "y"]
    answer = timesteps("evaluate", out, test, "--json")
    found = json.loads(answer.out)
    assert found["accuracy"] == 1.0 and found["rows"]["used"] == 10
    test.write_text(test.read_text().replace("kind", "truth"))
    assert "there is no column 'kind'" in timesteps("evaluate", out, test).err
    assert "100.00 %" in timesteps("evaluate", out, test, "--label-column", "truth").out
    answer = timesteps("predict", out, new)
    assert [line.split("\t")[:2] for line in answer.out.splitlines()] == [
        ["s60", "down"], ["s61", "up"], ["s62", "down"], ["s63", "up"],
    ]  # fmt: skip
    first = json.loads(timesteps("predict", out, new, "--json").out.splitlines()[0])
    assert first["sequence"] == "s60" and first["label"] == "down" and set(first["probabilities"]) == {"up", "down"}


def test_ts_files_and_windows(tmp_path: Path, timesteps: Command) -> None:
    train, valid = tmp_path / "train.ts", tmp_path / "valid.ts"
    train.write_text(ts_file(ramps(30)))
    valid.write_text(ts_file(ramps(11, 29)))
    out = tmp_path / "run"
    words = ["train", "classify", train, "--valid", valid, "--window", "2", "--out", out, "--no-baselines", *SMALL]
    answer = timesteps(*words)
    assert answer.code == 0, answer.err
    assert "1 training rows are in the validation file, too" in answer.err
    assert "input numeric" in (out / "card.md").read_text()
    answer = timesteps("evaluate", out, valid, "--json")
    assert json.loads(answer.out)["accuracy"] > 0.8
    assert timesteps("predict", out, valid).out.count("\n") == 11


def test_the_known_set_is_judged_on_its_test_part(tmp_path: Path, timesteps: Command) -> None:
    words = ["train", "classify", "basic-motions", "--out", tmp_path / "run", "--epochs", "2", "--no-baselines"]
    answer = timesteps(*words, "--json")
    found = json.loads(answer.out)
    assert (found["rows"]["train"], found["rows"]["valid"]) == (40, 40)
    assert "Judged on: the test part of basic-motions" in (tmp_path / "run" / "card.md").read_text()
    rows = json.loads(timesteps(*words, "--json", "--validation-split", "0.25").out)["rows"]
    assert rows["read"] == 40 and rows["train"] + rows["valid"] == 40 and 8 <= rows["valid"] <= 12


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["bad.ts"], 3, r"bad.ts:5: dimension 1, step 2: 'x' is no number"),
        (["gap.ts"], 3, r"gap.ts:5: 1 number is missing in 1 of 2 sequences; .*give --missing interpolate"),
        (["good.csv", "--label", "kind", "--time", "t"], 2, r"which column tells the sequences apart\?; give --group"),
        (["good.csv", *LONG[:4]], 3, r"the sequences have no labels; give --label-column"),
        (["good.csv", *LONG, "--text-column", "x"], 2, r"--text-column is for texts, and these are sequences"),
        (["good.csv", *LONG, "--features", "x,w"], 3, r"there is no column 'w'"),
        (["good.csv", *LONG, "--max-length", "5"], 2, r"max_length|--max-length"),
        (["good.csv", *LONG, "--window", "0"], 2, r"--window is 0"),
        (["bad.ts", "--group", "id"], 2, r"--group is for tables, and this is none"),
        (["good.csv", "--window", "4"], 2, r"--window is for sequences of numbers; give --group, too"),
        (["good.csv", *LONG, "--recipe", "small"], 2, r"numbers cannot be the input 'bag'"),
    ],
)
def test_bad_input(tmp_path: Path, timesteps: Command, monkeypatch, words, code, message) -> None:
    monkeypatch.chdir(tmp_path)
    head = "@univariate true\n@classLabel true up down\n# one\n@data\n"
    (tmp_path / "bad.ts").write_text(head + "1,x:up\n2,3:down\n")
    (tmp_path / "gap.ts").write_text(head + "1,?:up\n2,3:down\n")
    (tmp_path / "good.csv").write_text(long_table(ramps(20)))
    answer = timesteps("train", "classify", *words)
    assert answer.code == code, answer.err
    last = answer.err.splitlines()[-1]
    assert last.startswith("timesteps: ") and re.search(message, last), last
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_other_numbers_than_it_was_trained_on(tmp_path: Path, timesteps: Command) -> None:
    (tmp_path / "train.ts").write_text(ts_file(ramps(20)))
    assert (
        timesteps("train", "classify", tmp_path / "train.ts", "--out", tmp_path / "run", "--no-baselines", *SMALL).code
        == 0
    )
    (tmp_path / "wide.ts").write_text("@dimensions 2\n@classLabel true up down\n@data\n1,2:3,4:up\n")
    for verb in ("predict", "evaluate"):
        answer = timesteps(verb, tmp_path / "run", tmp_path / "wide.ts")
        assert answer.code == 3 and "wide.ts:4: 2 numbers a step, this model reads 1" in answer.err
    (tmp_path / "other.ts").write_text("@univariate true\n@classLabel true left\n@data\n1,2:left\n")
    answer = timesteps("evaluate", tmp_path / "run", tmp_path / "other.ts")
    assert answer.code == 3 and "other.ts:4: label 'left' does not occur in the training data" in answer.err


def test_the_model_file_alone_reads_ts_files(tmp_path: Path, timesteps: Command) -> None:
    train = tmp_path / "train.ts"
    train.write_text(ts_file(ramps(20)))
    (tmp_path / "train.csv").write_text(long_table(ramps(20)))
    assert timesteps("train", "classify", train, "--out", tmp_path / "run", "--no-baselines", *SMALL).code == 0
    alone = tmp_path / "alone.safetensors"
    (tmp_path / "run" / "model.safetensors").rename(alone)
    assert timesteps("predict", alone, train).out.count("\n") == 20
    for verb in ("predict", "evaluate"):
        answer = timesteps(verb, alone, tmp_path / "train.csv")
        assert answer.code == 2 and "keep the run folder together, or give a .ts file" in answer.err


def test_what_a_request_is() -> None:
    assert kind_of_request(Request()) == kind_of_request(Request(data="reviews.csv")) == "text"
    assert (
        kind_of_request(Request(data="x.ts.xz")) == kind_of_request(Request(data="x.csv", features=["a"])) == "numeric"
    )
    with pytest.raises(UsageError, match="missing is for sequences"):
        kind_of_request(Request(data="x.csv", missing="interpolate"))


def test_windows_are_means_and_deviations() -> None:
    whole, windows = read_sequences("basic-motions"), read_sequences("basic-motions", window=10)
    assert windows.rows[3].shape == (10, 12)
    assert (windows.rows[3][2, :6] == whole.rows[3][20:30].mean(axis=0)).all()
    assert (windows.rows[3][2, 6:] == whole.rows[3][20:30].std(axis=0)).all()
    assert read_sequences("basic-motions", window=1000).rows[0].shape == (1, 12)
