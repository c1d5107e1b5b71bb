"""n-gram models to ARPA files, measured against KenLM where it is installed."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from timesteps.interchange.checking import Check, difference, judged, missing, version
from timesteps.interchange.exported import Exported, checked_ending
from timesteps.runtime.language.arpa import write_arpa
from timesteps.runtime.language.ngram import Ngram
from timesteps.runtime.language.units import spelled

__all__ = ["to_arpa"]

_SENTENCES = 40
_KENLM_ORDER = 6  # as it is built from PyPI


def to_arpa(run: str | os.PathLike[str], path: str | os.PathLike[str]) -> Exported:
    """Write an n-gram model as an ARPA file: `.arpa`, or `.gz` for a compressed one.

    KenLM reads the file and scores random sentences, if it is installed.

    Raises:
        ModelError: the run holds no n-gram model; KenLM's scores are others, and nothing is left.
        UsageError: another ending; a file that cannot be written.
    """
    target = checked_ending(path, ".arpa", ".gz")
    model = Ngram.load(run)
    write_arpa(model, target)
    try:
        check = judged(_measure(model, target))
    except BaseException:
        target.unlink()
        raise
    notes = [] if model.spec.smoothing != "stupid-backoff" else ["scores of stupid backoff do not sum to 1"]
    if model.spec.vocabulary.units.kind != "word":
        notes.append("a blank is written as ▁, and other blanks by their codes")
    return Exported(target, check, tuple(notes))


def _measure(model: Ngram, path: Path) -> Check:
    if gone := missing("kenlm"):
        return Check(gone)
    if len(model.counts) > _KENLM_ORDER:
        return Check(f"kenlm reads orders up to {_KENLM_ORDER}")
    import kenlm

    config = kenlm.Config()
    config.show_progress = False
    theirs = kenlm.Model(str(path), config)
    largest = 0.0
    for tokens in sentences(model):
        line = " ".join(spelled(model.words[token]) for token in tokens)
        ours, _ = model.sentence_log_probs([tokens])
        found = [log for log, _, _ in theirs.full_scores(line)]
        largest = max(largest, difference(ours / math.log(10.0), np.array(found)))
    return Check(version("kenlm"), largest, _SENTENCES)


def sentences(model: Ngram) -> list[Sequence[int]]:
    """Random sentences, half of them drawn from the model itself, so that long n-grams are met."""
    rng = np.random.default_rng(0)
    marks = (model.begin, model.end, model.unknown)
    words = np.array([token for token in range(len(model.words)) if token not in marks])
    found: list[Sequence[int]] = [rng.choice(words, rng.integers(1, 12)).tolist() for _ in range(_SENTENCES // 2)]
    for _ in range(_SENTENCES - len(found)):
        state = model.start()
        sentence: list[int] = []
        while len(sentence) < 20:
            p = np.exp(model.distribution(state)[words])
            sentence.append(int(rng.choice(words, p=p / p.sum())))
            state = model.log_prob(state, sentence[-1])[1]
        found.append(sentence)
    return found
