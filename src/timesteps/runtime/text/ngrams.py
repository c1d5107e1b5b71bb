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

from collections.abc import Iterator, Sequence

from timesteps.runtime.spec import BagSpec
from timesteps.runtime.text.normalize import decompose_hangul

_OFFSET, _PRIME, _MASK = 0xCBF29CE484222325, 0x100000001B3, 0xFFFFFFFFFFFFFFFF
BEFORE, BEHIND, JOINT = "\x02", "\x03", "\x1f"


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


def ngrams(text: str, smallest: int, largest: int) -> Iterator[str]:
    """N-grams of the code points of a text between its boundary marks.

    >>> [ngram.replace("\\x02", "<").replace("\\x03", ">") for ngram in ngrams("ab", 1, 3)]
    ['<a', '<ab', 'a', 'ab', 'ab>', 'b', 'b>']
    """
    marked = f"{BEFORE}{text}{BEHIND}"
    last = len(marked) - 1
    for start in range(last + 1):
        for end in range(start + smallest, min(start + largest, last + 1) + 1):
            if end - start > 1 or 0 < start < last:
                yield marked[start:end]


def unit_features(unit: str, spec: BagSpec) -> set[int]:
    """The features of a unit, without phrases."""
    found = set()
    if spec.word:
        found.add(feature("w", unit))
    for family, range_, text in (("s", spec.syllable, unit), ("j", spec.jamo, decompose_hangul(unit))):
        if range_ is not None:
            found.update(feature(family, ngram) for ngram in ngrams(text, *range_))
    return found


def phrase_features(units: Sequence[str], order: int) -> Iterator[list[int]]:
    """For each step of a row of units, the features of the phrases of 2 to `order` units that end at the step."""
    for step in range(len(units)):
        starts = range(step - 1, max(step - order, -1), -1)
        yield [feature("p", JOINT.join(units[start : step + 1])) for start in starts]
