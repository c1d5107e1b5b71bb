"""What a report says, as plain values, and the sentences that follow from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.metrics import Comparison, Evaluation, wilson_interval
from timesteps.training.verdict import Verdict

__all__ = ["Baseline", "Bin", "HardRow", "ReportContent", "RowAccount", "calibration", "calibration_error"]

Plain = str | int | float | bool | None


@dataclass(frozen=True)
class Baseline:
    """A cheap model that was trained on the same rows and judged on the same rows."""

    name: str
    description: str
    evaluation: Evaluation
    seconds: float
    settings: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True)
class RowAccount:
    """Where the rows went: `read == train + valid + sum(left_out.values())`."""

    read: int
    train: int
    valid: int
    left_out: Mapping[str, int] = field(default_factory=dict)  # reason -> rows
    duplicates: int | None = None  # rows whose text is both in training and in validation; None: not counted
    notes: Sequence[str] = ()  # what was guessed and done


@dataclass(frozen=True)
class HardRow:
    """A validation row that was answered wrongly."""

    row: int
    label: str
    answer: str
    answer_probability: float
    label_probability: float


@dataclass(frozen=True)
class Bin:
    """Rows whose predicted probability lies in [low, high)."""

    low: float
    high: float
    rows: int
    predicted: float  # mean probability
    observed: float  # share of the rows for which the event came true
    interval: tuple[float, float]  # of `observed`, 95 %, Wilson


@dataclass(frozen=True)
class ReportContent:
    """Everything that `report.html` and `card.md` are made from."""

    title: str
    evaluation: Evaluation
    targets: NDArray[np.int64]  # (R,) class numbers of the validation rows
    probabilities: NDArray[np.float64]  # (R, K) what the model said of them
    baselines: Sequence[Baseline] = ()
    comparison: Comparison | None = None  # the model against the most accurate baseline, row by row
    texts: Sequence[str] = ()  # of the validation rows; empty for numbers
    places: Sequence[str] = ()  # "file:line" of the validation rows; empty if unknown
    histories: Sequence[Sequence[Mapping[str, float]]] = ()  # one a member; rows as in log.jsonl: epoch from 1, loss, …
    lengths: NDArray[np.int64] | None = None  # steps of the training rows before truncation
    max_length: int | None = None  # steps that are kept
    padding_waste: float | None = None  # share of the computed time steps that were padding
    rows: RowAccount | None = None
    source: str = ""
    valid_source: str = ""
    sha256: str = ""  # of the data
    licence: str = ""  # of the data, if known
    settings: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)  # `timesteps.runtime.summary.summary(…).to_dict()`
    seconds: Mapping[str, float] = field(default_factory=dict)  # stage -> seconds
    versions: Mapping[str, str] = field(default_factory=dict)  # `timesteps.training.versions.versions()`
    engine: str = ""  # what took the training steps, and why
    command: str = ""  # what was typed
    written: str = ""  # date and time, as it is to be shown

    @property
    def best_baseline(self) -> Baseline | None:
        """The most accurate baseline, the first of equal ones."""
        return max(self.baselines, key=lambda each: each.evaluation.accuracy, default=None)

    @property
    def verdict(self) -> Verdict:
        """How good the model is, in words."""
        best = self.best_baseline
        if best is None:
            return Verdict(self.evaluation)
        return Verdict(self.evaluation, best.name, best.evaluation.accuracy, self.comparison)

    @property
    def truncated(self) -> float | None:
        """Share of the training rows that are longer than `max_length`."""
        if self.lengths is None or self.max_length is None or not len(self.lengths):
            return None
        return float(np.mean(self.lengths > self.max_length))

    def hardest(self, most: int) -> list[HardRow]:
        """The wrong answers, the ones that gave the true label the least probability first."""
        classes = [str(label) for label in self.evaluation.classes]
        answers = self.probabilities.argmax(axis=1)
        rows = np.arange(len(self.targets))
        of_label = self.probabilities[rows, self.targets]
        wrong = np.flatnonzero(answers != self.targets)
        order = wrong[np.argsort(of_label[wrong], kind="stable")][:most]
        return [
            HardRow(
                row=int(i),
                label=classes[self.targets[i]],
                answer=classes[answers[i]],
                answer_probability=float(self.probabilities[i, answers[i]]),
                label_probability=float(of_label[i]),
            )
            for i in order
        ]


def calibration(targets: NDArray[np.int64], probabilities: NDArray[np.float64], bins: int = 10) -> list[Bin]:
    """How often what was said with some probability came true, in bins of equal width; empty bins are left out.

    Two classes: the event is class 1. More: the event is that the most probable class is the right one.

    >>> [(b.rows, b.observed) for b in calibration(np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]]), bins=5)]
    [(1, 0.0), (1, 1.0)]
    """
    if probabilities.shape[1] == 2:
        p, came = probabilities[:, 1], targets == 1
    else:
        p, came = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    place = np.minimum((p * bins).astype(int), bins - 1)
    found = []
    for number in range(bins):
        here = place == number
        rows = int(here.sum())
        if rows:
            observed = float(came[here].mean())
            interval = wilson_interval(observed, rows)
            found.append(Bin(number / bins, (number + 1) / bins, rows, float(p[here].mean()), observed, interval))
    return found


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: the mean of |predicted − observed| over rows (Naeini, Cooper, Hauskrecht 2015).

    >>> calibration_error([Bin(0.0, 0.5, 30, 0.2, 0.3, (0, 1)), Bin(0.5, 1.0, 10, 0.9, 0.9, (0, 1))])
    0.075
    """
    rows = sum(b.rows for b in bins)
    return round(math.fsum(b.rows * abs(b.predicted - b.observed) for b in bins) / rows, 12) if rows else 0.0


def percent(share: float, digits: int = 2) -> str:
    """A share in percent.

    >>> percent(0.8801)
    '88.01 %'
    """
    return f"{100 * share:.{digits}f} %"


def signed(share: float) -> str:
    """A difference of shares in points.

    >>> signed(0.0113), signed(-0.005)
    ('+1.13', '−0.50')
    """
    return f"{100 * share:+.2f}".replace("-", "−")


def duration(seconds: float) -> str:
    """Seconds for people.

    >>> duration(3.21), duration(95), duration(7384)
    ('3.2 s', '1 min 35 s', '2 h 3 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
