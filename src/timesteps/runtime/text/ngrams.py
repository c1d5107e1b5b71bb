"""Which n-grams make up the bag of a unit, and their hashes: the definition, in plain Python.

`native/ngrams.h` does the same faster; `bags.py` chooses. A feature is the 64-bit FNV-1a hash (Fowler, Noll & Vo) of
one byte that names the family, and the n-gram in UTF-8. Families:

- `w` the unit itself;
- `s` n-grams of its code points, between the marks U+0002 (before) and U+0003 (behind); a mark alone is none;
- `j` n-grams of the same after Hangul syllables are taken apart into jamo;
- `p` phrases: a unit with the units before it, joined by U+001F.

A bag is a set: an n-gram that occurs twice in a unit counts once. (Two n-grams of one hash would be one feature; among
ten million n-grams a pair is to be expected in 3 of 1,000,000 trainings.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from timesteps.runtime.spec import BagSpec
from timesteps.runtime.text.normalize import decompose_hangul

_OFFSET, _PRIME, _MASK = 0xCBF29CE484222325, 0x100000001B3, 0xFFFFFFFFFFFFFFFF
BEFORE, BEHIND, JOINT, PIECE = "\x02", "\x03", "\x1f", "\x1e"
_HANGUL = re.compile("[\uac00-\ud7a3]+")
_LONGEST = 256  # syllables; each piece names its unit, so that without a limit a unit would take its length squared
_PIECE = re.compile(f"([^{PIECE}]*){PIECE}([0-9]{{1,7}}){PIECE}([0-9]{{1,7}})", re.DOTALL)


def fnv1a(data: bytes) -> int:
    """64-bit FNV-1a hash.

    >>> f"{fnv1a(b'foobar'):x}"
    '85944171f73967e8'
    """
    state = _OFFSET
    for byte in data:
        state = ((state ^ byte) * _PRIME) & _MASK
    return state


def feature(family: str, ngram: str) -> int:
    """The hash of an n-gram of a family ("w", "s", "j" or "p")."""
    return fnv1a((family + ngram).encode("utf-8", "surrogatepass"))


def ngrams(text: str, smallest: int, largest: int, begin: int = 0, stop: int | None = None) -> Iterator[str]:
    """N-grams of the code points of a text between its boundary marks, those that begin in text[begin:stop].

    The mark before the text counts to its first code point, the one behind to its last.

    >>> [ngram.replace("\\x02", "<").replace("\\x03", ">") for ngram in ngrams("ab", 1, 3)]
    ['<a', '<ab', 'a', 'ab', 'ab>', 'b', 'b>']
    >>> [ngram.replace("\\x02", "<") for ngram in ngrams("abc", 2, 2, 0, 2)]
    ['<a', 'ab', 'bc']
    """
    marked = f"{BEFORE}{text}{BEHIND}"
    last = len(marked) - 1
    for start in range(begin + 1 if begin else 0, last + 1 if stop is None or stop >= len(text) else stop + 1):
        for end in range(start + smallest, min(start + largest, last + 1) + 1):
            if end - start > 1 or 0 < start < last:
                yield marked[start:end]


def unit_features(unit: str, spec: BagSpec) -> set[int]:
    """The features of a unit, without phrases; of a piece of one, the unit itself and the n-grams that begin there."""
    unit, begin, end = parse_piece(unit)
    found = set()
    if spec.word:
        found.add(feature("w", unit))
    if spec.syllable is not None:
        found.update(feature("s", ngram) for ngram in ngrams(unit, *spec.syllable, begin, end))
    if spec.jamo is not None:
        first, stop = (len(decompose_hangul(unit[:place])) for place in (begin, end))
        found.update(feature("j", ngram) for ngram in ngrams(decompose_hangul(unit), *spec.jamo, first, stop))
    return found


def pieces(unit: str, size: int) -> list[str]:
    """A unit of Hangul syllables in pieces of about so many, each the unit with the piece's place; others whole.

    What is too long for a word, a page without blanks, is several units of 256 syllables.

    >>> [name.replace(PIECE, "/") for name in pieces("재미있는", 2)], pieces("film", 2)
    (['재미있는/0/2', '재미있는/2/4'], ['film'])
    """
    if len(unit) <= size or not _HANGUL.fullmatch(unit):
        return [unit]
    if len(unit) > _LONGEST:
        units = [unit[place : place + _LONGEST] for place in range(0, len(unit), _LONGEST)]
        return [piece for part in units for piece in pieces(part, size)]
    count = round(len(unit) / size)
    width = -(-len(unit) // count)
    places = range(0, len(unit), width)
    if len(places) == 1:
        return [unit]
    return [f"{unit}{PIECE}{place}{PIECE}{min(place + width, len(unit))}" for place in places]


def parse_piece(name: str) -> tuple[str, int, int]:
    """The unit of a piece, and where the piece begins and ends in it; of a whole unit, 0 and its length.

    >>> parse_piece(pieces("재미있는", 2)[1]), parse_piece("film")
    (('재미있는', 2, 4), ('film', 0, 4))
    """
    found = _PIECE.fullmatch(name)
    if found is not None and int(found[2]) < int(found[3]) <= len(found[1]):
        return found[1], int(found[2]), int(found[3])
    return name, 0, len(name)


def phrase_features(units: Sequence[str], order: int) -> Iterator[list[int]]:
    """For each step of a row of units, the features of the phrases of 2 to `order` units that end at the step."""
    for step in range(len(units)):
        starts = range(step - 1, max(step - order, -1), -1)
        yield [feature("p", JOINT.join(units[start : step + 1])) for start in starts]
