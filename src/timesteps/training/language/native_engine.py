"""The engine that trains recurrent language models by the compiled core alone (native/training/language.h)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime import native
from timesteps.runtime.language.recurrent_spec import language_tensors
from timesteps.runtime.layout import GATES
from timesteps.runtime.native_scan import equation
from timesteps.training.engines.engine import Array, BadStepError, EngineName
from timesteps.training.engines.moments import Moments
from timesteps.training.language.network import LanguageNetwork, LanguageStep
from timesteps.training.language.sampling import Sampler
from timesteps.training.language.settings import LanguageSettings
from timesteps.training.language.streams import Text, Window
from timesteps.training.nonfinite import Fault
from timesteps.training.seeds import step_seed
from timesteps.training.settings import OptimizerName

__all__ = ["NativeLanguageEngine"]

_METHODS: tuple[OptimizerName, ...] = get_args(OptimizerName)  # Method in native/training/optimizer.h


class NativeLanguageEngine:
    """Trains the weights of a language model in place; the same bits on any number of threads.

    Args:
        network: what is trained; all float32, or all float64 for the check of gradients.
        settings: how.
        counts: how often each token occurs; for `samples`.
    """

    name: EngineName = "native"

    def __init__(
        self, network: LanguageNetwork, settings: LanguageSettings, counts: NDArray[np.int64] | None = None
    ) -> None:
        core = native.core
        assert core is not None
        self._network, self._settings = network, settings
        # The core tells tensors by their order; those of a file are in another.
        names = language_tensors(network.spec, network.vocabulary_size)
        self._weights = {name: network.weights[name] for name in names}
        self._dtype = self._weights["head.bias"].dtype
        self._threads = settings.threads or os.cpu_count() or 1
        self._taken = 0
        plain = settings.plain()
        self.moments = Moments(self._weights, plain, tables=False)
        spec = network.spec
        model = core.RecurrentLanguage(
            network.vocabulary_size, spec.embedding_size, spec.tied, settings.locked, settings.word_dropout,
            settings.input_dropout, settings.dropout, settings.output_dropout, settings.weight_drop,
            settings.activation, settings.slowness,
        )  # fmt: skip
        double = self._dtype == np.float64
        for layer in spec.layers:
            saved = core.recurrent_saved(equation(layer)[0], layer.hidden_size, double, False)
            model.add_layer(*equation(layer), layer.input_size, layer.hidden_size, GATES[layer.cell], *saved)
        self._trainer = (core.DoubleLanguageTrainer if double else core.LanguageTrainer)()
        for name, weight in self._weights.items():
            parts = (self.moments.gradients, self.moments.first, self.moments.second, self.moments.averages)
            addresses = [0 if name not in part else part[name].ctypes.data for part in parts]
            rows, width = (len(weight), weight.shape[1]) if weight.ndim > 1 else (1, len(weight))
            self._trainer.add(weight.ctypes.data, *addresses, rows, width, weight.ndim > 1)
        optimizer = core.Optimizer(
            _METHODS.index(plain.optimizer), *plain.betas, plain.momentum, plain.weight_decay, plain.clip_norm or 0.0,
            plain.ema, plain.nesterov,
        )  # fmt: skip
        self._trainer.begin(model, optimizer)
        self._sampler: Sampler | None = None
        if settings.samples:
            assert counts is not None
            self._sampler = Sampler(counts, settings.samples, settings.seed)
            self._expected = np.ascontiguousarray(self._sampler.log_expected, self._dtype)
        self.begin_epoch()

    @contextmanager
    def session(self) -> Iterator[None]:
        """Nothing of the process is touched."""
        yield

    def begin_epoch(self) -> None:
        """The streams begin: nothing has been read."""
        self._states = self._empty(self._settings.batch_size)

    def _empty(self, streams: int) -> list[NDArray[Any]]:
        counts = [2 if layer.cell == "lstm" else 1 for layer in self._network.spec.layers]
        sizes = [layer.hidden_size for layer in self._network.spec.layers]
        return [np.zeros((streams, size), self._dtype) for size, n in zip(sizes, counts, strict=True) for _ in range(n)]

    def step(self, window: Window, number: int, rate: float) -> LanguageStep:
        """One window, forward, backward and into the weights."""
        self._sample(number)
        loss, penalty, norm, taken = self._trainer.step(
            *self._call(window, self._states), step_seed(self._settings.seed, number), self._settings.drops, rate,
            self._taken + 1, self._threads,
        )  # fmt: skip
        if not taken:
            what, value = ("gradient norm", norm) if np.isfinite(loss + penalty) else ("loss", loss + penalty)
            raise BadStepError(what, value, self._culprit())
        self._taken += 1
        return LanguageStep(loss, penalty, norm)

    def gradients(self, window: Window, number: int) -> tuple[LanguageStep, dict[str, NDArray[Any]]]:
        """What a step would learn from, before clipping; those of words that the window lacks are 0."""
        gradients = self.moments.gradients
        for gradient in gradients.values():
            gradient[:] = 0
        self._sample(number)
        loss, penalty, _ = self._trainer.gradients(
            *self._call(window, self._states), step_seed(self._settings.seed, number), self._settings.drops,
            self._threads,
        )  # fmt: skip
        return LanguageStep(loss, penalty), gradients

    def _sample(self, number: int) -> None:
        """The classes of the step, which are kept as long as the core looks at them."""
        if self._sampler is not None:
            self._drawn = self._sampler.draw(number)
            self._trainer.sample(self._drawn.ctypes.data, len(self._drawn), self._expected.ctypes.data)

    def _call(self, window: Window, states: list[NDArray[Any]]) -> tuple[Any, ...]:
        steps, streams = window.ids.shape
        return window.ids.ctypes.data, window.targets.ctypes.data, steps, streams, [s.ctypes.data for s in states]

    def _culprit(self) -> Fault:
        """Where NaN or infinity first shows: in a parameter, a state, or a gradient."""
        self._trainer.settle(self._threads)
        gradients = self.moments.gradients
        for name, array in self._weights.items():
            if not np.isfinite(array).all():
                return Fault("parameter", f"parameter {name} is not finite")
        for name, array in gradients.items():
            if not np.isfinite(array).all():
                return Fault("gradient", f"the gradient of {name} is not finite")
        largest = max(gradients, key=lambda name: float(np.abs(gradients[name]).max(initial=0.0)))
        return Fault("norm", f"the gradients are too large to be summed, that of {largest} most of all")

    def evaluate(self, text: Text, bptt: int) -> float:
        """Mean -log P of a text's tokens."""
        states, total = self._empty(text.streams), 0.0
        for window in text.windows(iter(lambda: bptt, 0)):
            found = np.empty(window.ids.shape, self._dtype)
            self._trainer.answer(*self._call(window, states), found.ctypes.data, self._threads)
            total -= float(found.sum(dtype=np.float64))
        return total / text.ids.size

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """A block with the averaged weights."""
        if not self._settings.ema:
            yield
            return
        kept = {name: weight.copy() for name, weight in self.weights().items()}
        try:
            self.keep_average()
            yield
        finally:
            for name, weight in kept.items():
                np.copyto(self._weights[name], weight)

    def keep_average(self) -> None:
        """The averaged weights are the weights."""
        self._trainer.settle(self._threads)
        for name, average in self.moments.averages.items():
            np.copyto(self._weights[name], average)

    def weights(self) -> dict[str, NDArray[Any]]:
        """The weights by name."""
        self._trainer.settle(self._threads)
        return dict(self._weights)

    def state(self) -> dict[str, Array]:
        """Weights, moments and averages, under the names that the torch engine gives them."""
        state: dict[str, Array] = {f"network.{name}": weight for name, weight in self.weights().items()}
        state |= {f"optimizers.{name}": part for name, part in self.moments.state(self._taken).items()}
        state["optimizers.steps"] = np.array(self._taken, np.int64)
        if self._settings.ema:
            state["average.clock"] = np.array(self._trainer.clock())
            state |= {f"average.weights.{name}": average for name, average in self.moments.averages.items()}
        return state

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Go on from a state."""
        self._trainer.settle(self._threads)
        for name, weight in self._weights.items():
            np.copyto(weight, state[f"network.{name}"])
        self.moments.load_state(state)
        self._taken = int(state["optimizers.steps"])
        if self._settings.ema:
            steps, log_decay = state["average.clock"].tolist()
            self._trainer.set_clock(int(steps), log_decay)
            self.moments.load_averages(state, log_decay)
