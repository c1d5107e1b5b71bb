"""`Sequences`: rows of different lengths, as every room passes them on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Bags:
    """Bags of feature ids: bag u is `ids[offsets[u]:offsets[u + 1]]`."""

    ids: NDArray[np.int32]  # (N,)
    offsets: NDArray[np.int64]  # (U + 1,)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, bags: NDArray[np.integer[Any]]) -> Bags:
        """The given bags, in the given order (repeats allowed)."""
        counts = np.diff(self.offsets)[bags]
        offsets = np.zeros(len(bags) + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        index = np.arange(offsets[-1]) + np.repeat(self.offsets[:-1][bags] - offsets[:-1], counts)
        return Bags(self.ids[index], offsets)


@dataclass(frozen=True)
class Sequences:
    """Rows of different lengths: row i is `values[offsets[i]:offsets[i + 1]]`.

    `values` holds one entry a step: token ids (N,) int32; numbers (N, I) float32; or, with `bags`, numbers of bags (N,)
    int32: the features of a step s are those of bag `values[s]` and, where `phrases` is given, those of phrase bag s.

    With a guide there are also `channels` (N, C), numbers beside each step, and `linear` (R, outputs), the logits of
    the guide's linear model.
    """

    values: NDArray[Any]
    offsets: NDArray[np.int64]  # (R + 1,)
    bags: Bags | None = None
    phrases: Bags | None = None
    channels: NDArray[np.float32] | None = None
    linear: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, rows: Sequence[Any], dtype: type = np.int32, bags: Bags | None = None) -> Sequences:
        """From a list of rows, each (T,) or (T, I)."""
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        arrays: list[NDArray[Any]] = [np.asarray(row, dtype) for row in rows]
        values = np.concatenate(arrays) if arrays else np.zeros(0, dtype)
        return cls(values, offsets, bags)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Steps of each row (R,)."""
        return np.diff(self.offsets)

    def steps_of(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """The places of the steps of these rows in `values`, in the given order.

        >>> Sequences.of([[4, 5], [6]]).steps_of(np.array([1, 0]))
        array([2, 0, 1])
        """
        counts = self.lengths[rows]
        ends = np.cumsum(counts)
        steps: NDArray[np.int64] = np.arange(counts.sum()) + np.repeat(self.offsets[rows] - (ends - counts), counts)
        return steps

    def take(self, rows: Iterable[int] | NDArray[np.integer[Any]]) -> Sequences:
        """The given rows, in the given order. `bags` is shared, not copied."""
        index = np.asarray(list(rows) if not isinstance(rows, np.ndarray) else rows, np.int64)
        offsets = np.zeros(len(index) + 1, np.int64)
        np.cumsum(self.lengths[index], out=offsets[1:])
        steps = self.steps_of(index)
        phrases = None if self.phrases is None else self.phrases.take(steps)
        channels = None if self.channels is None else self.channels[steps]
        linear = None if self.linear is None else self.linear[index]
        return Sequences(self.values[steps], offsets, self.bags, phrases, channels, linear)
