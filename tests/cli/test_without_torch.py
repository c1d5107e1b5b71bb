"""Where PyTorch is not installed, plain classifiers are trained all the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from commands import SMALL

from timesteps.runtime import native

RUN = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name="torch")

sys.meta_path.insert(0, Missing())
from timesteps.cli import main
main()
"""


@pytest.mark.skipif(native.core is None, reason="no compiled core")
@pytest.mark.parametrize("words", [SMALL, ["--recipe", "small", "--members", "1", "--epochs", "1"]])
def test_training_and_predicting_without_torch(words: list[str], data: Path, tmp_path: Path) -> None:
    train = ["train", "classify", str(data), "--out", str(tmp_path / "run"), *map(str, words)]
    run = subprocess.run([sys.executable, "-c", RUN, *train], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "engine: native, because the network is plain" in run.stderr
    assert '"engine":"native"' in (tmp_path / "run" / "log.jsonl").read_text("utf-8")
    assert "Engine of the training: native, because the network is plain." in (tmp_path / "run" / "card.md").read_text()
    predict = ["predict", str(tmp_path / "run"), str(data)]
    assert subprocess.run([sys.executable, "-c", RUN, *predict], capture_output=True).returncode == 0
