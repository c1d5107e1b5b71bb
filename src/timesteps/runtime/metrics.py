"""How good a classifier is, with how much certainty, and whether it is better than another."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from timesteps.errors import DataError

__all__ = [
    "ClassScores",
    "Comparison",
    "Evaluation",
    "compare",
    "evaluate",
    "label_targets",
    "log_loss",
    "probabilities",
    "wilson_interval",
]

Label = str | int | float | bool

_Z95 = 1.959963984540054  # the standard normal distribution is below it with probability 0.975


class ClassScores(msgspec.Struct, frozen=True):
    """One class against the rest. A ratio without anything to divide by is 0."""

    label: Label
    precision: float  # of the rows said to be of this class, the share that is
    recall: float  # of the rows of this class, the share that was found
    f1: float  # harmonic mean of the two
    support: float  # rows of this class (their weight, when rows have weights)


class Evaluation(msgspec.Struct, frozen=True):
    """What `evaluate` found."""

    n: int  # rows judged
    accuracy: float
    accuracy_interval: tuple[float, float]  # 95 %, Wilson
    macro_f1: float  # mean of f1 over the classes that occur among labels or answers
    log_loss: float  # mean of -ln P(label), in nats
    classes: tuple[Label, ...]
    per_class: tuple[ClassScores, ...]
    confusion: tuple[tuple[float, ...], ...]  # confusion[i][j]: rows of class i that were taken for class j

    def to_dict(self) -> dict[str, Any]:
        """As plain dicts, lists and numbers, ready for JSON; the names are those of the fields."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    def matrix_text(self) -> str:
        """The confusion matrix as an aligned table: a row a label, a column an answer."""
        names = [str(label) for label in self.classes]
        cells = [[f"{count:g}" if count % 1 else str(int(count)) for count in row] for row in self.confusion]
        table = [["label \\ answer", *names], *([name, *row] for name, row in zip(names, cells, strict=True))]
        widths = [max(len(row[column]) for row in table) for column in range(len(names) + 1)]
        return "\n".join(
            "  ".join(cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(cells))
            for cells in (zip(row, widths, strict=True) for row in table)
        )


class Comparison(msgspec.Struct, frozen=True):
    """Two classifiers on the same rows: what `compare` found."""

    n: int
    difference: float  # accuracy of the first minus accuracy of the second
    interval: tuple[float, float]  # of the difference, 95 %
    only_first: int  # rows that only the first has right
    only_second: int
    p_value: float  # McNemar's exact test, two-sided: chance of so uneven a split if both were equally good
    mid_p_value: float  # the same, counting the observed split half: less conservative

    def to_dict(self) -> dict[str, Any]:
        """As plain dicts, lists and numbers, ready for JSON."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


def probabilities(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logits (R, K) to probabilities (R, K) by softmax; one logit (R, 1) to (R, 2) by the logistic function.

    >>> probabilities(np.array([[0.0], [-800.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return shares


def label_targets(labels: Sequence[Any], classes: Sequence[Label]) -> NDArray[np.int64]:
    """Each label's place among the classes. A label and a class that are the same as text are the same.

    Raises:
        DataError: labels that are none of the classes, with their counts.

    >>> label_targets(["1", 0, 1], (0, 1))  # "1" as read from a file
    array([1, 0, 1])
    """
    places: dict[Any, int] = {str(label): place for place, label in enumerate(classes)}
    places |= {label: place for place, label in enumerate(classes)}  # after the texts: 1 and "1" may both be classes
    found = [places.get(label, places.get(str(label))) for label in labels]
    unseen = Counter(str(label) for label, place in zip(labels, found, strict=True) if place is None)
    if unseen:
        listed = ", ".join(f"{label!r} ({count} rows)" for label, count in unseen.most_common(10))
        more = f" and {len(unseen) - 10} more" if len(unseen) > 10 else ""
        known = ", ".join(repr(label) for label in classes[:10]) + (", …" if len(classes) > 10 else "")
        raise DataError(
            f"labels that the model was not trained on: {listed}{more}",
            mend=f"drop these rows; the model knows {known}",
        )
    return np.array(found, np.int64)


def evaluate(
    targets: ArrayLike, shares: ArrayLike, classes: Sequence[Label], sample_weight: ArrayLike | None = None
) -> Evaluation:
    """Judge probabilities against the truth.

    Args:
        targets: (R,) place of each row's label among the classes.
        shares: (R, K) probabilities; the answer is the largest, the first of equal ones.
        classes: K labels.
        sample_weight: (R,) what each row counts, 1 by default. The interval then uses the effective number of rows,
            (Σw)² / Σw² (Kish 1965).

    Raises:
        DataError: no rows, shapes that do not fit, or weights that are negative, not finite, or all zero.

    >>> result = evaluate([0, 1, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]], ("bad", "good"))
    >>> result.accuracy, result.confusion
    (0.75, ((1, 0), (1, 2)))
    """
    truth, p = np.asarray(targets, np.int64), np.asarray(shares, np.float64)
    K = len(classes)
    if not len(truth):
        raise DataError("there are no rows to evaluate")
    if truth.ndim != 1 or p.shape != (len(truth), K) or not 0 <= truth.min() <= truth.max() < K:
        raise DataError(
            f"{truth.shape} targets from {truth.min()} to {truth.max()}, {p.shape} probabilities, {K} classes"
        )
    weight = _weights(sample_weight, len(truth))
    counts = np.bincount(truth * K + p.argmax(axis=1), weight, minlength=K * K).reshape(K, K).astype(np.float64)
    hits, support, answers = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    precision, recall, f1 = _ratio(hits, answers), _ratio(hits, support), _ratio(2 * hits, support + answers)
    accuracy = float(hits.sum() / counts.sum())
    scores = zip(classes, precision.tolist(), recall.tolist(), f1.tolist(), _plain(support, sample_weight), strict=True)
    return Evaluation(
        n=len(truth),
        accuracy=accuracy,
        accuracy_interval=wilson_interval(accuracy, float(weight.sum() ** 2 / (weight**2).sum())),
        macro_f1=float(f1[support + answers > 0].mean()),
        log_loss=log_loss(truth, p, weight),
        classes=tuple(classes),
        per_class=tuple(ClassScores(*score) for score in scores),
        confusion=tuple(tuple(_plain(row, sample_weight)) for row in counts),
    )


def log_loss(targets: ArrayLike, shares: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Mean of -ln P(label) in nats: targets (R,), probabilities (R, K), weights (R,).

    Probabilities are clipped to [ε, 1 - ε] with ε = 2⁻⁵², as scikit-learn does, so one sure error costs 36 nats, not ∞.
    """
    truth, p = np.asarray(targets, np.int64), np.asarray(shares, np.float64)
    epsilon = float(np.finfo(np.float64).eps)
    losses = -np.log(np.clip(p[np.arange(len(truth)), truth], epsilon, 1 - epsilon))
    return float(np.average(losses, weights=_weights(sample_weight, len(truth))))


