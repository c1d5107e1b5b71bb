"""A mixture on disk: a folder with the model files of its members and `mix.json`, which says their weights."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from timesteps.errors import ModelError, UsageError
from timesteps.runtime import modelfile
from timesteps.runtime.atomic import atomic_write
from timesteps.runtime.language.mixture import MixtureModel
from timesteps.runtime.language.model import LanguageModel
from timesteps.runtime.layout import shorten

__all__ = ["MIX", "MemberSpec", "MixSpec", "flattened", "is_mixture", "members_of", "read_mixture", "write_mixture"]

MIX = "mix.json"
_MOST_BYTES, _MOST_MEMBERS = 1 << 16, 64
_MEMBER = "member-{}.safetensors"


class MemberSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model of a mixture: its file in the folder, and its weight."""

    file: str
    weight: float


class MixSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `mix.json` says."""

    format: Literal["timesteps mixture"]
    version: Literal[1]
    members: tuple[MemberSpec, ...]


def is_mixture(run: str | os.PathLike[str]) -> bool:
    """Whether this is a folder that `write_mixture` wrote."""
    return (Path(run) / MIX).is_file()


def members_of(run: str | os.PathLike[str]) -> list[tuple[Path, float]]:
    """The model files of a mixture, and their weights.

    Raises:
        ModelError: `mix.json` is not what `write_mixture` writes; the message says in what.
    """
    path = Path(run) / MIX
    try:
        with path.open("rb") as file:
            encoded = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ModelError(f"cannot be read: {(error.strerror or str(error)).lower()}", path=path) from error
    try:
        spec = msgspec.json.decode(encoded, type=MixSpec)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        what = "is too large to be a list of models" if len(encoded) > _MOST_BYTES else shorten(str(error), 200)
        raise ModelError(what, path=path, mend="mix the models again") from error
    if fault := _fault(spec):
        raise ModelError(fault, path=path, mend="mix the models again")
    return [(Path(run) / member.file, member.weight) for member in spec.members]


def _fault(spec: MixSpec) -> str | None:
    names, weights = [member.file for member in spec.members], [member.weight for member in spec.members]
    if not 2 <= len(names) <= _MOST_MEMBERS:
        return f"has {len(names)} members, not 2 to {_MOST_MEMBERS}"
    for place, name in enumerate(names):
        if name != _MEMBER.format(place):
            return f"member {place} is the file {shorten(name)}, not {_MEMBER.format(place)}"
    if not all(math.isfinite(weight) and weight > 0 for weight in weights) or abs(sum(weights) - 1.0) > 1e-6:
        return "the weights are not positive numbers of sum 1"
    return None


def read_mixture(run: str | os.PathLike[str], load: Callable[[Path], LanguageModel]) -> MixtureModel:
    """The mixture of a folder; `load` opens each of its model files. `ModelError` as `members_of` and `load`."""
    members = members_of(run)
    try:
        return MixtureModel([load(path) for path, _ in members], [weight for _, weight in members])
    except UsageError as error:
        raise ModelError(f"its members cannot be mixed: {error.what}", path=run, mend="mix the models again") from error


def flattened(runs: Sequence[str | os.PathLike[str]], weights: Sequence[float]) -> list[tuple[Path, float]]:
    """The model files behind runs of these weights: those of a mixture share the mixture's. `ModelError` as `find`."""
    found: list[tuple[Path, float]] = []
    for run, weight in zip(runs, weights, strict=True):
        inner = members_of(run) if is_mixture(run) else [(modelfile.find(run), 1.0)]
        found += [(path, weight * share) for path, share in inner]
    return found


def write_mixture(folder: str | os.PathLike[str], members: Sequence[tuple[Path, float]]) -> None:
    """Copies the model files into a folder, new or empty, and says their weights beside them, `mix.json` last.

    Raises:
        UsageError: the folder is not empty, or cannot be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError("is not empty", path=folder, mend="name a new folder")
    except OSError as error:
        raise UsageError(f"cannot be written: {(error.strerror or str(error)).lower()}", path=folder) from error
    listed = []
    for place, (path, weight) in enumerate(members):
        listed.append(MemberSpec(_MEMBER.format(place), weight))
        with path.open("rb") as source, atomic_write(folder / listed[-1].file) as file:
            shutil.copyfileobj(source, file, 1 << 20)
    with atomic_write(folder / MIX) as file:
        file.write(msgspec.json.format(msgspec.json.encode(MixSpec("timesteps mixture", 1, tuple(listed))), indent=2))
        file.write(b"\n")
