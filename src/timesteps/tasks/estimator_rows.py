"""`ReadsRows`: how estimators of whole rows read X, in `fit` and afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from timesteps.errors import DataError
from timesteps.runtime.session import Session
from timesteps.runtime.summary import Summary
from timesteps.tasks.classify import inputs

__all__ = ["ReadsRows"]


class ReadsRows:
    """For scikit-learn estimators whose `session_` is the trained model."""

    session_: Session

    def summary(self) -> Summary:
        """The trained model's layers with their shapes, parameters and costs; `print` it."""
        check_is_fitted(self, "session_")
        return self.session_.summary()

    def _new_rows(self, X: Any) -> list[Any]:
        """X as rows of the kind that the model was trained on."""
        check_is_fitted(self, "session_")
        spec = self.session_.spec
        kind: inputs.Kind = "numeric" if spec.text is None else "ids" if spec.text.tokenizer == "ids" else "text"
        rows = self._checked(inputs.listed(X), kind, fitting=False)
        numeric = spec.numeric
        if numeric is not None and numeric.steps is not None:
            for number, row in enumerate(rows):
                if len(row) != numeric.steps:
                    raise DataError(f"row {number} has {len(row)} steps, the table that was trained on {numeric.steps}")
        return rows

    def _rows_to_fit(self, X: Any, kind: inputs.Kind, mend: str) -> list[Any]:
        """X, as `listed` gives it, as rows; `DataError` with this advice where there are none."""
        for name in {"n_features_in_", "feature_names_in_"} & set(vars(self)):
            delattr(self, name)
        rows = self._checked(X, kind, fitting=True)
        if not rows:
            raise DataError("there are no rows", mend=mend)
        return rows

    def _checked(self, X: Any, kind: inputs.Kind, *, fitting: bool) -> list[Any]:
        """Tables pass scikit-learn's own checks first, which remember the columns and compare them."""
        if kind == "numeric" and inputs.is_table(X):
            X = validate_data(self, X, reset=fitting, dtype=np.float64, ensure_min_samples=2 if fitting else 1)
        numeric = None if fitting else self.session_.spec.numeric
        return inputs.read(X, kind, None if numeric is None else numeric.features)
