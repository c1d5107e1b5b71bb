"""Golden vectors: inputs that a model file holds with the logits that the model gave for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.layout import reads_texts
from timesteps.runtime.spec import Golden, ModelSpec

__all__ = ["agrees", "golden_row", "stored_row"]

_TOLERANCE = 1e-3  # rounding on another processor stays below it by far, another text does not


def stored_row(spec: ModelSpec, row: Any) -> str | tuple[tuple[float, ...], ...]:
    """An input as the file holds it; of tokens, which must not hold ends of lines, one a line."""
    if reads_texts(spec):
        return row if isinstance(row, str) else "".join(f"{token}\n" for token in row)
    steps = np.asarray(row, np.float64).reshape(-1, 1 if spec.numeric is None else spec.numeric.features)
    return tuple(tuple(step) for step in steps.tolist())


def golden_row(spec: ModelSpec, golden: Golden) -> Any:
    """A golden vector's input as `Session` takes it."""
    if isinstance(golden.input, str):
        tokens = spec.text is not None and spec.text.tokenizer == "tokens"
        return golden.input.split("\n")[:-1] if tokens else golden.input
    width = 1 if spec.numeric is None else spec.numeric.features
    steps = np.array(golden.input, np.float64).reshape(-1, width)
    return steps if spec.numeric is not None else steps[:, 0].astype(np.int64)


def agrees(given: NDArray[Any], stored: NDArray[Any]) -> bool:
    """Whether logits differ from the stored ones by no more than rounding can explain; NaN does not agree."""
    if given.shape != stored.shape:
        return False
    return bool((np.abs(given - stored) <= _TOLERANCE * np.maximum(1.0, np.abs(stored))).all())
