"""A text as streams side by side, and the steps that an epoch takes through them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError

__all__ = ["Text", "Window", "windows"]


class Window(NamedTuple):
    """One step: tokens (T, B) and what follows each of them."""

    ids: NDArray[np.int32]
    targets: NDArray[np.int32]
    begin: int  # its first time


class Text:
    """N tokens cut into B contiguous streams of (N - 1) // B tokens, each with its successor.

    >>> text = Text(np.arange(8), 2)
    >>> text.ids.tolist(), text.targets.tolist()
    ([[0, 3], [1, 4], [2, 5]], [[1, 4], [2, 5], [3, 6]])
    """

    def __init__(self, tokens: NDArray[np.integer[Any]], streams: int) -> None:
        steps = (len(tokens) - 1) // streams
        if steps < 1:
            what = f"the text has {len(tokens)} tokens, too few for {streams} streams"
            raise DataError(what, mend="give more text or a smaller batch_size")
        self.steps, self.streams = steps, streams
        self.ids = np.ascontiguousarray(tokens[: steps * streams].reshape(streams, steps).T, np.int32)
        self.targets = np.ascontiguousarray(tokens[1 : steps * streams + 1].reshape(streams, steps).T, np.int32)

    def windows(self, lengths: Iterator[int]) -> Iterator[Window]:
        """Steps of these lengths, one after the other, to the end of the streams."""
        begin = 0
        while begin < self.steps:
            end = min(begin + next(lengths), self.steps)
            yield Window(self.ids[begin:end], self.targets[begin:end], begin)
            begin = end

    def digest(self) -> str:
        """Of all tokens in their order."""
        return hashlib.blake2b(self.ids.tobytes() + self.targets.tobytes(), digest_size=16).hexdigest()


def windows(bptt: int, variable: bool, seed: int, epoch: int) -> Iterator[int]:
    """The lengths of an epoch's steps, a function of (seed, epoch): `bptt`, or drawn about it.

    >>> lengths = windows(70, True, seed=1, epoch=0)
    >>> [next(lengths) for _ in range(6)] == [next(windows(70, True, 1, 0))] * 6
    False
    """
    random = np.random.default_rng([seed, epoch, 0x1E6])
    while True:
        if not variable:
            yield bptt
            continue
        about = bptt if random.random() < 0.95 else bptt / 2
        yield max(5, round(random.normal(about, 5.0)))
