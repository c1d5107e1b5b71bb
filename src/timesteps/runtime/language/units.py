"""What a language model counts: a text cut into units and put together again, and the units' numbers.

- `word`: what stands between blanks; with `apart`, punctuation at a word's ends is units of its own (don't and 3.14
  stay whole);
- `syllable`: Hangul syllables one by one, other words and runs as the tokenizer of that name cuts them, and each blank;
- `char`: code points; `jamo`: code points after Hangul syllables are taken apart; both with their blanks;
- `byte`: bytes of UTF-8, two hexadecimal digits each;
- `subword`: pieces that sentencepiece learned (Kudo & Richardson 2018, arXiv:1808.06226).

All but `word` give a text back as it was, in normal form C; words come back with one blank between them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import msgspec

from timesteps.errors import ModelError, UsageError
from timesteps.runtime.layout import shorten
from timesteps.runtime.text.normalize import canonical
from timesteps.runtime.text.subword import SubwordModel
from timesteps.runtime.text.tokenizers import detokenize, tokenizer

__all__ = ["BEGIN", "END", "KINDS", "MARKS", "UNKNOWN", "Kind", "Units", "UnitsSpec", "spelled", "unspelled"]

Kind = Literal["word", "syllable", "jamo", "char", "byte", "subword"]
KINDS: tuple[str, ...] = get_args(Kind)

UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"
MARKS = (UNKNOWN, BEGIN, END)

_ALIKE = re.compile(r"(.)\1*", re.DOTALL)
_CLOSING = frozenset(".,;:!?%)]}»”’…。，、！？）」』")
_OPENING = frozenset("([{«“‘（「『¿¡$")
_BLANKS = re.compile(r"\s")
_SPELLED = re.compile("▁|<0x([0-9A-F]+)>")


class UnitsSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How texts are cut."""

    kind: Kind = "word"
    lowercase: bool = False
    apart: bool = False
    """Whether punctuation at the ends of words is units of its own; for `word` only."""


class Units:
    """Cuts texts and puts them together, as a `UnitsSpec` says.

    >>> units = Units(UnitsSpec("word", lowercase=True, apart=True))
    >>> units.cut('He said: "don\\'t..."')
    ['he', 'said', ':', '"', "don't", '...', '"']
    >>> units.join(["he", "said", ":", "well", "(", "a", ")", "."])
    'he said: well (a).'
    >>> Units(UnitsSpec("syllable")).cut("꿀잼 yes!!")
    ['꿀', '잼', ' ', 'yes', '!!']
    """

    def __init__(self, spec: UnitsSpec, subword: SubwordModel | None = None) -> None:
        """`subword` is the model that cuts, for the kind of that name only."""
        if spec.kind not in KINDS:
            raise UsageError(f"{spec.kind!r} is no kind of unit", mend=f"choose one of {', '.join(KINDS)}")
        if spec.apart and spec.kind != "word":
            raise UsageError(f"{spec.kind} has no words to set punctuation apart from", mend="leave it out")
        if (spec.kind == "subword") != (subword is not None):
            raise UsageError(
                f"a subword model and units of kind {spec.kind}", mend="give it for subwords, and only then"
            )
        self.spec, self.subword = spec, subword
        self._cut, self._join = self._pair()

    def _pair(self) -> tuple[Callable[[str], list[str]], Callable[[Sequence[str]], str]]:
        kind = self.spec.kind
        if kind == "word":
            return (_words_apart, _join_apart) if self.spec.apart else (str.split, " ".join)
        if kind == "syllable":
            return _syllables, "".join
        if self.subword is not None:
            return self.subword.tokenize, self.subword.detokenize
        return tokenizer(kind), lambda units: detokenize(units, kind)  # type: ignore[arg-type]

    def cut(self, text: str) -> list[str]:
        """The units of a text, in normal form C, lower-cased if the specification says so."""
        return self._cut(canonical(text, lowercase=self.spec.lowercase))

    def join(self, units: Sequence[str]) -> str:
        """A text of these units."""
        return self._join(units)


def _words_apart(text: str) -> list[str]:
    units: list[str] = []
    for word in text.split():
        if word in MARKS or word.isalnum():
            units.append(word)
            continue
        begin, end = 0, len(word)
        while begin < end and _is_punctuation(word[begin]):
            begin += 1
        while begin < end and _is_punctuation(word[end - 1]):
            end -= 1
        units += [run[0] for run in _ALIKE.finditer(word[:begin])]
        units += [word[begin:end]] if begin < end else []
        units += [run[0] for run in _ALIKE.finditer(word[end:])]
    return units


def _is_punctuation(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "PS"


def _join_apart(units: Sequence[str]) -> str:
    parts: list[str] = []
    for place, unit in enumerate(units):
        if place and unit[:1] not in _CLOSING and units[place - 1][-1:] not in _OPENING:
            parts.append(" ")
        parts.append(unit)
    return "".join(parts)


def _syllables(text: str) -> list[str]:
    """Nothing is lost: what the tokenizer passes over (blanks, control characters) becomes units, one a character."""
    units: list[str] = []
    end = 0
    for unit in tokenizer("syllable")(text):
        begin = text.index(unit, end)
        units += text[end:begin]
        units.append(unit)
        end = begin + len(unit)
    return [*units, *text[end:]]


def spelled(unit: str) -> str:
    """A unit without white space, as a file needs it whose words end at blanks (ARPA). The inverse is `unspelled`.

    A blank is written ▁, as sentencepiece does, and a ▁ or another kind of blank by its code.

    >>> spelled(" "), spelled("\\n"), spelled("film"), unspelled(spelled("a ▁"))
    ('▁', '<0xA>', 'film', 'a ▁')
    """
    if unit.isalnum():
        return unit
    return _BLANKS.sub(
        lambda found: "▁" if found[0] == " " else f"<0x{ord(found[0]):X}>", unit.replace("▁", "<0x2581>")
    )


def unspelled(word: str) -> str:
    """The unit that `spelled` wrote so."""
    return _SPELLED.sub(lambda found: " " if found[1] is None else _letter(found[1], word), word)


def _letter(code: str, word: str) -> str:
    number = int(code[:8], 16)
    if len(code) > 8 or number > 0x10FFFF or 0xD800 <= number < 0xE000:
        raise ModelError(f"{shorten(word)} is no spelling of a unit: there is no character {code[:12]}")
    return chr(number)
