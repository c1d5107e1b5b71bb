"""Runs of the command line from the disk: the same model as in memory, and memory that does not grow with the rows."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from timesteps.errors import DataError, UsageError
from timesteps.tasks.classify.memory import available, memory_for, too_large
from timesteps.tasks.classify.plan import plan
from timesteps.tasks.classify.request import Request
from timesteps.tasks.classify.run import run
from timesteps.training.progress import quiet

TINY = {"embedding_size": 4, "hidden_size": 2, "epochs": 1, "members": 1, "batch_size": 64}


def write(path: Path, rows: int, seed: int = 0, words: int = 3000) -> Path:
    """Reviews of made-up words, of which two tell the class."""
    draw = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        file.write("text,label\n")
        for _ in range(rows):
            label = draw.randrange(2)
            text = " ".join(f"w{int(draw.random() ** 2 * words)}" for _ in range(12))
            file.write(f'"{text} {"good" if label else "bad"}, {draw.randrange(9)}",{label}\n')
    return path


def trained(folder: Path, request: Request) -> tuple[bytes, list[str]]:
    said: list[str] = []
    run(request, folder, resume=False, say=said.append, progress=quiet())
    return (folder / "model.safetensors").read_bytes(), said


@pytest.fixture
def small(monkeypatch) -> None:
    monkeypatch.setattr("timesteps.tasks.classify.memory._FACTOR", 1 << 20)  # so that any file is too large


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("recipe", ["default", "ids"])
def test_the_same_model_as_in_memory(recipe: str, tmp_path: Path) -> None:
    data, valid = write(tmp_path / "data.csv", 600), write(tmp_path / "valid.csv", 60, seed=1)
    request = Request(data=str(data), valid=str(valid), recipe=recipe, choices=TINY, baselines=recipe == "default")
    request = msgspec.structs.replace(request, memory="none")
    inside, _ = trained(tmp_path / "memory", request)
    outside, said = trained(tmp_path / "disk", msgspec.structs.replace(request, memory="1GB"))
    assert inside == outside
    assert any("training from the disk" in line for line in said)
    assert not list((tmp_path / "disk").glob(".timesteps-*"))
    accounts = [json.loads((tmp_path / name / "request.json").read_text())["memory"] for name in ("memory", "disk")]
    assert accounts == ["none", str(1 << 30)]


@pytest.mark.usefixtures("small")
def test_rows_are_held_out_by_hash_and_baselines_see_a_sample(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("timesteps.tasks.classify.spooling.SAMPLE", 200)
    monkeypatch.setattr("timesteps.tasks.classify.large.MOST_HELD_OUT", 100)
    data = write(tmp_path / "data.csv", 1000)
    said: list[str] = []
    request = Request(data=str(data), choices=TINY, memory="256MB")
    result = run(request, tmp_path / "run", resume=False, say=said.append, progress=quiet())
    account = result.rows.to_dict()
    assert account["read"] == 1000 == account["train"] + account["valid"]
    assert 60 < account["valid"] < 140
    assert any(f"trained on 200 of {account['train']}" in line.replace(",", "") for line in said)
    again = run(request, tmp_path / "again", resume=False, say=said.append, progress=quiet())
    assert (again.probabilities == result.probabilities).all()


@pytest.mark.usefixtures("small")
def test_a_stopped_run_goes_on_from_the_disk(tmp_path: Path, monkeypatch) -> None:
    data = write(tmp_path / "data.csv", 500)
    request = Request(data=str(data), choices=TINY | {"epochs": 3}, baselines=False, memory="256MB")
    whole, _ = trained(tmp_path / "whole", request)
    from timesteps.training.recorder import Recorder

    after = Recorder.epoch_end

    def stop(self, history, *rest) -> None:
        after(self, history, *rest)
        if len(history.rows) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Recorder, "epoch_end", stop)
        trained(tmp_path / "part", request)
    assert not list((tmp_path / "part").glob(".timesteps-*"))
    run(Request(), tmp_path / "part", resume=True, say=lambda line: None, progress=quiet())
    assert (tmp_path / "part" / "model.safetensors").read_bytes() == whole


@pytest.mark.usefixtures("small")
def test_a_dry_run_from_the_disk(tmp_path: Path) -> None:
    found = plan(Request(data=str(write(tmp_path / "data.csv", 300)), choices=TINY, memory="128MB"), lambda line: None)
    assert found.to_dict()["steps"]["longest"] > 10
    assert "Nothing was trained" in str(found)


def test_what_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"x" * (3 << 20))
    assert too_large(str(path), "64MB") == 64 << 20
    assert too_large(str(path), "1GB") is None
    assert too_large("-", None) is None
    assert too_large("-", "64MB") == 64 << 20
    assert too_large(None, "64MB") is None
    assert memory_for(Request(data=str(path), memory="none")) is None
    assert available() > 1 << 20
    with pytest.raises(UsageError, match="memory is '3 apples'"):
        too_large(str(path), "3 apples")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("text,label\n", "no rows"),
        ("text,label\na b,1\nc d,1\n", "same label"),
        ("text,label\na,1\nb,0,3\n", "3 fields"),
    ],
)
def test_bad_files_are_told_as_elsewhere(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "data.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        trained(tmp_path / "run", Request(data=str(path), memory="64MB"))


_PEAK = """
import resource, sys
from pathlib import Path
import timesteps.tasks.classify.memory as memory
memory._FACTOR = 1 << 20
from timesteps.tasks.classify.request import Request
from timesteps.tasks.classify.run import run
from timesteps.training.progress import quiet
choices = {"embedding_size": 4, "hidden_size": 2, "epochs": 1, "members": 1, "batch_size": 256, "consistency": 0.0}
request = Request(data=sys.argv[1], choices=choices, baselines=False, memory="64MB", recipe="default")
run(request, Path(sys.argv[2]), resume=False, say=print, progress=quiet())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_stays_flat_as_rows_grow(tmp_path: Path) -> None:
    """Four times the rows: less than a tenth more memory. In memory it would be three times as much."""
    peaks = []
    for rows in (10_000, 40_000):
        data = write(tmp_path / f"{rows}.csv", rows)
        command = [sys.executable, "-c", _PEAK, str(data), str(tmp_path / f"run-{rows}")]
        found = subprocess.run(command, capture_output=True, text=True, check=True, env={"OMP_NUM_THREADS": "1"})
        peaks.append(int(found.stdout.split()[-1]))
    assert peaks[1] < 1.1 * peaks[0], peaks
