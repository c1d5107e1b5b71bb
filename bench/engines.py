"""`python -m bench.engines [DATASET …]`: the accuracy of both training engines on the same rows, seed by seed.

Results go to bench/results/engines.json, after every run. Only `sample` is bundled; the others are read through
TIMESTEPS_DATA.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from bench.record import read, write
from timesteps import Classifier
from timesteps.data.sequences import read_sequences
from timesteps.data.source import open_source
from timesteps.data.split import hash_fraction

SEEDS = range(5)
ENGINES = ("native", "torch")
HELD_OUT = 0.1  # of the rows, chosen by a hash of the text

Rows = tuple[Sequence[Any], Sequence[Any]]


def texts(name: str) -> tuple[Rows, Rows]:
    """Rows to train on and rows to be judged on, of a known data set of texts."""
    table = open_source(name)
    parts: tuple[tuple[list[str], list[Any]], ...] = (([], []), ([], []))
    for text, label in zip(table.texts, table.labels or [], strict=True):
        inputs, labels = parts[hash_fraction(text, 0) < HELD_OUT]
        inputs.append(text)
        labels.append(label)
    return parts[0], parts[1]


def vowels() -> tuple[Rows, Rows]:
    """JapaneseVowels (Kudo, Toyama and Shimbo 1999), official split: 12 cepstral coefficients a step, nine speakers."""
    train, test = (read_sequences("japanese-vowels", split=part) for part in ("train", "test"))
    return (train.rows, train.labels or []), (test.rows, test.labels or [])


DATASETS: dict[str, tuple[str | None, Callable[[], tuple[Rows, Rows]]]] = {  # with the recipe
    "sample": (None, lambda: texts("sample")),
    "vowels": (None, vowels),
    "imdb": ("textbook", lambda: texts("imdb")),
    "nsmc": (None, lambda: texts("nsmc")),
}


def _runs(name: str, engine: str, recipe: str | None, held_out: Rows) -> tuple[dict[str, Any], dict[str, Any]]:
    """All that is known, and in it the runs of one engine by seed."""
    known: dict[str, Any] = (read("engines") or {}).get("results", {})
    of = known.setdefault(name, {"recipe": recipe, "rows": len(held_out[0])})
    return known, of.setdefault(engine, {})


def main(names: Sequence[str]) -> None:
    """Train and judge what the result file does not have."""
    for name in names:
        recipe, load = DATASETS[name]
        train, held_out = load()
        for seed in SEEDS:
            for engine in ENGINES:
                if str(seed) in _runs(name, engine, recipe, held_out)[1]:
                    continue
                model = Classifier(recipe, random_state=seed, engine=engine, threads=1).fit(*train)
                accuracy = model.score(*held_out)
                known, found = _runs(name, engine, recipe, held_out)
                found[str(seed)] = {"accuracy": accuracy}
                print(f"{name}, {engine}, seed {seed}: {accuracy:.4f}", flush=True)
                write("engines", known)


if __name__ == "__main__":
    main(sys.argv[1:] or list(DATASETS))
