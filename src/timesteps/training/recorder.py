"""How a run over rows keeps its files, and goes on from them."""

from __future__ import annotations

from pathlib import Path

from timesteps.training.callbacks import History, Run
from timesteps.training.engines.engine import Array
from timesteps.training.examples import Examples, StoredExamples
from timesteps.training.run_files import RunFiles
from timesteps.training.settings import Settings
from timesteps.training.state import TrainingState

__all__ = ["Recorder"]

_NETWORK = "network."  # before the names of weights in an engine's state


class Recorder:
    """Keeps a run in its folder, epoch by epoch: weights, optimizer, callbacks, randomness."""

    def __init__(
        self,
        folder: Path,
        state: TrainingState,
        settings: Settings,
        train: Examples | StoredExamples,
        valid: Examples | None,
    ) -> None:
        self._state = state
        weights = state.engine.weights()
        identity = {
            "settings": settings.identity() | {"engine": state.engine.name},
            "training rows": {"digest": train.digest()},
            "validation rows": {"digest": None if valid is None else valid.digest()},
            "network": {name: f"{str(w.dtype).removeprefix('torch.')} {tuple(w.shape)}" for name, w in weights.items()},
        }
        self._files = RunFiles(folder, identity, settings.epochs, train.steps)

    def begin(self, history: History, run: Run, resume: bool) -> int:
        """Start the files, or go on from them; how many epochs are done. `UsageError` as `RunFiles.open`."""
        found = self._files.open(resume, "numpy" if self._state.engine.name == "native" else "torch")
        if found is None:
            self._save(history, run)
        else:
            checkpoint, tensors = found
            self._state.load(tensors, checkpoint.callbacks)
            history.rows = [dict(record) for record in checkpoint.history]
            run.stop_training = checkpoint.stopped
        self._files.begin(history.rows)
        return len(history.rows)

    def weights(self) -> dict[str, Array]:
        """The weights as they were when the checkpoint was written."""
        tensors = self._files.tensors("numpy" if self._state.engine.name == "native" else "torch")
        return {name.removeprefix(_NETWORK): part for name, part in tensors.items() if name.startswith(_NETWORK)}

    def epoch_end(self, history: History, run: Run, seconds: float) -> None:
        """Keep an epoch."""
        self._save(history, run)
        self._files.append(history.rows[-1], seconds)

    def _save(self, history: History, run: Run) -> None:
        self._files.save(history.rows, run.stop_training, self._state.tensors(), self._state.values())
