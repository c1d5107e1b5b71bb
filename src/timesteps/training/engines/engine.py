"""`Engine`: what the training loop asks of whoever takes the steps."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from timesteps.training.examples import Examples
from timesteps.training.nonfinite import Fault

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Array", "BadStepError", "Engine", "EngineName", "Rated", "Step"]

EngineName = Literal["native", "torch"]

Array = Any
"""A tensor of torch or an array of numpy, whichever the engine works on."""


class Step(NamedTuple):
    """What a step tells: its mean loss, the weighted sum of what is measured beside it (right classes or absolute
    errors), the weight of all targets, and the norm of the gradients before they were clipped."""

    loss: float
    score: float
    weight: float
    norm: float


class BadStepError(Exception):
    """A step met NaN or infinity and was not taken: what became so, its value, and where it shows first."""

    def __init__(self, what: str, value: float, fault: Fault) -> None:
        self.what, self.value, self.fault = what, value, fault
        super().__init__(f"{what} is {value}: {fault.said}")


class Rated(Protocol):
    """What has a learning rate that callbacks may change: that of the dense parameters, before the schedule."""

    learning_rate: float


class Engine(Protocol):
    """The weights of one run, its optimizer and its averages, and the steps that change them.

    A step is a function of the state, the rows and the number of the step: two engines of one kind in the same state
    come to the same bits.
    """

    name: EngineName

    @property
    def network(self) -> nn.Module:
        """The network that is trained, for callbacks that look at it."""

    @property
    def optimizer(self) -> Rated:
        """What holds the learning rate."""

    def session(self) -> AbstractContextManager[None]:
        """A block in which steps are taken: threads and random numbers are the run's own."""

    def rate(self, step: int) -> float:
        """The learning rate of a step, from 0, schedule included."""

    def begin_epoch(self) -> None:
        """Before the first step of an epoch."""

    def step(self, step: int, rows: NDArray[np.int64]) -> Step:
        """Learn from these training rows; `step` counts from 0 over the whole run.

        Raises:
            BadStepError: a loss or gradient is NaN or infinite; no weight was changed.
        """

    def use(self, train: Examples) -> None:
        """From here on the rows of `step` are of these examples."""

    def settle(self) -> None:
        """Bring all weights up to date, before anybody else looks at them: an engine may put off what no step reads."""

    def evaluate(self, examples: Examples, batch_size: int) -> dict[str, float]:
        """`loss`, without label smoothing, and `accuracy` or, of numbers, `mae`, each target counting by its weight."""

    def averaged(self) -> AbstractContextManager[None]:
        """A block in which the averaged weights stand in for the weights; where none are kept, it changes nothing."""

    def end(self) -> None:
        """No step follows, for whatever reason."""

    def keep_average(self) -> None:
        """Replace the weights by their averages, where they are kept."""

    def weights(self) -> dict[str, Array]:
        """The weights by name; not copies."""

    def copy_weights(self) -> dict[str, Array]:
        """The weights by name, copied."""

    def restore_weights(self, weights: Mapping[str, Array]) -> None:
        """Put weights back."""

    def state(self) -> dict[str, Array]:
        """All that `load_state` needs to go on with the same bits; not copies."""

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Go on from a state."""
