"""The doctor of a run: what to do when numbers stop being numbers, and what to say of it."""

from __future__ import annotations

import math
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from timesteps.errors import option
from timesteps.training.engines.engine import BadStepError
from timesteps.training.nonfinite import Fault, NonFiniteError
from timesteps.training.settings import NonFinitePolicy

__all__ = ["Doctor", "unsound"]

_REMEMBERED = 5  # steps whose gradient norms are told
_MOST_SKIPPED = 10  # steps one after the other
_EXPLODED = 1e9  # a loss that has grown by so much is as good as infinite
_WILD_RATE = 1e3  # no optimizer has a use for such a learning rate
_RUN_AWAY = 1e6  # nor a network for a weight of this size
_RISEN = 10.0

Weights = Mapping[str, Any]


def unsound(weights: Weights) -> str | None:
    """The name of a weight with NaN or infinity in it; None if there is none.

    >>> unsound({"a": np.ones(2), "b": np.array([1.0, np.nan])})
    'b'
    """
    for name, weight in weights.items():
        finite = np.isfinite(weight) if isinstance(weight, np.ndarray) else weight.isfinite()
        if not finite.all():
            return name
    return None


class Doctor:
    """Watches the steps of one run. It costs a comparison a step, and at its epochs' ends a look at all weights.

    A bad step is never taken. By the policy "stop" the run ends there; by "skip" it goes on with the next batch, unless
    the weights themselves are bad, or ten steps one after the other were.

    Args:
        policy: "stop" or "skip".
        weights: gives the weights by name.
        restore: puts back the weights of the last epoch's end; called where the weights are bad.
    """

    def __init__(self, policy: NonFinitePolicy, weights: Callable[[], Weights], restore: Callable[[], None]) -> None:
        self._policy, self._weights, self._restore = policy, weights, restore
        self._norms: deque[float] = deque(maxlen=_REMEMBERED)
        self._rate = math.nan
        self._lowest = math.inf
        self._in_a_row = 0
        self.skipped = 0  # of the epoch

    def begin_epoch(self) -> None:
        """Skipped steps are counted by epochs."""
        self.skipped = 0

    def passed(self, loss: float, norm: float, rate: float, where: str) -> None:
        """After a step that was taken. `NonFiniteError` if its loss has grown beyond all bounds."""
        if loss > _EXPLODED * max(1.0, self._lowest):
            what = f"loss is {loss:.3g} in {where}, after {self._lowest:.3g} at best"
            name = self._run_away()
            if name is not None:
                self._restore()
                raise NonFiniteError(f"{what}: {name} has run away{self._history()}", mend=self._mend())
            if self._policy == "stop":
                raise NonFiniteError(
                    f"{what}, of targets or inputs that are too large", mend=f"scale them, or {self._mend()}"
                )
        self._norms.append(norm)
        self._rate, self._lowest, self._in_a_row = rate, min(self._lowest, loss), 0

    def met(self, found: BadStepError, where: str) -> None:
        """A bad step. `NonFiniteError` if the run ends with it; else it is skipped, and a warning says so.

        Of weights that are bad, those of the last epoch's end are put back.
        """
        fault = found.fault
        said = f"{found.what} is {found.value} in {where}: {fault.said}"
        if fault.kind == "parameter":
            self._restore()
            raise NonFiniteError(said + self._blame(), mend=self._mend()) from found
        if (name := self._run_away()) is not None:
            self._restore()
            raise NonFiniteError(f"{said}, for {name} has run away{self._history()}", mend=self._mend()) from found
        error = NonFiniteError(said + self._cause(fault), mend=self._advice(fault))
        if self._policy == "stop":
            raise error from found
        self._in_a_row += 1
        self.skipped += 1
        if self._in_a_row >= _MOST_SKIPPED:
            what = f"{error.what} ({self._in_a_row} steps one after the other were skipped)"
            raise NonFiniteError(what, mend=error.mend) from found
        warnings.warn(f"skipped: {error}", RuntimeWarning, stacklevel=2)

    def examine(self, weights: Weights, where: str, writer: str) -> None:
        """`NonFiniteError` if a weight is not finite; `writer` had the chance to make it so."""
        name = unsound(weights)
        if name is not None:
            self._restore()
            raise NonFiniteError(f"parameter {name} is not finite {where}: {writer}", mend=self._mend())

    def empty_epoch(self, epoch: int) -> NonFiniteError:
        """What to raise where every step of an epoch was skipped."""
        return NonFiniteError(f"all {self.skipped} steps of epoch {epoch} were skipped", mend=self._mend())

    def _run_away(self) -> str | None:
        """The name of a weight that is too large to be one."""
        for name, weight in self._weights().items():
            if not bool((abs(weight) < _RUN_AWAY).all()):
                return f"parameter {name}"
        return None

    def _mend(self) -> str:
        return f"lower {option('learning_rate')} or {option('clip_norm')}"

    def _advice(self, fault: Fault) -> str:
        if fault.kind == "input":
            return "fill or drop such rows first"
        if fault.kind == "loss":
            return f"scale the targets, or {self._mend()}"
        return self._mend()

    def _blame(self) -> str:
        """Who made a weight bad that no bad gradient has reached."""
        if not self._norms:
            return ", from before the first step"
        if self._rate >= _WILD_RATE:
            return f", after a step at the learning rate {self._rate:.3g}, which is too high"
        return f", though the step before it was sound (gradient norm {self._norms[-1]:.3g}): was it set from outside?"

    def _cause(self, fault: Fault) -> str:
        if fault.kind == "input":
            return ""
        norms = [norm for norm in self._norms if math.isfinite(norm)]
        if self._rate >= _WILD_RATE:
            return f"; the learning rate {self._rate:.3g} is too high"
        if len(norms) > 1 and norms[-1] > _RISEN * max(norms[0], 1e-12):
            return f"; the gradients explode{self._history()}"
        return self._history()

    def _history(self) -> str:
        told = ", ".join(f"{norm:.3g}" for norm in self._norms if math.isfinite(norm))
        rate = "" if math.isnan(self._rate) else f", learning rate {self._rate:.3g}"
        return f" (gradient norms before: {told}{rate})" if told else ""
