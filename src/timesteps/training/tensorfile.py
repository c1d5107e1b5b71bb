"""Tensors in a safetensors file: written atomically and without a second copy in memory."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike, fspath
from typing import Any

import msgspec
import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from timesteps.errors import ModelError
from timesteps.runtime.atomic import atomic_write

__all__ = ["read_metadata", "read_tensors", "write_tensors"]

_CODES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_DAMAGED = "remove it and train again"


def write_tensors(path: str | PathLike[str], tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file. Tensors may share memory; each is written whole.

    Raises:
        UsageError: a full disk or an unwritable folder; a file that was there before is intact.
    """
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))  # widest first keeps all aligned
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name in order:
        tensor = tensors[name]
        begin, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _CODES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    encoded = msgspec.json.encode(header)
    encoded += b" " * (-len(encoded) % 8)
    with atomic_write(path) as file:
        file.write(len(encoded).to_bytes(8, "little"))
        file.write(encoded)
        for name in order:
            flat = tensors[name].detach().cpu().contiguous().reshape(-1)
            file.write(np.asarray(flat.view(torch.uint8)).data)


def read_metadata(path: str | PathLike[str]) -> dict[str, str]:
    """The metadata of a safetensors file. `ModelError` if it is missing or damaged."""
    try:
        with safe_open(fspath(path), "pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from error


def read_tensors(path: str | PathLike[str]) -> dict[str, Tensor]:
    """All tensors of a safetensors file, in memory of their own. `ModelError` if it is missing or damaged."""
    try:
        with safe_open(fspath(path), "pt") as file:
            return {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str | PathLike[str], error: Exception) -> ModelError:
    if isinstance(error, FileNotFoundError):
        return ModelError("no such file", path=path)
    return ModelError(f"cannot be read: {str(error).splitlines()[0].lower()}", path=path, mend=_DAMAGED)
