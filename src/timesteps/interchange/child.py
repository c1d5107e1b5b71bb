"""Run as a program of its own: turn a file of torch or of HDF5 into a safetensors file, under limits.

`python -I child.py torch|hdf5 FILE OUT`. Parsers of these formats are large and old; whatever a file makes them do
stays in this process, which has bounded memory and time, may start nothing, connect to nothing and write to OUT alone.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

_MEMORY = 8 * 2**30  # addresses, not bytes in use: importing torch alone reserves gigabytes
_CPU_SECONDS = 100
_MAX_OBJECTS = 100_000
_MAX_DEPTH = 32
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_FORBIDDEN = (
    *(
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.spawn",
        "os.fork",
        "subprocess.",
        "socket.",
        "ctypes.",
        "webbrowser.",
    ),
    *("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link", "os.symlink", "os.chmod", "shutil."),
)


class RefusedError(Exception):
    """What is said to whoever gave the file."""


def main(kind: str, path: str, out: str) -> None:
    """Read `path` and write `out`, or print why not and leave with 1."""
    try:
        _limit(Path(path).stat().st_size)
        write = _torch(path, out) if kind == "torch" else _hdf5(path, out)
        write()
    except RefusedError as error:
        print(json.dumps({"refused": str(error)}))
        sys.exit(1)
    except Exception as error:
        line = " ".join(str(error).split())[:200]
        print(json.dumps({"refused": f"cannot be read: {type(error).__name__}: {ascii(line)[1:-1]}"}))
        sys.exit(1)


def _limit(size: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    limits = {"AS": _MEMORY + 6 * size, "CPU": _CPU_SECONDS, "FSIZE": 2 * size + 2**24, "CORE": 0}
    for name, limit in limits.items():
        which = getattr(resource, f"RLIMIT_{name}")
        _, hard = resource.getrlimit(which)
        most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(which, (most, most))


def _lock() -> None:
    """From here on, what would start a program, open a connection or change a file from Python raises.

    The safetensors library, which writes the result, is not Python and does not ask.
    """
    sys.dont_write_bytecode = True

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(_FORBIDDEN):
            raise RefusedError(f"tries to call {event}")
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES:
            raise RefusedError("tries to write a file")

    sys.addaudithook(hook)


def _torch(path: str, out: str) -> Any:
    import torch
    from safetensors.torch import save_file

    _lock()
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        if type(error).__name__ == "UnpicklingError":
            raise RefusedError("holds Python objects, not only weights: reading them could run anything") from error
        raise
    for key in ("state_dict", "model_state_dict", "model"):  # what training loops wrap around it
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
            break
    if not isinstance(loaded, dict) or not loaded:
        raise RefusedError(f"holds a {type(loaded).__name__}, not a state dict")
    state = {}
    for name, tensor in loaded.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor) or tensor.layout != torch.strided:
            raise RefusedError(f"holds {ascii(name)[:60]}, which is no dense tensor")
        if tensor.numel() * tensor.element_size() > Path(path).stat().st_size:
            raise RefusedError(f"has a tensor {ascii(name)[:60]} that is larger than the file")
        state[name] = tensor.contiguous().clone()
    return lambda: save_file(state, out)


def _hdf5(path: str, out: str) -> Any:
    import h5py
    from safetensors.numpy import save_file

    _lock()
    size = Path(path).stat().st_size
    arrays: dict[str, Any] = {}
    with h5py.File(path, "r", locking=False) as file:
        waiting = [("", file, 0)]
        met = 0
        while waiting:
            prefix, group, depth = waiting.pop()
            for key in group:
                name = f"{prefix}{key}"
                met += 1
                if met > _MAX_OBJECTS or depth > _MAX_DEPTH:
                    raise RefusedError("has too many groups, or groups in a circle")
                link = group.get(key, getlink=True)
                if not isinstance(link, h5py.HardLink):
                    raise RefusedError(f"has a link to elsewhere: {ascii(name)[:60]} is a {type(link).__name__}")
                kind = group.get(key, getclass=True)
                if kind is h5py.Group:
                    waiting.append((f"{name}/", group[key], depth + 1))
                elif kind is h5py.Dataset:
                    arrays[name] = _dataset(group[key], name, size)
                else:
                    raise RefusedError(f"has {ascii(name)[:60]}, which is neither group nor dataset")
    if sum(array.nbytes for array in arrays.values()) > size:
        raise RefusedError("has datasets that are larger than the file")
    return lambda: save_file(arrays, out)


def _dataset(dataset: Any, name: str, size: int) -> Any:
    import numpy as np

    shown = ascii(name)[:60]
    filters = dataset.id.get_create_plist().get_nfilters()
    if dataset.external or dataset.is_virtual:
        raise RefusedError(f"keeps dataset {shown} in another file")
    if filters:
        raise RefusedError(f"has a compressed or filtered dataset {shown}, as Keras writes none")
    if dataset.shape is None or dataset.dtype.kind not in "fiu" or dataset.dtype.itemsize > 8:
        raise RefusedError(f"has a dataset {shown} of {ascii(str(dataset.dtype))[:40]}, not of numbers")
    if dataset.nbytes > size or dataset.id.get_storage_size() != dataset.nbytes:
        raise RefusedError(f"has a dataset {shown} of shape {dataset.shape} that is not stored in it")
    return np.array(dataset[()], order="C")


if __name__ == "__main__":
    main(*sys.argv[1:])
