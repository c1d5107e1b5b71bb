"""Simple classifiers of numeric sequences: the bar for every network on sensors or series."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.sequences import Sequences
from timesteps.tasks.baselines_text import Answers

__all__ = ["fit_nearest", "fit_statistics", "resample", "statistics"]

_MOST_POINTS = 128  # of a resampled row


def fit_statistics(
    train: Sequences, numbers: NDArray[np.int64], weight: NDArray[np.float64], valid: Sequences
) -> Answers:
    """Logistic regression on `statistics`, standardised."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=1000))
    model.fit(statistics(train), numbers, logisticregression__sample_weight=weight)
    description = "logistic regression on mean, standard deviation, minimum, maximum and last value of each feature"
    return Answers(description, model.predict_proba(statistics(valid)), {"C": 1.0})


def fit_nearest(
    train: Sequences, numbers: NDArray[np.int64], _weight: NDArray[np.float64], valid: Sequences
) -> Answers:
    """The class of the nearest training row; its probabilities are 0 and 1."""
    from sklearn.neighbors import KNeighborsClassifier

    points = int(np.clip(np.median(train.lengths), 1, _MOST_POINTS))
    model = KNeighborsClassifier(n_neighbors=1, algorithm="brute").fit(resample(train, points), numbers)
    description = (
        f"nearest training row by Euclidean distance, rows resampled to {points} steps (no real probabilities)"
    )
    return Answers(description, model.predict_proba(resample(valid, points)), {"points": points})


def statistics(rows: Sequences) -> NDArray[np.float64]:
    """(R, 5 I): mean, standard deviation, minimum, maximum and last value of each feature; zeros for a row of no steps.

    >>> statistics(Sequences.of([[[1.0], [3.0]]], float)).tolist()
    [[2.0, 1.0, 1.0, 3.0, 3.0]]
    """
    found = np.zeros((len(rows), 5, rows.values.shape[1]))
    for i, x in _each(rows):
        found[i] = x.mean(axis=0), x.std(axis=0), x.min(axis=0), x.max(axis=0), x[-1]
    return found.reshape(len(rows), -1)


def resample(rows: Sequences, points: int) -> NDArray[np.float64]:
    """(R, points · I): each row at `points` equal distances from its first step to its last, interpolated linearly.

    >>> resample(Sequences.of([[[0.0], [4.0]]], float), 3).tolist()
    [[0.0, 2.0, 4.0]]
    """
    found = np.zeros((len(rows), points, rows.values.shape[1]))
    for i, x in _each(rows):
        at = np.linspace(0, len(x) - 1, points)
        low = at.astype(np.int64)
        part = (at - low)[:, None]
        found[i] = (1 - part) * x[low] + part * x[np.minimum(low + 1, len(x) - 1)]
    return found.reshape(len(rows), -1)


def _each(rows: Sequences) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """The rows that have steps, with their numbers."""
    values = rows.values.astype(np.float64)
    for i in np.flatnonzero(rows.lengths).tolist():
        yield i, values[rows.offsets[i] : rows.offsets[i + 1]]
