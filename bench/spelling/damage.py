"""Sentences with misspellings put into them, and how many of them are mended."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from timesteps.runtime.language.spelling.correction import Correction
from timesteps.runtime.language.spelling.corrector import Corrector
from timesteps.runtime.language.spelling.strokes import neighbours, strokes, typed

Damaged = tuple[list[str], list[str]]
"""The words of a sentence, and as they were damaged. Two words that were written as one stand together in both."""

_HANGUL = re.compile("[가-힣]{2,}")


def slip(word: str, chance: random.Random) -> str:
    """A Korean word after one slip: a neighbouring key, a stroke less, one more, or two in the wrong order."""
    keys = strokes(word)
    while True:
        place, kind = chance.randrange(len(keys)), chance.choice(["near", "near", "drop", "add", "swap"])
        near = sorted(neighbours(keys[place]))
        if kind == "near":
            changed = keys[:place] + chance.choice(near) + keys[place + 1 :]
        elif kind == "drop":
            changed = keys[:place] + keys[place + 1 :]
        elif kind == "add":
            changed = keys[:place] + chance.choice([*near, keys[place]]) + keys[place:]
        else:
            changed = keys[:place] + keys[place + 1 : place + 2] + keys[place] + keys[place + 2 :]
        if typed(changed) not in ("", word):
            return typed(changed)


def damage_korean(sentences: Sequence[str], share: float, seed: int) -> list[Damaged]:
    """Each word of two syllables or more is damaged with this chance."""
    chance = random.Random(seed)
    found = []
    for sentence in sentences:
        words = sentence.split()
        hit = [bool(_HANGUL.fullmatch(word)) and chance.random() < share for word in words]
        found.append((words, [slip(word, chance) if is_hit else word for word, is_hit in zip(words, hit, strict=True)]))
    return found


def damage_english(
    sentences: Sequence[str], misspellings: Mapping[str, Sequence[str]], share: float, seed: int
) -> list[Damaged]:
    """Each word that somebody misspelled is so here with this chance. Words in lower case."""
    chance = random.Random(seed)
    found = []
    for sentence in sentences:
        words = sentence.lower().split()
        hit = [word in misspellings and chance.random() < share for word in words]
        bad = [chance.choice(misspellings[word]) if is_hit else word for word, is_hit in zip(words, hit, strict=True)]
        found.append((words, bad))
    return found


def drop_blanks(sentences: Sequence[str], share: float, seed: int) -> list[Damaged]:
    """Each word, unless the one before it was, is written as one with the next with this chance."""
    chance = random.Random(seed)
    found = []
    for sentence in sentences:
        good: list[str] = []
        words = iter(sentence.split())
        hit = []
        for word in words:
            after = next(words, None) if chance.random() < share else None
            good.append(word if after is None else f"{word} {after}")
            hit.append(after is not None)
        found.append((good, [_without_blank(word) if is_hit else word for word, is_hit in zip(good, hit, strict=True)]))
    return found


def add_blanks(sentences: Sequence[str], share: float, seed: int) -> list[Damaged]:
    """Each word of letters only, two or more, is written as two with this chance."""
    chance = random.Random(seed)
    found = []
    for sentence in sentences:
        words = sentence.split()
        hit = [len(word) > 1 and word.isalpha() and chance.random() < share for word in words]
        places = [chance.randrange(1, len(word)) if is_hit else 0 for word, is_hit in zip(words, hit, strict=True)]
        bad = [f"{word[:at]} {word[at:]}" if at else word for word, at in zip(words, places, strict=True)]
        found.append((words, bad))
    return found


def _without_blank(words: str) -> str:
    return words.replace(" ", "")


def _answers(found: Correction, given: Sequence[str]) -> list[str]:
    """What became of each word; nothing where a part of it was taken together with another word."""
    answers, begin = [], 0
    for word in given:
        end = begin + len(word)
        changes = [each for each in found.changes if each.begin < end and each.begin + len(each.typed) > begin]
        answer, at = "", begin
        for each in changes:
            answer += found.typed[at : each.begin] + each.meant
            at = each.begin + len(each.typed)
        across = bool(changes) and (changes[0].begin < begin or at > end)
        answers.append("" if across else answer + found.typed[at:end])
        begin = end + 1
    return answers


def mend(corrector: Corrector, sentences: Sequence[Damaged]) -> dict[str, Any]:
    """How many damaged words were restored, and how many sound ones spoiled."""
    counts = {"damaged": 0, "restored": 0, "sound": 0, "spoiled": 0}
    for good, bad in sentences:
        got = _answers(corrector.correct(" ".join(bad)), bad)
        for meant, given, answer in zip(good, bad, got, strict=True):
            kind, verdict = ("damaged", "restored") if meant != given else ("sound", "spoiled")
            counts[kind] += 1
            counts[verdict] += (answer == meant) == (kind == "damaged")
    words = counts["damaged"] + counts["sound"]
    return {
        **counts,
        "restored_share": counts["restored"] / max(counts["damaged"], 1),
        "spoiled_share": counts["spoiled"] / counts["sound"],
        "right_before": counts["sound"] / words,
        "right_after": (counts["restored"] + counts["sound"] - counts["spoiled"]) / words,
    }
