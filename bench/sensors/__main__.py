"""`python -m bench.sensors [SET …]`: sequences of numbers, ours beside simple baselines on the same rows.

JapaneseVowels and BasicMotions have official splits. Of HMP (Bruno et al. 2013; wrist accelerometer, 32 steps a second,
three axes) the seven activities with recordings of at least seven people are classified, 517 recordings of the twelve
people of this copy. Each person is judged by a model that was trained on the others, and the accuracy is over
all recordings. Steps are windows (`timesteps.data.windowed`) of a quarter, a half and a whole second: all three are
reported, none was chosen. Results go to bench/results/sensors.json, after every run; data are read through
TIMESTEPS_DATA.
"""

from __future__ import annotations

import os
import re
import sys
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.record import read, write
from timesteps import Classifier
from timesteps.data.sequences import read_sequences
from timesteps.data.windowed import windowed
from timesteps.runtime.sequences import Sequences
from timesteps.tasks.baselines import fit_baselines
from timesteps.tasks.baselines_numeric import statistics

SEEDS = range(3)
ACTIVITIES = (
    "Climb_stairs", "Drink_glass", "Getup_bed", "Pour_water", "Sitdown_chair", "Standup_chair", "Walk",
)  # fmt: skip

Rows = list[NDArray[np.float64]]


class Fold(NamedTuple):
    """Rows to train on and rows to be judged on."""

    train: Rows
    labels: NDArray[Any]
    held_out: Rows
    truth: NDArray[Any]


def official(name: str) -> Iterator[Fold]:
    """The one split of a known set."""
    train, test = (read_sequences(name, split=part) for part in ("train", "test"))
    yield Fold(train.rows, np.array(train.labels), test.rows, np.array(test.labels))


def recordings() -> tuple[Rows, NDArray[Any], NDArray[Any]]:
    """HMP's recordings of the seven activities, with activity and person."""
    rows, labels, people = [], [], []
    with tarfile.open(Path(os.environ["TIMESTEPS_DATA"], "hmp_har", "hmp.tar.xz")) as packed:
        for member in sorted(packed.getmembers(), key=lambda each: each.name):
            found = re.fullmatch(r".*?(\w+)/Accelerometer-.*-([fm]\d+)\.txt", member.name)
            content = packed.extractfile(member) if found else None
            if found is None or content is None or found[1] not in ACTIVITIES:
                continue
            rows.append(np.loadtxt(content).reshape(-1, 3))
            labels.append(found[1])
            people.append(found[2])
    return rows, np.array(labels), np.array(people)


def by_person(window: int) -> Iterator[Fold]:
    """A fold for each person."""
    rows, labels, people = recordings()
    steps = [windowed(row, window) for row in rows] if window else rows
    for person in np.unique(people).tolist():
        mine = people == person
        yield Fold(
            [steps[i] for i in np.flatnonzero(~mine)],
            labels[~mine],
            [steps[i] for i in np.flatnonzero(mine)],
            labels[mine],
        )


SETS: dict[str, Callable[[], Iterator[Fold]]] = {
    "japanese-vowels": lambda: official("japanese-vowels"),
    "basic-motions": lambda: official("basic-motions"),
    "hmp, windows of 8": lambda: by_person(8),
    "hmp, windows of 16": lambda: by_person(16),
    "hmp, windows of 32": lambda: by_person(32),
}


def forest(fold: Fold) -> NDArray[Any]:
    """What a random forest says, by the statistics that the linear baseline has and the number of steps."""
    from sklearn.ensemble import RandomForestClassifier

    train, held_out = (
        np.column_stack([statistics(Sequences.of(rows, float)), [len(row) for row in rows]])
        for rows in (fold.train, fold.held_out)
    )
    model = RandomForestClassifier(300, random_state=0).fit(train, fold.labels)
    return np.asarray(model.predict(held_out))


def baselines(folds: Sequence[Fold]) -> dict[str, float]:
    """Accuracy of each over all folds."""
    right: dict[str, list[bool]] = {}
    for fold in folds:
        classes, targets = np.unique(fold.labels, return_inverse=True)
        for found in fit_baselines(
            Sequences.of(fold.train, float), targets, Sequences.of(fold.held_out, float), num_classes=len(classes)
        ):
            said = classes[found.probabilities.argmax(axis=1)]
            right.setdefault(found.name, []).extend((said == fold.truth).tolist())
        right.setdefault("forest", []).extend((forest(fold) == fold.truth).tolist())
    return {name: float(np.mean(each)) for name, each in right.items()}


def ours(folds: Sequence[Fold], seed: int) -> float:
    """Accuracy of `Classifier()` as it is, over all folds."""
    right: list[bool] = []
    for fold in folds:
        model = Classifier(random_state=seed, threads=1).fit(fold.train, fold.labels)
        right += (model.predict(fold.held_out) == fold.truth).tolist()
    return float(np.mean(right))


def main(names: Sequence[str]) -> None:
    """Train and judge what the result file does not have."""
    for name in names:
        folds = list(SETS[name]())
        known: dict[str, Any] = (read("sensors") or {}).get("results", {})
        found = known.setdefault(name, {"folds": len(folds), "rows": sum(len(fold.truth) for fold in folds)})
        if "baselines" not in found:
            found["baselines"] = baselines(folds)
            write("sensors", known)
        for seed in SEEDS:
            runs = found.setdefault("timesteps", {})
            if str(seed) not in runs:
                runs[str(seed)] = ours(folds, seed)
                write("sensors", known)
                print(f"{name}, seed {seed}: {runs[str(seed)]:.4f}; baselines: {found['baselines']}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or list(SETS))
