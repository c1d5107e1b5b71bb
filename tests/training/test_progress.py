from __future__ import annotations

import io

import pytest
from rich.console import Console

from timesteps.training.progress import (
    LiveProgress,
    PlainProgress,
    Progress,
    SilentProgress,
    download_progress,
    quiet,
    terminal,
)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def run(progress: Progress, clock: list[float], seconds: float) -> int:
    """Two epochs of four steps, each so long; how often the metrics were asked for."""
    asked = 0

    def metrics() -> dict[str, float]:
        nonlocal asked
        asked += 1
        return {"loss": 0.5, "accuracy": 0.75}

    progress.begin(rows=100, epochs=2, steps=4, done=0)
    for epoch in (1, 2):
        for step in range(1, 5):
            clock[0] += seconds
            progress.advance(epoch, step, 50, metrics)
        progress.stage("validating")
        progress.epoch_end({"epoch": epoch, "loss": 0.5, "val_accuracy": 0.8125, "padding_waste": 0.1})
    progress.end()
    return asked


def test_plain_lines(clock: list[float]) -> None:
    stream = io.StringIO()
    asked = run(PlainProgress(stream), clock, 0.5)
    assert stream.getvalue().splitlines() == [
        "training on 100 rows, 4 steps an epoch, 2 epochs",
        "epoch 1/2 · loss 0.5000 · val_accuracy 0.8125 · 0:02",
        "epoch 2/2 · loss 0.5000 · val_accuracy 0.8125 · 0:02",
    ]
    assert asked == 0


def test_plain_lines_in_long_epochs(clock: list[float]) -> None:
    stream = io.StringIO()
    asked = run(PlainProgress(stream), clock, 20.0)
    lines = stream.getvalue().splitlines()
    assert "epoch 1/2 · step 2/4 · loss 0.5000 · accuracy 0.7500 · 2 tokens/s · ETA 2:00" in lines
    assert asked == 4
    assert len(lines) == 7


def test_a_resumed_run_counts_only_what_is_left(clock: list[float]) -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream, interval=5.0)
    progress.begin(rows=10, epochs=3, steps=2, done=2)
    clock[0] += 10
    progress.advance(3, 1, 5, dict)
    assert stream.getvalue().splitlines() == [
        "training on 10 rows, 2 steps an epoch, 3 epochs, 2 of them done",
        "epoch 3/3 · step 1/2 · 0 tokens/s · ETA 0:10",
    ]


def test_more_steps_than_were_expected_leave_no_time(clock: list[float]) -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream, interval=0.0)
    progress.begin(rows=4, epochs=1, steps=2, done=0)
    for step in (1, 2, 3):
        clock[0] += 10.0
        progress.advance(1, step, 1, dict)
    assert stream.getvalue().splitlines()[-1] == "epoch 1/1 · step 3/3 · 0 tokens/s · ETA 0:00"


def test_live_line(clock: list[float]) -> None:
    stream = io.StringIO()
    progress = LiveProgress(Console(file=stream, force_terminal=True, width=100))
    asked = run(progress, clock, 1.0)
    text = stream.getvalue()
    assert asked == 8
    for part in ("first of 4 steps on 100 rows", "epoch 1/2 · step 1/4", "50 tokens/s", "ETA 0:07", "validating"):
        assert part in text
    assert "epoch 2/2 · loss 0.5000 · val_accuracy 0.8125 · 0:04" in text


def test_metrics_are_not_asked_for_in_every_step(clock: list[float]) -> None:
    progress = LiveProgress(Console(file=io.StringIO(), force_terminal=True))
    assert run(progress, clock, 0.03) == 2


def test_silence_and_choice(clock: list[float]) -> None:
    assert run(quiet(), clock, 1.0) == 0
    assert isinstance(quiet(), SilentProgress)
    assert isinstance(terminal(io.StringIO()), PlainProgress)
    LiveProgress().end()  # before it began


def test_downloads() -> None:
    stream = io.StringIO()
    with download_progress(Console(file=stream)) as report:
        for here in range(101):
            report(here * 2**20, 100 * 2**20)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 11
    assert lines[-1] == "downloading: 100 of 100 MiB"
    with download_progress(Console(file=stream, force_terminal=True)) as report:
        report(1, 10)


@pytest.mark.parametrize("live", [False, True])
def test_several_members_are_named_on_every_line(clock: list[float], live: bool) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120)
    progress: Progress = LiveProgress(console) if live else PlainProgress(stream, interval=1.0)
    progress.member(2, 5)
    progress.begin(rows=10, epochs=2, steps=4, done=0)
    clock[0] += 2
    progress.advance(1, 1, 5, dict)
    progress.epoch_end({"epoch": 1, "loss": 0.5})
    progress.end()
    shown = stream.getvalue()
    begin = "epoch 1/2 · first of 4 steps on 10 rows" if live else "training on 10 rows, 4 steps an epoch, 2 epochs"
    # Seven steps are left of this member, and eight each of the three to come.
    for line in (begin, "epoch 1/2 · step 1/4 · 2 tokens/s · ETA 1:02", "epoch 1/2 · loss 0.5000 · 0:02"):
        assert f"member 2 of 5 · {line}" in shown


def test_a_run_of_one_network_names_no_member(clock: list[float]) -> None:
    stream = io.StringIO()
    run(PlainProgress(stream, interval=1.0), clock, 2.0)
    assert "member" not in stream.getvalue()
