"""NBSVM: a linear classifier on n-grams that are scaled by naive Bayes log-count ratios (Wang and Manning 2012)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NBSVM", "log_count_ratio", "ratio_of_counts"]


def log_count_ratio(
    features: Any, positive: NDArray[np.bool_], weight: NDArray[np.float64], alpha: float = 1.0
) -> NDArray[np.float32]:
    """How much more often each feature occurs in positive rows than in the others, as a logarithm.

        r = ln (p / ‖p‖₁) − ln (q / ‖q‖₁),   p = α + Σ f over the positive rows,   q = α + Σ f over the others

    Args:
        features: sparse matrix (R, F) of f ≥ 0.
        positive: (R,) which rows are positive.
        weight: (R,) what each row counts.
        alpha: added to each count, so that no logarithm is infinite.

    Returns:
        (F,) the ratios.

    >>> from scipy.sparse import csr_matrix
    >>> f = csr_matrix([[1.0, 0.0], [1.0, 1.0]])
    >>> log_count_ratio(f, np.array([True, False]), np.ones(2))  # ln (2/3) − ln (2/4) and ln (1/3) − ln (2/4)
    array([ 0.2876821, -0.4054651], dtype=float32)
    """
    return ratio_of_counts(features.T @ (weight * positive), features.T @ (weight * ~positive), alpha)


def ratio_of_counts(
    positive: NDArray[np.float64], others: NDArray[np.float64], alpha: float = 1.0
) -> NDArray[np.float32]:
    """`log_count_ratio` of features that occur so often (F,) in positive rows and in the others."""
    p, q = alpha + positive, alpha + others
    return np.asarray(np.log(p / p.sum()) - np.log(q / q.sum()), np.float32)


class NBSVM:
    """A linear classifier of f ∘ r: binary n-gram features f, scaled by their `log_count_ratio` r.

    Sida Wang and Christopher D. Manning, "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification"
    (ACL 2012). Deviations: the loss is the logistic one, which gives probabilities, in place of the squared hinge; the
    weights are not interpolated with their mean. More than two classes: one against the rest, probabilities divided by
    their sum.
    """

    def __init__(self, C: float = 1.0, alpha: float = 1.0) -> None:
        self.C, self.alpha = C, alpha

    def fit(self, features: Any, targets: NDArray[np.int64], weight: NDArray[np.float64], num_classes: int) -> NBSVM:
        """Learn from a sparse matrix (R, F) of zeros and ones, class numbers (R,) and row weights (R,)."""
        self._parts: list[tuple[NDArray[np.float32], NDArray[np.float64], float]] = []
        for number in [1] if num_classes == 2 else range(num_classes):
            positive = targets == number
            ratio = log_count_ratio(features, positive, weight, self.alpha)
            self._parts.append((ratio, *self._separate(features.multiply(ratio).tocsr(), positive, weight)))
        return self

    def _separate(
        self, scaled: Any, positive: NDArray[np.bool_], weight: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], float]:
        """Coefficients (F,) and intercept of a logistic regression of the scaled features."""
        from sklearn.linear_model import LogisticRegression

        if positive.all() or not positive.any():  # such as a class whose only rows are held out, or weigh nothing
            odds = (self.alpha + weight[positive].sum()) / (self.alpha + weight[~positive].sum())
            return np.zeros(scaled.shape[1]), float(np.log(odds))
        # The dual: fewer rows than features. At scikit-learn's finer tolerance 135,000 texts took minutes (C = 10).
        linear = LogisticRegression(C=self.C, solver="liblinear", dual=True, tol=1e-2, max_iter=1000, random_state=0)
        linear.fit(scaled, positive, sample_weight=weight)
        return linear.coef_[0], float(linear.intercept_[0])

    def coefficients(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weights (F, outputs) of the features themselves, and biases (outputs,); one output for two classes."""
        weights = [ratio * coefficients.astype(np.float32) for ratio, coefficients, _ in self._parts]
        return np.stack(weights, axis=1), np.array([intercept for _, _, intercept in self._parts], np.float32)

    def predict_proba(self, features: Any) -> NDArray[np.float64]:
        """Probabilities (R, K) of the rows of a sparse matrix (R, F)."""
        from scipy.special import expit

        logits = [
            features.multiply(ratio).tocsr() @ coefficients + intercept
            for ratio, coefficients, intercept in self._parts
        ]
        shares: NDArray[np.float64] = expit(np.stack(logits, axis=1))
        if len(self._parts) == 1:
            return np.concatenate([1 - shares, shares], axis=1)
        total: NDArray[np.float64] = np.maximum(shares.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        return shares / total
