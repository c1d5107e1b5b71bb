"""Cheap models that a recurrent network has to beat, trained on the same rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from timesteps.errors import DataError, UsageError
from timesteps.runtime.sequences import Sequences
from timesteps.tasks.baselines_numeric import fit_nearest, fit_statistics
from timesteps.tasks.baselines_text import Answers, Setting, fit_nbsvm, fit_tfidf

__all__ = ["NUMERIC_BASELINES", "TEXT_BASELINES", "BaselineResult", "fit_baselines"]

TEXT_BASELINES = ("majority", "TF-IDF", "NBSVM")
NUMERIC_BASELINES = ("majority", "statistics", "1-NN")


@dataclass(frozen=True)
class BaselineResult:
    """A baseline and what it says of the validation rows."""

    name: str
    description: str
    probabilities: NDArray[np.float64]  # (R, K), columns in the order of the class numbers
    seconds: float  # training and prediction
    settings: dict[str, Setting]


def fit_baselines(
    train: Sequence[str] | Sequences,
    targets: ArrayLike,
    valid: Sequence[str] | Sequences,
    *,
    sample_weight: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    num_classes: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[BaselineResult]:
    """Train baselines on the training rows and let them judge the validation rows. Settings are fixed, never tuned.

    Texts: "majority" (the shares of the classes); "TF-IDF", logistic regression on TF-IDF of character 1–4-grams or
    word 1–2-grams, whichever suits the script; "NBSVM" (`timesteps.tasks.nbsvm`) on character 1–4-grams or word
    1–3-grams. Numbers: "majority"; "statistics", logistic regression on mean, standard deviation, minimum, maximum and
    last value of each feature; "1-NN", the nearest training row by Euclidean distance after linear resampling to equal
    length.

    Args:
        train: R texts, or numeric `Sequences` with values (N, I).
        targets: (R,) class numbers from 0.
        valid: rows of the same kind.
        sample_weight: (R,) what each training row counts ("1-NN" only leaves out rows of weight 0).
        names: which baselines, in this order; all by default.
        num_classes: columns of the probabilities; by default one more than the largest class number.
        progress: called with a line before each baseline.

    Raises:
        UsageError: an unknown name, or scikit-learn is not installed.
        DataError: rows, targets or weights that do not fit, or fewer than two classes.

    >>> films = ["good film", "very good", "bad film", "very bad"] * 5
    >>> for result in fit_baselines(films, [1, 1, 0, 0] * 5, ["so good", "so bad"]):
    ...     print(result.name, result.probabilities.argmax(axis=1))
    majority [0 0]
    TF-IDF [1 0]
    NBSVM [1 0]
    """
    numeric = isinstance(train, Sequences)
    if numeric != isinstance(valid, Sequences):
        raise DataError(
            "training and validation rows are of different kinds", mend="give texts twice, or numbers twice"
        )
    known = NUMERIC_BASELINES if numeric else TEXT_BASELINES
    wanted = known if names is None else tuple(names)
    for name in wanted:
        if name not in known:
            raise UsageError(f"there is no baseline {name!r} for this input", mend=f"use {', '.join(known)}")
    truth, weight, K = _checked(len(train), targets, sample_weight, num_classes)
    _require_sklearn()
    counted = np.flatnonzero(weight)
    truth, weight = truth[counted], weight[counted]
    train = train.take(counted) if isinstance(train, Sequences) else [train[i] for i in counted.tolist()]
    present, numbers = np.unique(truth, return_inverse=True)
    results = []
    for name in wanted:
        if progress is not None:
            progress(f"baseline {name}: training on {len(train):,} rows")
        start = time.perf_counter()
        answers: Answers = _FIT[name](train, numbers, weight, valid)
        probabilities = np.zeros((len(valid), K))  # a column for every class, also for those that no row has
        probabilities[:, present] = answers.probabilities
        seconds = time.perf_counter() - start
        results.append(BaselineResult(name, answers.description, probabilities, seconds, answers.settings))
    return results


def _fit_majority(
    _train: Any, numbers: NDArray[np.int64], weight: NDArray[np.float64], valid: Sequence[str] | Sequences
) -> Answers:
    shares = np.bincount(numbers, weight) / weight.sum()
    return Answers("always the most frequent class", np.tile(shares, (len(valid), 1)), {})


_FIT: dict[str, Callable[[Any, NDArray[np.int64], NDArray[np.float64], Any], Answers]] = {
    "majority": _fit_majority,
    "TF-IDF": fit_tfidf,
    "NBSVM": fit_nbsvm,
    "statistics": fit_statistics,
    "1-NN": fit_nearest,
}


def _checked(
    rows: int, targets: ArrayLike, sample_weight: ArrayLike | None, num_classes: int | None
) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    truth = np.asarray(targets)
    weight = np.ones(rows) if sample_weight is None else np.asarray(sample_weight, np.float64)
    if truth.shape != (rows,) or weight.shape != (rows,):
        raise DataError(f"{rows} training rows, {truth.shape} targets, {weight.shape} weights")
    if not np.issubdtype(truth.dtype, np.integer) or (rows and truth.min() < 0):
        raise DataError("targets are not class numbers", mend="give whole numbers from 0")
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise DataError("weights are negative or not finite", mend="give one weight ≥ 0 a row")
    if len(np.unique(truth[weight > 0])) < 2:
        raise DataError("the training rows have fewer than two classes", mend="give rows of at least two classes")
    K = int(truth.max()) + 1 if num_classes is None else num_classes
    if truth.max() >= K:
        raise DataError(f"class number {truth.max()} among {K} classes")
    return truth.astype(np.int64), weight, K


def _require_sklearn() -> None:
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "the baselines need scikit-learn, which is not installed",
            mend="install timesteps[torch], or leave them out with --no-baselines",
        ) from error
