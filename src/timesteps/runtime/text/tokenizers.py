"""Texts to tokens and back, by rule: words, characters, Hangul syllables, jamo, bytes.

A text should be normalised first (`normalize`). What a tokenizer learns from texts (subwords) is in `subword.py`.

`word` cuts a text into units, each a longest run of one kind; blanks and invisible control and format characters only
separate:

- Hangul syllables (영화); jamo outside syllables (ㅋㅋㅋ, ㅠㅠ);
- other letters of any script with the combining marks on them (café, हिन्दी); decimal digits (2012);
- punctuation and symbols (!!, ^_^, ★★);
- each emoji by itself, with its modifiers and joined parts (👍🏽, 👨‍👩‍👧, 🇰🇷, ❤️): a run of them is many words, not one.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Literal

from timesteps.errors import UsageError
from timesteps.runtime.text.normalize import compose_hangul, decompose_hangul

Rule = Literal["word", "char", "syllable", "jamo", "byte"]

_SYLLABLE = "가-힣"
_JAMO = "\u1100-\u11ff\u3131-\u318e\ua960-\ua97f\ud7b0-\ud7ff\uffa0-\uffdc"
_PICTURES = "\U0001f000-\U0001faff"  # emoji by default
_SYMBOLS = "\u2190-\u2bff\u3030\u303d\u3297\u3299\u00a9\u00ae\u203c\u2049\u2122\u2139"  # emoji when U+FE0F follows
_JOINERS = "\u200c\u200d"  # inside words of some scripts they belong to the spelling


def _ranges(codes: list[int]) -> str:
    """Sorted code points as the inside of a character class."""
    starts = [code for place, code in enumerate(codes) if place == 0 or codes[place - 1] != code - 1]
    ends = [code for place, code in enumerate(codes) if place == len(codes) - 1 or codes[place + 1] != code + 1]
    return "".join(f"\\U{start:08x}-\\U{end:08x}" for start, end in zip(starts, ends, strict=True))


@functools.cache
def _units(one_by_one: bool) -> re.Pattern[str]:
    """The pattern of a unit. It takes some milliseconds to make, so it is made when it is first needed."""
    assigned = [*range(0x20000), *range(0xE0000, 0xE0200)]  # no marks, controls or format characters elsewhere
    categories = [(code, unicodedata.category(chr(code))) for code in assigned]
    marks = _ranges([code for code, category in categories if category[0] == "M"])
    hidden = _ranges([code for code, category in categories if category in ("Cc", "Cf")])
    letter = rf"[^\W\d_{_SYLLABLE}{_JAMO}]"
    symbol = rf"[^\w\s{marks}{hidden}{_PICTURES}]"
    modifiers = "[\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*"
    picture = rf"(?:[{_PICTURES}]|[{_SYMBOLS}](?=\ufe0f)){modifiers}"
    kinds = [
        "[0-9#*]\ufe0f?\u20e3",  # keycap
        "[\U0001f1e6-\U0001f1ff]{2}",  # flag
        rf"{picture}(?:\u200d[{_PICTURES}{_SYMBOLS}]{modifiers})*",
        rf"[{_SYLLABLE}]" if one_by_one else rf"[{_SYLLABLE}]+",
        rf"[{_JAMO}]+",
        rf"{letter}+(?:[{marks}{_JOINERS}]+{letter}*)*",
        r"\d+(?![\ufe0f\u20e3])|\d",  # a digit before a keycap's sign belongs to it
        rf"(?:{symbol}+|_+)+(?!\ufe0f)|{symbol}|_",
        rf"[{marks}]+",  # on nothing
    ]
    return re.compile("|".join(kinds))


def _by_word(text: str) -> list[str]:
    return _units(False).findall(text)


def _by_syllable(text: str) -> list[str]:
    return _units(True).findall(text)


def _by_byte(text: str) -> list[str]:
    return [f"{byte:02x}" for byte in text.encode("utf-8", "replace")]


def _join_syllables(tokens: Sequence[str]) -> str:
    """Blanks between tokens, but none between two Hangul syllables: they would be taken apart again anyway."""
    joined: list[str] = []
    for place, token in enumerate(tokens):
        if place and not ("가" <= token <= "힣" and "가" <= tokens[place - 1] <= "힣"):
            joined.append(" ")
        joined.append(token)
    return "".join(joined)


def _join_bytes(tokens: Sequence[str]) -> str:
    return bytes.fromhex("".join(tokens)).decode("utf-8", "replace")


_RULES: dict[str, tuple[Callable[[str], list[str]], Callable[[Sequence[str]], str]]] = {
    "word": (_by_word, " ".join),
    "char": (list, "".join),
    "syllable": (_by_syllable, _join_syllables),
    "jamo": (lambda text: list(decompose_hangul(text)), lambda tokens: compose_hangul("".join(tokens))),
    "byte": (_by_byte, _join_bytes),
}


def _rule(name: str) -> tuple[Callable[[str], list[str]], Callable[[Sequence[str]], str]]:
    if name not in _RULES:
        raise UsageError(f"{name!r} is no tokenizer by rule", mend=f"choose one of {', '.join(_RULES)}")
    return _RULES[name]


def tokenizer(name: str) -> Callable[[str], list[str]]:
    """The function that `tokenize` calls, for loops over many texts."""
    return _rule(name)[0]


def tokenize(text: str, name: Rule = "word") -> list[str]:
    """Tokens of a text.

    `word`: units as the module says; `syllable`: the same, but Hangul syllables one by one; `char`: code points, blanks
    included; `jamo`: code points after syllables are taken apart; `byte`: bytes of UTF-8, two hexadecimal digits each.

    >>> tokenize("완전 재밌어요ㅋㅋㅋ!! 10점👍👍 don't")
    ['완전', '재밌어요', 'ㅋㅋㅋ', '!!', '10', '점', '👍', '👍', 'don', "'", 't']
    >>> tokenize("꿀잼ㅋㅋ yes", "syllable")
    ['꿀', '잼', 'ㅋㅋ', 'yes']
    >>> tokenize("é", "byte")
    ['c3', 'a9']
    """
    return _rule(name)[0](text)


def detokenize(tokens: Sequence[str], name: Rule = "word") -> str:
    """A text that has these tokens: `tokenize(detokenize(tokens, name), name)` gives the tokens of a text back.

    `char` and `byte` give the text itself back, `jamo` too if it was in normal form C; `word` and `syllable` have
    forgotten its blanks and write one between tokens (none between two syllables).

    >>> detokenize(["꿀", "잼", "ㅋㅋ", "yes"], "syllable")
    '꿀잼 ㅋㅋ yes'
    """
    return _rule(name)[1](tokens)
