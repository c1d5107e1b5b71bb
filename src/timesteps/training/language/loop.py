"""`train_language`: epochs over a text, from the first weights to the ones to keep."""

from __future__ import annotations

import math
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import UsageError, option
from timesteps.runtime import native
from timesteps.training.callbacks import History
from timesteps.training.doctor import Doctor
from timesteps.training.engines.choice import Choice
from timesteps.training.engines.engine import BadStepError
from timesteps.training.language.network import LanguageEngine, LanguageNetwork, LanguageStep
from timesteps.training.language.recorder import LanguageRecorder
from timesteps.training.language.settings import LanguageSettings
from timesteps.training.language.streams import Text, Window, windows
from timesteps.training.loop import Interrupted
from timesteps.training.nonfinite import NonFiniteError
from timesteps.training.progress import Progress, SilentProgress

__all__ = ["choose_language_engine", "train_language"]

_VALID_STREAMS = 10


def train_language(
    network: LanguageNetwork,
    train: NDArray[np.integer[Any]],
    valid: NDArray[np.integer[Any]] | None,
    settings: LanguageSettings,
    *,
    counts: NDArray[np.int64] | None = None,
    folder: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> History:
    """Train a language model, in place, by minimising -log P of each token after those before it.

    The text is cut into `batch_size` contiguous streams, which are read side by side, `bptt` tokens a step; what the
    layers remember goes on from step to step, gradients do not. Every random number is a function of (seed, step): the
    same text and settings give the same weights to the last bit, stopped and resumed or not.

    Args:
        network: what is trained; afterwards it has the weights of the epoch with the lowest validation loss, or the
            last ones without `valid`; averaged ones with `settings.ema`.
        train: tokens to learn from.
        valid: tokens to measure after every epoch, or None.
        settings: how.
        counts: how often each token occurs; for `settings.samples`.
        folder: where `log.jsonl`, `timings.jsonl` and `checkpoint.safetensors` are kept, or None.
        resume: continue from the folder's checkpoint if it has one.
        progress: what to show; None is silent.

    Returns:
        The history, with `loss` and `val_loss` in nats a token.

    Raises:
        UsageError: resuming with other data or settings; the native engine for what it cannot train.
        DataError: fewer tokens than streams.
        NonFiniteError: a loss, gradient or weight is NaN or infinite; says which, where, and the likely cause. The
            weights are then the last good ones; see `timesteps.training.loop.train`, and there for "skip".
        Interrupted: Ctrl-C.
    """
    run = _Run(network, train, valid, settings, counts, progress or SilentProgress())
    with run.engine.session():
        return run.go(folder, resume)


def choose_language_engine(settings: LanguageSettings) -> Choice:
    """Which engine trains, and why. `UsageError` if none can."""
    reason = None
    if native.core is None:
        reason = f"there is no compiled core ({native.explain()})"
    if settings.engine != "torch" and reason is None:
        return Choice("native", "the model is plain" if settings.engine == "auto" else "it was asked for")
    if settings.engine == "native":
        mend = f"use {option('engine', 'auto')} or {option('engine', 'torch')}"
        raise UsageError(f"the native engine cannot train this: {reason}", mend=mend)
    why = reason if settings.engine == "auto" and reason is not None else "it was asked for"
    if find_spec("torch") is None:
        raise UsageError(f"PyTorch has to train this, because {why}", mend="pip install 'timesteps[torch]'")
    return Choice("torch", why)


class _Run:
    """One call of `train_language`."""

    def __init__(
        self,
        network: LanguageNetwork,
        train: NDArray[np.integer[Any]],
        valid: NDArray[np.integer[Any]] | None,
        settings: LanguageSettings,
        counts: NDArray[np.int64] | None,
        progress: Progress,
    ) -> None:
        self.settings, self.progress = settings, progress
        self.train = Text(train, settings.batch_size)
        self.valid = None if valid is None else Text(valid, min(_VALID_STREAMS, max(1, len(valid) // 2)))
        choice = choose_language_engine(settings)
        self.engine = _engine(choice, network, settings, counts)
        self.history = History()
        self.history.engine = choice
        self.doctor = Doctor(settings.nonfinite, self.engine.weights, self._restore)
        self.good: dict[str, NDArray[Any]] = {}  # the weights of the last epoch's end
        self.best: dict[str, NDArray[Any]] = {}

    def go(self, folder: Path | None, resume: bool) -> History:
        settings, history = self.settings, self.history
        recorder = None
        if folder is not None:
            recorder = LanguageRecorder(folder, self.engine, settings, self.train, self.valid)
            self.best = recorder.begin(history, resume)
        epoch = len(history.rows)
        steps = -(-self.train.steps // settings.bptt)
        self.progress.begin(rows=self.train.streams, epochs=settings.epochs, steps=steps, done=epoch)
        try:
            while epoch < settings.epochs and not self._exhausted():
                began = time.monotonic()
                self._epoch(epoch, steps)
                if recorder is not None:
                    recorder.epoch_end(history, self.best, self._exhausted(), time.monotonic() - began)
                epoch += 1
                self.progress.epoch_end(history.rows[-1])
        except KeyboardInterrupt as stop:
            raise Interrupted(epoch, folder) from stop
        finally:
            self.progress.end()
        self.engine.keep_average()
        if self.best:
            history.best_epoch = self._best_epoch()
            for name, weight in self.engine.weights().items():
                np.copyto(weight, self.best[name])
        return history

    def _restore(self) -> None:
        for name, weight in self.engine.weights().items():
            np.copyto(weight, self.good[name])

    def _best_epoch(self) -> int:
        return int(np.argmin([row["val_loss"] for row in self.history.rows]))

    def _exhausted(self) -> bool:
        """Whether the validation loss has not fallen for `patience` epochs."""
        patience, rows = self.settings.patience, self.history.rows
        return bool(patience is not None and self.valid and rows and len(rows) - 1 - self._best_epoch() > patience)

    def _epoch(self, epoch: int, steps: int) -> None:
        settings, total, tokens = self.settings, 0.0, 0

        def metrics() -> dict[str, float]:
            return {"loss": total / tokens}

        self.engine.begin_epoch()
        self.doctor.begin_epoch()
        self.good = {name: weight.copy() for name, weight in self.engine.weights().items()}
        lengths = windows(settings.bptt, settings.variable, settings.seed, epoch)
        rate = settings.rate(epoch, 0.0)
        for index, window in enumerate(self.train.windows(lengths)):
            rate = settings.rate(epoch, window.begin / self.train.steps)
            found = self._step(epoch, window, rate)
            if found is None:
                continue
            total += found.loss * window.ids.size
            tokens += window.ids.size
            self.progress.advance(epoch + 1, min(index + 1, steps), window.ids.size, metrics)
        if not tokens:
            raise self.doctor.empty_epoch(epoch + 1)
        self.doctor.examine(self.engine.weights(), f"after epoch {epoch + 1}", "no gradient made it so")
        skipped = {"skipped": float(self.doctor.skipped)} if self.doctor.skipped else {}
        logs = {**metrics(), "learning_rate": rate, **skipped}
        if self.valid is not None:
            self.progress.stage("validating")
            with self.engine.averaged():
                logs["val_loss"] = self.engine.evaluate(self.valid, 4 * settings.bptt)
                before = [row["val_loss"] for row in self.history.rows]
                if not math.isfinite(logs["val_loss"]):
                    what = f"val_loss of epoch {epoch + 1} is {logs['val_loss']}"
                    raise NonFiniteError(what, mend=f"lower {option('learning_rate')}")
                if logs["val_loss"] < min(before, default=math.inf):
                    self.best = {name: weight.copy() for name, weight in self.engine.weights().items()}
        self.history.on_epoch_end(epoch, logs)

    def _step(self, epoch: int, window: Window, rate: float) -> LanguageStep | None:
        """One window; None if it was skipped for a number that is not finite."""
        rate *= len(window.ids) / self.settings.bptt if self.settings.variable else 1.0
        where = f"epoch {epoch + 1}, tokens {window.begin + 1} to {window.begin + len(window.ids)} of the streams"
        try:
            step = self.engine.step(window, epoch * self.train.steps + window.begin, rate)
        except BadStepError as found:
            self.doctor.met(found, where)
            self.engine.begin_epoch()  # what the layers remember may be as bad
            return None
        self.doctor.passed(step.loss, step.norm, rate, where)
        return step


def _engine(
    choice: Choice, network: LanguageNetwork, settings: LanguageSettings, counts: NDArray[np.int64] | None
) -> LanguageEngine:
    if choice.name == "native":
        from timesteps.training.language.native_engine import NativeLanguageEngine

        return NativeLanguageEngine(network, settings, counts)
    from timesteps.training.language.torch_engine import TorchLanguageEngine

    return TorchLanguageEngine(network, settings, counts)
