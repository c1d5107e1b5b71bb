"""How a run over a text keeps its files, and goes on from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.training.callbacks import History
from timesteps.training.language.network import LanguageEngine
from timesteps.training.language.settings import LanguageSettings
from timesteps.training.language.streams import Text
from timesteps.training.run_files import RunFiles

__all__ = ["LanguageRecorder"]

_BEST = "best."


class LanguageRecorder:
    """Keeps a run in its folder, epoch by epoch.

    Every epoch begins with empty states, so the weights and what the optimizer keeps are all that the next one needs;
    the best epoch's weights are in the checkpoint, too.
    """

    def __init__(
        self, folder: Path, engine: LanguageEngine, settings: LanguageSettings, train: Text, valid: Text | None
    ) -> None:
        self._engine = engine
        identity = {
            "settings": settings.identity() | {"engine": engine.name},
            "training text": {"digest": train.digest()},
            "validation text": {"digest": None if valid is None else valid.digest()},
            "network": {name: f"{w.dtype} {tuple(w.shape)}" for name, w in engine.weights().items()},
        }
        self._files = RunFiles(folder, identity, settings.epochs, train.ids.size)

    def begin(self, history: History, resume: bool) -> dict[str, NDArray[Any]]:
        """Start the files, or go on from them; the best weights so far. `UsageError` as `RunFiles.open`."""
        best: dict[str, NDArray[Any]] = {}
        found = self._files.open(resume, "numpy")
        if found is None:
            self._save(history, best, False)
        else:
            checkpoint, tensors = found
            self._engine.load_state({n: part for n, part in tensors.items() if not n.startswith(_BEST)})
            best = {n.removeprefix(_BEST): part for n, part in tensors.items() if n.startswith(_BEST)}
            history.rows = [dict(record) for record in checkpoint.history]
        self._files.begin(history.rows)
        return best

    def epoch_end(self, history: History, best: dict[str, NDArray[Any]], stopped: bool, seconds: float) -> None:
        """Keep an epoch."""
        self._save(history, best, stopped)
        self._files.append(history.rows[-1], seconds)

    def _save(self, history: History, best: dict[str, NDArray[Any]], stopped: bool) -> None:
        tensors = {name: np.asarray(tensor) for name, tensor in self._engine.state().items()}
        self._files.save(history.rows, stopped, tensors | {_BEST + name: weight for name, weight in best.items()})
