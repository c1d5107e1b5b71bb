"""What a callback is, and those that only act on the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from timesteps.errors import UsageError
from timesteps.training.engines.engine import Array, Engine, Rated
from timesteps.training.nonfinite import NonFiniteError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Callback", "LambdaCallback", "LearningRateScheduler", "Logs", "Run", "State", "TerminateOnNaN"]

Logs = dict[str, float]
State = dict[str, int | float | str | Array | None]


@dataclass
class Run:
    """What a callback may see and change of the run: `stop_training = True` ends it after this epoch."""

    engine: Engine
    stop_training: bool = False

    @property
    def network(self) -> nn.Module:
        """The network that is trained, as a module of torch, whatever engine trains it."""
        return self.engine.network

    @property
    def optimizer(self) -> Rated:
        """What holds the learning rate."""
        return self.engine.optimizer


class Callback:
    """Base of all callbacks; every method does nothing unless it is overridden.

    Epochs and batches count from 0. `logs` of an epoch holds `loss`, `accuracy`, `learning_rate` (of the last step),
    `padding_waste` (share of the time steps of all batches that held no input) and, with validation rows, `val_loss`
    and `val_accuracy`; what a callback adds to it (finite numbers) is in the history and the log.
    During `on_epoch_end` the network holds the weights that were validated: with `Settings.ema` the averaged ones.

    A callback whose future depends on its past gives that past in `state` and takes it in `load_state`, which a resumed
    run calls after `on_train_begin`.

    Attributes:
        run: the run, from `on_train_begin` on.
    """

    run: Run

    def on_train_begin(self) -> None:
        """Before the first epoch. An object may serve several runs: start afresh here."""

    def on_train_end(self) -> None:
        """After the last epoch."""

    def on_epoch_begin(self, epoch: int) -> None:
        """Before an epoch."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """After an epoch and its validation."""

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        """After a step; `logs` holds the batch's `loss`. Overriding it costs a little time in every step."""

    def on_nonfinite(self, error: NonFiniteError) -> bool:
        """When a loss or gradient is NaN or infinite. True ends the training in peace instead of raising `error`."""
        return False

    def state(self) -> State:
        """Numbers, words and tensors by name."""
        return {}

    def load_state(self, state: State) -> None:
        """Continue from a state."""


class LambdaCallback(Callback):
    """A callback made of functions, each with the arguments of the method it is named after.

    >>> callback = LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))
    >>> callback.on_epoch_end(0, {"loss": 0.5})
    0 0.5
    """

    def __init__(
        self,
        on_train_begin: Callable[[], Any] | None = None,
        on_train_end: Callable[[], Any] | None = None,
        on_epoch_begin: Callable[[int], Any] | None = None,
        on_epoch_end: Callable[[int, Logs], Any] | None = None,
        on_train_batch_end: Callable[[int, Logs], Any] | None = None,
    ) -> None:
        given = {
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_batch_end": on_train_batch_end,
        }
        for name, function in given.items():
            if function is not None:
                setattr(self, name, function)


class LearningRateScheduler(Callback):
    """Sets the learning rate before every epoch to `schedule(epoch, learning_rate)`.

    `Settings.schedule` acts as a factor on top. The rate of sparse tables moves in proportion.

    >>> halve = LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)
    """

    def __init__(self, schedule: Callable[[int, float], float]) -> None:
        self._schedule = schedule

    def on_epoch_begin(self, epoch: int) -> None:
        """Set the rate."""
        rate = float(self._schedule(epoch, self.run.optimizer.learning_rate))
        if not 0.0 <= rate < float("inf"):
            raise UsageError(f"the schedule gave the learning rate {rate} for epoch {epoch}", mend="return 0 or more")
        self.run.optimizer.learning_rate = rate


class TerminateOnNaN(Callback):
    """Ends the training where it would otherwise raise `NonFiniteError`, with the last finite weights."""

    def on_nonfinite(self, error: NonFiniteError) -> bool:
        """Always True."""
        return True
