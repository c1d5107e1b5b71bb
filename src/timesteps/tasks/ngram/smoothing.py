"""The four ways of smoothing, and the discounts of Kneser-Ney."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import msgspec

from timesteps.errors import UsageError, option

__all__ = ["FALLBACK", "SMOOTHINGS", "Smoothing", "Way", "discounts", "way"]

Discounts = tuple[float, float, float]

FALLBACK: Discounts = (0.5, 1.0, 1.5)
"""Discounts where a corpus does not determine any; KenLM's."""


class Smoothing(IntEnum):
    """Numbered as in `native/ngram/estimate.h`."""

    KNESER_NEY = 0
    ADD_K = 1
    WITTEN_BELL = 2
    STUPID_BACKOFF = 3


class Way(msgspec.Struct, frozen=True):
    """A way of smoothing. `amount` is k of add-k, or the factor of stupid backoff."""

    smoothing: Smoothing
    amount: float = 0.0

    @property
    def continuation(self) -> bool:
        """Whether lower orders count the words an n-gram occurs behind, and not how often it occurs."""
        return self.smoothing is Smoothing.KNESER_NEY


SMOOTHINGS = {
    "kneser-ney": Way(Smoothing.KNESER_NEY),
    "add-k": Way(Smoothing.ADD_K, 1.0),
    "witten-bell": Way(Smoothing.WITTEN_BELL),
    "stupid-backoff": Way(Smoothing.STUPID_BACKOFF, 0.4),
}


def way(name: str, k: float | None = None) -> Way:
    """The way of smoothing of this name. `k` is add-k's.

    Raises:
        UsageError: there is none, or `k` is not a positive number, or is given for another.

    >>> way("add-k", 0.5).amount
    0.5
    """
    if name not in SMOOTHINGS:
        raise UsageError(f"{option('smoothing', name)} is unknown", mend=f"known are {', '.join(SMOOTHINGS)}")
    if k is None:
        return SMOOTHINGS[name]
    if name != "add-k":
        raise UsageError(f"{option('k')} is for {option('smoothing', 'add-k')}", mend="leave it out")
    if not 0 < k < 1e6:
        raise UsageError(f"{option('k')} is {k}", mend="give a number above 0")
    return Way(Smoothing.ADD_K, k)


def discounts(of_count: Sequence[int]) -> Discounts | None:
    """What modified Kneser-Ney takes from counts of 1, of 2, and of 3 and more; None where that is not determined.

    With n_i n-grams of count i and Y = n1 / (n1 + 2 n2): D_i = i - (i + 1) Y n_(i+1) / n_i (Chen and Goodman 1998,
    eq. 26).

    Args:
        of_count: n_0 … n_4.

    >>> [round(each, 3) for each in discounts([0, 100, 40, 20, 12])]
    [0.556, 1.167, 1.667]
    """
    n = of_count
    if 0 in n[1:4]:
        return None
    y = n[1] / (n[1] + 2 * n[2])
    first, second, third = (i - (i + 1) * y * n[i + 1] / n[i] for i in (1, 2, 3))
    return (first, second, third) if 0 < first <= 1 and 0 < second <= 2 and 0 < third <= 3 else None
