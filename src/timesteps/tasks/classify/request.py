"""What the user asked of a training run, as plain values that a later `--resume` can read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from timesteps.errors import UsageError
from timesteps.tasks.request import RunRequest


class Request(RunRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Data, recipe and choices of one run of `timesteps train classify`.

    `memory` is what the user allows. A run that fits in memory leaves "none" for `--resume`, one that does not its
    number of bytes. Paths are as the user gave them; `directory` is where relative ones count from ("": wherever we
    are).
    """

    data: str | None = None
    text_column: str | None = None
    label_column: str | None = None
    time: str | None = None
    group: str | None = None
    features: list[str] | None = None
    missing: Literal["error", "interpolate"] | None = None
    window: int | None = None
    encoding: str | None = None
    valid: str | None = None
    validation_split: float | None = None
    baselines: bool = True
    recipe: str | None = None
    vectors: str | None = None
    unlabeled: str | None = None
    class_weight: Literal["balanced"] | None = None
    threads: int | None = None
    memory: str | None = None
    choices: dict[str, Any] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.validation_split is not None:
            if self.valid is not None:
                raise UsageError("--valid and --validation-split were both given", mend="choose one")
            if not 0 < self.validation_split < 1:
                raise UsageError(
                    f"--validation-split is {self.validation_split}", mend="give a share between 0 and 1, such as 0.2"
                )

    def resumed(self, folder: Path) -> Request:
        """The request that started the run in this folder. `UsageError` if what is asked for here differs from it."""
        started = Request.read(folder)
        before = _flat(started)
        for name, value in _flat(self).items():
            if value in (_DEFAULTS.get(name), before.get(name)) and (value is None or name not in _PATHS):
                continue
            begun = started.place(before[name]) if name in _PATHS else before.get(name)
            if name not in _PATHS or begun is None or Path(value).resolve() != Path(begun).resolve():
                raise UsageError(
                    f"{name} is {_shown(value)}, but the run was begun with {_shown(begun)}",
                    path=folder,
                    mend="leave options away when you resume, or train into another folder",
                )
        return started


#: How the command line says no to a choice that is on or off, where it is not `--no-…`.
_OFF = {"bidirectional": "--forward-only", "reset_after": "--reset-before"}


def flag_words(name: str, value: Any = None) -> list[str]:
    """How the command line writes an option: its flag and, where it has one, its value. None asks for the flag alone.

    >>> flag_words("hidden_size", 8), flag_words("mask", False), flag_words("jamo", [3, 5]), flag_words("cell")
    (['--hidden-size', '8'], ['--no-mask'], ['--jamo', '3-5'], ['--cell'])
    """
    flag = f"--{name.replace('_', '-')}"
    if (name, value) == ("input", "one_hot"):
        return ["--one-hot"]
    if value is None or value is True:
        return [flag]
    if value is False:
        return [_OFF.get(name, flag.replace("--", "--no-", 1))]
    return [flag, "-".join(map(str, value)) if isinstance(value, list | tuple) else str(value)]


#: What a request may name by a path.
_PATHS = ("DATA", "--valid", "--vectors", "--unlabeled")


def _flat(request: Request) -> dict[str, Any]:
    """The request under the names of the command line."""
    values = msgspec.structs.asdict(request)
    choices = values.pop("choices")
    del values["directory"]
    named = {flag_words(name)[0]: value for name, value in {**values, **choices}.items()}
    return {"DATA": named.pop("--data"), **named}


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "-".join(map(str, value))
    return "its default" if value is None else str(value)


_DEFAULTS = _flat(Request())
