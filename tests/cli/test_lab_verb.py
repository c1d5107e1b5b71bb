"""`timesteps lab`."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Answer

from timesteps.inspect.handset import HANDSETS

Command = Callable[..., Answer]


def test_a_line_for_each_network(timesteps: Command) -> None:
    answer = timesteps("lab")
    lines = answer.out.splitlines()
    assert answer.code == 0 and [line.split()[0] for line in lines] == [*HANDSETS, "expressivity"]
    assert max(map(len, lines)) <= 80
    assert [each["lab"] for each in json.loads(timesteps("lab", "--json").out)] == list(HANDSETS)


def test_the_textbook_parity(timesteps: Command) -> None:
    answer = timesteps("lab", "parity", "0101101011")
    table = answer.out.split("\n\n")[1].splitlines()
    assert answer.code == 0 and answer.err == ""
    assert [line.split()[-1] for line in table] == ["answer", *"0110110010"]
    assert all(len(line) <= 80 for line in answer.out.splitlines())
    assert timesteps("lab", "parity").out == answer.out  # the example


def test_standard_input_and_numbers_below_zero(timesteps: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert timesteps("lab", "sum", "-1 2.5").out.splitlines()[-1].split() == ["2", "2.5", "1.5", "1.5"]
    monkeypatch.setattr("sys.stdin", io.StringIO("0011\n"))
    assert timesteps("lab", "count", "-").out.splitlines()[-1].endswith("equal")


def test_drawing_and_file(timesteps: Command, tmp_path: Path) -> None:
    svg, model = tmp_path / "a.svg", tmp_path / "a.safetensors"
    answer = timesteps("lab", "brackets", "(가(나))", "--svg", svg, "--save", model)
    assert answer.code == 0 and svg.read_text("utf-8").startswith("<svg") and "가" in svg.read_text("utf-8")
    assert answer.err.splitlines() == [f"drawn in {svg}", f"saved as {model}"]
    assert timesteps("verify", model).code == 0
    assert timesteps("info", model).code == 0


def test_json(timesteps: Command) -> None:
    found = json.loads(timesteps("lab", "copy", "1..", "--json").out)
    assert [step["answer"] for step in found["steps"]] == [1, 1, 1]
    assert found["steps"][2]["c"] == [1.0] and found["inputs"] == ["zero", "one"]


def test_a_trained_cell(timesteps: Command) -> None:
    answer = timesteps("lab", "parity", "0110", "--cell", "gru", "--seed", 1)
    assert answer.code == 0 and "100 % of the steps are right" in answer.out
    assert [line.split()[-1] for line in answer.out.splitlines()[-4:]] == ["0", "1", "0", "0"]
    assert all(len(line) <= 80 for line in answer.out.splitlines())


def test_expressivity(timesteps: Command) -> None:
    answer = timesteps("lab", "expressivity", "--task", "parity", "--cell", "lstm", "--cell", "mingru")
    what, head, guess, lstm, mingru = answer.out.splitlines()
    assert answer.code == 0 and what.startswith("parity: ") and head.split()[-2:] == ["1,000", "learned"]
    assert guess.split()[0] == "guess" and all(49 < float(share) < 54 for share in guess.split()[1:])
    assert lstm.split() == ["lstm", "100", "100", "100", "100", "100", "yes"]
    assert mingru.split()[0] == "mingru" and mingru.endswith("no")
    assert "arXiv:2411.12537" in answer.err and max(map(len, answer.out.splitlines())) <= 80
    found = json.loads(timesteps("lab", "expressivity", "--task", "copy", "--cell", "rnn", "--json").out)
    assert found[0]["task"] == "copy" and found[0]["accuracy"]["1000"] == 1.0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["partiy"], 2, "there is no lab 'partiy'; did you mean parity?"),
        (["parity", "01x"], 3, "character 3 of the input is 'x'; give zeros and ones"),
        (["brackets", "())"], 3, "character 3 of the input, ')', closes nothing; open a bracket first"),
        (["parity", ""], 3, "the input has no steps; give zeros and ones"),
        (["parity", "--jsn"], 2, "no such option: --jsn; see --help"),
        (["sum", "--cell", "lstm"], 2, "--cell lstm with 'sum'; training is for parity, count, copy"),
        (["parity", "--cell", "lstm", "--cell", "gru"], 2, "--cell is given 2 times; give one, or use expressivity"),
        (["parity", "--cell", "ltsm"], 2, "--cell is 'ltsm'; choose one of rnn, lstm, gru, mingru, minlstm"),
        (["parity", "--task", "copy"], 2, "--task copy with 'parity'; it is for expressivity"),
        (["expressivity", "--task", "coppy"], 2, "--task is 'coppy'; did you mean copy?"),
        (["expressivity", "0101"], 2, "expressivity takes no INPUT; leave out '0101'"),
    ],
)
def test_bad_input_is_one_line(timesteps: Command, words: list[str], code: int, message: str) -> None:
    answer = timesteps("lab", *words)
    assert answer == (code, "", f"timesteps: {message}\n")


def test_a_file_that_cannot_be_written(timesteps: Command, tmp_path: Path) -> None:
    answer = timesteps("lab", "parity", "--svg", tmp_path / "none" / "a.svg")
    assert answer.code == 2 and answer.err.count("\n") == 1 and "cannot be written" in answer.err
