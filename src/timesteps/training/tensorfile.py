"""Tensors in a safetensors file: written atomically and without a second copy in memory.

They may be torch's or arrays of numpy; torch is imported only for its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike, fspath
from typing import Any, Literal

import msgspec
import numpy as np
from safetensors import SafetensorError, safe_open

from timesteps.errors import ModelError
from timesteps.runtime.atomic import atomic_write
from timesteps.training.engines.engine import Array

__all__ = ["read_metadata", "read_tensors", "write_tensors"]

_CODES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "uint8": "U8",
    "bool": "BOOL",
}
_DAMAGED = "remove it and train again"


def write_tensors(path: str | PathLike[str], tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file. Tensors may share memory; each is written whole.

    Raises:
        UsageError: a full disk or an unwritable folder; a file that was there before is intact.
    """
    order = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))  # widest first keeps all aligned
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name in order:
        tensor = tensors[name]
        begin, end = end, end + tensor.nbytes
        code = _CODES[str(tensor.dtype).removeprefix("torch.")]
        header[name] = {"dtype": code, "shape": list(tensor.shape), "data_offsets": [begin, end]}
    encoded = msgspec.json.encode(header)
    encoded += b" " * (-len(encoded) % 8)
    with atomic_write(path) as file:
        file.write(len(encoded).to_bytes(8, "little"))
        file.write(encoded)
        for name in order:
            file.write(_bytes(tensors[name]))


def read_metadata(path: str | PathLike[str]) -> dict[str, str]:
    """The metadata of a safetensors file. `ModelError` if it is missing or damaged."""
    try:
        with safe_open(fspath(path), "np") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from error


def read_tensors(path: str | PathLike[str], kind: Literal["torch", "numpy"] = "torch") -> dict[str, Array]:
    """All tensors of a safetensors file, in memory of their own. `ModelError` if it is missing or damaged."""
    try:
        if kind == "numpy":
            with safe_open(fspath(path), "np") as file:
                return {name: np.array(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
        with safe_open(fspath(path), "pt") as file:
            return {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from error


def _bytes(tensor: Array) -> memoryview:
    """The numbers of a tensor, as they lie in memory."""
    if isinstance(tensor, np.ndarray):
        return np.ascontiguousarray(tensor).reshape(-1).view(np.uint8).data
    import torch

    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return np.asarray(flat.view(torch.uint8)).data


def _unreadable(path: str | PathLike[str], error: Exception) -> ModelError:
    if isinstance(error, FileNotFoundError):
        return ModelError("no such file", path=path)
    return ModelError(f"cannot be read: {str(error).splitlines()[0].lower()}", path=path, mend=_DAMAGED)
