"""Predicted numbers, from a network's outputs to the units of the targets and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from timesteps.errors import DataError
from timesteps.runtime.losses import Loss
from timesteps.runtime.spec import TargetSpec

__all__ = ["Numbers"]

Array = NDArray[np.float64]

_WITHOUT_SCALE = ("df", "dispersion")  # parameters that have no unit


class Numbers:
    """What a model of the task "regress" predicts.

    Args:
        spec: loss and shape of the targets.
        tensors: `target.mean` and `target.scale`.

    >>> spec = TargetSpec(loss="gaussian")
    >>> numbers = Numbers(spec, {"target.mean": np.array([10.0]), "target.scale": np.array([2.0])})
    >>> numbers.predictions(np.array([[0.5, 0.0]])), numbers.parameters(np.array([[0.5, 0.0]]))["scale"].round(3)
    (array([11.]), array([1.388]))
    """

    def __init__(self, spec: TargetSpec, tensors: Mapping[str, NDArray[Any]]) -> None:
        self.spec, self.loss = spec, Loss(spec.loss, spec.quantiles)
        self.mean, self.scale = (np.asarray(tensors[f"target.{name}"], np.float64) for name in ("mean", "scale"))

    def predictions(self, outputs: Array) -> Array:
        """The predicted numbers (R, *shape): means, medians of the loss mae, the middle ones of quantiles."""
        return self._shaped(self.loss.predictions(outputs)) * self._by(self.scale) + self._by(self.mean)

    def parameters(self, outputs: Array) -> dict[str, Array]:
        """Everything that is known of each number, (R, *shape) each, by the names in `runtime.losses.LOSSES`."""
        found = {name: self._shaped(part) for name, part in self.loss.read(outputs).items()}
        for name, part in found.items():
            if name == "scale":
                found[name] = part * self._by(self.scale)
            elif name not in _WITHOUT_SCALE:
                found[name] = part * self._by(self.scale) + self._by(self.mean)
        return found

    def quantiles(self, outputs: Array, levels: tuple[float, ...]) -> Array:
        """Quantiles (R, *shape, Q); `UsageError` as `Loss.quantiles_of`."""
        found = self.loss.quantiles_of(outputs, levels)
        scale, mean = self._by(self.scale), self._by(self.mean)
        shaped = found.reshape(len(outputs), *self.spec.shape, len(levels))
        return np.asarray(shaped * scale[..., None] + mean[..., None])

    def losses(self, outputs: Array, targets: Array) -> Array:
        """The loss (R, D) of each number, on the scale of training, NaN where `targets` (R, *shape) are."""
        scaled = (targets - self._by(self.mean)) / self._by(self.scale)
        return self.loss.losses(outputs, scaled.reshape(len(outputs), -1))

    def read_targets(self, targets: ArrayLike, rows: int) -> Array:
        """Targets (R, *shape) as given, NaN for missing ones.

        Raises:
            DataError: another shape, or infinite numbers.
        """
        wanted = (rows, *self.spec.shape)
        try:
            found = np.asarray(targets, np.float64)
        except (TypeError, ValueError) as error:
            raise DataError("targets are no numbers", mend=f"give numbers of shape {wanted}") from error
        if found.shape != wanted and found.size == np.prod(wanted) and found.ndim <= len(wanted) + 1:
            found = found.reshape(wanted)
        if found.shape != wanted:
            raise DataError(f"targets of shape {found.shape}", mend=f"give numbers of shape {wanted}")
        if np.isinf(found).any():
            raise DataError(f"target of row {int(np.argwhere(np.isinf(found))[0][0])} is infinite")
        return found

    def _shaped(self, numbers: Array) -> Array:
        return numbers.reshape(len(numbers), *self.spec.shape)

    def _by(self, factor: Array) -> Array:
        """A number for each of the last dimension, or one."""
        return factor if self.spec.shape else factor[0:1].reshape(())
