"""What can be chosen about an n-gram model, checked."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from timesteps.errors import UsageError, option
from timesteps.runtime.language.ngram_spec import MAX_ORDER
from timesteps.runtime.language.units import KINDS, UnitsSpec
from timesteps.tasks.ngram.smoothing import Way, way

__all__ = ["Choices", "parse_size"]

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kmgt]?)i?b?", re.IGNORECASE)
_LEAST_MEMORY = 1 << 20


def parse_size(size: str | int) -> int:
    """Bytes of a size: a number, or one with k, M, G or T behind it (of 1024) and perhaps B.

    >>> parse_size("1GB"), parse_size("1.5 MiB"), parse_size(4096)
    (1073741824, 1572864, 4096)
    """
    found = _SIZE.fullmatch(str(size).strip())
    if found is None:
        raise UsageError(f"{option('memory', str(size))} is no size", mend="give one such as 512MB or 4GB")
    return int(float(found[1]) * 1024 ** " kmgt".index(found[2].lower() or " "))


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """Options of `NgramModel`, which says what they mean."""

    order: int = 5
    smoothing: str = "kneser-ney"
    k: float | None = None
    cutoffs: Sequence[int] = (0,)
    vocabulary: int | None = None
    min_count: int = 1
    units: str = "word"
    lowercase: bool = False
    apart: bool = False
    memory: int | str = "1GB"

    def check(self) -> None:
        """`UsageError` for a choice that makes no sense, before the corpus is read."""
        if not 1 <= self.order <= MAX_ORDER:
            raise UsageError(f"{option('order')} is {self.order}", mend=f"give 1 to {MAX_ORDER}")
        if self.min_count < 1:
            raise UsageError(f"{option('min_count')} is {self.min_count}", mend="give 1 or more")
        if self.vocabulary is not None and self.vocabulary < 4:
            raise UsageError(f"{option('vocabulary')} is {self.vocabulary}", mend="give more than the 3 marks take")
        if self.units not in KINDS or self.units == "subword":
            known = ", ".join(kind for kind in KINDS if kind != "subword")
            raise UsageError(f"{option('units', self.units)} is unknown", mend=f"known are {known}")
        if self.apart and self.units != "word":
            raise UsageError(f"{option('apart')} is for {option('units', 'word')}", mend="leave it out")
        if self.bytes < _LEAST_MEMORY:
            raise UsageError(f"{option('memory', str(self.memory))} is too little", mend="give 1MB or more")
        _ = self.way, self.thresholds

    @property
    def way(self) -> Way:
        """The way of smoothing."""
        return way(self.smoothing, self.k)

    @property
    def bytes(self) -> int:
        """The bound of memory."""
        return parse_size(self.memory)

    @property
    def units_spec(self) -> UnitsSpec:
        """How texts are cut."""
        return UnitsSpec(self.units, self.lowercase, self.apart)  # type: ignore[arg-type]  # `check` has seen it

    @property
    def thresholds(self) -> list[int]:
        """The cut-off of each order; the last one given holds for all orders behind it."""
        given = list(self.cutoffs)
        if not given or len(given) > self.order:
            raise UsageError(
                f"{option('cutoffs')} has {len(given)} numbers for order {self.order}",
                mend="give one an order, or less",
            )
        if given[0] != 0:
            raise UsageError(
                f"{option('cutoffs')} begins with {given[0]}",
                mend=f"begin with 0; words are cut by {option('min_count')} or {option('vocabulary')}",
            )
        if sorted(given) != given:
            raise UsageError(f"{option('cutoffs')} falls", mend="give numbers that rise with the order, such as 0,0,1")
        return given + [given[-1]] * (self.order - len(given))
