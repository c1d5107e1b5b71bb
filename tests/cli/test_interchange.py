"""`timesteps export` and `timesteps import`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
import pytest
from commands import Answer

import timesteps as library

Command = Callable[..., Answer]
PACKAGES = {"torch": ["torch"], "onnx": ["onnx", "onnxruntime"], "keras": ["keras", "h5py"]}
ENDINGS = {"torch": ".safetensors", "onnx": ".onnx", "keras": ".keras"}


@pytest.mark.parametrize("name", PACKAGES)
def test_out_and_in_again(name: str, timesteps: Command, trained: Path, tmp_path: Path) -> None:
    for package in PACKAGES[name]:
        pytest.importorskip(package, reason=f"{package} is not installed")
    file, run = tmp_path / f"model{ENDINGS[name]}", tmp_path / "again"
    answer = timesteps("export", trained, file, "--to", name)
    assert answer.code == 0 and "largest difference" in answer.err and "tokenizer word" in answer.err
    assert ("class Network" in answer.out) == (name == "torch")
    answer = timesteps("import", file, "--from", name, "--out", run, "--classes", "neg,pos")
    assert answer.code == 0 and answer.out == f"{run}\n" and "largest difference" in answer.err
    assert "Warning" not in answer.err
    one, other = library.load(trained), library.load(run, verify=True)
    assert other.classes == one.classes
    text = "a good film"
    ids = one._read([text], 0).values
    np.testing.assert_allclose(other.logits([ids]), one.logits([text]), atol=1e-5)
    assert timesteps("info", run).code == 0


def test_json(timesteps: Command, trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    found = json.loads(timesteps("export", trained, file, "--to", "torch", "--json").out)
    assert set(found) == {
        "file", "checked", "checked_with", "largest_difference", "checked_rows", "notes", "python"
    }  # fmt: skip
    words = ["import", file, "--from", "torch", "--out", tmp_path / "run", "--json"]
    found = json.loads(timesteps(*words).out)
    assert found["classes"] == ["0", "1"] and found["checked"] and found["layers"][0]["hidden_size"] == 8


def test_exit_codes(timesteps: Command, trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    assert timesteps("export", trained, file, "--to", "tflite").code == 2
    assert timesteps("export", trained, tmp_path / "model.bin", "--to", "torch").code == 2
    assert timesteps("export", tmp_path / "nothing", file, "--to", "torch").code == 4
    assert timesteps("export", trained, tmp_path / "no" / "model.safetensors", "--to", "torch").code == 2
    assert timesteps("export", trained, file, "--to", "torch").code == 0
    into = ["--out", tmp_path / "run"]
    assert timesteps("import", file, "--from", "caffe", *into).code == 2
    assert timesteps("import", file, "--from", "onnx", "--pool", "mean", *into).code == 2
    assert timesteps("import", tmp_path / "nothing.safetensors", "--from", "torch", *into).code == 4
    answer = timesteps("import", file, "--from", "torch", "--classes", "a,b,c", *into)
    assert answer.code == 2 and "--classes" in answer.err
    file.write_bytes(b"\x80\x04garbage that is long enough")
    answer = timesteps("import", file, "--from", "torch", *into)
    assert answer.code == 4 and answer.err.count("\n") == 1 and not (tmp_path / "run").exists()


def test_what_cannot_go_out_says_how_to_train(timesteps: Command, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "bags"
    words = ["train", "classify", data, "--out", out, "--epochs", 1, "--hidden-size", 4, "--no-baselines"]
    assert timesteps(*words, "--guide", "none", "--members", 1).code == 0
    answer = timesteps("export", out, tmp_path / "it.safetensors", "--to", "torch")
    assert answer.code == 4 and "bags of n-grams" in answer.err and "--input ids" in answer.err


@pytest.mark.parametrize("verb", ["export", "import"])
def test_help(verb: str, timesteps: Command) -> None:
    answer = timesteps(verb, "--help")
    assert answer.code == 0 and "1e-5" in answer.out and max(map(len, answer.out.splitlines())) <= 100


def test_int8_is_judged_on_the_rows_of_the_run_or_on_data(timesteps: Command, trained: Path, tmp_path: Path) -> None:
    answer = timesteps("export", trained, tmp_path / "small", "--to", "int8", "--json")
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    float_run = library.load(trained)
    assert "points) on" in answer.err and found["rows"] > 0 and found["accuracy_before"] is not None
    assert timesteps("verify", tmp_path / "small").code == 0
    card = (tmp_path / "small" / "card.md").read_text("utf-8")
    assert card.startswith((trained / "card.md").read_text("utf-8").rstrip()) and "## In int8" in card
    data = tmp_path / "rows.csv"
    label = str(float_run.predict(["a good film"])[0])
    data.write_text(f"text,label\na good film,{label}\n", "utf-8")
    answer = timesteps("export", trained, tmp_path / "other.safetensors", "--to", "int8", "--data", data)
    assert answer.code == 0 and "accuracy 100.00 % before" in answer.err
    assert timesteps("export", trained, tmp_path / "x.onnx", "--to", "onnx", "--data", data).code == 2
