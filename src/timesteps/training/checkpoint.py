"""Everything a stopped run needs to go on to the same bits, in one file that is replaced whole after every epoch.

The file is `checkpoint.safetensors` in the run's folder. There is no second file that could disagree with it: the
log of the epochs is in it too, and `log.jsonl` is rewritten from it when a run is resumed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from timesteps.errors import ModelError, UsageError
from timesteps.training.engines.engine import Array
from timesteps.training.tensorfile import read_metadata, read_tensors, write_tensors

__all__ = [
    "CallbackState",
    "Checkpoint",
    "check_identity",
    "checkpoint_path",
    "load_checkpoint",
    "peek_checkpoint",
    "save_checkpoint",
]

VERSION = 1
_KEY = "timesteps.checkpoint"


class CallbackState(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The memory of a callback, but for its tensors."""

    name: str
    values: dict[str, int | float | str | None]


class Checkpoint(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What the file holds beside tensors."""

    version: int = VERSION
    epoch: int  # epochs done
    epochs: int  # epochs wanted
    stopped: bool  # a callback ended the run
    identity: dict[str, dict[str, Any]]  # what a resumed run must share: settings, data, network
    history: list[dict[str, int | float]]
    callbacks: list[CallbackState]
    aliases: dict[str, str] = {}  # tensors left out because they equal another one

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to train."""
        return self.stopped or self.epoch >= self.epochs


def checkpoint_path(folder: Path) -> Path:
    """The file in a run's folder."""
    return folder / "checkpoint.safetensors"


def save_checkpoint(path: Path, checkpoint: Checkpoint, tensors: Mapping[str, Array]) -> None:
    """Write the file, atomically. A tensor that equals another (the best weights, often) is written once."""
    aliases = _equal_tensors(tensors)
    text = msgspec.json.encode(msgspec.structs.replace(checkpoint, aliases=aliases)).decode()
    write_tensors(path, {name: tensor for name, tensor in tensors.items() if name not in aliases}, {_KEY: text})


def load_checkpoint(path: Path, kind: Literal["torch", "numpy"] = "torch") -> tuple[Checkpoint, dict[str, Array]]:
    """Read the file, its tensors as torch's or as arrays of numpy.

    Raises:
        ModelError: it is missing, damaged or of another version.
    """
    checkpoint, tensors = peek_checkpoint(path), read_tensors(path, kind)
    try:
        return checkpoint, tensors | {name: deepcopy(tensors[kept]) for name, kept in checkpoint.aliases.items()}
    except KeyError as error:
        raise ModelError(f"tensor {error} is missing", path=path, mend="remove it and train again") from error


def peek_checkpoint(path: Path) -> Checkpoint:
    """Read what the file holds beside tensors. `ModelError` as for `load_checkpoint`."""
    text = read_metadata(path).get(_KEY)
    if text is None:
        raise ModelError("is not a checkpoint", path=path, mend="remove it and train again")
    try:
        version = msgspec.json.decode(text, type=dict[str, Any]).get("version")
        if version != VERSION:
            mend = "resume it with the timesteps that wrote it, or train again"
            raise ModelError(f"is a checkpoint of version {version}, this one reads {VERSION}", path=path, mend=mend)
        return msgspec.json.decode(text, type=Checkpoint)
    except msgspec.MsgspecError as error:
        raise ModelError(f"cannot be read: {error}", path=path, mend="remove it and train again") from error


def check_identity(path: Path, saved: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]) -> None:
    """`UsageError` that names every difference between the run that wrote a checkpoint and the one to continue it."""
    differences = []
    for part, values in now.items():
        before = saved.get(part, {})
        for name in [*before, *(name for name in values if name not in before)]:
            old, new = before.get(name), values.get(name)
            if old != new:
                differences.append(f"{part} differ" if part.endswith("rows") else f"{name} was {old}, is {new}")
    if differences:
        shown = "; ".join(dict.fromkeys(differences[:5])) + ("; …" if len(differences) > 5 else "")
        mend = "resume with the same data and settings, or train into another folder"
        raise UsageError(f"another run wrote this checkpoint: {shown}", path=path, mend=mend)


def _equal_tensors(tensors: Mapping[str, Array]) -> dict[str, str]:
    """Name of an equal tensor that comes earlier, for every tensor that has one."""
    aliases: dict[str, str] = {}
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, tensor in tensors.items():
        kept = alike[str(getattr(tensor, "device", "")), str(tensor.dtype), str(tuple(tensor.shape))]
        for other in kept:
            if _equal(tensors[other], tensor):
                aliases[name] = other
                break
        else:
            kept.append(name)
    return aliases


def _equal(first: Array, second: Array) -> bool:
    if isinstance(first, np.ndarray):
        return np.array_equal(first, second)
    return bool(first.equal(second))
