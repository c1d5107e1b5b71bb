"""The sentences that say how good a model is, beside the best baseline: on the terminal, in the report, on the card."""

from __future__ import annotations

from dataclasses import dataclass

from timesteps.runtime.metrics import Comparison, Evaluation

__all__ = ["Verdict"]

_SAME = 5e-5  # accuracies that print alike


@dataclass(frozen=True)
class Verdict:
    """A model's figures in words.

    Args:
        evaluation: of the model.
        baseline: name of the most accurate baseline, None if there is none.
        accuracy: of that baseline, on the same rows.
        comparison: the model against it, row by row; None leaves the interval out.

    >>> import numpy as np
    >>> from timesteps.runtime.metrics import evaluate
    >>> evaluation = evaluate(np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]]), ("bad", "good"))
    >>> print(Verdict(evaluation, "NBSVM", 1.0))
    Worse than the baseline NBSVM: 50.00 % accuracy, 50.00 points less. Judged on 2 validation rows.
    """

    evaluation: Evaluation
    baseline: str | None = None
    accuracy: float = 0.0
    comparison: Comparison | None = None

    @property
    def difference(self) -> float | None:
        """Accuracy less the best baseline's, or None without baselines."""
        return None if self.baseline is None else self.evaluation.accuracy - self.accuracy

    @property
    def loses(self) -> bool:
        """Whether the baseline is more accurate."""
        return self.difference is not None and self.difference < -_SAME

    @property
    def wins(self) -> bool:
        """Whether it is more accurate than the best baseline, by as much as two decimals show."""
        return self.difference is not None and self.difference > _SAME

    @property
    def headline(self) -> str:
        """The first line that a reader sees. It does not hide a loss, nor a lead that may be chance."""
        share = f"{100 * self.evaluation.accuracy:.2f} % accuracy"
        if self.difference is None:
            return f"{share}; no baseline was trained beside it"
        points = f"{100 * abs(self.difference):.2f} points"
        unsure = self.comparison is not None and self.comparison.interval[0] <= 0 <= self.comparison.interval[1]
        chance = ", which may be chance" if unsure else ""
        if self.loses:
            return f"Worse than the baseline {self.baseline}: {share}, {points} less{chance}"
        if self.wins:
            return f"{share}, {points} more than the best baseline, {self.baseline}{chance}"
        return f"{share}, no better than the baseline {self.baseline}"

    @property
    def detail(self) -> str:
        """What the headline rests on."""
        rows = f"Judged on {self.evaluation.n:,} validation rows"
        if self.comparison is None:
            return f"{rows}."
        low, high = (f"{100 * bound:+.2f}".replace("-", "−") for bound in self.comparison.interval)
        return f"{rows}; 95 % interval of the difference {low} to {high} points."

    def __str__(self) -> str:
        return f"{self.headline}. {self.detail}"
