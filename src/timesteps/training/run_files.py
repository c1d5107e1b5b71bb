"""`RunFiles`: the checkpoint, the log and the times of a run, as they lie in its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from timesteps.errors import UsageError
from timesteps.training.checkpoint import (
    CallbackState,
    Checkpoint,
    check_identity,
    checkpoint_path,
    load_checkpoint,
    peek_checkpoint,
    save_checkpoint,
)
from timesteps.training.log import JsonLines

__all__ = ["RunFiles"]


class RunFiles:
    """`checkpoint.safetensors`, `log.jsonl` and `timings.jsonl`.

    The checkpoint is the truth. The log has no times in it, so that it is the same to the last byte however often the
    run was stopped; they are in `timings.jsonl`.

    Args:
        folder: of the run; made where it is missing.
        identity: what a run that is resumed must have in common with the one that began.
        epochs: of the whole run.
        tokens: steps of an epoch, for the speed in `timings.jsonl`.
    """

    def __init__(self, folder: Path, identity: dict[str, dict[str, Any]], epochs: int, tokens: int) -> None:
        self._folder, self._identity, self._epochs, self._tokens = folder, identity, epochs, tokens
        self._path = checkpoint_path(folder)
        self._log, self._timings = JsonLines(folder / "log.jsonl"), JsonLines(folder / "timings.jsonl")

    def open(self, resume: bool, kind: Literal["torch", "numpy"]) -> tuple[Checkpoint, dict[str, Any]] | None:
        """What the run has come to, with tensors of that kind; None where it begins.

        Raises:
            UsageError: resuming another run, overwriting one that is unfinished, or a folder that cannot be made.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            mend = "choose a folder you can write to"
            raise UsageError(f"cannot be made: {error.strerror or error}", path=self._folder, mend=mend) from error
        if resume and self._path.exists():
            checkpoint, tensors = load_checkpoint(self._path, kind)
            check_identity(self._path, checkpoint.identity, self._identity)
            return checkpoint, tensors
        self._refuse_unfinished()
        return None

    def begin(self, rows: list[dict[str, Any]]) -> None:
        """Bring log and times to the epochs that are done; a run that was killed may have written more, or less."""
        self._log.write(rows)
        self._timings.write([record for record in self._timings.read() if record["epoch"] <= len(rows)])

    def save(
        self,
        rows: list[dict[str, Any]],
        stopped: bool,
        tensors: Mapping[str, Any],
        callbacks: Sequence[CallbackState] = (),
    ) -> None:
        """Replace the checkpoint."""
        checkpoint = Checkpoint(
            epoch=len(rows),
            epochs=self._epochs,
            stopped=stopped,
            identity=self._identity,
            history=rows,
            callbacks=list(callbacks),
        )
        save_checkpoint(self._path, checkpoint, tensors)

    def tensors(self, kind: Literal["torch", "numpy"]) -> dict[str, Any]:
        """Those of the checkpoint."""
        return load_checkpoint(self._path, kind)[1]

    def append(self, record: dict[str, Any], seconds: float) -> None:
        """Log an epoch."""
        self._log.append(record)
        speed = self._tokens / max(seconds, 1e-9)
        self._timings.append({"epoch": record["epoch"], "seconds": seconds, "tokens_per_second": speed})

    def _refuse_unfinished(self) -> None:
        if self._path.exists():
            there = peek_checkpoint(self._path)
            if there.epoch > 0 and not there.finished:
                raise UsageError(
                    f"holds a run that was stopped after epoch {there.epoch} of {there.epochs}",
                    path=self._folder,
                    mend=f"resume it, choose another folder, or remove {self._path.name}",
                )
