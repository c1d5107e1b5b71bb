"""`timesteps bench`."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable

import pytest
from commands import Answer

Command = Callable[..., Answer]
SMALL = ("--hidden", 4, "--batch", 2)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three steps are enough here."""
    from timesteps.inspect import speed

    monkeypatch.setattr(speed, "grid", functools.partial(speed.grid, steps=3))


def test_a_line_a_case(timesteps: Command) -> None:
    answer = timesteps("bench", "--layer", "LSTM", "--layer", "GRU", *SMALL)
    assert answer.code == 0
    head, *lines = answer.out.splitlines()
    assert head.split() == ["layer", "H", "B", "work", "torch", "÷", "ours", "ours,", "µs", "%", "of", "peak"]
    assert [line.split()[:4] for line in lines] == [
        [layer, "4", "2", work] for layer in ("LSTM", "GRU") for work in ("forward", "training")
    ]
    assert all(float(line.split()[4].removeprefix("~")) > 0 for line in lines)
    assert "native core" in answer.err and "peak: " in answer.err


def test_a_line_says_what_was_measured(timesteps: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from timesteps.inspect import speed
    from timesteps.inspect.timing import Spread

    def measured(case: speed.Case) -> speed.Measured:
        seconds, exact = {"timesteps": 0.001, "torch": 0.0021}, {"output": 1e-7}
        return speed.Measured(seconds, Spread(2.13, 1.9, 2.5), Spread(0.876, 0.87, 0.88), "a loop", exact, exact, 9)

    monkeypatch.setattr(speed, "measure", measured)
    answer = timesteps("bench", "--layer", "LSTM", *SMALL)
    assert answer.out.splitlines()[1].split() == ["LSTM", "4", "2", "forward", "~2.13", "1,000", "88"]
    assert "peak: a loop" in answer.err and "something else" in answer.err


def test_json_has_every_figure(timesteps: Command) -> None:
    answer = timesteps("bench", "--layer", "RNN", *SMALL, "--json")
    forward, training = json.loads(answer.out)
    assert forward["steps"] == 3 and forward["faults"] == []
    assert forward["work"] == "forward" and set(forward["errors"]) == {"output"}
    assert set(training["errors"]) == set(training["torch_errors"]) == {"output", "gradient"}
    assert set(training["seconds"]) == {"timesteps", "torch"}


def test_wrong_words(timesteps: Command) -> None:
    assert timesteps("bench", "--layer", "LSTN").code == 2
    assert timesteps("bench", "--hidden", 0).code == 2
    assert "Usage: timesteps" in timesteps("bench", "-h").out
