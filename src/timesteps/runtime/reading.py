"""From what a user hands to a trained model to the steps that its network reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, ModelError
from timesteps.runtime.layout import reads_texts
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.spec import ModelSpec, NumericSpec, TextSpec
from timesteps.runtime.text.processor import TextProcessor, cut

__all__ = ["Reader", "id_row", "number_row", "reader", "token_row"]

Reader = Callable[[Sequence[Any], int], Sequences]  # rows and the number of the first, for messages

_UNKNOWN = 2  # reserved id: out of vocabulary


def reader(spec: ModelSpec, tensors: Mapping[str, NDArray[Any]]) -> Reader:
    """What reads the inputs of this model: texts, rows of token ids, or numeric rows (T, I).

    The reader raises DataError, naming the row, for an input that is not of the model's kind.
    """
    if spec.numeric is not None:
        numeric, mean, scale = spec.numeric, tensors["scaler.mean"], tensors["scaler.scale"]
        return lambda rows, first: _numbers(rows, first, numeric, mean, scale)
    assert spec.text is not None
    text, size = spec.text, spec.network.input_size
    if not reads_texts(spec):
        return lambda rows, first: _ids(rows, first, text, size)
    processor = TextProcessor.load(text, tensors)
    if processor.input_size != size:
        raise ModelError(f"the text part has {processor.input_size} ids, the network's input {size}")
    if text.tokenizer == "tokens":
        return lambda rows, first: processor.steps([token_row(row, number) for number, row in enumerate(rows, first)])
    return lambda rows, first: processor.steps(_texts(rows, first))


def token_row(row: Any, number: int) -> list[str]:
    """A list of tokens. `DataError`, naming the row, for anything else.

    >>> token_row(("a", "b"), 0)
    ['a', 'b']
    """
    wrong = f"row {number} is {_kind(row)}, this model reads lists of tokens"
    if isinstance(row, str) or not hasattr(row, "__iter__"):
        raise DataError(wrong, mend="give a list of strings for each row")
    tokens = list(row)
    for place, token in enumerate(tokens):
        if not isinstance(token, str):
            raise DataError(f"row {number}, step {place} is {_kind(token)}, this model reads tokens")
    return tokens


def _texts(rows: Sequence[Any], first: int) -> Sequence[str]:
    for number, row in enumerate(rows, first):
        if not isinstance(row, str):
            raise DataError(f"row {number} is {_kind(row)}, this model reads texts", mend="give a list of strings")
    return rows


def _ids(rows: Sequence[Any], first: int, text: TextSpec, size: int) -> Sequences:
    """Rows of token ids, truncated as the specification says; ids that the model does not know become 2."""
    return Sequences.of([cut(id_row(row, number, size), text) for number, row in enumerate(rows, first)])


def id_row(row: Any, number: int, size: int) -> NDArray[np.int64]:
    """A row of token ids (T,); unknown ones become 2. `DataError`, naming the row, for anything else."""
    wrong = DataError(f"row {number} is {_kind(row)}, this model reads token ids", mend="give rows of ids from 0")
    try:
        ids = np.asarray(row)
    except ValueError as error:  # rows in a row, of different lengths
        raise wrong from error
    if ids.ndim != 1 or (ids.size and (ids.dtype.kind not in "iu" or ids.min() < 0)):
        raise wrong
    return np.where(ids < size, ids, _UNKNOWN).astype(np.int64)


def _numbers(
    rows: Sequence[Any], first: int, spec: NumericSpec, mean: NDArray[np.float64], scale: NDArray[np.float64]
) -> Sequences:
    """Rows (T, I), scaled in float64; (T,) where there is one feature; flat (T * I,) where all rows had T steps."""
    checked = [number_row(row, number, spec) for number, row in enumerate(rows, first)]
    steps = Sequences.of([np.zeros((0, spec.features)), *checked], np.float64)
    return Sequences((steps.values - mean) / scale, steps.offsets[1:])


def number_row(row: Any, number: int, spec: NumericSpec) -> NDArray[np.float64]:
    """A numeric row (T, features), finite. `DataError`, naming the row, for anything else."""
    try:
        values = np.asarray(row, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"row {number} is {_kind(row)}, this model reads numbers", mend="give (T, I) arrays") from error
    features = spec.features
    if values.ndim == 1 and spec.steps is not None:
        if len(values) != spec.steps * features:
            raise DataError(
                f"row {number} has {len(values)} features, but the model is expecting {spec.steps * features}"
            )
        values = values.reshape(spec.steps, features)
    elif values.ndim == 1 and (features == 1 or len(values) == 0):
        values = values.reshape(-1, features)
    if values.ndim != 2 or values.shape[1] != features:
        raise DataError(f"row {number} has shape {values.shape}, this model reads (steps, {features})")
    if not np.isfinite(values).all():
        step, feature = np.argwhere(~np.isfinite(values))[0]
        raise DataError(
            f"row {number}, step {step}, feature {feature} is {values[step, feature]}",
            mend="fill or drop missing values first",
        )
    return values


def _kind(row: Any) -> str:
    return f"of type {type(row).__name__}"
