"""Rows of different lengths to arrays and back: padding and cutting, and one-hot vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from timesteps.errors import UsageError

Side = Literal["pre", "post"]


def _is_text(dtype: DTypeLike) -> bool:
    return bool(np.issubdtype(dtype, np.str_) or np.issubdtype(dtype, np.bytes_))


def _shape_of_steps(rows: Sequence[Any]) -> tuple[int, ...]:
    for row in rows:
        if len(row):
            return np.asarray(row).shape[1:]
    return ()


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: DTypeLike = "int32",
    padding: Side = "pre",
    truncating: Side = "pre",
    value: float | str = 0.0,
) -> NDArray[Any]:
    """Rows (T_i, ...) of different lengths as an array (R, maxlen, ...), as Keras 3's `pad_sequences` makes it.

    Shorter rows are filled with `value` in front ("pre") or behind ("post"); longer ones lose steps there. Without
    `maxlen` the longest row sets it. A row without steps is all padding. Steps may be vectors, all of one shape.

    `UsageError` (a `ValueError`) where Keras raises `ValueError`: rows without a length, steps of different shapes, a
    text as `value` with a dtype that cannot hold it; unknown words for `padding` and `truncating` are errors even when
    no row needs them. `cut_padding` is the inverse for rows that were not truncated.

    >>> pad_sequences([[1], [2, 3], [4, 5, 6]], maxlen=2)
    array([[0, 1],
           [2, 3],
           [5, 6]], dtype=int32)
    """
    for name, side in (("padding", padding), ("truncating", truncating)):
        if side not in ("pre", "post"):
            raise UsageError(f"{name} is {side!r}", mend='it can be "pre" or "post"')
    if not hasattr(sequences, "__len__"):
        raise UsageError(f"sequences is a {type(sequences).__name__} without a length", mend="pass a list of rows")
    for place, row in enumerate(sequences):
        if not hasattr(row, "__len__"):
            raise UsageError(f"row {place} is not a sequence: {row!r}", mend="pass a list of rows, each with its steps")
    if isinstance(value, str) and dtype is not object and not _is_text(dtype):
        raise UsageError(f"dtype {dtype} cannot hold the value {value!r}", mend="use dtype=object for texts")
    if maxlen is None:
        if not len(sequences):
            raise UsageError("there are no sequences to take maxlen from", mend="give maxlen")
        maxlen = max(len(row) for row in sequences)
    elif maxlen < 0:
        raise UsageError(f"maxlen is {maxlen}", mend="give a number of steps")

    shape = _shape_of_steps(sequences)
    padded = np.full((len(sequences), maxlen, *shape), value, dtype=dtype)
    for place, row in enumerate(sequences):
        if not len(row):
            continue
        try:
            kept = np.asarray(row[-maxlen:] if truncating == "pre" else row[:maxlen], dtype=dtype)
        except (ValueError, TypeError) as error:
            raise UsageError(f"row {place} does not fit dtype {np.dtype(dtype)}: {error}") from error
        if kept.shape[1:] != shape:
            raise UsageError(f"steps of row {place} have shape {kept.shape[1:]}, those before {shape}")
        if maxlen == 0:
            if truncating == "pre" and len(row) > 1:  # Keras keeps all steps here, and finds no room for them
                raise UsageError(f"row {place} has {len(row)} steps and maxlen is 0", mend="give maxlen of 1 or more")
            continue
        if padding == "post":
            padded[place, : len(kept)] = kept
        else:
            padded[place, maxlen - len(kept) :] = kept
    return padded


def cut_padding(
    array: NDArray[Any], lengths: Sequence[int] | NDArray[Any], padding: Side = "pre"
) -> list[NDArray[Any]]:
    """Rows without their padding, as views: the inverse of `pad_sequences` with the same `padding`. `lengths` is (R,).

    >>> cut_padding(pad_sequences([[7], [8, 9]]), [1, 2])
    [array([7], dtype=int32), array([8, 9], dtype=int32)]
    """
    if padding not in ("pre", "post"):
        raise UsageError(f"padding is {padding!r}", mend='it can be "pre" or "post"')
    if len(lengths) != len(array):
        raise UsageError(f"{len(lengths)} lengths for {len(array)} rows", mend="give one length a row")
    steps = array.shape[1]
    rows = []
    for place, length in enumerate(int(length) for length in lengths):
        if not 0 <= length <= steps:
            raise UsageError(f"length {length} of row {place} is outside 0 to {steps}")
        rows.append(array[place, :length] if padding == "post" else array[place, steps - length :])
    return rows


def one_hot(ids: ArrayLike, num_classes: int) -> NDArray[np.float32]:
    """Ids (...) from 0 to num_classes - 1 as vectors (..., num_classes) float32 with a single 1. Other ids are errors.

    >>> one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    index = np.asarray(ids)
    if index.size == 0:
        return np.zeros((*index.shape, num_classes), np.float32)
    if not np.issubdtype(index.dtype, np.integer):
        raise UsageError(f"ids are of type {index.dtype}", mend="give whole numbers")
    if index.min() < 0 or index.max() >= num_classes:
        wrong = index.min() if index.min() < 0 else index.max()
        raise UsageError(f"id {wrong} is outside 0 to {num_classes - 1}", mend="raise num_classes or cut the ids")
    vectors = np.zeros((index.size, num_classes), np.float32)
    vectors[np.arange(index.size), index.ravel()] = 1.0
    return vectors.reshape(*index.shape, num_classes)
