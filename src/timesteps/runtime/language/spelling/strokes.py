"""Words as strokes of a keyboard, and where the keys lie: QWERTY, and the Korean 2-beolsik layout on the same keys.

A Hangul syllable is two to five strokes: 닭 is ㄷ ㅏ ㄹ ㄱ, ㅘ is ㅗ ㅏ. So a slip of one finger is one edit, and a
consonant is the same stroke before and after its vowel.
"""

from __future__ import annotations

import functools
from itertools import product

from timesteps.runtime.text.normalize import decompose_hangul

__all__ = ["KEYS", "neighbours", "strokes", "typed"]

_ROWS = (("qwertyuiop", 0.0), ("asdfghjkl", 0.25), ("zxcvbnm", 0.75))  # how far each row is set in, in keys
_PLAIN = dict(zip("qwertyuiopasdfghjklzxcvbnm", "ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔㅁㄴㅇㄹㅎㅗㅓㅏㅣㅋㅌㅊㅍㅠㅜㅡ", strict=True))
_SHIFTED = dict(zip("qwertop", "ㅃㅉㄸㄲㅆㅒㅖ", strict=True))

KEYS: dict[str, str] = {
    **{key: key for row, _ in _ROWS for key in row},
    **{jamo: key for key, jamo in _PLAIN.items()},
    **{jamo: key for key, jamo in _SHIFTED.items()},
}
"""The key of each letter and jamo; a shifted jamo (ㄲ) lies on the key of its plain one (ㄱ)."""

_LEADING = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_TRAILING = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_COMPOUND = {
    "ㅘ": "ㅗㅏ",
    "ㅙ": "ㅗㅐ",
    "ㅚ": "ㅗㅣ",
    "ㅝ": "ㅜㅓ",
    "ㅞ": "ㅜㅔ",
    "ㅟ": "ㅜㅣ",
    "ㅢ": "ㅡㅣ",
    "ㄳ": "ㄱㅅ",
    "ㄵ": "ㄴㅈ",
    "ㄶ": "ㄴㅎ",
    "ㄺ": "ㄹㄱ",
    "ㄻ": "ㄹㅁ",
    "ㄼ": "ㄹㅂ",
    "ㄽ": "ㄹㅅ",
    "ㄾ": "ㄹㅌ",
    "ㄿ": "ㄹㅍ",
    "ㅀ": "ㄹㅎ",
    "ㅄ": "ㅂㅅ",
}
_CONJOINING = (
    {chr(0x1100 + place): jamo for place, jamo in enumerate(_LEADING)}
    | {chr(0x1161 + place): jamo for place, jamo in enumerate(_VOWELS)}
    | {chr(0x11A8 + place): jamo for place, jamo in enumerate(_TRAILING)}
)
_STROKES = str.maketrans({letter: _COMPOUND.get(jamo, jamo) for letter, jamo in _CONJOINING.items()} | _COMPOUND)


def strokes(word: str) -> str:
    """What is typed for a word: its letters in lower case, syllables as jamo, compound jamo as their parts.

    >>> strokes("닭과"), strokes("Bus")
    ('ㄷㅏㄹㄱㄱㅗㅏ', 'bus')
    """
    return decompose_hangul(word.lower()).translate(_STROKES)


_PARTS = {parts: jamo for jamo, parts in _COMPOUND.items()}
_VOWEL_STROKES = frozenset("ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅛㅜㅠㅡㅣ")


def typed(keys: str) -> str:
    """What stands in the text after these strokes, as an input method puts jamo together; the inverse of `strokes`.

    A consonant closes a syllable unless a vowel follows, which takes it for its own.

    >>> typed("ㄷㅏㄹㄱㄱㅗㅏ"), typed("ㄷㅏㄹㄱㅏ"), typed("ㅋㅋa")
    ('닭과', '달가', 'ㅋㅋa')
    """
    written: list[str] = []
    place = 0

    def vowel(at: int) -> bool:
        return at < len(keys) and keys[at] in _VOWEL_STROKES

    while place < len(keys):
        lead = _LEADING.find(keys[place])
        if lead < 0 or not vowel(place + 1):
            written.append(keys[place])
            place += 1
            continue
        middle, place = keys[place + 1], place + 2
        if vowel(place) and middle + keys[place] in _PARTS:
            middle, place = _PARTS[middle + keys[place]], place + 1
        last = ""
        while place < len(keys) and not vowel(place + 1):
            longer = keys[place] if not last else _PARTS.get(last + keys[place], "")
            if not longer or longer not in _TRAILING:
                break
            last, place = longer, place + 1
        number = (lead * len(_VOWELS) + _VOWELS.index(middle)) * (len(_TRAILING) + 1)
        written.append(chr(0xAC00 + number + (_TRAILING.index(last) + 1 if last else 0)))
    return "".join(written)


@functools.cache
def neighbours(letter: str) -> frozenset[str]:
    """The letters on the keys around a letter's own, of the same script; none for what is on neither layout.

    >>> "".join(sorted(neighbours("g"))), "ㅈ" in neighbours("ㄷ"), "w" in neighbours("ㄷ")
    ('bfhtvy', True, False)
    """
    if letter not in KEYS:
        return frozenset()
    places = {
        key: (place + inset, float(row)) for row, (keys, inset) in enumerate(_ROWS) for place, key in enumerate(keys)
    }
    x, y = places[KEYS[letter]]
    near = {key for key, (a, b) in places.items() if abs(a - x) + abs(b - y) > 0 and (a - x) ** 2 + (b - y) ** 2 < 1.7}
    return frozenset(
        other for key, other in product(near, KEYS) if KEYS[other] == key and (other < "{") == (letter < "{")
    )
