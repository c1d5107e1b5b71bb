"""`timesteps verify`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from commands import Answer

from timesteps.runtime import modelfile, native

Command = Callable[..., Answer]
ENGINES = ["native", "stream", "numpy", "torch", "onnxruntime"]


def changed(trained: Path, path: Path, golden: bool = True) -> Path:
    """The trained model with other weights than gave its golden vectors, or without them."""
    spec, tensors = modelfile.load(trained / modelfile.FILE_NAME)
    other = {name: np.array(tensor) for name, tensor in tensors.items()}
    other["head.bias"] += 0.25
    modelfile.save(path, spec if golden else msgspec.structs.replace(spec, golden=()), other)
    return path


def test_a_line_for_each_engine(timesteps: Command, trained: Path) -> None:
    answer = timesteps("verify", trained)
    assert answer.code == 0 and answer.err == ""
    head, *lines = answer.out.splitlines()
    assert head.split() == ["engine", "vectors", "difference"]
    assert max(map(len, [head, *lines])) <= 80
    said = {line.split()[0]: line for line in lines if not line.startswith(" ")}
    assert list(said) == ENGINES
    assert said["numpy"].endswith("ok") and said["torch"].endswith("ok")
    assert "not run: layer rnn.l0 is bidirectional" in said["stream"]


def test_json_has_one_shape(timesteps: Command, trained: Path, tmp_path: Path) -> None:
    for model, code in ((trained, 0), (changed(trained, tmp_path / "model.safetensors"), 4)):
        answer = timesteps("verify", model, "--json")
        found = json.loads(answer.out)
        assert answer.code == code and list(found) == ["engines"]
        assert [engine["name"] for engine in found["engines"]] == ENGINES
        for engine in found["engines"]:
            assert list(engine) == ["name", "vectors", "largest_difference", "agrees", "reason"]
            if engine["agrees"] is not None:
                assert engine["vectors"] > 0 and engine["agrees"] is (code == 0)
                assert (engine["largest_difference"] > 0.2) == (code == 4)


def test_a_model_that_answers_differently(timesteps: Command, trained: Path, tmp_path: Path) -> None:
    path = changed(trained, tmp_path / "model.safetensors")
    answer = timesteps("verify", path)
    first = "numpy" if native.core is None else "native"
    assert answer.code == 4 and answer.err.count("\n") == 1
    assert answer.err.startswith(f"timesteps: {path}: {first} differs: golden vector 0, output 0: ")
    assert "differs: golden vector 0" in answer.out


def test_what_cannot_be_verified(timesteps: Command, trained: Path, tmp_path: Path) -> None:
    answer = timesteps("verify", changed(trained, tmp_path / "model.safetensors", golden=False))
    assert answer.code == 4 and answer.out == "" and answer.err.count("\n") == 1
    assert "no golden vectors in the file; `timesteps train` stores some" in answer.err
    assert timesteps("verify", tmp_path / "nothing").code == 4
    assert timesteps("verify").code == 2


def test_help_lists_it(timesteps: Command) -> None:
    assert "verify" in timesteps("--help").out
    answer = timesteps("verify", "--help")
    assert answer.code == 0 and "--json" in answer.out and max(map(len, answer.out.splitlines())) <= 100


@pytest.mark.parametrize("package", ["torch", "onnx", "onnxruntime"])
def test_without_a_package_the_others_are_replayed(package: str, trained: Path) -> None:
    words = ["verify", str(trained)]
    script = f"import sys; sys.modules[{package!r}] = None; from timesteps import cli; cli.main({words!r})"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0 and run.stderr == "", run.stderr
    assert "is not installed" in run.stdout and run.stdout.count(" ok") >= 2
