"""The engine that trains every network, by PyTorch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from timesteps.errors import UsageError
from timesteps.training.averages import WeightAverage
from timesteps.training.collate import collate
from timesteps.training.engines.engine import BadStepError, EngineName, Step
from timesteps.training.examples import Examples
from timesteps.training.losses import disagreement, loss, score, total_weight
from timesteps.training.nonfinite import Fault, bad_input, culprit, too_large
from timesteps.training.optimizers import Optimizers
from timesteps.training.predict import device_of, evaluate
from timesteps.training.randomness import reseed, set_apart
from timesteps.training.settings import Settings
from timesteps.training.weights import copy_weights, restore_weights

if TYPE_CHECKING:
    from timesteps.nn.models import Batch

__all__ = ["TorchEngine"]


class TorchEngine:
    """Trains a module of torch in place.

    Args:
        network: takes a `timesteps.nn.models.Batch`, gives outputs (B, outputs), or (N, outputs) of all its steps.
        train: rows to learn from.
        settings: how.
        steps: of the whole run.
    """

    name: EngineName = "torch"

    def __init__(self, network: nn.Module, train: Examples, settings: Settings, steps: int) -> None:
        self.network, self._train, self._settings = network, train, settings
        self._device = device_of(network)
        self.optimizer = Optimizers(network, settings, steps)
        dense, tables = self.optimizer.dense, self.optimizer.tables
        self._average = WeightAverage(dense, tables, settings.ema) if settings.ema else None
        self._checked, self._criterion = False, settings.criterion

    @contextmanager
    def session(self) -> Iterator[None]:
        """torch's threads and random state are the run's own, and as before afterwards."""
        with set_apart(self._settings.threads, self._device):
            yield

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        return self.optimizer.rate(step)

    def begin_epoch(self) -> None:
        """The network is trained from here on."""
        self.network.train()

    def step(self, step: int, rows: NDArray[np.int64]) -> Step:
        """One batch, forward and backward; torch's generator is seeded anew by (seed, step)."""
        settings = self._settings
        reseed(settings.seed, step, self._device)
        if settings.consistency:
            rows = np.concatenate([rows, rows])
        batch = collate(self._train.sequences, rows, self._device)
        units, criterion = self._train.units(rows), self._criterion
        targets, weights = self._tensor(self._train.targets[units]), self._tensor(self._train.weights[units])
        logits = self.network(batch)
        if not self._checked:
            self._check(len(logits), logits.shape[1], len(units))
        batch_loss = loss(logits, targets, weights, settings.label_smoothing, criterion)
        if settings.consistency:
            batch_loss = batch_loss + settings.consistency * disagreement(logits, weights)
        self.optimizer.zero_grad()
        batch_loss.backward()  # type: ignore[no-untyped-call]
        norm = self.optimizer.gradient_norm()
        with torch.no_grad():
            measured = score(logits, targets, weights, criterion)
            # Read in one go: on a GPU every reading waits for the device, and the check below needs one anyway.
            weight = total_weight(targets, weights, criterion)
            numbers = torch.stack([part.double() for part in (batch_loss, norm, measured, weight)]).tolist()
        if not (math.isfinite(numbers[0]) and math.isfinite(numbers[1])):
            what, value = ("gradient norm", numbers[1]) if math.isfinite(numbers[0]) else ("loss", numbers[0])
            raise BadStepError(what, value, self._culprit(rows, batch, logits, numbers[0]))
        if self._average is not None:
            self._average.before_step()
        self.optimizer.step(step, numbers[1])
        if self._average is not None:
            self._average.after_step()
        return Step(numbers[0], numbers[2], numbers[3], numbers[1])

    def _culprit(self, rows: NDArray[np.int64], batch: Batch, logits: Tensor, loss: float) -> Fault:
        fault = bad_input(self._train.sequences, rows) or culprit(self.network, batch, logits)
        if fault.kind in ("gradient", "norm") and not math.isfinite(loss):
            largest = float(logits.detach().abs().max())
            return too_large(largest, self._train.targets[self._train.units(rows)])
        return fault

    def use(self, train: Examples) -> None:
        """Learn from these rows from here on."""
        self._train, self._checked = train, False

    def _check(self, answers: int, outputs: int, targets: int) -> None:
        """Once, as soon as the network's answer to some rows is known."""
        self._train.check(outputs, self._criterion)
        if answers != targets:
            raise UsageError(
                f"the network gives {answers} answers where there are {targets} targets",
                mend="give targets of steps where the network answers at every step, else of rows",
            )
        self._checked = True

    def settle(self) -> None:
        """Nothing is put off."""

    def evaluate(self, examples: Examples, batch_size: int) -> dict[str, float]:
        """Loss and accuracy, or mean absolute error, of these rows."""
        return evaluate(self.network, examples, batch_size, self._criterion)

    def averaged(self) -> AbstractContextManager[None]:
        """A block with the averaged weights."""
        return nullcontext() if self._average is None else self._average.applied()

    def end(self) -> None:
        """The network answers from here on."""
        self.network.eval()

    def keep_average(self) -> None:
        """The averaged weights are the weights."""
        if self._average is not None:
            self._average.apply()

    def weights(self) -> dict[str, Tensor]:
        """Parameters and buffers."""
        return dict(self.network.state_dict())

    def copy_weights(self) -> dict[str, Tensor]:
        """Parameters and buffers, copied."""
        return copy_weights(self.network)

    def restore_weights(self, weights: Mapping[str, Any]) -> None:
        """Put parameters and buffers back."""
        restore_weights(self.network, weights)

    def state(self) -> dict[str, Tensor]:
        """Weights, optimizers and averages."""
        parts = {"network": self.weights(), "optimizers": self.optimizer.state()}
        if self._average is not None:
            parts["average"] = self._average.state()
        return {f"{part}.{name}": tensor for part, tensors in parts.items() for name, tensor in tensors.items()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.restore_weights(_below("network", state))
        self.optimizer.load_state(_below("optimizers", state))
        if self._average is not None:
            self._average.load_state(_below("average", state))

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array) if self._device is None else torch.from_numpy(array).to(self._device)


def _below(part: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = part + "."
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
