"""A run that is stopped, by Ctrl-C or kill, and resumed ends with the same bits as one that was not."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import SMALL, Answer, finish, reviews, spawn

Command = Callable[..., Answer]

EPOCHS = 8
OPTIONS = ["--epochs", EPOCHS, "--batch-size", "4", *SMALL]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "reviews.csv"
    path.write_text(reviews(1200))
    return path


@pytest.fixture(scope="module")
def whole(rows: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    answer = finish(spawn("train", "classify", rows, "--out", folder, *OPTIONS))
    assert answer.code == 0, answer.err
    return folder


def stopped(rows: Path, folder: Path, how: signal.Signals) -> Answer:
    """A run that gets a signal when its second epoch is over."""
    process = spawn("train", "classify", rows, "--out", folder, *OPTIONS)
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith("epoch 2/"):
            process.send_signal(how)
            break
    answer = finish(process)
    assert "epoch 2/" in said[-1], "".join(said)
    return answer


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_is_resumed_to_the_same_bits(
    how: signal.Signals, rows: Path, whole: Path, tmp_path: Path, timesteps: Command
) -> None:
    folder = tmp_path / "a run"
    answer = stopped(rows, folder, how)
    assert "Traceback" not in answer.err
    if how is signal.SIGINT:
        assert answer.code == 130
        assert answer.err.endswith(f"go on with: timesteps train classify --resume --out '{folder}'\n")
    assert not (folder / "model.safetensors").exists()

    answer = timesteps("train", "classify", rows, "--out", folder, *OPTIONS)
    assert answer.code == 2 and "unfinished run" in answer.err and "--resume" in answer.err
    answer = timesteps("train", "classify", "--resume", "--out", folder, "--epochs", EPOCHS + 1)
    assert answer.code == 2 and f"--epochs is {EPOCHS + 1}, but the run was begun with {EPOCHS}" in answer.err

    answer = finish(spawn("train", "classify", "--resume", "--out", folder))
    assert answer.code == 0, answer.err
    assert "of them done" in answer.err and "epoch 1/" not in answer.err
    for name in ("model.safetensors", "log.jsonl", "checkpoint/log.jsonl"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name


def test_ctrl_c_while_predict_waits_for_a_line(trained: Path) -> None:
    process = spawn("predict", trained)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("a good film\n")
    process.stdin.flush()
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert finish(process).err == "timesteps: interrupted\n"


def test_a_finished_run_is_replaced_and_that_is_said(
    timesteps: Command, trained: Path, data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    (folder / "notes.txt").write_text("mine")
    before = (folder / "model.safetensors").read_bytes()
    # Nothing is lost to a command that cannot be carried out.
    assert timesteps("train", "classify", data, "--out", folder, "--epochs", 0, *SMALL).code == 2
    assert timesteps("train", "classify", tmp_path / "nowhere.csv", "--out", folder, *SMALL).code == 3
    assert (folder / "model.safetensors").read_bytes() == before
    answer = timesteps("train", "classify", data, "--out", folder, "--epochs", 1, *SMALL)
    assert answer.code == 0 and f"{folder} holds a finished run, which this one replaces" in answer.err
    assert (folder / "model.safetensors").read_bytes() != before
    assert (folder / "notes.txt").read_text() == "mine"


def test_ctrl_c_while_a_finished_run_is_replaced(
    timesteps: Command, trained: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    with monkeypatch.context() as patch:
        patch.setattr("timesteps.tasks.classify.run.fit_model", interrupted)
        answer = timesteps("train", "classify", data, "--out", folder, "--epochs", 1, *SMALL)
    assert answer.code == 130 and f"timesteps train classify --resume --out {folder}" in answer.err
    # The folder is the new run's alone: no model, checkpoint or log of the old one is left to be taken for it.
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["request.json"]
    assert timesteps("train", "classify", "--resume", "--out", folder).code == 0
    assert len((folder / "checkpoint" / "log.jsonl").read_text().splitlines()) == 1


def test_nothing_to_resume(timesteps: Command, tmp_path: Path) -> None:
    answer = timesteps("train", "classify", "--resume", "--out", tmp_path)
    assert answer.code == 2 and "there is no run to resume" in answer.err
    assert timesteps("train", "classify", "--resume", "--dry-run", "--out", tmp_path).code == 2


def test_a_run_of_several_members_goes_on_with_the_one_that_was_stopped(
    timesteps: Command, data: Path, tmp_path: Path
) -> None:
    words = ["train", "classify", data, "--epochs", 2, "--members", 2, *SMALL]
    whole, folder = tmp_path / "whole", tmp_path / "run"
    assert timesteps(*words, "--out", whole).code == 0
    shutil.copytree(whole, folder)
    # As if the run had been killed between its members.
    for name in ("model.safetensors", "card.md", "report.html"):
        (folder / name).unlink()
    shutil.rmtree(folder / "checkpoint" / "member-1")
    answer = timesteps(*words, "--out", folder)
    assert answer.code == 2 and "unfinished run, 2 epochs of training done" in answer.err
    answer = timesteps(*words, "--out", folder, "--resume")
    assert answer.code == 0 and answer.err.count("epoch 1/2") == 1
    assert (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    # A finished run is not trained again, only its papers are written anew.
    answer = timesteps("train", "classify", "--resume", "--out", folder)
    assert answer.code == 0 and "epoch 1/2" not in answer.err


def test_ctrl_c_before_anything_was_written(
    timesteps: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("timesteps.tasks.classify.ready.read_rows", interrupted)
    answer = timesteps("train", "classify", data, "--out", tmp_path / "run", *SMALL)
    assert answer == (130, "", "timesteps: interrupted, nothing was written\n")
