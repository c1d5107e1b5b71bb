"""What the user asked of a training run, as plain values that a later `--resume` can read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from timesteps.errors import DataError, UsageError
from timesteps.runtime.atomic import atomic_write


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Data, recipe and choices of one run of `timesteps train classify`."""

    data: str | None = None
    text_column: str | None = None
    label_column: str | None = None
    encoding: str | None = None
    valid: str | None = None
    validation_split: float | None = None
    baselines: bool = True
    recipe: str | None = None
    vectors: str | None = None
    class_weight: Literal["balanced"] | None = None
    threads: int | None = None
    choices: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if self.validation_split is not None:
            if self.valid is not None:
                raise UsageError("--valid and --validation-split were both given", mend="choose one")
            if not 0 < self.validation_split < 1:
                raise UsageError(
                    f"--validation-split is {self.validation_split}", mend="give a share between 0 and 1, such as 0.2"
                )
        for name in ("input_dropout", "dropout", "recurrent_dropout", "feature_dropout"):
            share = self.choices.get(name, 0.0)
            if not 0 <= share < 1:
                raise UsageError(f"--{name.replace('_', '-')} is {share}", mend="give a share from 0 to below 1")
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"--threads is {self.threads}", mend="give a whole number of at least 1")

    def write(self, folder: Path) -> None:
        """Keep the request in the run folder."""
        with atomic_write(folder / "request.json") as file:
            file.write(msgspec.json.format(msgspec.json.encode(self), indent=2))

    def resumed(self, folder: Path) -> Request:
        """The request that started the run in this folder. `UsageError` if what is asked for here differs from it."""
        started = Request.read(folder)
        wanted, before = _flat(self), _flat(started)
        for name, value in wanted.items():
            if value != before.get(name) and value != _DEFAULTS.get(name):
                raise UsageError(
                    f"{name} is {_shown(value)}, but the run was begun with {_shown(before.get(name))}",
                    path=folder,
                    mend="leave options away when you resume, or train into another folder",
                )
        return started

    @classmethod
    def read(cls, folder: Path) -> Request:
        """The request that started the run in this folder."""
        path = folder / "request.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except FileNotFoundError as error:
            raise UsageError("there is no run to resume", path=folder, mend="start one without --resume") from error
        except (msgspec.MsgspecError, OSError) as error:
            raise DataError(f"cannot be read: {error}", path=path, mend="start anew without --resume") from error


def _flat(request: Request) -> dict[str, Any]:
    """The request under the names of the command line."""
    values = msgspec.structs.asdict(request)
    choices = values.pop("choices")
    named = {f"--{name.replace('_', '-')}": value for name, value in {**values, **choices}.items()}
    return {"DATA": named.pop("--data"), **named}


def _shown(value: Any) -> str:
    return "its default" if value is None else str(value)


_DEFAULTS = _flat(Request())
