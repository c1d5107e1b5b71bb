"""Published shapes of attacks on model files, each written to a folder; one that ran would leave a canary there."""

from __future__ import annotations

import io
import json
import marshal
import pickle
import struct
import tarfile
import zipfile
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

Write = Callable[[Path], Path]
PAYLOADS: dict[str, tuple[str, Write]] = {}  # name: the message that refuses it, and what writes it


def payload(message: str) -> Callable[[Write], Write]:
    def add(write: Write) -> Write:
        PAYLOADS[write.__name__] = (message, write)
        return write

    return add


class Runs:
    """An object whose unpickling calls a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def touch(folder: Path) -> str:
    return f"open({str(folder / 'canary')!r}, 'w').close()"


# --- pickles in torch's files


def pt(folder: Path, content: bytes, name: str = "evil.pt") -> Path:
    """A file as `torch.save` frames it, around any pickle."""
    with zipfile.ZipFile(folder / name, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
    return folder / name


PYTHON_OBJECTS = "Python objects, not only weights"


@payload(PYTHON_OBJECTS)
def pt_exec(folder: Path) -> Path:
    return pt(folder, pickle.dumps({"w": Runs(exec, touch(folder))}, 2))


@payload(PYTHON_OBJECTS)
def pt_eval_in_a_nested_state_dict(folder: Path) -> Path:
    return pt(folder, pickle.dumps({"state_dict": {"w": [Runs(eval, touch(folder))]}}, 2))


@payload(PYTHON_OBJECTS)
def pt_os_system(folder: Path) -> Path:
    import os

    return pt(folder, pickle.dumps(Runs(os.system, f"touch {folder / 'canary'}"), 2))


@payload(PYTHON_OBJECTS)
def pt_runpy_that_scanners_missed(folder: Path) -> Path:
    import timeit

    return pt(folder, pickle.dumps(Runs(timeit.timeit, touch(folder), "pass", None, 1), 2))


@payload(PYTHON_OBJECTS)
def pt_torch_function_as_a_gadget(folder: Path) -> Path:
    return pt(folder, pickle.dumps(Runs(torch.save, {}, str(folder / "canary")), 2))


@payload(PYTHON_OBJECTS)
def pt_whole_module(folder: Path) -> Path:
    torch.save(torch.nn.LSTM(2, 3), folder / "module.pt")
    return folder / "module.pt"


@payload("no file that torch 1.6")
def pt_bare_pickle(folder: Path) -> Path:
    (folder / "evil.pt").write_bytes(pickle.dumps(Runs(exec, touch(folder)), 2))
    return folder / "evil.pt"


@payload("no file that torch 1.6")
def pt_tar_of_old_torch(folder: Path) -> Path:
    with tarfile.open(folder / "evil.pt", "w") as archive:
        entry = tarfile.TarInfo("../canary")
        archive.addfile(entry, io.BytesIO())
    return folder / "evil.pt"


@payload("TorchScript")
def pt_torchscript(folder: Path) -> Path:
    path = pt(folder, pickle.dumps({}, 2))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/constants.pkl", pickle.dumps((), 2))
        archive.writestr("archive/code/__torch__.py", touch(folder))
    return path


@payload("before its first entry")
def pt_polyglot_of_pickle_and_zip(folder: Path) -> Path:
    path = pt(folder, pickle.dumps({}, 2))
    path.write_bytes(pickle.dumps(Runs(exec, touch(folder)), 2) + path.read_bytes())
    return path


@payload("behind its directory|no file that torch")
def pt_polyglot_with_a_tail(folder: Path) -> Path:
    path = pt(folder, pickle.dumps({}, 2))
    path.write_bytes(path.read_bytes() + pickle.dumps(Runs(exec, touch(folder)), 2))
    return path


@payload("encryption")
def pt_flag_bits_that_hide_from_scanners(folder: Path) -> Path:
    path = pt(folder, pickle.dumps(Runs(exec, touch(folder)), 2))
    data = bytearray(path.read_bytes())
    directory = data.index(b"PK\1\2")
    data[directory + 8] |= 1
    path.write_bytes(data)
    return path


@payload("compression that is not read")
def pt_zip_bomb(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "evil.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(50 * 2**20))
    return folder / "evil.pt"


@payload("larger than the file")
def pt_tensor_expanded_from_one_number(folder: Path) -> Path:
    torch.save({"w": torch.zeros(1).expand(2**32, 4)}, folder / "evil.pt")
    return folder / "evil.pt"


@payload("no dense tensor")
def pt_names_that_are_no_names(folder: Path) -> Path:
    torch.save({0: torch.zeros(1)}, folder / "evil.pt")
    return folder / "evil.pt"


@payload("is no file of torch")
def npz_with_a_pickle(folder: Path) -> Path:
    np.savez(folder / "evil.npz", w=np.array([Runs(exec, touch(folder))], dtype=object))
    return folder / "evil.npz"


# --- safetensors


def safetensors(folder: Path, header: bytes, data: bytes = b"") -> Path:
    (folder / "evil.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + data)
    return folder / "evil.safetensors"


def entry(shape: Any, offsets: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": offsets}


NOT_SOUND = "is no sound safetensors file"


@payload(NOT_SOUND)
def safetensors_overlap(folder: Path) -> Path:
    header = json.dumps({"a": entry([2], [0, 8]), "b": entry([2], [4, 12])})
    return safetensors(folder, header.encode(), bytes(12))


@payload(NOT_SOUND)
def safetensors_behind_the_end(folder: Path) -> Path:
    return safetensors(folder, json.dumps({"a": entry([4], [0, 16])}).encode(), bytes(8))


@payload(NOT_SOUND)
def safetensors_product_that_wraps_around(folder: Path) -> Path:
    return safetensors(folder, json.dumps({"a": entry([2**62, 4], [0, 0])}).encode())


@payload(NOT_SOUND)
def safetensors_negative(folder: Path) -> Path:
    return safetensors(folder, json.dumps({"a": entry([-1], [0, 4])}).encode(), bytes(4))


@payload(NOT_SOUND)
def safetensors_hole_for_hidden_data(folder: Path) -> Path:
    return safetensors(folder, json.dumps({"a": entry([1], [4, 8])}).encode(), bytes(8))


@payload("occurs twice")
def safetensors_same_name_twice(folder: Path) -> Path:
    one = json.dumps(entry([1], [0, 4]))
    return safetensors(folder, f'{{"a":{one},"a":{one}}}'.encode(), bytes(4))


@payload("header would end behind")
def safetensors_endless_header(folder: Path) -> Path:
    (folder / "evil.safetensors").write_bytes(struct.pack("<Q", 2**63) + b"{}")
    return folder / "evil.safetensors"


@payload("nested too deeply")
def safetensors_depth_bomb(folder: Path) -> Path:
    return safetensors(folder, b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}")


@payload("header would end behind")
def safetensors_that_is_a_pickle(folder: Path) -> Path:
    (folder / "evil.safetensors").write_bytes(pickle.dumps(Runs(exec, touch(folder)), 2) * 9)
    return folder / "evil.safetensors"


def lambda_code(folder: Path) -> str:
    """The code of a Lambda, as Keras puts it into a configuration."""
    return b64encode(marshal.dumps(compile(touch(folder), "<lambda>", "exec"))).decode()
