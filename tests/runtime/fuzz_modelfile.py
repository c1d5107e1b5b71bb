"""python tests/runtime/fuzz_modelfile.py [OPTIONS] FOLDER: atheris against the Python reader of model files.

Wants the package atheris, which needs clang to install. Any exception but ModelError is a finding.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports():
    from timesteps.errors import ModelError
    from timesteps.runtime import modelfile

PATH = Path(tempfile.mkdtemp()) / "model.safetensors"


def one_input(content: bytes) -> None:
    """Read it, with a checksum that fits anything."""
    PATH.write_bytes(content)
    with contextlib.suppress(ModelError):
        modelfile.load(PATH)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
