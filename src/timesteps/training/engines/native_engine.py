"""The engine that trains plain networks by the compiled core alone, without PyTorch.

A plain network is what a `NetworkSpec` can say: embedding, bags, one-hot vectors or numbers, recurrent layers, pooling,
one dense layer. The core takes whole steps, from the rows of a batch to the last weight (native/training); here are its
arrays, its state, and what is said when numbers stop being numbers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.regularization import Regularization, check_recurrent_products
from timesteps.runtime.spec import NetworkSpec
from timesteps.training.batches import evaluation_batches
from timesteps.training.engines.arrays import NativeExamples, native_network
from timesteps.training.engines.engine import Array, BadStepError, EngineName, Step
from timesteps.training.engines.moments import Moments
from timesteps.training.examples import Examples
from timesteps.training.measures import measured
from timesteps.training.nonfinite import Fault, bad_input, too_large
from timesteps.training.schedules import factor
from timesteps.training.seeds import step_seed
from timesteps.training.settings import Settings

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NativeEngine"]


class NativeEngine:
    """Trains the weights of a plain network in place.

    The same bits on any number of threads. Random numbers are those that the torch engine draws, so that the two differ
    by rounding only.

    Args:
        spec: the network's.
        regularization: what acts in training.
        weights: by name, as `network_tensors` says; all float32 or all float64, contiguous. They are changed.
        train: rows to learn from.
        settings: how.
        steps: of the whole run.
        network: the same network as a module of torch, over the same memory; None: one is made if a callback asks.
    """

    name: EngineName = "native"

    def __init__(
        self,
        spec: NetworkSpec,
        regularization: Regularization,
        weights: Mapping[str, NDArray[Any]],
        train: Examples,
        settings: Settings,
        steps: int,
        network: nn.Module | None = None,
    ) -> None:
        check_recurrent_products(spec, regularization)
        self._spec, self._regularization, self._settings, self._steps = spec, regularization, settings, steps
        self._module = network
        self._weights, self._train = dict(weights), NativeExamples(train, spec)
        train.check(spec.outputs, settings.criterion)
        self._dtype = next(iter(self._weights.values())).dtype
        self.moments = Moments(self._weights, settings, tables=spec.input == "bag")
        self._trainer = native_network(spec, regularization, settings, self.moments)
        self.learning_rate = settings.learning_rate
        table_rate = settings.table_learning_rate or settings.learning_rate
        wide_rate = settings.wide_learning_rate or table_rate
        self._ratios = table_rate / settings.learning_rate, wide_rate / settings.learning_rate
        self._taken = 0
        self._threads = settings.threads or os.cpu_count() or 1

    @property
    def network(self) -> nn.Module:
        """The network as a module of torch, over the same memory."""
        self.settle()
        if self._module is None:
            from timesteps.training.engines.twin import module_over

            self._module = module_over(self._spec, self._regularization, self._weights)
        return self._module

    @property
    def optimizer(self) -> NativeEngine:
        """The engine itself holds the learning rate."""
        return self

    @contextmanager
    def session(self) -> Iterator[None]:
        """Nothing of the process is touched."""
        yield

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        return self.learning_rate * factor(self._settings.schedule, self._settings.warmup, step, self._steps)

    def begin_epoch(self) -> None:
        """The module, if there is one, is told that it is trained; the core's step knows."""
        if self._module is not None:
            self._module.train()

    def step(self, step: int, rows: NDArray[np.int64]) -> Step:
        """One batch, forward, backward and into the weights."""
        rows = np.ascontiguousarray(rows, np.int64)
        rate = self.rate(step)
        loss, norm, score, weight, taken = self._trainer.step(
            self._train.core, rows.ctypes.data, len(rows), step_seed(self._settings.seed, step), True,
            rate, rate * self._ratios[0], rate * self._ratios[1], self._taken + 1, self._threads,
        )  # fmt: skip
        if not taken:
            what, value = ("gradient norm", norm) if np.isfinite(loss) else ("loss", loss)
            raise BadStepError(what, value, self._culprit(rows, loss))
        self._taken += 1
        return Step(loss, score, weight, norm)

    def use(self, train: Examples) -> None:
        """Learn from these rows from here on."""
        train.check(self._spec.outputs, self._settings.criterion)
        self._train = NativeExamples(train, self._spec)

    def gradients(self, step: int, rows: NDArray[np.int64]) -> tuple[float, dict[str, NDArray[Any]]]:
        """Loss and gradients of a batch by name, before clipping; those of tables are made dense."""
        rows = np.ascontiguousarray(rows, np.int64)
        seed = step_seed(self._settings.seed, step)
        found = self._trainer.gradients(self._train.core, rows.ctypes.data, len(rows), seed, True, self._threads)
        return found[0], {name: self._gradient(name) for name in self._weights}

    def _gradient(self, name: str) -> NDArray[Any]:
        if name in self.moments.gradients:
            return self.moments.gradients[name]
        table = self._weights[name]
        rows = np.empty(self._trainer.touched(), np.int32)
        values = np.empty((len(rows), table.shape[1]), table.dtype)
        self._trainer.sparse_gradient(name == "embedding.wide", table.shape[1], rows.ctypes.data, values.ctypes.data)
        dense = np.zeros_like(table)
        dense[rows] = values
        return dense

    def _culprit(self, rows: NDArray[np.int64], loss: float) -> Fault:
        """Where NaN or infinity first shows: in the input, a parameter, the answer, the loss, or a gradient."""
        self.settle()
        if (fault := bad_input(self._train.examples.sequences, rows)) is not None:
            return fault
        for name, weight in self._weights.items():
            if not np.isfinite(weight).all():
                return Fault("parameter", f"parameter {name} is not finite")
        answers = np.empty((self._trainer.answers(), self._spec.outputs), self._dtype)
        self._trainer.logits(answers.size, answers.ctypes.data)
        if not np.isfinite(answers).all():
            return Fault("logits", "the network's logits are not finite")
        if not np.isfinite(loss):
            examples = self._train.examples
            return too_large(float(np.abs(answers).max()), examples.targets[examples.units(rows)])
        gradients = {name: self._gradient(name) for name in self._weights}
        for name, gradient in gradients.items():
            if not np.isfinite(gradient).all():
                return Fault("gradient", f"the gradient of {name} is not finite")
        largest = max(gradients, key=lambda name: float(np.abs(gradients[name]).max(initial=0.0)))
        return Fault("norm", f"the gradients are too large to be summed, that of {largest} most of all")

    def settle(self) -> None:
        """Make up for the steps that rows of an embedding have missed while no batch used them."""
        self._trainer.settle(self._threads)

    def logits(self, examples: Examples, batch_size: int) -> NDArray[Any]:
        """The answer (R, outputs) to every row, or (N, outputs) to every step, as the trained network gives it."""
        self.settle()
        core = NativeExamples(examples, self._spec)
        answers = np.empty((len(examples.targets), self._spec.outputs), self._dtype)
        for rows in evaluation_batches(examples.sequences.lengths, batch_size):
            places = examples.units(rows)
            out = np.empty((len(places), self._spec.outputs), self._dtype)
            self._trainer.answer(core.core, rows.ctypes.data, len(rows), out.ctypes.data, self._threads)
            answers[places] = out
        return answers

    def evaluate(self, examples: Examples, batch_size: int) -> dict[str, float]:
        """Loss and accuracy, or mean absolute error, of these rows."""
        criterion = self._settings.criterion
        examples.check(self._spec.outputs, criterion)
        answers = self.logits(examples, batch_size).astype(np.float64)
        return measured(criterion, answers, examples.targets, examples.weights)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """A block with the averaged weights."""
        if not self._settings.ema:
            yield
            return
        kept = self.copy_weights()
        try:
            self.keep_average()
            yield
        finally:
            self.restore_weights(kept)

    def end(self) -> None:
        """All weights are up to date; the module, if there is one, answers from here on."""
        self.settle()
        if self._module is not None:
            self._module.eval()

    def keep_average(self) -> None:
        """The averaged weights are the weights."""
        self.settle()
        self.moments.catch_up(self._trainer.clock()[1])
        for name, average in self.moments.averages.items():
            np.copyto(self._weights[name], average)

    def weights(self) -> dict[str, Array]:
        """The weights by name."""
        self.settle()
        return dict(self._weights)

    def copy_weights(self) -> dict[str, Array]:
        """The weights by name, copied."""
        self.settle()
        return {name: weight.copy() for name, weight in self._weights.items()}

    def restore_weights(self, weights: Mapping[str, Array]) -> None:
        """Put weights back."""
        self.settle()
        for name, weight in self._weights.items():
            np.copyto(weight, weights[name])

    def state(self) -> dict[str, Array]:
        """Weights, moments and averages, under the names that the torch engine gives them."""
        self.settle()
        state = {f"network.{name}": weight for name, weight in self._weights.items()}
        state["optimizers.learning_rate"] = np.array(self.learning_rate)
        state |= {f"optimizers.{name}": part for name, part in self.moments.state(self._taken).items()}
        if self._settings.ema:
            steps, log_decay = self._trainer.clock()
            self.moments.catch_up(log_decay)  # then the marks are all the same and need not be kept
            state["average.clock"] = np.array([steps, log_decay])
            state |= {f"average.weights.{name}": average for name, average in self.moments.averages.items()}
        return state

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Go on from a state."""
        self.restore_weights({name: state[f"network.{name}"] for name in self._weights})
        self.learning_rate = float(state["optimizers.learning_rate"])
        self._taken = self.moments.load_state(state)
        if self._settings.ema:
            steps, log_decay = state["average.clock"].tolist()
            self._trainer.set_clock(int(steps), log_decay)
            self.moments.load_averages(state, log_decay)
