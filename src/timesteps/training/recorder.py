"""The files that a run keeps in its folder, and how it goes on from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from timesteps.errors import UsageError
from timesteps.training.callbacks import History, Run
from timesteps.training.checkpoint import (
    Checkpoint,
    check_identity,
    checkpoint_path,
    load_checkpoint,
    peek_checkpoint,
    save_checkpoint,
)
from timesteps.training.engines.engine import Array
from timesteps.training.examples import Examples
from timesteps.training.log import JsonLines
from timesteps.training.settings import Settings
from timesteps.training.spool import SpooledExamples
from timesteps.training.state import TrainingState

__all__ = ["Recorder"]

_NETWORK = "network."  # before the names of weights in an engine's state


class Recorder:
    """Keeps `checkpoint.safetensors`, `log.jsonl` and `timings.jsonl` of a run.

    The checkpoint is the truth. The log has no times in it, so that it is the same to the last byte however often the
    run was stopped; they are in `timings.jsonl`.
    """

    def __init__(
        self,
        folder: Path,
        state: TrainingState,
        settings: Settings,
        train: Examples | SpooledExamples,
        valid: Examples | None,
    ) -> None:
        self._folder, self._state, self._epochs = folder, state, settings.epochs
        self._path = checkpoint_path(folder)
        self._log, self._timings = JsonLines(folder / "log.jsonl"), JsonLines(folder / "timings.jsonl")
        self._tokens = train.steps
        weights = state.engine.weights()
        self._identity: dict[str, dict[str, Any]] = {
            "settings": settings.identity() | {"engine": state.engine.name},
            "training rows": {"digest": train.digest()},
            "validation rows": {"digest": None if valid is None else valid.digest()},
            "network": {name: f"{str(w.dtype).removeprefix('torch.')} {tuple(w.shape)}" for name, w in weights.items()},
        }

    def begin(self, history: History, run: Run, resume: bool) -> int:
        """Start the files, or go on from them; how many epochs are done.

        Raises:
            UsageError: resuming another run, or overwriting one that is unfinished.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            mend = "choose a folder you can write to"
            raise UsageError(f"cannot be made: {error.strerror or error}", path=self._folder, mend=mend) from error
        if resume and self._path.exists():
            checkpoint, tensors = load_checkpoint(
                self._path, "numpy" if self._state.engine.name == "native" else "torch"
            )
            check_identity(self._path, checkpoint.identity, self._identity)
            self._state.load(tensors, checkpoint.callbacks)
            history.rows = [dict(record) for record in checkpoint.history]
            run.stop_training = checkpoint.stopped
        else:
            self._refuse_unfinished()
            self._save(history, run)
        done = len(history.rows)
        self._log.write(history.rows)
        self._timings.write([record for record in self._timings.read() if record["epoch"] <= done])
        return done

    def weights(self) -> dict[str, Array]:
        """The weights as they were when the checkpoint was written."""
        tensors = load_checkpoint(self._path, "numpy" if self._state.engine.name == "native" else "torch")[1]
        return {name.removeprefix(_NETWORK): part for name, part in tensors.items() if name.startswith(_NETWORK)}

    def epoch_end(self, history: History, run: Run, seconds: float) -> None:
        """Keep an epoch."""
        self._save(history, run)
        record = history.rows[-1]
        self._log.append(record)
        tokens = self._tokens / max(seconds, 1e-9)
        self._timings.append({"epoch": record["epoch"], "seconds": seconds, "tokens_per_second": tokens})

    def _save(self, history: History, run: Run) -> None:
        checkpoint = Checkpoint(
            epoch=len(history.rows),
            epochs=self._epochs,
            stopped=run.stop_training,
            identity=self._identity,
            history=history.rows,
            callbacks=self._state.values(),
        )
        save_checkpoint(self._path, checkpoint, self._state.tensors())

    def _refuse_unfinished(self) -> None:
        if self._path.exists():
            there = peek_checkpoint(self._path)
            if there.epoch > 0 and not there.finished:
                raise UsageError(
                    f"holds a run that was stopped after epoch {there.epoch} of {there.epochs}",
                    path=self._folder,
                    mend=f"resume it, choose another folder, or remove {self._path.name}",
                )
