"""Every example in a docstring runs, and so does every file in examples/."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import timesteps

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
#: what the examples of some modules need besides torch
NEEDED = {"onnx_in": ["onnx", "onnxruntime"], "onnx_out": ["onnx", "onnxruntime"], "keras_in": ["keras", "h5py"],
          "keras_out": ["keras", "h5py"]}  # fmt: skip
MODULES = sorted(module.name for module in pkgutil.walk_packages(timesteps.__path__, "timesteps."))


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith(("._core", ".__main__"))])
def test_docstrings(name: str) -> None:
    for package in NEEDED.get(name.removeprefix("timesteps.interchange."), []):
        pytest.importorskip(package, reason=f"{package} is not installed")
    results = doctest.testmod(
        importlib.import_module(name), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )
    assert results.failed == 0


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_files(path: Path, tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, str(path)], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip()
