"""Pretrained vectors as a user gives them, as the table that an embedding starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from timesteps.data.vectors import load_vectors
from timesteps.errors import UsageError, option
from timesteps.runtime.spec import ModelSpec

Given = str | PathLike[str] | Mapping[str, ArrayLike] | ArrayLike


def starting_table(given: Given, spec: ModelSpec) -> tuple[NDArray[np.float32], str]:
    """The rows (input_size, embedding_size) of a network's embedding, NaN where nothing is known; and a word about it.

    Args:
        given: a file of word vectors (see `timesteps.data.vectors`) or a mapping from words to vectors, where the
            model has a vocabulary; or an array whose row k is the vector of id k, where rows came as ids or, with the
            reserved ids, the vocabulary is known beforehand. An array may have more or fewer rows than there are ids.
        spec: of the model that is to be trained.

    Raises:
        UsageError: a network without an embedding of ids, or vectors of another size than it.
        DataError: a file that cannot be read.
    """
    network, text = spec.network, spec.text
    if network.input != "ids" or text is None:
        raise UsageError(f"{option('vectors')} needs ids as input", mend=f"add {option('input', 'ids')}")
    if isinstance(given, str | PathLike | Mapping):
        if not text.words:
            raise UsageError(
                f"{option('vectors')} of words need a vocabulary of words",
                mend=f"choose {option('tokenizer', 'word')}, or give an array, a row for each id",
            )
        if isinstance(given, Mapping):
            table, said = _rows(given, text.words), f"vectors for {sum(word in given for word in text.words):,} words"
        else:
            found = load_vectors(given, text.words)
            table, said = found.vectors, str(found)
        table = np.concatenate([np.full((text.index_from, table.shape[1]), np.nan, np.float32), table])
    else:
        table, said = _matrix(given), "vectors by id"
    size = table.shape[1]
    if size != network.embedding_size:
        raise UsageError(
            f"{option('vectors')} of {size} numbers, but {option('embedding_size')} is {network.embedding_size}",
            mend=f"add {option('embedding_size', size)}",
        )
    rows = np.full((network.input_size, size), np.nan, np.float32)
    count = min(len(rows), len(table))
    rows[:count] = table[:count]
    return rows, said


def _rows(given: Mapping[str, ArrayLike], words: Sequence[str]) -> NDArray[np.float32]:
    """The words' vectors (len(words), D), NaN where there is none."""
    known = {word: _vector(given[word], word) for word in words if word in given}
    sizes = {len(vector) for vector in known.values()}
    if len(sizes) != 1:
        found = "none of the words of the training texts" if not sizes else f"vectors of {sorted(sizes)} numbers"
        raise UsageError(f"{option('vectors')} has {found}", mend="give vectors of one size for some of the words")
    missing = np.full(sizes.pop(), np.nan, np.float32)
    return np.stack([known.get(word, missing) for word in words])


def _vector(value: ArrayLike, word: str) -> NDArray[np.float32]:
    vector = np.asarray(value, np.float32)
    if vector.ndim != 1 or not np.isfinite(vector).all():
        raise UsageError(f"{option('vectors')}[{word!r}] is not a row of finite numbers", mend="leave the word out")
    return vector


def _matrix(given: Any) -> NDArray[np.float32]:
    table = np.asarray(given, np.float32)
    if table.ndim != 2 or np.isinf(table).any():
        raise UsageError(
            f"{option('vectors')} has the shape {table.shape}" if table.ndim != 2 else "the vectors are infinite",
            mend="give finite numbers, a row for each id; rows with NaN are left as they are",
        )
    return table
