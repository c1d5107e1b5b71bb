"""`SpooledTexts`: labelled texts on the disk, read once from wherever they come, and from there again and again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from timesteps.data.split import hash_fraction, text_key
from timesteps.runtime.scratch import Scratch
from timesteps.runtime.text.splitting import CHUNK
from timesteps.tasks.classify.source import Part

__all__ = ["SpooledTexts"]


class SpooledTexts(Sequence[str]):
    """Texts with labels and weights, in columns of a scratch folder.

    Labels are numbered as they come; `sort_classes` gives them their final numbers. A sequence of the texts, so that
    what looks at a few of them can.

    >>> with Scratch(memory=1 << 20) as scratch:
    ...     texts = SpooledTexts(scratch)
    ...     texts.extend(["good", "좋아"], ["pos", "neg"], [1.0, 3.0])
    ...     texts.sort_classes(["neg", "pos"])
    ...     part = next(texts.parts())
    ...     part.texts, part.targets.tolist(), texts.mean_weight, texts[1]
    (['good', '좋아'], [1, 0], 2.0, '좋아')
    """

    def __init__(self, scratch: Scratch) -> None:
        self._bytes = scratch.column(np.uint8)
        self._ends = scratch.column(np.int64)
        self._labels = scratch.column(np.int32)
        self._weights = scratch.column(np.float64)
        self._lines = scratch.column(np.int64)
        self._numbers: dict[Any, int] = {}
        self._final = np.zeros(0, np.int64)
        self.counts: dict[Any, int] = {}
        self._weight = 0.0
        self._factors: NDArray[np.float64] | None = None

    def extend(
        self,
        texts: Sequence[str],
        labels: Sequence[Any],
        weights: Sequence[float] | None = None,
        lines: Sequence[int] | None = None,
    ) -> None:
        """Keep further rows; weights are 1 and lines 0 where they are not given."""
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        sizes = np.fromiter(map(len, encoded), np.int64, len(encoded))
        self._ends.append(len(self._bytes) + np.cumsum(sizes))
        self._bytes.append(np.frombuffer(b"".join(encoded), np.uint8))
        numbers = [self._numbers.setdefault(label, len(self._numbers)) for label in labels]
        for label in labels:
            self.counts[label] = self.counts.get(label, 0) + 1
        self._labels.append(np.array(numbers, np.int32))
        share = np.ones(len(texts)) if weights is None else np.asarray(weights, np.float64)
        self._weights.append(share)
        self._weight += float(share.sum())
        self._lines.append(np.zeros(len(texts), np.int64) if lines is None else np.asarray(lines, np.int64))

    def lines(self) -> NDArray[np.int64]:
        """Where the rows begin in their file."""
        return self._lines.read(0, len(self))

    def sort_classes(self, classes: Iterable[Any], factors: NDArray[np.float64] | None = None) -> None:
        """Number the labels as they stand in `classes`; `factors` (K,) multiply the weights of their rows."""
        place = {label: number for number, label in enumerate(classes)}
        self._final = np.array([place[label] for label in self._numbers], np.int64)
        self._factors = factors
        if factors is not None:
            self._weight = sum(float(part.weights.sum()) for part in self.parts())

    @property
    def mean_weight(self) -> float:
        """Of all rows."""
        return self._weight / max(len(self), 1)

    def parts(self) -> Iterator[Part]:
        """All rows, a chunk at a time."""
        for first in range(0, len(self), CHUNK):
            yield self.part(first, min(first + CHUNK, len(self)))

    def part(self, first: int, last: int) -> Part:
        """Rows `first` to `last` - 1."""
        targets = self._final[self._labels.read(first, last)]
        weights = self._weights.read(first, last)
        if self._factors is not None:
            weights *= self._factors[targets]
        return Part(self._texts(first, last), targets, weights)

    def chunks(self) -> Iterator[list[str]]:
        """All texts, a chunk at a time."""
        for first in range(0, len(self), CHUNK):
            yield self._texts(first, min(first + CHUNK, len(self)))

    def sample(self, most: int) -> Part:
        """So many rows, evenly spaced; all, if there are no more."""
        rows = np.linspace(0, len(self) - 1, min(most, len(self))).astype(np.int64)
        parts = [self.part(row, row + 1) for row in rows.tolist()]
        targets = np.array([part.targets[0] for part in parts], np.int64)
        return Part([part.texts[0] for part in parts], targets, np.array([part.weights[0] for part in parts]))

    def split(self, scratch: Scratch, share: float, seed: int) -> tuple[SpooledTexts, SpooledTexts]:
        """Rows to train on and rows to validate on, about this share of them: by a hash of the text and the seed, so
        that equal texts (`data.split.text_key`) stay together and neither order nor number of the rows matters.
        """
        sides = SpooledTexts(scratch), SpooledTexts(scratch)
        labels = list(self._numbers)
        first = 0
        for texts in self.chunks():
            last = first + len(texts)
            numbers, weights = self._labels.read(first, last).tolist(), self._weights.read(first, last)
            lines = self._lines.read(first, last)
            keys = (text_key(text).decode("utf-8", "surrogatepass") for text in texts)
            held = np.array([hash_fraction(key, seed) < share for key in keys])
            for side, chosen in zip(sides, (np.flatnonzero(~held), np.flatnonzero(held)), strict=True):
                names = [labels[numbers[row]] for row in chosen]
                side.extend([texts[row] for row in chosen], names, weights[chosen].tolist(), lines[chosen].tolist())
            first = last
        return sides

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            first, last, step = row.indices(len(self))
            return self._texts(first, max(first, last))[::step]
        if not 0 <= row < len(self):
            raise IndexError(row)
        return self._texts(row, row + 1)[0]

    def _texts(self, first: int, last: int) -> list[str]:
        if first == last:
            return []
        begin = int(self._ends.read(first - 1, first)[0]) if first else 0
        ends = self._ends.read(first, last)
        data, place, texts = self._bytes.read(begin, int(ends[-1])).tobytes(), 0, []
        for end in (ends - begin).tolist():
            texts.append(data[place:end].decode("utf-8", "surrogatepass"))
            place = end
        return texts
