"""Weights in and out of PyTorch, Keras and ONNX, each conversion measured against the other library itself; and int8.

`to_torch`, `to_onnx`, `to_keras` write a trained model for another library, `to_int8` a smaller one of our own;
`from_torch`, `from_onnx`, `from_keras` make a model that `timesteps.load` opens. `to_arpa` and `from_arpa` do so for
n-gram models, which `timesteps.load_language` opens. No file's own code is ever run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from timesteps.interchange.arpa_in import from_arpa
    from timesteps.interchange.arpa_out import to_arpa
    from timesteps.interchange.int8_out import to_int8
    from timesteps.interchange.keras_in import from_keras
    from timesteps.interchange.keras_out import to_keras
    from timesteps.interchange.onnx_in import from_onnx
    from timesteps.interchange.onnx_out import to_onnx
    from timesteps.interchange.torch_in import from_torch
    from timesteps.interchange.torch_out import to_torch

__all__ = [
    "SOURCES",
    "TARGETS",
    "from_arpa",
    "from_keras",
    "from_onnx",
    "from_torch",
    "to_arpa",
    "to_int8",
    "to_keras",
    "to_onnx",
    "to_torch",
]

TARGETS = {"onnx": "to_onnx", "torch": "to_torch", "keras": "to_keras", "int8": "to_int8", "arpa": "to_arpa"}
"""Names that `timesteps export --to` takes, and the functions here that do it."""
SOURCES = {"onnx": "from_onnx", "torch": "from_torch", "keras": "from_keras", "arpa": "from_arpa"}
"""Names that `timesteps import --from` takes."""

_WHERE = {
    name: f"timesteps.interchange.{library}_{'out' if name.startswith('to') else 'in'}"
    for table in (TARGETS, SOURCES)
    for library, name in table.items()
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'timesteps.interchange' has no attribute {name!r}")
