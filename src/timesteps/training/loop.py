"""`train`: epochs over the rows, from the first weights to the ones to keep."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, option
from timesteps.training.batches import Order, rows_of
from timesteps.training.callbacks import Callback, EarlyStopping, History, Logs, Run
from timesteps.training.doctor import Doctor
from timesteps.training.engines.choice import choose, engine_for
from timesteps.training.engines.engine import Array, BadStepError, Step
from timesteps.training.engines.plain import PlainNetwork
from timesteps.training.examples import Examples, StoredExamples
from timesteps.training.nonfinite import NonFiniteError
from timesteps.training.progress import Progress, SilentProgress
from timesteps.training.recorder import Recorder
from timesteps.training.settings import Settings
from timesteps.training.state import TrainingState

if TYPE_CHECKING:
    from torch import nn

__all__ = ["History", "Interrupted", "train"]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during training.

    Attributes:
        epoch: epochs that are done and, with a folder, in the checkpoint.
        folder: where the checkpoint is, None if there is none.
    """

    def __init__(self, epoch: int, folder: Path | None) -> None:
        self.epoch, self.folder = epoch, folder
        super().__init__(f"{epoch} finished epochs" + ("" if folder is None else f" are kept in {folder}"))


def train(
    network: nn.Module | PlainNetwork,
    train: Examples | StoredExamples,
    valid: Examples | None,
    settings: Settings,
    *,
    callbacks: Sequence[Callback] = (),
    folder: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> History:
    """Train a network, in place, by minimising the loss of its outputs: by default, the cross-entropy of logits.

    The order of the rows is a function of (seed, epoch), and torch's generator is seeded anew in every step from (seed,
    step): on one machine with one number of threads, the same rows and settings give the same weights to the last bit,
    stopped and resumed or not. torch's random state and threads are afterwards as they were before.

    Args:
        network: a module of torch that takes a `timesteps.nn.models.Batch` and gives outputs (B, outputs), or, where
            every step has a target, (N, outputs) of all steps of all rows, row after row; or a `PlainNetwork`. Left in
            evaluation mode with the weights to keep: the best epoch's with `settings.patience`, else the last ones;
            averaged ones with `settings.ema`.
        train: rows to learn from; rows on the disk give the same weights as rows in memory.
        valid: rows to measure after every epoch, or None.
        settings: how.
        callbacks: called in this order, before the early stopping of `settings.patience`.
        folder: where `log.jsonl`, `timings.jsonl` and `checkpoint.safetensors` are kept, or None. The checkpoint is
            written before the first epoch and after every one, so that a killed run loses at most one epoch.
        resume: continue from the folder's checkpoint if it has one. Data, settings and callbacks must be the same;
            `network` may have any weights.
        progress: what to show; None is silent.

    Returns:
        The history of all epochs, those before a resume included.

    Raises:
        UsageError: resuming with other data or settings; a folder whose run is unfinished, without `resume`; a folder
            that cannot be written.
        DataError: no rows, or a target that the network has no output for.
        NonFiniteError: a loss, gradient or weight is NaN or infinite, or the loss has grown beyond all bounds; says
            which tensor, where, and the likely cause. The network then has its last good weights: those before the bad
            step or, where weights are bad, those of the last epoch's end. With `settings.nonfinite` "skip", bad steps
            are left out with a warning, and counted in the history as `skipped`.
        Interrupted: Ctrl-C.

    >>> from timesteps.nn.models import build
    >>> from timesteps.runtime.sequences import Sequences
    >>> from timesteps.runtime.spec import LayerSpec, NetworkSpec
    >>> layer = LayerSpec(cell="gru", input_size=4, hidden_size=4)
    >>> network = build(NetworkSpec(input="ids", input_size=9, embedding_size=4, layers=(layer,), outputs=1))
    >>> rows = Examples(Sequences.of([[1, 2], [3], [1, 4, 5], [3, 6]]), [1, 0, 1, 0])
    >>> history = train(network, rows, rows, Settings(epochs=20, learning_rate=0.1))
    >>> history.history["val_accuracy"][-1]
    1.0
    """
    learned = _counted(train, "training") if isinstance(train, Examples) else train
    counted = learned, None if valid is None else _counted(valid, "validation")
    training = _Training(network, *counted, settings, callbacks, progress or SilentProgress())
    with training.engine.session():
        return training.go(folder, resume)


def _counted(examples: Examples, what: str) -> Examples:
    """The rows that have weight and targets: a batch of none but the others would have no gradient."""
    counted = examples.counted()
    if not counted.any():
        which = " with a target and a weight above 0" if examples.kind == "numbers" or examples.per_step else ""
        raise DataError(f"no {what} rows" + (which or (" with a weight above 0" if len(examples) else "")))
    return examples if counted.all() else examples.take(np.flatnonzero(counted))


class _Training:
    """One call of `train`."""

    def __init__(
        self,
        network: nn.Module | PlainNetwork,
        train: Examples | StoredExamples,
        valid: Examples | None,
        settings: Settings,
        callbacks: Sequence[Callback],
        progress: Progress,
    ) -> None:
        self.train, self.valid = train, valid
        self.settings, self.progress = settings, progress
        self.patience = None
        if settings.patience is not None and valid is not None:
            self.patience = EarlyStopping(patience=settings.patience, restore_best_weights=True)
        self.callbacks = [*callbacks, *([] if self.patience is None else [self.patience])]
        self.batch_callbacks = [callback for callback in callbacks if _overrides(callback, "on_train_batch_end")]
        size = train.steps * train.step_bytes
        self.order = Order(len(train), size, settings.batch_size, settings.seed, settings.bucket)
        self.steps = self.order.steps  # of an epoch
        choice = choose(network, settings)
        first = train if isinstance(train, Examples) else train.read([0])
        self.engine = engine_for(choice, network, first, settings, settings.epochs * self.steps)
        self.history = History()
        self.history.engine = choice
        self.state = TrainingState(self.engine, self.callbacks)
        self.run = Run(self.engine)
        self.doctor = Doctor(settings.nonfinite, self.engine.weights, self._restore)
        self.good: Callable[[], Mapping[str, Array]] | None = None  # the weights of the last epoch's end
        self.restored = False

    def go(self, folder: Path | None, resume: bool) -> History:
        """All epochs."""
        for callback in self.callbacks:
            callback.run = self.run
            callback.on_train_begin()
        epoch = 0
        try:
            recorder = None
            if folder is not None:
                recorder = Recorder(folder, self.state, self.settings, self.train, self.valid)
                epoch = recorder.begin(self.history, self.run, resume)
                self.good = recorder.weights
            epochs = self.settings.epochs
            self.progress.begin(rows=len(self.train), epochs=epochs, steps=self.steps, done=epoch)
            while epoch < epochs and not self.run.stop_training:
                began = time.monotonic()
                if recorder is None:
                    self.good = self._copied()
                try:
                    self._epoch(epoch)
                except NonFiniteError as error:
                    if any(callback.on_nonfinite(error) for callback in self.callbacks):
                        break
                    raise
                if recorder is not None:
                    recorder.epoch_end(self.history, self.run, time.monotonic() - began)
                epoch += 1
                self.progress.epoch_end(self.history.rows[-1])
        except KeyboardInterrupt as stop:
            raise Interrupted(epoch, folder) from stop
        finally:
            self.progress.end()
            self.engine.end()
        if not self.restored:  # the averages may hold what the weights were restored from
            self.engine.keep_average()
        for callback in self.callbacks:
            callback.on_train_end()
        self.history.best_epoch = None if self.patience is None else self.patience.best_epoch
        return self.history

    def _copied(self) -> Callable[[], Mapping[str, Array]]:
        weights = self.engine.copy_weights()
        return lambda: weights

    def _restore(self) -> None:
        """The weights are those of the last epoch's end again."""
        if self.good is not None:
            self.engine.restore_weights(self.good())
            self.restored = True

    def _epoch(self, epoch: int) -> None:
        """Train and validate once."""
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch)
        settings = self.settings
        losses = score = weight = 0.0
        padded = real = 0

        def metrics() -> dict[str, float]:
            return {"loss": losses / weight, settings.criterion.measure: score / weight}

        self.engine.begin_epoch()
        self.doctor.begin_epoch()
        for index, (rows, lengths) in enumerate(self._batches(epoch)):
            step = self._step(epoch, index, rows)
            if step is None:
                continue
            losses, score, weight = losses + step.loss * step.weight, score + step.score, weight + step.weight
            padded, real = padded + len(rows) * int(lengths.max(initial=0)), real + int(lengths.sum())
            if self.batch_callbacks:
                self.engine.settle()
            for callback in self.batch_callbacks:
                callback.on_train_batch_end(index, {"loss": step.loss})
            if self.batch_callbacks:
                self.doctor.examine(self.engine.weights(), f"in {self._where(epoch, index)}", "a callback has set it")
            self.progress.advance(epoch + 1, index + 1, int(lengths.sum()), metrics)
        if not weight:
            raise self.doctor.empty_epoch(epoch + 1)
        rate = self.engine.rate((epoch + 1) * self.steps - 1)
        waste = 1.0 - real / padded if padded else 0.0
        skipped = {"skipped": float(self.doctor.skipped)} if self.doctor.skipped else {}
        self._epoch_end(epoch, {**metrics(), "learning_rate": rate, "padding_waste": waste, **skipped})

    def _batches(self, epoch: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """The rows of each batch, as the engine numbers them, and their lengths."""
        train = self.train
        for window, blocks in enumerate(self.order.blocks(epoch)):
            if isinstance(train, Examples):
                # Rows in memory are all there; their numbers tell which are the window's.
                rows: NDArray[np.int64] = rows_of(blocks, len(train))
                lengths = train.sequences.lengths[rows]
            else:
                examples = train.read(blocks.tolist())
                self.engine.use(examples)
                lengths, rows = examples.sequences.lengths, np.arange(len(examples))
            for batch in self.order.batches(lengths, epoch, window):
                yield rows[batch], lengths[batch]

    def _step(self, epoch: int, index: int, rows: NDArray[np.int64]) -> Step | None:
        """One batch; None if it was skipped for a number that is not finite."""
        number = epoch * self.steps + index
        try:
            step = self.engine.step(number, rows)
        except BadStepError as found:
            self.doctor.met(found, self._where(epoch, index))
            return None
        self.doctor.passed(step.loss, step.norm, self.engine.rate(number), self._where(epoch, index))
        return step

    def _where(self, epoch: int, index: int) -> str:
        return f"epoch {epoch + 1}, step {index + 1} of {self.steps}"

    def _epoch_end(self, epoch: int, logs: Logs) -> None:
        """Validate, with the weights that would be kept, and let the callbacks look at them."""
        self.engine.settle()
        self.doctor.examine(self.engine.weights(), f"after epoch {epoch + 1}", "no gradient made it so")
        with self.engine.averaged():
            if self.valid is not None:
                self.progress.stage("validating")
                measured = self.engine.evaluate(self.valid, max(256, self.settings.batch_size))
                logs.update({f"val_{name}": value for name, value in measured.items()})
            for callback in self.callbacks:
                callback.on_epoch_end(epoch, logs)
        numbers = {name: float(value) for name, value in logs.items()}
        for name, value in numbers.items():
            if not math.isfinite(value):
                mend = f"lower {option('learning_rate')}"
                raise NonFiniteError(f"{name} of epoch {epoch + 1} is {value}", mend=mend)
        self.history.on_epoch_end(epoch, numbers)


def _overrides(callback: Callback, method: str) -> bool:
    return method in vars(callback) or getattr(type(callback), method) is not getattr(Callback, method)
