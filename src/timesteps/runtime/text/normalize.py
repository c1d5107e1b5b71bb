"""One spelling for one text: line breaks, normal form C, lower case, cut runs; syllables taken apart and put together.

Hangul composition is arithmetic (The Unicode Standard, section 3.12): a syllable is a leading consonant, a vowel and
perhaps a trailing consonant, and the 19 × 21 × 28 syllables stand in that order from U+AC00.
"""

from __future__ import annotations

import functools
import re
import unicodedata

from timesteps.errors import UsageError, option

_SYLLABLES, _LEADING, _VOWELS, _TRAILING = 0xAC00, 0x1100, 0x1161, 0x11A7
_LEADING_COUNT, _VOWEL_COUNT, _TRAILING_COUNT = 19, 21, 28
_SYLLABLE_COUNT = _LEADING_COUNT * _VOWEL_COUNT * _TRAILING_COUNT
_JAMO = re.compile("([\u1100-\u1112])([\u1161-\u1175])([\u11a8-\u11c2])?")
_SURROGATE = re.compile("[\ud800-\udfff]")
# b+ and r+, so that cutting runs cannot make a line break of what was none; and nothing that may hold a line's end, so
# that replacing one break cannot make another. Each normal text then stays as it is.
_BREAK = re.compile(r"<b+r+(?:[ /][^<>\n]*)?>", re.IGNORECASE)


@functools.cache
def _run(length: int) -> re.Pattern[str]:
    return re.compile(rf"(.)\1{{{length},}}", re.DOTALL)


def normalize(text: str, *, lowercase: bool = True, squeeze: int = 0) -> str:
    """Text in normal form C, lower-cased, runs of one character cut to `squeeze` (0 leaves them; digits are cut too).

    A line break of HTML (`<br />`, which texts from the web are full of) becomes an end of line, whatever is asked for.
    Lower-casing goes before normalisation, because some letters have a composed form in lower case only (ǰ).
    Surrogates without a partner, which no encoding can write, become U+FFFD. Normalising twice changes nothing.

    >>> normalize("ＯＫ 재밌다ㅋㅋㅋㅋㅋ Cafe\\u0301!!!!", squeeze=2)
    'ｏｋ 재밌다ㅋㅋ café!!'
    """
    if squeeze < 0:
        raise UsageError(
            f"{option('squeeze')} is {squeeze}", mend="0 leaves runs as they are, 2 cuts them to two characters"
        )
    if "<" in text:
        text = _BREAK.sub("\n", text)
    text = canonical(text, lowercase=lowercase)
    return _run(squeeze).sub(r"\1" * squeeze, text) if squeeze else text


def canonical(text: str, *, lowercase: bool = False) -> str:
    """Text in normal form C, perhaps lower-cased, surrogates without a partner as U+FFFD; nothing else is changed.

    >>> canonical("Cafe\\u0301\\ud800")
    'Café\ufffd'
    """
    if _SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return unicodedata.normalize("NFC", text.lower() if lowercase else text)


class _Decompositions(dict[int, str | int]):
    """Table for `str.translate`: an entry is computed when its code point is first met."""

    def __missing__(self, code: int) -> str | int:
        place = code - _SYLLABLES
        value: str | int = code
        if 0 <= place < _SYLLABLE_COUNT:
            rest, trailing = divmod(place, _TRAILING_COUNT)
            leading, vowel = divmod(rest, _VOWEL_COUNT)
            value = chr(_LEADING + leading) + chr(_VOWELS + vowel) + (chr(_TRAILING + trailing) if trailing else "")
        self[code] = value
        return value


_DECOMPOSITIONS = _Decompositions()


def decompose_hangul(text: str) -> str:
    """Hangul syllables as conjoining jamo; everything else stays. The inverse is `compose_hangul`.

    >>> [f"{ord(jamo):x}" for jamo in decompose_hangul("한글")]
    ['1112', '1161', '11ab', '1100', '1173', '11af']
    """
    return text.translate(_DECOMPOSITIONS)


def _compose(match: re.Match[str]) -> str:
    leading, vowel, trailing = match.groups()
    place = (ord(leading) - _LEADING) * _VOWEL_COUNT + ord(vowel) - _VOWELS
    return chr(_SYLLABLES + place * _TRAILING_COUNT + (ord(trailing) - _TRAILING if trailing else 0))


def compose_hangul(text: str) -> str:
    """Conjoining jamo as Hangul syllables: gives back any text in normal form C that `decompose_hangul` took apart.

    >>> compose_hangul(decompose_hangul("꿀잼 ㅋㅋ abc"))
    '꿀잼 ㅋㅋ abc'
    """
    return _JAMO.sub(_compose, text)
