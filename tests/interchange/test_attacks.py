"""No file runs anything: each published attack is refused by a typed error, and its canary never appears."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import pytest
import torch
from payloads import PAYLOADS, pt_exec

from timesteps.errors import ModelError, TimestepsError
from timesteps.interchange import from_keras, from_onnx, from_torch

for package in ("keras", "h5py", "onnx"):
    pytest.importorskip(package, reason=f"{package} is not installed")

import payloads_keras  # noqa: E402
import payloads_onnx  # noqa: E402

READERS = {".keras": from_keras, ".h5": from_keras, ".onnx": from_onnx}


def read(path: Path) -> None:
    READERS.get(path.suffix, from_torch)(path)


@pytest.mark.parametrize("name", PAYLOADS)
def test_attacks(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message, write = PAYLOADS[name]
    folder = tmp_path / "inner"
    folder.mkdir()
    monkeypatch.chdir(folder)
    path = write(folder)
    before = {each: each.stat().st_mtime_ns for each in tmp_path.rglob("*") if each.is_file()}
    start = time.perf_counter()
    with pytest.raises(TimestepsError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert {each: each.stat().st_mtime_ns for each in tmp_path.rglob("*") if each.is_file()} == before
    assert time.perf_counter() - start < 60


def test_there_are_enough_of_them_and_they_bite(tmp_path: Path) -> None:
    assert len(PAYLOADS) >= 60
    torch.load(pt_exec(tmp_path), weights_only=False)
    assert (tmp_path / "canary").exists()


def test_how_a_model_was_compiled_is_not_even_looked_at(tmp_path: Path) -> None:
    config = json.loads(payloads_keras.sound()[0])
    evil = payloads_keras.named("os", "system", f"touch {tmp_path / 'canary'}")
    config["compile_config"] = {"optimizer": evil, "loss": evil}
    imported = from_keras(payloads_keras.keras_file(tmp_path, config))
    assert imported.check.largest is not None
    assert not (tmp_path / "canary").exists()


def test_metadata_that_names_code_does_not_reach_onnx_runtime(tmp_path: Path) -> None:
    model = payloads_onnx.sound()
    entry = model.metadata_props.add()
    entry.key, entry.value = "ort_config", json.dumps({"session_options": {"custom_op_library": "/tmp/evil.so"}})
    (tmp_path / "it.onnx").write_bytes(model.SerializeToString())
    assert from_onnx(tmp_path / "it.onnx").session.spec.network.outputs == 2


def test_the_honest_files_around_the_attacks_are_read(tmp_path: Path) -> None:
    assert from_keras(payloads_keras.keras_file(tmp_path)).session.spec.network.outputs == 2
    (tmp_path / "it.weights.h5").write_bytes(payloads_keras.sound()[1])
    assert from_keras(tmp_path / "it.weights.h5").session.spec.network.outputs == 2


def test_pipes_and_folders_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pt")
    for name in ("pipe.pt", "missing.onnx", "missing.keras", "missing.weights.h5", "missing.safetensors"):
        with pytest.raises(ModelError, match=r"is not a file|cannot be read: no such file"):
            read(tmp_path / name)


@pytest.mark.parametrize("position", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("kind", [".keras", ".h5", ".onnx", ".pt"])
def test_truncated_files(kind: str, position: float, tmp_path: Path) -> None:
    if kind == ".keras":
        path = payloads_keras.keras_file(tmp_path)
    elif kind == ".h5":
        (path := tmp_path / "it.weights.h5").write_bytes(payloads_keras.sound()[1])
    elif kind == ".onnx":
        (path := tmp_path / "it.onnx").write_bytes(payloads_onnx.sound().SerializeToString())
    else:
        torch.save(torch.nn.LSTM(2, 3).state_dict(), path := tmp_path / "it.pt")
    data = path.read_bytes()
    path.write_bytes(data[: int(position * len(data))])
    with pytest.raises(ModelError):
        read(path)


def test_the_reader_of_pickles_may_do_nothing_but_read(tmp_path: Path) -> None:
    """What the child's last line of defence is worth, should weights_only ever let something through."""
    script = Path(sys.modules["timesteps.interchange.tensors"].__file__ or "").with_name("child.py")
    for line in (
        f"import os; os.system('touch {tmp_path / 'canary'}')",
        f"open({str(tmp_path / 'canary')!r}, 'w')",
        "import socket; socket.socket().connect(('127.0.0.1', 9))",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.execv('/bin/true', ['true'])",
        f"import os; os.open({str(tmp_path / 'canary')!r}, os.O_CREAT | os.O_WRONLY)",
        f"import os; os.mkdir({str(tmp_path / 'canary')!r})",
        f"import os; os.symlink('/etc/passwd', {str(tmp_path / 'canary')!r})",
    ):
        code = f"import runpy; child = runpy.run_path({str(script)!r}); child['_lock']()\n{line}"
        run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, cwd=tmp_path)
        assert run.returncode != 0 and "RefusedError" in run.stderr, run.stderr
    assert not list(tmp_path.iterdir())


def test_the_reader_of_pickles_has_bounded_memory(tmp_path: Path) -> None:
    script = Path(sys.modules["timesteps.interchange.tensors"].__file__ or "").with_name("child.py")
    code = f"import runpy; runpy.run_path({str(script)!r})['_limit'](0); bytearray(2**34)"
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
    assert "MemoryError" in run.stderr


def test_a_renamed_archive_is_still_checked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "it.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ModelError, match=r"has no entry model\.weights\.h5"):
        from_keras(tmp_path / "it.keras")
