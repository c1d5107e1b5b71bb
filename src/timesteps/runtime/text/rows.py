"""From the units of texts to what a network reads at each step: ids of tokens, or numbers of bags of features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.sequences import Bags, Sequences
from timesteps.runtime.spec import BagSpec
from timesteps.runtime.text import splitting
from timesteps.runtime.text.bags import Features, look_up, look_up_phrases
from timesteps.runtime.text.splitting import Chunk, Splitter, Text

__all__ = ["BagReader", "IdReader"]

T = TypeVar("T", bound=np.generic)


class IdReader:
    """Rows of ids; each distinct token is looked up once."""

    def __init__(self, splitter: Splitter, encode: Callable[[Sequence[str]], list[int]]) -> None:
        self._splitter, self._encode = splitter, encode
        self._ids = np.zeros(0, np.int32)  # of the splitter's units
        self._values, self._lengths = [np.zeros(0, np.int32)], [np.zeros(1, np.int64)]

    def add(self, texts: Sequence[Text]) -> Chunk:
        """Read further texts."""
        chunk = self._splitter(texts)
        new = self._splitter.units(len(self._ids)).strings()
        self._ids = np.concatenate([self._ids, np.array(self._encode(new), np.int32)])
        self._values.append(self._ids[chunk.steps])
        self._lengths.append(chunk.lengths)
        if len(self._splitter) > splitting.MOST_UNITS:
            self._splitter.clear()
            self._ids = self._ids[:0]
        return chunk

    def rows(self) -> Sequences:
        """All that was read; the reader may not be used again."""
        return Sequences(_joined(self._values), np.cumsum(_joined(self._lengths), dtype=np.int64))


class BagReader:
    """Rows of numbers of bags: a distinct unit has one (until `MOST_UNITS` are known, and numbers begin anew)."""

    def __init__(self, splitter: Splitter, spec: BagSpec, features: Features) -> None:
        self._splitter, self._spec, self._features = splitter, spec, features
        self._known = self._before = 0  # units of the splitter that have their bags, and bags of those it forgot
        self._values, self._lengths = [np.zeros(0, np.int32)], [np.zeros(1, np.int64)]
        none = Bags(np.zeros(0, np.int32), np.zeros(1, np.int64))
        self._bags, self._phrases = [none], [none]

    def add(self, texts: Sequence[Text]) -> Chunk:
        """Read further texts."""
        chunk = self._splitter(texts)
        self._bags.append(look_up(self._splitter.units(self._known), self._spec, self._features))
        if self._spec.phrase > 1:
            units = self._splitter.units()
            self._phrases.append(look_up_phrases(units, chunk.steps, chunk.segments, self._spec, self._features))
        self._values.append(chunk.steps + np.int32(self._before))
        self._lengths.append(chunk.lengths)
        self._known = len(self._splitter)
        if self._known > splitting.MOST_UNITS:
            self._splitter.clear()
            self._before, self._known = self._before + self._known, 0
        return chunk

    def rows(self) -> Sequences:
        """All that was read; the reader may not be used again."""
        offsets = np.cumsum(_joined(self._lengths), dtype=np.int64)
        phrases = _joined_bags(self._phrases) if self._spec.phrase > 1 else None
        return Sequences(_joined(self._values), offsets, _joined_bags(self._bags), phrases)


def _joined(parts: list[NDArray[T]]) -> NDArray[T]:
    """The parts as one array; they are let go."""
    whole = np.concatenate(parts)
    parts.clear()
    return whole


def _joined_bags(parts: list[Bags]) -> Bags:
    sizes = np.concatenate([np.diff(part.offsets) for part in parts])
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    ids = np.concatenate([part.ids for part in parts])
    parts.clear()
    return Bags(ids, offsets)
