"""Tensors of other libraries: safetensors files here, pickles' and HDF5 files' in a child process with limits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors
from numpy.typing import NDArray

from timesteps.errors import ModelError
from timesteps.interchange.files import check_entries, check_file, parse_json, read_bytes, shown

__all__ = ["read_hdf5", "read_pt", "read_safetensors"]

_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "|u1"}
_SCRIPT = Path(__file__).with_name("child.py")
_SECONDS = 120


def read_safetensors(path: str | os.PathLike[str]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """All tensors of a safetensors file, BF16 widened to float32, and its metadata.

    Raises:
        ModelError: no such file, or not a sound one: repeated names, overlapping or missing bytes, unknown dtypes.
    """
    data = read_bytes(path)
    try:
        return _tensors(data)
    except ModelError as error:
        raise ModelError(error.what, path=path, mend=error.mend) from error


def _tensors(data: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise ModelError("is no safetensors file: its header would end behind the end of the file")
    header = parse_json(data[8 : 8 + length], "the header")  # the library takes the last of two equal names
    try:
        entries = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
    except (safetensors.SafetensorError, ValueError, OverflowError) as error:
        raise ModelError(f"is no sound safetensors file: {shown(str(error), 120)}") from error
    tensors = {}
    for name, entry in entries:
        code, shape, raw = entry["dtype"], entry["shape"], entry["data"]
        if code == "BF16":
            array = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
        elif code in _DTYPES:
            array = np.frombuffer(raw, _DTYPES[code])
        else:
            raise ModelError(f"tensor {shown(name)} has dtype {shown(code)}, which is not read here")
        tensors[name] = array.reshape(shape)
    metadata = header.get("__metadata__", {})
    return tensors, metadata if isinstance(metadata, dict) else {}


def read_pt(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """The tensors of a `.pt` file, by `torch.load(weights_only=True)` in a process of its own.

    Raises:
        ModelError: a file with anything but weights in it, or not one that torch 1.6 or later wrote.
    """
    size = check_file(path)
    mend = "save module.state_dict(), best with safetensors.torch.save_file"
    try:
        with zipfile.ZipFile(path) as archive:
            check_entries(archive, size, compressed=False)
            if any(Path(name).name == "constants.pkl" for name in archive.namelist()):
                raise ModelError("is a TorchScript program, not weights", path=path, mend=mend)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        if isinstance(error, ModelError):
            raise ModelError(error.what, path=path, mend=error.mend) from error
        raise ModelError("is no file that torch 1.6 or later wrote", path=path, mend=mend) from error
    return _in_child("torch", Path(path), path, mend)


def read_hdf5(path: Path, origin: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """The datasets of an HDF5 file, by their full names, in a process of its own.

    Raises:
        ModelError: links, external storage, filters, or sizes that the file does not have room for.
    """
    check_file(path)
    return _in_child("hdf5", path, origin, None)


def _in_child(
    kind: Literal["torch", "hdf5"], path: Path, origin: str | os.PathLike[str], mend: str | None
) -> dict[str, NDArray[Any]]:
    """Let `child.py` turn the file into a safetensors file, with bounded memory and time."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "tensors.safetensors"
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "HDF5"))}
        try:
            run = subprocess.run(
                [sys.executable, "-I", str(_SCRIPT), kind, str(path.resolve()), str(out)],
                env=kept | {"OMP_NUM_THREADS": "1", "HDF5_PLUGIN_PRELOAD": "::"},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ModelError(f"took more than {_SECONDS} seconds to read", path=origin, mend=mend) from error
        if run.returncode or not out.exists():
            raise ModelError(_reason(run.stdout, run.returncode), path=origin, mend=mend)
        return read_safetensors(out)[0]


def _reason(said: str, code: int) -> str:
    try:
        return str(json.loads(said)["refused"])
    except (ValueError, KeyError, TypeError):
        return f"cannot be read: its reader ended with code {code}"
