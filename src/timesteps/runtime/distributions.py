"""Log-gamma, and quantiles of the normal, Student's t and the negative binomial distribution, in numpy."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

__all__ = ["log_gamma", "negative_binomial_quantile", "normal_quantile", "student_t_quantile"]

Array = NDArray[np.float64]

_ENOUGH = 8  # from here on the series below is exact to rounding
_SERIES = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)  # of Stirling
_LARGE = 1e5  # from here on two terms of the series are exact to rounding
_STEPS = 200  # of Newton's method; it needs about ten, and more only far out in the tails
_TERMS = 10_000  # of the continued fraction; it needs about the root of the degrees of freedom
_TINY = 1e-300


def log_gamma(x: Array) -> Array:
    r"""Natural logarithm of the gamma function, x > 0, by Stirling's series for x + 8 (Abramowitz and Stegun 6.1.41).

    >>> log_gamma(np.array([0.5, 4.0])).round(4)
    array([0.5724, 1.7918])
    """
    below = np.ones_like(x)
    for step in range(_ENOUGH):
        below = below * (x + step)
    y = x + _ENOUGH
    series = np.zeros_like(x)
    for factor in reversed(_SERIES):
        series = series / (y * y) + factor
    found: Array = (y - 0.5) * np.log(y) - y + 0.5 * math.log(2 * math.pi) + series / y - np.log(below)
    return found


def normal_quantile(level: float) -> float:
    """What a standard normal number is below with this probability.

    >>> round(normal_quantile(0.975), 6)
    1.959964
    """
    return NormalDist().inv_cdf(level)


def student_t_quantile(level: float, df: Array) -> Array:
    """What numbers of Student's t distributions are below with this probability, of any shape.

    Newton's method from the normal quantile: the tails are heavier and the survival function convex, so that every
    step stays on the near side of the answer.

    Args:
        level: in (0, 1).
        df: degrees of freedom, at least 1.

    >>> student_t_quantile(0.975, np.array([3.0, 30.0, 1e6])).round(4)
    array([3.1824, 2.0423, 1.96  ])
    """
    if level < 0.5:
        return -student_t_quantile(1 - level, df)
    df = np.asarray(df, np.float64)
    t = np.full(df.shape, normal_quantile(level))
    if level == 0.5:
        return t
    log_factor = log_gamma((df + 1) / 2) - log_gamma(df / 2) - 0.5 * np.log(df * math.pi)
    for _ in range(_STEPS):
        density = np.exp(log_factor - (df + 1) / 2 * np.log1p(t * t / df))
        step = (_survival(t, df) - (1 - level)) / density
        t = t + step
        if (np.abs(step) <= 1e-13 * t).all():
            break
    return t


def negative_binomial_quantile(level: float, mean: Array, dispersion: Array) -> Array:
    """The least counts that numbers of negative binomial distributions do not exceed with this probability.

    Args:
        level: in (0, 1).
        mean: above 0, of any shape.
        dispersion: above 0: the variance is mean + dispersion · mean².

    >>> negative_binomial_quantile(0.9, np.array([0.5, 20.0]), np.array([1.0, 0.1]))
    array([ 2., 30.])
    """
    rate, share = 1 / dispersion, 1 / (1 + dispersion * mean)
    others = dispersion * mean * share

    def below(counts: Array) -> Array:
        return _incomplete_beta(share, others, rate, counts + 1)

    low = np.full(np.shape(mean), -1.0)
    high = np.ceil(mean + 4 * np.sqrt(mean + dispersion * mean * mean) + 4)
    while (short := below(high) < level).any():
        low, high = np.where(short, high, low), np.where(short, 2 * high, high)
    while (high - low > 1).any():
        middle = np.maximum(np.floor((low + high) / 2), 0)
        short = below(middle) < level
        wide = high - low > 1
        low, high = np.where(wide & short, middle, low), np.where(wide & ~short, middle, high)
    return np.asarray(high)


def _incomplete_beta(x: Array, y: Array, a: Array, b: Array) -> Array:
    """The regularised incomplete beta function of 0 < x < 1 with y = 1 - x, by the end of it that converges faster."""
    swapped = x > (a + 1) / (a + b + 2)
    x, y = np.where(swapped, y, x), np.where(swapped, x, y)
    a, b = np.where(swapped, b, a), np.where(swapped, a, b)
    beta = log_gamma(np.minimum(a, b)) - _log_rise(np.maximum(a, b), np.minimum(a, b))
    logs = [np.where(part < 0.5, np.log(part), np.log1p(-other)) for part, other in ((x, y), (y, x))]
    found = np.exp(a * logs[0] + b * logs[1] - beta) / (a * _fraction(x, a, b))
    return np.where(swapped, 1 - found, found)


def _log_rise(x: Array, by: Array) -> Array:
    """ln Γ(x + by) - ln Γ(x), without the difference of large numbers that it is where x is large."""
    large = np.maximum(x, _LARGE)
    found = (large - 0.5) * np.log1p(by / large) + by * np.log(large + by) - by + (1 / (large + by) - 1 / large) / 12
    return np.where(x < _LARGE, log_gamma(x + by) - log_gamma(x), found)


def _survival(t: Array, df: Array) -> Array:
    """P(T > t) for t > 0: half the regularised incomplete beta function of df / (df + t²) at (df / 2, 1/2)."""
    near = t * t < 1.0  # there the other end of the function converges faster
    share = np.where(near, t * t, df) / (df + t * t)
    a, b = np.where(near, 0.5, df / 2), np.where(near, df / 2, 0.5)
    beta = log_gamma(a) + log_gamma(b) - log_gamma(a + b)
    front = np.exp(a * np.log(share) + b * np.log1p(-share) - beta) / a
    found: Array = front / _fraction(share, a, b)
    return np.asarray(np.where(near, 0.5 - 0.5 * found, 0.5 * found))


def _fraction(x: Array, a: Array, b: Array) -> Array:
    """The continued fraction of the incomplete beta function (Abramowitz and Stegun 26.5.8) by Lentz's method."""
    value = upper = np.ones_like(x)
    lower = np.zeros_like(x)
    for term in range(1, _TERMS):
        m = term // 2
        if term % 2:
            numerator = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            numerator = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = 1 / _not_zero(1 + numerator * lower)
        upper = _not_zero(1 + numerator / upper)
        value = value * (upper * lower)
        if (np.abs(upper * lower - 1) < 1e-15).all():
            break
    return np.asarray(value)


def _not_zero(x: Array) -> Array:
    return np.where(np.abs(x) < _TINY, _TINY, x)
