"""What a run over a text leaves in its folder: the checkpoint, in the form of all runs, the log and the times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import UsageError
from timesteps.training.callbacks import History
from timesteps.training.checkpoint import (
    Checkpoint,
    check_identity,
    checkpoint_path,
    load_checkpoint,
    peek_checkpoint,
    save_checkpoint,
)
from timesteps.training.language.network import LanguageEngine
from timesteps.training.language.settings import LanguageSettings
from timesteps.training.language.streams import Text
from timesteps.training.log import JsonLines

__all__ = ["LanguageRecorder"]

_BEST = "best."


class LanguageRecorder:
    """Keeps `checkpoint.safetensors`, `log.jsonl` and `timings.jsonl` of a run, epoch by epoch.

    The checkpoint is the truth. Every epoch begins with empty states, so the weights and what the optimizer keeps are
    all that the next one needs; the best epoch's weights are in it, too.
    """

    def __init__(
        self, folder: Path, engine: LanguageEngine, settings: LanguageSettings, train: Text, valid: Text | None
    ) -> None:
        self._folder, self._engine, self._epochs, self._tokens = folder, engine, settings.epochs, train.ids.size
        self._path = checkpoint_path(folder)
        self._log, self._timings = JsonLines(folder / "log.jsonl"), JsonLines(folder / "timings.jsonl")
        self._identity: dict[str, dict[str, Any]] = {
            "settings": settings.identity() | {"engine": engine.name},
            "training text": {"digest": train.digest()},
            "validation text": {"digest": None if valid is None else valid.digest()},
            "network": {name: f"{w.dtype} {tuple(w.shape)}" for name, w in engine.weights().items()},
        }

    def begin(self, history: History, resume: bool) -> dict[str, NDArray[Any]]:
        """Start the files, or go on from them; the best weights so far.

        Raises:
            UsageError: resuming another run, or overwriting one that is unfinished.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            mend = "choose a folder you can write to"
            raise UsageError(f"cannot be made: {error.strerror or error}", path=self._folder, mend=mend) from error
        best: dict[str, NDArray[Any]] = {}
        if resume and self._path.exists():
            checkpoint, tensors = load_checkpoint(self._path, "numpy")
            check_identity(self._path, checkpoint.identity, self._identity)
            self._engine.load_state({n: part for n, part in tensors.items() if not n.startswith(_BEST)})
            best = {n.removeprefix(_BEST): part for n, part in tensors.items() if n.startswith(_BEST)}
            history.rows = [dict(record) for record in checkpoint.history]
        else:
            self._refuse_unfinished()
            self._save(history, best, False)
        done = len(history.rows)
        self._log.write(history.rows)
        self._timings.write([record for record in self._timings.read() if record["epoch"] <= done])
        return best

    def epoch_end(self, history: History, best: dict[str, NDArray[Any]], stopped: bool, seconds: float) -> None:
        """Keep an epoch."""
        self._save(history, best, stopped)
        record = history.rows[-1]
        self._log.append(record)
        speed = self._tokens / max(seconds, 1e-9)
        self._timings.append({"epoch": record["epoch"], "seconds": seconds, "tokens_per_second": speed})

    def _save(self, history: History, best: dict[str, NDArray[Any]], stopped: bool) -> None:
        checkpoint = Checkpoint(
            epoch=len(history.rows),
            epochs=self._epochs,
            stopped=stopped,
            identity=self._identity,
            history=history.rows,
            callbacks=[],
        )
        tensors = {name: np.asarray(tensor) for name, tensor in self._engine.state().items()}
        save_checkpoint(self._path, checkpoint, tensors | {_BEST + name: weight for name, weight in best.items()})

    def _refuse_unfinished(self) -> None:
        if self._path.exists():
            there = peek_checkpoint(self._path)
            if there.epoch > 0 and not there.finished:
                raise UsageError(
                    f"holds a run that was stopped after epoch {there.epoch} of {there.epochs}",
                    path=self._folder,
                    mend=f"resume it, choose another folder, or remove {self._path.name}",
                )