def wilson_interval(share: float, n: float, z: float = _Z95) -> tuple[float, float]:
    """Confidence interval of a share seen in n trials (Wilson 1927); 95 % by default. It stays inside [0, 1].

    >>> low, high = wilson_interval(0.9, 1000)
    >>> round(low, 4), round(high, 4)
    (0.8798, 0.9171)
    """
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def compare(targets: ArrayLike, first: ArrayLike, second: ArrayLike) -> Comparison:
    """Compare the answers of two classifiers on the same rows.

    Rows that both have right or both have wrong say nothing about which is better; of the others, b went to the first
    and c to the second. The interval of (b - c) / n is Agresti and Min's (2005), Wald's after half a row is added to
    each of the four cells; the test is McNemar's (1947), exact, with the mid-p of Fagerland, Lydersen and Laake (2013).

    Args:
        targets, first, second: (R,) labels, or places among the classes: the truth and the two classifiers' answers.

    Raises:
        DataError: no rows, or not equally many of each.

    >>> result = compare([1] * 10, [1] * 9 + [0], [1] * 4 + [0] * 6)
    >>> result.difference, result.only_first, result.only_second, result.p_value
    (0.5, 5, 0, 0.0625)
    """
    truth, one, two = np.asarray(targets), np.asarray(first), np.asarray(second)
    n = len(truth)
    if n == 0 or one.shape != truth.shape or two.shape != truth.shape:
        raise DataError(f"{truth.shape} targets, {one.shape} and {two.shape} answers")
    b = int(np.sum((one == truth) & (two != truth)))
    c = int(np.sum((one != truth) & (two == truth)))
    centre = (b - c) / (n + 2)
    half = _Z95 * math.sqrt(max(0.0, (b + c + 1) / (n + 2) - centre**2) / (n + 2))
    exact, mid = _mcnemar(b, c)
    interval = (max(-1.0, centre - half), min(1.0, centre + half))
    return Comparison(n, (b - c) / n, interval, b, c, exact, mid)


def _mcnemar(b: int, c: int) -> tuple[float, float]:
    """Two-sided exact and mid p-value of b against c, if each of the b + c rows fell to either side by a fair coin."""
    n, k = b + c, min(b, c)
    # ln of the binomial coefficients C(n, 0) … C(n, k), by sums: the coefficients themselves overflow
    i = np.arange(1, k + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log((n - i + 1) / i))]) - n * math.log(2)
    point, tail = math.exp(logs[-1]), float(np.exp(logs).sum())
    if b == c:
        return 1.0, 1 - point / 2 if n else 1.0
    return min(1.0, 2 * tail), 2 * tail - point


def _weights(sample_weight: ArrayLike | None, rows: int) -> NDArray[np.float64]:
    if sample_weight is None:
        return np.ones(rows)
    weight = np.asarray(sample_weight, np.float64)
    if weight.shape != (rows,) or not np.isfinite(weight).all() or (weight < 0).any() or not weight.any():
        raise DataError(f"weights of shape {weight.shape} for {rows} rows", mend="give one weight ≥ 0 a row, not all 0")
    return weight


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _plain(counts: NDArray[np.float64], sample_weight: ArrayLike | None) -> list[float]:
    """Counts of rows as whole numbers, sums of weights as they are."""
    found: list[float] = counts.tolist() if sample_weight is not None else counts.astype(np.int64).tolist()
    return found
