"""From what a user hands to a stream to checked steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from timesteps.errors import DataError
from timesteps.runtime.layout import reads_texts
from timesteps.runtime.reading import id_row, number_row, token_row
from timesteps.runtime.spec import ModelSpec, NumericSpec
from timesteps.runtime.text.processor import TextProcessor

__all__ = ["Rows", "StepReader"]

Rows = list[NDArray[Any]]  # of each stream, its steps: (T, features) float64 or (T,) int32

_LARGEST = float(np.finfo(np.float32).max)


class StepReader:
    """Reads the steps of one model: numbers, token ids or texts.

    Both methods return the rows and whether there is a dimension of streams, and raise `DataError` for an input that is
    not of the model's kind.
    """

    def __init__(self, spec: ModelSpec, tensors: Mapping[str, NDArray[Any]]) -> None:
        self._size = spec.network.input_size
        self._numeric: NumericSpec | None = None
        self._processor: TextProcessor | None = None
        self._tokens = spec.text is not None and spec.text.tokenizer == "tokens"
        if spec.numeric is not None:
            self._numeric = msgspec.structs.replace(spec.numeric, steps=None)  # a row is never flat here
            self._mean, self._scale = tensors["scaler.mean"], tensors["scaler.scale"]
        elif reads_texts(spec):
            assert spec.text is not None
            endless = {"max_length": None, "truncating": "pre", "head_length": 0, "start": False}
            self._processor = TextProcessor.load(msgspec.structs.replace(spec.text, **endless), tensors)

    def step(self, x: Any) -> tuple[Rows, bool]:
        """One step (features,) or of B streams (B, features); an id or (B,); a token or B tokens; a text or B texts, of
        any length."""
        if self._tokens:
            batched = not isinstance(x, str)
            return self._given([[token] for token in x] if batched else [[x]], batched)
        if self._processor is not None:
            return self._texts(x)
        step = 0 if self._numeric is None else 1  # dimensions
        values = _array(x, step == 1)
        if self._numeric is not None and self._numeric.features == 1 and values.ndim == 0:
            values = values[None]
        if values.ndim not in (step, step + 1):
            raise DataError(f"a step of shape {values.shape}", mend=f"give {self._shape('(features,)', 'an id')}")
        batched = values.ndim > step
        rows = values if batched else values[None]
        if len(rows) == 0:
            raise DataError("a step of no streams", mend="give at least one")
        if self._numeric is None:
            return [self._ids(row[None], number) for number, row in enumerate(rows)], batched
        return [self._numbers(row[None], number, batched) for number, row in enumerate(rows)], batched

    def run(self, x: Any, lengths: ArrayLike | None = None) -> tuple[Rows, bool]:
        """Steps (T, features), (T,), T tokens or a text; or those of B streams, as an array or a list of rows."""
        if self._tokens and lengths is None:
            batched = _depth(x) > 1
            return self._given(list(x) if batched else [x], batched)
        if self._processor is not None:
            if lengths is not None:
                raise DataError("lengths of texts", mend="texts have their own: leave lengths out")
            return self._texts(x)
        row = 1 if self._numeric is None else 2  # dimensions
        batched = _depth(x) > row
        rows = list(x) if batched else [x]
        if not rows:
            raise DataError("steps of no streams", mend="give at least one")
        rows = [np.asarray(part) if hasattr(part, "__array__") else part for part in rows]
        if lengths is not None:
            rows = _cut(rows, lengths)
        if self._numeric is None:
            return [self._ids(part, number) for number, part in enumerate(rows)], batched
        checked: Rows = []
        for number, part in enumerate(rows):
            read = number_row(part, number, self._numeric)
            checked.append(self._checked(read, f"row {number}, step {{step}}, feature {{feature}}"))
        return checked, batched

    def _shape(self, numbers: str, ids: str) -> str:
        return ids if self._numeric is None else numbers

    def _texts(self, x: Any) -> tuple[Rows, bool]:
        assert self._processor is not None
        batched = not isinstance(x, str)
        texts = list(x) if batched and hasattr(x, "__iter__") else [x]
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise DataError(f"text {number} is of type {type(text).__name__}", mend="this model reads texts")
        if not texts:
            raise DataError("texts of no streams", mend="give at least one")
        found = self._processor.steps(texts)
        return [found.values[a:b] for a, b in zip(found.offsets, found.offsets[1:], strict=False)], batched

    def _given(self, rows: list[Any], batched: bool) -> tuple[Rows, bool]:
        """Lists of tokens."""
        assert self._processor is not None
        if not rows:
            raise DataError("tokens of no streams", mend="give at least one")
        found = self._processor.steps([token_row(row, number) for number, row in enumerate(rows)])
        return [found.values[a:b] for a, b in zip(found.offsets, found.offsets[1:], strict=False)], batched

    def _ids(self, row: Any, number: int) -> NDArray[np.int32]:
        return id_row(row, number, self._size).astype(np.int32)

    def _numbers(self, row: NDArray[np.float64], number: int, batched: bool) -> NDArray[np.float64]:
        """One step (1, features)."""
        assert self._numeric is not None
        where = f"stream {number}: " if batched else ""
        if row.shape[1] != self._numeric.features:
            raise DataError(f"{where}a step has {row.shape[1]} numbers, this model reads {self._numeric.features}")
        if not np.isfinite(row).all():
            feature = int(np.argmin(np.isfinite(row[0])))
            raise DataError(
                f"{where}feature {feature} of the step is {row[0, feature]}", mend="fill or drop missing values first"
            )
        return self._checked(row, f"{where}feature {{feature}} of the step")

    def _checked(self, row: NDArray[np.float64], where: str) -> NDArray[np.float64]:
        """Finite after scaling, too."""
        fits = np.abs((row - self._mean) / self._scale) <= _LARGEST
        if not fits.all():
            step, feature = np.argwhere(~fits)[0]
            raise DataError(f"{where.format(step=step, feature=feature)} is {row[step, feature]}, which is too large")
        return row


def _array(x: Any, numbers: bool) -> NDArray[Any]:
    wrong = DataError(
        f"a step is of type {type(x).__name__}, this model reads {'numbers' if numbers else 'token ids, whole numbers'}"
    )
    try:
        values = np.asarray(x, np.float64 if numbers else None)
    except (TypeError, ValueError, OverflowError) as error:
        raise wrong from error
    if not numbers and values.dtype.kind not in "iu":
        raise wrong
    return values


def _depth(x: Any) -> int:
    """Dimensions of an array, or of nested lists by their first members."""
    if hasattr(x, "__array__"):
        return int(np.ndim(x))
    depth = 0
    while isinstance(x, (list, tuple)):
        depth += 1
        if not x:
            break
        x = x[0]
        if hasattr(x, "__array__"):
            return depth + int(np.ndim(x))
    return depth


def _cut(rows: list[Any], lengths: ArrayLike) -> list[Any]:
    """The first `lengths` steps of each row."""
    ends = np.atleast_1d(np.asarray(lengths))
    if ends.shape != (len(rows),) or ends.dtype.kind not in "iu":
        raise DataError(
            f"lengths are {ends.dtype} {ends.shape}", mend=f"give a whole number for each of {len(rows)} rows"
        )
    for number, (row, end) in enumerate(zip(rows, ends.tolist(), strict=True)):
        if not 0 <= end <= len(row):
            raise DataError(f"row {number} has {len(row)} steps, its length is given as {end}")
    return [row[:end] for row, end in zip(rows, ends.tolist(), strict=True)]
