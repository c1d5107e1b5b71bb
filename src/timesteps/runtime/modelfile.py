"""The model file: one safetensors file with the weights and, in its metadata, the specification as JSON.

Metadata: `timesteps` holds the specification, `crc32` a checksum of the specification and of every tensor's name,
dtype, shape and bytes. The reader accepts what the writer can write and nothing else. What it allocates is bounded by
the size of the file, and it takes the specification at its word: a missing layer is an error, never a smaller model.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import stat
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.errors import ModelError, UsageError
from timesteps.runtime.atomic import atomic_write
from timesteps.runtime.layout import MAX_TENSORS, check_model, shorten
from timesteps.runtime.spec import FORMAT_VERSION, ModelSpec

__all__ = ["NETWORK", "Form", "begin_folder", "find", "load", "save", "task"]

Tensors = Mapping[str, NDArray[Any]]
Spec = TypeVar("Spec", bound=msgspec.Struct)


@dataclass(frozen=True)
class Form(Generic[Spec]):
    """One kind of model that a file can hold: its tasks, its specification, and which tensors that calls for.

    `check` raises `ModelError` unless specification and tensors agree with themselves and each other.
    """

    tasks: tuple[str, ...]
    spec: type[Spec]
    check: Callable[[Spec, Tensors], None]


NETWORK = Form(("classify", "tag", "regress", "forecast"), ModelSpec, check_model)
"""A network that answers a sequence, or each of its steps: what `Session` runs, and `TrainedForecaster` around it."""

# Who adds a task says here what its models are called and what opens them; `load` refuses other tasks by these words.
_OPENED_BY = {
    "classify": ("a network", "timesteps.load"),
    "tag": ("a network", "timesteps.load"),
    "regress": ("a network", "timesteps.load"),
    "forecast": ("a forecaster", "timesteps.load_forecaster"),
    "ngram": ("an n-gram model", "timesteps.load_language"),
    "language": ("a recurrent language model", "timesteps.load_language"),
}

FILE_NAME = "model.safetensors"
MAX_HEADER = 32 * 2**20  # bytes; a vocabulary of a million words fits
MAX_RANK = 8
_DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "U32": "<u4", "U8": "|u1", "I8": "|i1"}
_CODES = {np.dtype(dtype): code for code, dtype in _DTYPES.items()}
_DAMAGED = "copy the file again or train again"


def find(run: str | os.PathLike[str]) -> Path:
    """The model file of `run`: a folder that training wrote, or the file itself. `ModelError` if there is none."""
    path = Path(run)
    try:
        if not path.is_dir():
            file, what = path, "no such run folder or model file"
        else:
            file, what = path / FILE_NAME, f"no {FILE_NAME} in this folder"
        if not file.exists():
            raise ModelError(what, path=path, mend="write one with `timesteps train`")
    except OSError as error:
        raise ModelError(f"cannot be read: {(error.strerror or str(error)).lower()}", path=path) from error
    return file


def begin_folder(run: str | os.PathLike[str]) -> Path:
    """A run folder for a new model, made if need be. `UsageError` if it holds a model already, or cannot be made."""
    path = Path(run)
    if (path / FILE_NAME).exists():
        raise UsageError("holds a model already", path=path, mend="choose another folder")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot be made: {(error.strerror or str(error)).lower()}", path=path) from error
    return path


def save(
    path: str | os.PathLike[str],
    spec: Spec,
    tensors: Tensors,
    form: Form[Spec] = NETWORK,  # type: ignore[assignment]
) -> None:
    """Write a model file, atomically. What `load` would refuse is not written.

    Raises:
        ModelError: a specification that contradicts itself, or tensors that are not exactly those it calls for.
        UsageError: a full disk or an unwritable folder; a file that was there before is intact.
    """
    try:
        form.check(spec, tensors)
        text = msgspec.json.encode(spec).decode()
    except ModelError as error:
        raise ModelError(error.what, path=path, mend=error.mend) from error
    except UnicodeEncodeError as error:
        raise ModelError("a text in the specification has half a surrogate pair", path=path) from error
    arrays = {name: np.asarray(tensor, tensor.dtype.newbyteorder("<"), order="C") for name, tensor in tensors.items()}
    header: dict[str, Any] = {"__metadata__": {"timesteps": text, "crc32": _checksum(text, arrays)}}
    # Widest items first keeps every tensor aligned, and a file is the same whatever the order of the mapping.
    order = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
    end = 0
    for name in order:
        array = arrays[name]
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": _CODES[array.dtype], "shape": array.shape, "data_offsets": (begin, end)}
    encoded = msgspec.json.encode(header)
    encoded += b" " * (-len(encoded) % 8)
    if len(encoded) > MAX_HEADER:
        raise ModelError(f"the specification takes {len(encoded)} bytes, {MAX_HEADER} fit", path=path)
    with atomic_write(path) as file:
        file.write(len(encoded).to_bytes(8, "little"))
        file.write(encoded)
        for name in order:
            file.write(arrays[name].reshape(-1).view(np.uint8).data)


def load(
    path: str | os.PathLike[str],
    form: Form[Spec] = NETWORK,  # type: ignore[assignment]
) -> tuple[Spec, dict[str, NDArray[Any]]]:
    """Read a model file: its specification and its tensors, read-only views of the mapped file.

    Raises:
        ModelError: the file is missing, damaged, written by a newer timesteps, of another form, or anything else than
            a sound model.
    """
    with _named(path):
        file = _open(Path(path))
        spec = _specification(file.text, form)
        tensors = _tensors(file)
        form.check(spec, tensors)
        if file.checksum != _checksum(file.text, tensors):
            raise ModelError("is damaged: its content does not match its checksum", mend=_DAMAGED)
        return spec, tensors


def task(path: str | os.PathLike[str]) -> str:
    """The task that a model file is for, by which a reader chooses what opens it. `ModelError` as `load`."""
    with _named(path):
        return _task(_fields(_open(Path(path)).text))


@contextmanager
def _named(path: str | os.PathLike[str]) -> Iterator[None]:
    """Errors inside name the file."""
    try:
        yield
    except ModelError as error:
        raise ModelError(error.what, path=path, mend=error.mend) from error
    except OSError as error:
        raise ModelError(f"cannot be read: {(error.strerror or str(error)).lower()}", path=path) from error


class _File(NamedTuple):
    """A file whose header has been read."""

    text: str  # of the specification
    checksum: Any
    entries: dict[str, Any]  # of the tensors
    data: mmap.mmap
    start: int  # where the tensors' bytes begin


def _open(path: Path) -> _File:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise ModelError("is not a file")
    if status.st_size < 8:
        raise ModelError(f"is no model file: it has {status.st_size} bytes", mend=_DAMAGED)
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    length = int.from_bytes(data[:8], "little")
    if length > MAX_HEADER:
        raise ModelError(f"is no model file: its header would be {length} bytes long", mend=_DAMAGED)
    if 8 + length > len(data):
        raise ModelError(f"is truncated: the header ends at byte {8 + length} of {len(data)}", mend=_DAMAGED)
    entries = _json(data[8 : 8 + length], "the header")
    metadata = entries.pop("__metadata__", None)
    if not isinstance(metadata, dict) or not isinstance(metadata.get("timesteps"), str):
        raise ModelError("is a safetensors file without a timesteps specification", mend="give a file timesteps wrote")
    text, checksum = metadata.pop("timesteps"), metadata.pop("crc32", None)
    if metadata:
        raise ModelError(f"unknown metadata {shorten(next(iter(metadata)))}")
    return _File(text, checksum, entries, data, 8 + length)


def _json(encoded: bytes, where: str) -> dict[str, Any]:
    """A JSON object; a repeated name or a number that JSON does not have is an error."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) != len(pairs):
            raise ValueError("a name occurs twice")
        return fields

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is not a JSON number")

    try:
        value = json.loads(encoded.decode(), object_pairs_hook=unique, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else shorten(str(error))
        raise ModelError(f"{where} is not valid JSON: {reason}", mend=_DAMAGED) from error
    if not isinstance(value, dict):
        raise ModelError(f"{where} is not a JSON object", mend=_DAMAGED)
    return value


def _fields(text: str) -> dict[str, Any]:
    """The specification as plain JSON, of a format and version that this reader knows."""
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        raise ModelError("the specification has half a surrogate pair", mend=_DAMAGED) from error
    fields = _json(encoded, "the specification")
    version = fields.get("version")
    # Before anything else: a newer format may have fields that this reader knows nothing of.
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ModelError(
            f"written by a newer timesteps (format version {shorten(version)}, this one reads {FORMAT_VERSION})",
            mend="upgrade timesteps",
        )
    if missing := [name for name in ("format", "version") if name not in fields]:
        raise ModelError(f"the specification has no {missing[0]}", mend=_DAMAGED)
    return fields


def _task(fields: dict[str, Any]) -> str:
    name = fields.get("task")
    if not isinstance(name, str) or name not in _OPENED_BY:
        raise ModelError(f"the specification's task is {shorten(name)}, none that this timesteps knows", mend=_DAMAGED)
    return name


def _specification(text: str, form: Form[Spec]) -> Spec:
    name = _task(_fields(text))
    if name not in form.tasks:
        noun, opener = _OPENED_BY[name]
        raise ModelError(f"holds {noun}", mend=f"open it with {opener}")
    try:
        # From the text, not from the fields: the typed decoder also refuses half surrogate pairs and huge numbers.
        return msgspec.json.decode(text.encode(), type=form.spec)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ModelError(f"the specification cannot be read: {shorten(str(error), 200)}") from error


def _tensors(file: _File) -> dict[str, NDArray[Any]]:
    header, data, start = file.entries, file.data, file.start
    if len(header) > MAX_TENSORS:
        raise ModelError(f"{len(header)} tensors, at most {MAX_TENSORS} are read")
    entries = sorted((_entry(name, fields) for name, fields in header.items()), key=lambda entry: entry[3:])
    tensors: dict[str, NDArray[Any]] = {}
    expected = 0
    for name, dtype, shape, begin, end in entries:
        if begin != expected:
            what = "overlaps the one before it" if begin < expected else "leaves a gap before it"
            raise ModelError(f"tensor {shorten(name)} {what}", mend=_DAMAGED)
        if start + end > len(data):
            raise ModelError(f"is truncated: tensor {shorten(name)} ends behind the end of the file", mend=_DAMAGED)
        if (start + begin) % dtype.itemsize:
            raise ModelError(f"tensor {shorten(name)} is not aligned to its {dtype.itemsize} bytes", mend=_DAMAGED)
        tensors[name] = np.ndarray(shape, dtype, buffer=data, offset=start + begin)
        expected = end
    if start + expected != len(data):
        raise ModelError(f"{len(data) - start - expected} bytes behind the last tensor", mend=_DAMAGED)
    return tensors


def _entry(name: str, fields: Any) -> tuple[str, np.dtype[Any], tuple[int, ...], int, int]:
    """A tensor's name, dtype, shape, and first and last offset, from its fields in the header."""

    def wrong(what: str) -> ModelError:
        return ModelError(f"tensor {shorten(name)} {what}", mend=_DAMAGED)

    if not isinstance(fields, dict) or fields.keys() != {"dtype", "shape", "data_offsets"}:
        raise wrong("does not have exactly dtype, shape and data_offsets")
    code, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    if not isinstance(code, str) or code not in _DTYPES:
        raise wrong(f"has unknown dtype {shorten(code)}")
    dtype = np.dtype(_DTYPES[code])
    # `type` and not isinstance: true is an int in Python, and no size.
    if not isinstance(shape, list) or len(shape) > MAX_RANK or any(type(n) is not int or n < 1 for n in shape):
        raise wrong(f"has shape {shorten(shape)}")
    if not isinstance(offsets, list) or len(offsets) != 2 or any(type(n) is not int or n < 0 for n in offsets):
        raise wrong(f"has offsets {shorten(offsets)}")
    begin, end = offsets
    if end - begin != math.prod(shape) * dtype.itemsize:
        raise wrong(f"of shape {shorten(shape)} does not fill its offsets {shorten(offsets)}")
    return name, dtype, tuple(shape), begin, end


def _checksum(text: str, tensors: Mapping[str, NDArray[Any]]) -> str:
    """CRC-32 of the specification and the tensors, whatever their order in the file."""
    crc = zlib.crc32(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        crc = zlib.crc32(f"{name} {_CODES[tensor.dtype]} {list(tensor.shape)}".encode(), crc)
        crc = zlib.crc32(tensor.reshape(-1).view(np.uint8).data, crc)
    return f"{crc:08x}"
