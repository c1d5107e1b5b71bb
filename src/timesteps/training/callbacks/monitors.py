"""Callbacks that watch one metric: stop when it stands still, keep the weights of its best, lower the rate."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any, Literal

from timesteps.errors import UsageError
from timesteps.training.callbacks.base import Callback, Logs, State
from timesteps.training.engines.engine import Array
from timesteps.training.tensorfile import write_tensors

__all__ = ["EarlyStopping", "ModelCheckpoint", "ReduceLROnPlateau"]

Mode = Literal["auto", "min", "max"]

_WEIGHTS = "weights."  # of the names of tensors in a state


class _Monitor(Callback):
    """Knows the best value so far of one metric."""

    _counters: tuple[str, ...] = ("best",)  # attributes that are the callback's memory

    def __init__(self, monitor: str, mode: Mode, min_delta: float) -> None:
        if mode not in ("auto", "min", "max"):
            raise UsageError(f"mode is {mode!r}", mend="choose one of auto, min, max")
        self.monitor, self.min_delta = monitor, abs(min_delta)
        metric = monitor.removeprefix("val_")
        self._largest = mode == "max" or (mode == "auto" and metric.startswith(("acc", "auc", "f1")))
        self.best: float | None = None

    def value(self, logs: Logs) -> float:
        """The metric; `UsageError` if this run does not measure it."""
        if self.monitor not in logs:
            mend = f"choose one of {', '.join(logs)}"
            raise UsageError(f"{type(self).__name__} watches {self.monitor!r}, which is not measured", mend=mend)
        return logs[self.monitor]

    def improved(self, value: float) -> bool:
        """Whether the value is better than the best so far by more than `min_delta`; then it is the best."""
        gain = None if self.best is None else value - self.best if self._largest else self.best - value
        if gain is not None and gain <= self.min_delta:
            return False
        self.best = value
        return True

    def state(self) -> State:
        """The memory."""
        return {name: getattr(self, name) for name in self._counters}

    def load_state(self, state: State) -> None:
        """Take over the memory."""
        for name in self._counters:
            setattr(self, name, state[name])


class EarlyStopping(_Monitor):
    """Ends the training when the metric has not improved for `patience` epochs.

    Args:
        monitor: the metric.
        min_delta: an improvement must be larger than this.
        patience: epochs to wait, counted from the best one.
        mode: `min` if small is good, `max` if large is; `auto` is `max` for accuracy, AUC and F1, else `min`.
        restore_best_weights: put the best epoch's weights back when the training ends, by whatever reason.

    Attributes:
        best, best_epoch: the best value and its epoch (from 0), None before the first.
        stopped_epoch: the epoch after which this callback ended the training, None if it did not.

    >>> EarlyStopping(monitor="val_accuracy", patience=3, restore_best_weights=True).best is None
    True
    """

    _counters = ("best", "best_epoch", "stopped_epoch", "wait")

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        mode: Mode = "auto",
        restore_best_weights: bool = False,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience, self.restore_best_weights = patience, restore_best_weights
        self.on_train_begin()

    def on_train_begin(self) -> None:
        """Forget an earlier run."""
        self.wait = 0
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.stopped_epoch: int | None = None
        self._weights: dict[str, Array] = {}

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Keep the weights or lose patience."""
        self.wait += 1
        if self.improved(self.value(logs)):
            self.wait, self.best_epoch = 0, epoch
            if self.restore_best_weights:
                self._weights = self.run.engine.copy_weights()
        elif self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.run.stop_training = True

    def on_train_end(self) -> None:
        """Restore the best weights, if asked to."""
        if self._weights:
            self.run.engine.restore_weights(self._weights)

    def state(self) -> State:
        """Counters and the best weights."""
        return super().state() | {_WEIGHTS + name: weight for name, weight in self._weights.items()}

    def load_state(self, state: State) -> None:
        """Take over counters and the best weights."""
        super().load_state(state)
        weights = {name: value for name, value in state.items() if name.startswith(_WEIGHTS)}
        self._weights = {name.removeprefix(_WEIGHTS): value for name, value in weights.items()}


class ModelCheckpoint(_Monitor):
    """Writes the network's weights after every epoch, or after every one that is the best so far.

    Args:
        filepath: a safetensors file; may hold `{epoch}` (from 1) and metrics, as in
            `"{epoch:02d}-{val_loss:.3f}.safetensors"`.
        monitor, mode: the metric that says what is best.
        save_best_only: write only when it has improved.
    """

    def __init__(
        self,
        filepath: str | PathLike[str],
        monitor: str = "val_loss",
        save_best_only: bool = False,
        mode: Mode = "auto",
    ) -> None:
        super().__init__(monitor, mode, 0.0)
        self._path, self._best_only = str(filepath), save_best_only

    def on_train_begin(self) -> None:
        """Forget an earlier run."""
        self.best = None

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Write the file."""
        if self._best_only and not self.improved(self.value(logs)):
            return
        fields: dict[str, Any] = {"epoch": epoch + 1} | logs
        try:
            path = Path(self._path.format(**fields))
        except KeyError as error:
            mend = f"choose from {', '.join(fields)}"
            raise UsageError(f"filepath {self._path!r} asks for {error}, which is not measured", mend=mend) from error
        write_tensors(path, self.run.engine.weights(), {})


class ReduceLROnPlateau(_Monitor):
    """Multiplies the learning rate by `factor` when the metric has not improved for `patience` epochs.

    Args:
        monitor, mode, min_delta: as for `EarlyStopping`.
        factor: in (0, 1).
        patience: epochs to wait.
        cooldown: epochs after a reduction in which nothing is counted.
        min_lr: the rate is not reduced below this.

    >>> plateau = ReduceLROnPlateau(factor=0.5, patience=2)
    """

    _counters = ("best", "wait", "cooldown_counter")

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        mode: Mode = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if not 0.0 < factor < 1.0:
            raise UsageError(f"factor is {factor}", mend="give a number above 0 and below 1")
        self.factor, self.patience, self.cooldown, self.min_lr = factor, patience, cooldown, min_lr
        self.on_train_begin()

    def on_train_begin(self) -> None:
        """Forget an earlier run."""
        self.best = None
        self.wait = self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Count, and reduce the rate when patience is over."""
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.improved(self.value(logs)):
            self.wait = 0
        elif self.cooldown_counter == 0:
            self.wait += 1
            optimizer = self.run.optimizer
            if self.wait >= self.patience and optimizer.learning_rate > self.min_lr:
                optimizer.learning_rate = max(optimizer.learning_rate * self.factor, self.min_lr)
                self.wait, self.cooldown_counter = 0, self.cooldown
