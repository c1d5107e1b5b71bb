"""What a run judges its model on: another text, or sentences of the corpus that it does not count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from timesteps.errors import UsageError, option

__all__ = ["HeldOut"]

_SHARE = 0.05
_MOST = 1_000  # sentences held out of a corpus, however large: enough to judge by, and no loss to the model


@dataclass
class HeldOut:
    """Sentences at even distances through a corpus, at most 1,000.

    Args:
        share: of the sentences, at least 0 and below 1; None: 0.05.

    Raises:
        UsageError: a share out of range.

    >>> held = HeldOut(0.4)
    >>> [number for number, _ in held.out_of(enumerate("abcdef"))], [number for number, _ in held.lines]
    ([0, 1, 3, 5], [2, 4])
    """

    share: float | None = None
    lines: list[tuple[int, str]] = field(default_factory=list, init=False)
    """What was held out, numbered as in the corpus; all of it once the corpus is read."""

    def __post_init__(self) -> None:
        if self.share is not None and not 0 <= self.share < 1:
            mend = "give a share of at least 0 and below 1"
            raise UsageError(f"{option('validation_split')} is {self.share}", mend=mend)

    def out_of(self, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        """The other sentences."""
        share = _SHARE if self.share is None else self.share
        for place, line in enumerate(lines):
            if len(self.lines) < _MOST and int((place + 1) * share) > int(place * share):
                self.lines.append(line)
            else:
                yield line
