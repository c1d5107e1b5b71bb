"""Texts to the steps of their rows, as numbers of units: where texts are normalised, tokenised and truncated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime import native
from timesteps.runtime.spec import GuideSpec, TextSpec
from timesteps.runtime.text.framing import frame
from timesteps.runtime.text.ngrams import BEFORE, BEHIND, PIECE, parse_piece, pieces
from timesteps.runtime.text.normalize import normalize
from timesteps.runtime.text.numbered import Numbered, Packed, packed
from timesteps.runtime.text.vocabulary import PADDING_MARK, START_MARK

__all__ = ["CHUNK", "MOST_UNITS", "Chunk", "Splitter", "Text", "TextRules", "chunks_of"]

T = TypeVar("T")

Text = str | Sequence[str]
"""A string or, for the tokenizer "tokens", a list of tokens, each of which is a step."""

CHUNK = 8192
"""Texts whose tokens are in memory at one time."""

MOST_UNITS = 1 << 20
"""Distinct units that are remembered; after so many the numbers begin anew, whatever the memory of the machine."""

_NO_UNIT = ""  # a padding step of bag input: no text has this unit, so it has no features
_WHOLE = {None: 0, "token": 1, "character": 2}  # Whole in native/split.h


def chunks_of(texts: Sequence[T]) -> Iterator[list[T]]:
    """The texts, so many at a time."""
    for first in range(0, len(texts), CHUNK):
        yield list(texts[first : first + CHUNK])


class TextRules:
    """The definition of a text's steps: the names of its units, and what a guide reads of each.

    Args:
        spec: how texts become steps.
        tokenize: a normal text to tokens; None where texts come as tokens.
    """

    def __init__(self, spec: TextSpec, tokenize: Callable[[str], list[str]] | None) -> None:
        self.spec, self._tokenize = spec, tokenize

    def split(self, text: Text) -> tuple[str, list[str]]:
        """The normal form of a text, and its tokens or their pieces, one a step; given tokens stay one step each."""
        if self._tokenize is None:
            clean = [token.replace(PIECE, "") for token in text]
            return "", [normalize(token, lowercase=self.spec.lowercase, squeeze=self.spec.squeeze) for token in clean]
        assert isinstance(text, str)
        normal = normalize(text, lowercase=self.spec.lowercase, squeeze=self.spec.squeeze)
        tokens = self._tokenize(normal)
        size = None if self.spec.bag is None else self.spec.bag.piece
        return normal, tokens if size is None else [piece for token in tokens for piece in pieces(token, size)]

    def whole(self, text: Text, spec: GuideSpec) -> list[str]:
        """What a guide reads of a text, before truncation."""
        return self.read(*self.split(text), spec)

    def read(self, normal: str, names: list[str], spec: GuideSpec) -> list[str]:
        """The same of a text that has been split."""
        if spec.unit == "token":
            return names
        units, place, start = [], 0, 0
        for name in names:
            token, begin, end = parse_piece(name) if PIECE in name else (name, 0, len(name))
            if begin == 0:
                start = normal.index(token, place)
            units.append(normal[place : start + end])
            place = start + end
        if units:
            units[0] = BEFORE + units[0]
            units[-1] += BEHIND  # of the same string, where there is only one
        return units

    def row(self, names: list[str]) -> tuple[list[str], int]:
        """The names of a text that are steps, and the number of steps before a cut in the middle (0 without one)."""
        return frame(names, self.spec, START_MARK, PADDING_MARK if self.spec.bag is None else _NO_UNIT)


@dataclass(frozen=True)
class Chunk:
    """Some texts: steps as numbers of the splitter's units."""

    steps: NDArray[np.int32]
    lengths: NDArray[np.int64]  # (rows,)
    segments: NDArray[np.int64]  # offsets of rows, and of the places where a row was cut in the middle
    whole: Numbered | None  # the rows before truncation, as a guide reads them; without one, nothing


class Splitter:
    """Rows of steps from texts, a chunk at a time, and the distinct units of all of them, in order of first occurrence.

    Plain texts (`native/split.h`) are the core's, where the tokens are words or syllables; the others are Python's.

    >>> splitter = Splitter(TextRules(TextSpec(), str.split))
    >>> [splitter(texts).steps.tolist() for texts in (["b a b"], ["a c"])], splitter.units(1).strings()
    ([[0, 1, 0], [1, 2]], ['a', 'c'])
    """

    def __init__(self, rules: TextRules, guide: GuideSpec | None = None, *, compiled: bool = False) -> None:
        self._rules, self._guide = rules, guide
        self._numbers: dict[str, int] = {}
        self._core: Any = _compiled(rules.spec) if compiled else None

    def __call__(self, texts: Sequence[Text]) -> Chunk:
        """The rows of texts."""
        if self._core is None:
            return self._plain(texts)
        whole = _WHOLE[None if self._guide is None else self._guide.unit]
        steps, offsets, cuts, text, lengths, wholes, whole_offsets = self._core.split(list(texts), self._other, whole)
        heard = None if self._guide is None else Numbered(Packed(text, lengths), wholes, whole_offsets)
        segments = np.sort(np.concatenate([offsets, offsets[:-1] + cuts]))
        return Chunk(steps, np.diff(offsets), segments, heard)

    def __len__(self) -> int:
        return len(self._numbers) if self._core is None else len(self._core)

    def units(self, first: int = 0) -> Packed:
        """The units from a number on."""
        if self._core is None:
            return packed(list(self._numbers)[first:])
        return Packed(*self._core.units(first))

    def clear(self) -> None:
        """Forget all units: the next one has the number 0."""
        self._numbers = {}
        if self._core is not None:
            self._core.clear()

    def _other(self, text: str) -> tuple[list[str], list[str] | None]:
        """The names, and what a guide reads, of a text that is not plain."""
        normal, names = self._rules.split(text)
        return names, None if self._guide is None else self._rules.read(normal, names, self._guide)

    def _plain(self, texts: Iterable[Text]) -> Chunk:
        split = [self._rules.split(text) for text in texts]
        rows = [self._rules.row(names) for _, names in split]
        guide, numbers = self._guide, self._numbers
        whole = None if guide is None else Numbered.of([self._rules.read(*parts, guide) for parts in split])
        lengths = np.array([len(row) for row, _ in rows], np.int64)
        tokens = chain.from_iterable(row for row, _ in rows)
        steps = np.fromiter((numbers.setdefault(token, len(numbers)) for token in tokens), np.int32, int(lengths.sum()))
        parts = (part for (row, cut) in rows for part in (cut, len(row) - cut))
        return Chunk(steps, lengths, np.cumsum([0, *parts], dtype=np.int64), whole)


def _compiled(spec: TextSpec) -> Any:
    """The core's splitter; None where there is no core, or where it does not know how."""
    if native.core is None or spec.tokenizer not in ("word", "syllable") or spec.start or not spec.mask:
        return None
    room = -1 if spec.max_length is None else spec.max_length
    head = {"pre": 0, "post": room, "middle": spec.head_length}[spec.truncating]
    piece = 0 if spec.bag is None else spec.bag.piece or 0
    return native.core.Splitter(spec.lowercase, spec.squeeze, spec.tokenizer == "syllable", piece, room, head)
