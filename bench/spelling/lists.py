"""Misspellings, words with frequencies and sentences, from TIMESTEPS_DATA."""

from __future__ import annotations

import ast
import csv
import os
import re
from pathlib import Path

from timesteps.data.lines import iter_lines
from timesteps.data.split import hash_fraction
from timesteps.runtime.language.spelling.lexicon import Lexicon

Pair = tuple[str, str]
"""What was meant, and what was written."""

_WORD = re.compile(r"[a-z']+")


def data(*parts: str) -> Path:
    """A file of TIMESTEPS_DATA; the bench ends if there is none."""
    root = os.environ.get("TIMESTEPS_DATA")
    if not root:
        raise SystemExit("set TIMESTEPS_DATA to the folder with norvig_spelling, symspell_freq, nsmc and the others")
    return Path(root, *parts)


def norvig() -> list[Pair]:
    """Norvig's testset1 (2007): 270 misspellings, for judging only."""
    text = data("norvig_spelling", "spell-testset1.txt").read_text("utf-8")
    found = ast.literal_eval("{" + text.split("{", 1)[1].rsplit("}", 1)[0] + "}")
    return [(meant.strip(), typed) for meant, words in found.items() for typed in words.split()]


def _clean(pairs: list[Pair]) -> list[Pair]:
    """Single words in lower case, without any whose meant word is in testset1."""
    judged = {meant for meant, _ in norvig()}
    lower = [(meant.lower(), typed.lower()) for meant, typed in pairs]
    return [
        (meant, typed)
        for meant, typed in lower
        if meant != typed and meant not in judged and _WORD.fullmatch(meant) and _WORD.fullmatch(typed)
    ]


def aspell() -> list[Pair]:
    """Atkinson's list for Aspell."""
    lines = iter_lines(data("spelling_aspell", "aspell.data.xz"), "latin-1")
    return _clean([(line.split("\t")[1], line.split("\t")[0]) for _, line in lines if "\t" in line])


def birkbeck() -> list[Pair]:
    """Mitton's Birkbeck corpus: poor spellers, young and old."""
    pairs, meant = [], ""
    for _, line in iter_lines(data("spelling_birkbeck", "missp.dat.xz"), "latin-1"):
        if line.startswith("$"):
            meant = line[1:].strip()
        elif line.strip():
            pairs.append((meant, line.strip()))
    return _clean(pairs)


def english_words() -> Lexicon:
    """Garbe's list: words of SCOWL with frequencies of Google's n-grams."""
    path = data("symspell_freq", "frequency_dictionary_en_82_765.txt.xz")
    return Lexicon.read(iter_lines(path), name=path.name)


def english_sentences() -> list[str]:
    """The English side of Tatoeba's English-French pairs, each sentence once."""
    path = next(data("tatoeba_en_fr").glob("fra*"))
    return list(dict.fromkeys(line.split("\t")[0] for _, line in iter_lines(path)))


def korean_sentences() -> list[str]:
    """Film reviews, a chatbot's dialogues, and the Korean side of Tatoeba's English-Korean pairs, each once."""
    reviews = iter_lines(data("nsmc", "ratings_train.own_split.txt.xz"))
    found = [line.split("\t")[1] for number, line in reviews if number > 1]
    dialogues = (line for _, line in iter_lines(data("songys_chatbot", "ChatbotData.csv.xz")))
    found += [text for row in list(csv.reader(dialogues))[1:] for text in row[:2]]
    found += [line.split("\t")[1] for _, line in iter_lines(data("tatoeba_en_ko", "kor.txt.xz"))]
    return list(dict.fromkeys(text.strip() for text in found if text.strip()))


def held_out(sentences: list[str], share: float) -> tuple[list[str], list[str]]:
    """The rest, and the sentences that are kept for judging."""
    kept = {text for text in sentences if hash_fraction(text, 0) < share}
    return [text for text in sentences if text not in kept], sorted(kept, key=lambda text: hash_fraction(text, 1))
