"""Sentences with misspellings put into them, and how many of them are mended."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from timesteps.runtime.language.spelling.corrector import Corrector
from timesteps.runtime.language.spelling.strokes import neighbours, strokes, typed

Damaged = tuple[list[str], list[str]]
"""The words of a sentence, and as they were damaged."""

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


def mend(corrector: Corrector, sentences: Sequence[Damaged]) -> dict[str, Any]:
    """How many damaged words were restored, and how many sound ones spoiled."""
    counts = {"damaged": 0, "restored": 0, "sound": 0, "spoiled": 0}
    began = time.perf_counter()
    for good, bad in sentences:
        got = corrector.correct(" ".join(bad)).text.split()
        for meant, given, answer in zip(good, bad, got, strict=True):
            kind, verdict = ("damaged", "restored") if meant != given else ("sound", "spoiled")
            counts[kind] += 1
            counts[verdict] += (answer == meant) == (kind == "damaged")
    words = counts["damaged"] + counts["sound"]
    return {
        **counts,
        "restored_share": counts["restored"] / counts["damaged"],
        "spoiled_share": counts["spoiled"] / counts["sound"],
        "right_before": counts["sound"] / words,
        "right_after": (counts["restored"] + counts["sound"] - counts["spoiled"]) / words,
        "words_per_second": words / (time.perf_counter() - began),
    }
