"""`Loss`: what a network is trained by, and so what its outputs mean. The one table of names, for every engine.

Torch's side is `training/losses.py`, the core's native/training/loss.h; tests tie the three.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import UsageError, option
from timesteps.runtime.distributions import log_gamma, negative_binomial_quantile, normal_quantile, student_t_quantile
from timesteps.runtime.spec import LossName

__all__ = ["LOSSES", "MAX_LOG_MEAN", "MIN_DF", "MIN_SCALE", "Loss", "softplus"]

Array = NDArray[Any]

LOSSES: dict[LossName, tuple[str, ...]] = {
    "cross_entropy": (),
    "mse": ("mean",),
    "mae": ("median",),
    "quantile": (),
    "gaussian": ("mean", "scale"),
    "student_t": ("mean", "scale", "df"),
    "negative_binomial": ("mean", "dispersion"),
}
"""The parameters of each predicted number, in the order of the outputs. Logits have none; quantiles are named by their
levels."""

MIN_SCALE = 1e-3
"""The scale is softplus of its output and this: without a bound a likelihood rewards vanishing errors for ever."""
MIN_DF = 2.0
"""Degrees of freedom are softplus of their output and this: above it the mean and the variance exist."""
MAX_LOG_MEAN = 30.0
"""The mean of counts is exp of its output, up to here."""


def softplus(x: Array) -> Array:
    """ln(1 + exp(x)).

    >>> softplus(np.array([0.0, 20.0])).round(4)
    array([ 0.6931, 20.    ])
    """
    return np.asarray(np.logaddexp(0, x))


@dataclass(frozen=True)
class Loss:
    r"""A loss by its name, and what outputs that were trained by it mean.

    D predicted numbers have D · P outputs, P for each number, one number after the other. With outputs z and target y:

    - `cross_entropy`: z are logits of classes; see `training.losses`.
    - `mse`: :math:`(y - z)^2`, for the mean; `mae`: :math:`|y - z|`, for the median.
    - `quantile`: for levels :math:`q_1 < … < q_P` the mean of :math:`\max(q_i (y - z_i), (q_i - 1)(y - z_i))` (Koenker
      and Bassett 1978). Quantiles that cross are sorted when they are read (Chernozhukov et al. 2010, arXiv 0704.3649).
    - `gaussian`: :math:`\ln\sigma + \frac12 ((y - \mu) / \sigma)^2 + \frac12 \ln 2\pi` with :math:`\mu = z_1`,
      :math:`\sigma = softplus(z_2) + 0.001`.
    - `student_t`: with :math:`\nu = softplus(z_3) + 2` degrees of freedom besides,
      :math:`\ln\Gamma(\frac\nu2) - \ln\Gamma(\frac{\nu + 1}2) + \frac12 \ln(\nu\pi) + \ln\sigma
      + \frac{\nu + 1}2 \ln(1 + ((y - \mu) / \sigma)^2 / \nu)`.
    - `negative_binomial`: of counts, :math:`\ln\Gamma(r) + \ln\Gamma(y + 1) - \ln\Gamma(y + r)
      + (y + r) \ln(1 + \alpha\mu) - y \ln(\alpha\mu)` with the mean :math:`\mu = e^{\min(z_1, 30)}`, the dispersion
      :math:`\alpha = softplus(z_2) + 0.001` and :math:`r = 1 / \alpha`; the variance is :math:`\mu + \alpha\mu^2`
      (Salinas et al. 2017, arXiv 1704.04110, where the mean is softplus of its output).

    Args:
        name: of the table `LOSSES`.
        quantiles: the levels, rising, each in (0, 1); for the loss "quantile" and no other.

    Raises:
        UsageError: an unknown name, or levels that are none.

    >>> loss = Loss("gaussian")
    >>> loss.parameters, loss.outputs(2)
    (('mean', 'scale'), 4)
    >>> Loss("quantile", (0.1, 0.5, 0.9)).parameters
    ('0.1', '0.5', '0.9')
    """

    name: LossName
    quantiles: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.name not in LOSSES:
            known = ", ".join(get_args(LossName))
            raise UsageError(f"{option('loss')} is {self.name!r}", mend=f"choose one of {known}")
        if not self.is_sound():
            what = f"{option('quantiles')} are {self.quantiles!r} with {option('loss', self.name)}"
            raise UsageError(what, mend="give the loss 'quantile' rising levels between 0 and 1, and other losses none")

    def is_sound(self) -> bool:
        """Whether the levels are what the loss needs."""
        if self.name != "quantile":
            return not self.quantiles
        bounds = (0.0, *self.quantiles, 1.0)
        return len(bounds) > 2 and all(low < high for low, high in pairwise(bounds))

    @property
    def is_classification(self) -> bool:
        """Whether targets are classes, not numbers."""
        return self.name == "cross_entropy"

    @property
    def measure(self) -> Literal["accuracy", "mae"]:
        """What is measured beside the loss: the share of right classes, or the mean absolute error of the centre."""
        return "accuracy" if self.is_classification else "mae"

    @property
    def parameters(self) -> tuple[str, ...]:
        """What the outputs of each number are, in order; none of logits."""
        return tuple(str(level) for level in self.quantiles) or LOSSES[self.name]

    @property
    def centre(self) -> int:
        """Which of the parameters is the prediction: the mean, the median, or the quantile nearest to it."""
        return min(range(len(self.quantiles)), key=lambda k: abs(self.quantiles[k] - 0.5), default=0)

    def outputs(self, numbers: int) -> int:
        """How many outputs so many numbers have."""
        return numbers * len(self.parameters)

    def read(self, outputs: Array) -> dict[str, Array]:
        """Outputs (…, D · P) as parameters by name, (…, D) each.

        >>> read = Loss("gaussian").read(np.array([[1.0, 0.0, 2.0, 1.0]]))
        >>> read["mean"], read["scale"].round(3)
        (array([[1., 2.]]), array([[0.694, 1.314]]))
        """
        parts = _apart(outputs, len(self.parameters))
        if self.name == "quantile":
            parts = np.sort(parts, axis=-1)
        found = {name: parts[..., k] for k, name in enumerate(self.parameters)}
        if self.name == "negative_binomial":
            found["mean"] = np.exp(np.minimum(found["mean"], MAX_LOG_MEAN))
            found["dispersion"] = softplus(found["dispersion"]) + MIN_SCALE
        if "scale" in found:
            found["scale"] = softplus(found["scale"]) + MIN_SCALE
        if "df" in found:
            found["df"] = softplus(found["df"]) + MIN_DF
        return found

    def predictions(self, outputs: Array) -> Array:
        """Outputs (…, D · P) to the predicted numbers (…, D): means, medians, or the quantiles nearest to them."""
        return self.read(outputs)[self.parameters[self.centre]]

    def quantiles_of(self, outputs: Array, levels: tuple[float, ...]) -> Array:
        """Quantiles (…, D, Q) of these levels.

        Raises:
            UsageError: a loss whose outputs say nothing of them; a level outside (0, 1) or outside the trained ones,
                between which they are found in straight lines.

        >>> Loss("gaussian").quantiles_of(np.array([0.0, 20.0]), (0.1, 0.5, 0.9)).round(2)
        array([[-25.63,   0.  ,  25.63]])
        """
        if not all(0 < level < 1 for level in levels):
            raise UsageError(f"{option('levels')} are {levels!r}", mend="give probabilities between 0 and 1")
        found = self.read(outputs)
        if self.name == "quantile":
            return self._between(outputs, levels)
        if self.name == "negative_binomial":
            parts = [negative_binomial_quantile(level, found["mean"], found["dispersion"]) for level in levels]
            return np.stack(parts, axis=-1)
        if "scale" not in found:
            mend = "train with the loss quantile, gaussian, student_t or negative_binomial"
            raise UsageError(f"a model of the loss {self.name} knows one number, no spread", mend=mend)
        units = [
            student_t_quantile(level, found["df"]) if "df" in found else normal_quantile(level) for level in levels
        ]
        return np.stack([found["mean"] + found["scale"] * unit for unit in units], axis=-1)

    def _between(self, outputs: Array, levels: tuple[float, ...]) -> Array:
        known = self.quantiles
        if not all(known[0] <= level <= known[-1] for level in levels):
            raise UsageError(
                f"{option('levels')} are {levels!r}", mend=f"give levels from {known[0]} to {known[-1]}, as in training"
            )
        sorted_ = np.sort(_apart(outputs, len(known)), axis=-1)
        parts = []
        for level in levels:
            above = min(int(np.searchsorted(known, level)), len(known) - 1)
            below = max(above - 1, 0)
            gap = known[above] - known[below]
            share = (level - known[below]) / gap if gap else 0.0
            low, high = sorted_[..., below], sorted_[..., above]
            parts.append(low + share * (high - low))
        return np.stack(parts, axis=-1)

    def losses(self, outputs: Array, targets: Array) -> Array:
        """The loss of every number, (…, D), from outputs (…, D · P) and targets (…, D); NaN where a target is NaN.

        >>> Loss("mse").losses(np.array([1.0, 2.0]), np.array([3.0, np.nan]))
        array([ 4., nan])
        """
        if self.name == "quantile":
            errors = targets[..., None] - _apart(outputs, len(self.quantiles))
            levels = np.array(self.quantiles)
            return np.asarray(np.where(errors >= 0, levels * errors, (levels - 1) * errors).mean(axis=-1))
        found = self.read(outputs)
        if self.name == "negative_binomial":
            log_mean = np.minimum(_apart(outputs, 2)[..., 0], MAX_LOG_MEAN)
            return _count_losses(log_mean, found["dispersion"], targets)
        error = targets - found[self.parameters[0]]
        if self.name == "mse":
            return np.asarray(error**2)
        if self.name == "mae":
            return np.asarray(np.abs(error))
        scaled = (error / found["scale"]) ** 2
        if self.name == "gaussian":
            return np.asarray(np.log(found["scale"]) + scaled / 2 + 0.5 * math.log(2 * math.pi))
        df = found["df"]
        constant = log_gamma(df / 2) - log_gamma((df + 1) / 2) + 0.5 * np.log(df * math.pi)
        return np.asarray(constant + np.log(found["scale"]) + (df + 1) / 2 * np.log1p(scaled / df))


def _count_losses(log_mean: Array, dispersion: Array, targets: Array) -> Array:
    rate = 1 / dispersion
    counts = np.where(np.isnan(targets), 0.0, targets)
    gammas = log_gamma(rate) + log_gamma(counts + 1) - log_gamma(counts + rate)
    more = np.log1p(dispersion * np.exp(log_mean))
    found = gammas + (counts + rate) * more - counts * (np.log(dispersion) + log_mean)
    return np.where(np.isnan(targets), np.nan, found)


def _apart(outputs: Array, parameters: int) -> Array:
    """Outputs (…, D · P) to (…, D, P)."""
    apart: Array = outputs.reshape(*outputs.shape[:-1], outputs.shape[-1] // parameters, parameters)
    return apart
