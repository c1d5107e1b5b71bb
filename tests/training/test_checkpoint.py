from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from safetensors.torch import load_file, save_file

from timesteps.errors import ModelError, UsageError
from timesteps.training.checkpoint import (
    Checkpoint,
    check_identity,
    load_checkpoint,
    peek_checkpoint,
    save_checkpoint,
)
from timesteps.training.log import JsonLines
from timesteps.training.tensorfile import read_metadata, read_tensors, write_tensors

CHECKPOINT = Checkpoint(
    epoch=1,
    epochs=3,
    stopped=False,
    identity={"settings": {"seed": 1}},
    history=[{"epoch": 1, "loss": 0.1}],
    callbacks=[],
)
TENSORS = {
    "a.weight": torch.randn(3, 2, generator=torch.Generator().manual_seed(0)),
    "half": torch.tensor([1.5], dtype=torch.bfloat16),
    "count": torch.tensor(7),
    "flags": torch.tensor([True, False, True]),
    "empty": torch.zeros(0, 4),
    "turned": torch.arange(6.0).reshape(2, 3).T,
}


def test_safetensors_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    write_tensors(path, TENSORS, {"note": "é"})
    assert read_metadata(path) == {"note": "é"}
    for read in (load_file(path), read_tensors(path)):
        assert read.keys() == TENSORS.keys()
        for name, tensor in TENSORS.items():
            assert read[name].dtype == tensor.dtype
            assert torch.equal(read[name], tensor)


def test_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    tensors = TENSORS | {"best.weight": TENSORS["a.weight"].clone(), "tied": TENSORS["a.weight"]}
    save_checkpoint(path, CHECKPOINT, tensors)
    assert len(load_file(path)) == len(TENSORS)  # equal ones once
    checkpoint, read = load_checkpoint(path)
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())
    assert len({tensor.data_ptr() for tensor in read.values() if tensor.numel()}) == len(tensors) - 1
    assert msgspec.structs.replace(checkpoint, aliases={}) == CHECKPOINT
    assert peek_checkpoint(path) == checkpoint
    assert not checkpoint.finished


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, CHECKPOINT, TENSORS)
    before = path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UsageError, match="no space left"):
        save_checkpoint(path, CHECKPOINT, {"a.weight": torch.zeros(3, 2)})
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, CHECKPOINT, TENSORS)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError, match=r"checkpoint.safetensors: cannot be read.*remove it and train again"):
        load_checkpoint(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    with pytest.raises(ModelError, match=r"no such file|cannot be read"):
        load_checkpoint(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match="is not a checkpoint"):
        load_checkpoint(path)
    for text, says in (
        ('{"version": 99}', "version 99, this one reads 1"),
        ('{"version": 1}', "cannot be read"),
        ("[]", "cannot be read"),
    ):
        save_file({"a": torch.zeros(1)}, path, {"timesteps.checkpoint": text})
        with pytest.raises(ModelError, match=says):
            load_checkpoint(path)


def test_differences_are_named() -> None:
    saved = {
        "settings": {"seed": 1, "ema": 0.0},
        "training rows": {"digest": "a"},
        "network": {"head.weight": "float32 (1, 8)"},
    }
    check_identity(Path("x"), saved, saved)
    now: dict[str, dict[str, Any]] = {
        "settings": {"seed": 2, "ema": 0.0},
        "training rows": {"digest": "b"},
        "network": {"head.weight": "float32 (1, 9)"},
    }
    with pytest.raises(UsageError) as caught:
        check_identity(Path("x"), saved, now)
    for part in ("seed was 1, is 2", "training rows differ", "head.weight was float32 (1, 8), is float32 (1, 9)"):
        assert part in str(caught.value)
    assert "ema" not in str(caught.value)


def test_json_lines(tmp_path: Path) -> None:
    log = JsonLines(tmp_path / "log.jsonl")
    assert log.read() == []
    log.append({"epoch": 1, "loss": 0.1 + 0.2})
    log.append({"epoch": 2, "loss": 1.0})
    assert log.path.read_bytes() == b'{"epoch":1,"loss":0.30000000000000004}\n{"epoch":2,"loss":1.0}\n'
    with log.path.open("ab") as file:
        file.write(b'{"epoch":3,"lo')
    assert [row["epoch"] for row in log.read()] == [1, 2]
    log.path.write_bytes(b'{"epoch":1}\n{"epo\n')
    with pytest.raises(UsageError, match=r"log.jsonl:2: cannot be read"):
        log.read()
    with pytest.raises(UsageError, match="cannot be written"):
        JsonLines(tmp_path / "missing" / "log.jsonl").append({})
