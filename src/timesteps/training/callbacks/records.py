"""Callbacks that keep what the run says."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from timesteps.training.callbacks.base import Callback, Logs, State

if TYPE_CHECKING:
    from timesteps.training.engines.choice import Choice

__all__ = ["CSVLogger", "History"]


class History(Callback):
    """The logs of all epochs.

    Attributes:
        rows: one mapping an epoch, as in `log.jsonl`, where `epoch` counts from 1.
        best_epoch: number, from 0, of the epoch whose weights were restored; None if the last weights were kept.
        engine: which engine took the steps, and why; None if no run did.

    >>> history = History.of([{"epoch": 1, "loss": 0.7}, {"epoch": 2, "loss": 0.5}])
    >>> history.epoch, history.history
    ([0, 1], {'loss': [0.7, 0.5]})
    """

    def __init__(self) -> None:
        self.rows: list[Logs] = []
        self.best_epoch: int | None = None
        self.engine: Choice | None = None

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, float]]) -> History:
        """From rows as in `log.jsonl`."""
        history = cls()
        history.rows = [dict(row) for row in rows]
        return history

    @property
    def epoch(self) -> list[int]:
        """Numbers of the epochs, from 0."""
        return [int(row["epoch"]) - 1 for row in self.rows]

    @property
    def history(self) -> dict[str, list[float]]:
        """By metric, one number an epoch."""
        names = {name: None for row in self.rows for name in row if name != "epoch"}
        return {name: [row[name] for row in self.rows if name in row] for name in names}

    def on_train_begin(self) -> None:
        """Forget an earlier run."""
        self.rows = []

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Note the logs."""
        self.rows.append({"epoch": epoch + 1} | logs)


class CSVLogger(Callback):
    """Writes the logs of every epoch as a line of a CSV file, columns in alphabetical order behind `epoch` (from 0).

    A resumed run goes on behind the last epoch of its checkpoint; lines that a killed run wrote after it are dropped.

    Args:
        filename: the file; its folder must exist.
        separator: between the columns.
        append: keep what the file holds when a run starts.
    """

    def __init__(self, filename: str | PathLike[str], separator: str = ",", append: bool = False) -> None:
        self._path, self._separator, self._append = Path(filename), separator, append
        self._end = 0

    def on_train_begin(self) -> None:
        """Find the end of the file. Nothing is cut before there is a line to write: a resumed run keeps its lines."""
        self._end = self._size() if self._append else 0

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Write a line, and the header before the first."""
        names = sorted(logs)
        self._end = min(self._end, self._size())
        with self._path.open("a", newline="", encoding="utf-8") as file:
            file.truncate(self._end)
            writer = csv.writer(file, delimiter=self._separator)
            if self._end == 0:
                writer.writerow(["epoch", *names])
            writer.writerow([epoch, *(logs[name] for name in names)])
        self._end = self._size()

    def state(self) -> State:
        """How long the file is."""
        return {"end": self._end}

    def load_state(self, state: State) -> None:
        """Continue behind the last line that the checkpoint knows of."""
        end = state["end"]
        assert isinstance(end, int)
        self._end = end

    def _size(self) -> int:
        return self._path.stat().st_size if self._path.exists() else 0
