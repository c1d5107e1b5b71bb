"""`Examples`: sequences with what is to be learned from them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from timesteps.errors import DataError, UsageError
from timesteps.runtime.sequences import Sequences

__all__ = ["Examples"]

_FEATURES = 16  # of a bag, about


@dataclass(frozen=True, init=False)
class Examples:
    """Rows to train or validate on.

    Args:
        sequences: the input, R rows; rows of no steps are allowed.
        targets: (R,) class numbers from 0, or (R, outputs) soft targets in [0, 1]: the probability of class 1 where
            the network has one output, else a distribution over the classes in every row.
        weights: (R,) how often each row counts (sample weight × class weight), at least 0; None counts each once. A
            row of weight 2 is worth the same row twice, and one of weight 0 is left out.

    Raises:
        UsageError: arrays that do not fit each other.
        DataError: a weight or target outside its range, by its row (from 0).

    >>> rows = Sequences.of([[4, 5, 6], [7]])
    >>> examples = Examples(rows, [1, 0])
    >>> len(examples), examples.weights.tolist()
    (2, [1.0, 1.0])
    """

    sequences: Sequences
    targets: NDArray[Any]  # (R,) int64 or (R, outputs) float32
    weights: NDArray[np.float32]  # (R,)

    def __init__(self, sequences: Sequences, targets: ArrayLike, weights: ArrayLike | None = None) -> None:
        rows = len(sequences)
        given = np.asarray(targets)
        if given.ndim not in (1, 2) or len(given) != rows:
            raise UsageError(f"targets of shape {given.shape} for {rows} sequences", mend="give one target a row")
        if given.ndim == 1 and given.dtype.kind not in "iub":
            raise UsageError(
                f"targets of dtype {given.dtype} and shape {given.shape}",
                mend="give whole class numbers (R,) or soft targets (R, outputs)",
            )
        checked = given.astype(np.int64) if given.ndim == 1 else given.astype(np.float32)
        share = np.ones(rows, np.float32) if weights is None else np.asarray(weights, np.float32)
        if share.shape != (rows,):
            raise UsageError(f"weights of shape {share.shape} for {rows} sequences", mend="give one weight a row")
        _refuse("weight", share, ~((share >= 0) & np.isfinite(share)), "give finite weights of at least 0")
        if checked.ndim == 1:
            _refuse("target", checked, checked < 0, "number the classes from 0")
        else:
            wrong = ~np.all((checked >= 0) & (checked <= 1), axis=1)
            if checked.shape[1] > 1:
                wrong |= np.abs(checked.sum(axis=1) - 1) > 1e-3
            _refuse("target", checked, wrong, "give probabilities that sum to 1")
        for name, value in (("sequences", sequences), ("targets", checked), ("weights", share)):
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Steps of each row (R,)."""
        return self.sequences.lengths

    @property
    def steps(self) -> int:
        """Of all rows together."""
        return len(self.sequences.values)

    @property
    def step_bytes(self) -> int:
        """About what a step takes in memory: its number or numbers, its channels, the features that it has."""
        given = self.sequences
        width = int(np.prod(given.values.shape[1:])) + (0 if given.channels is None else given.channels.shape[1])
        return 4 * (width + (0 if given.bags is None else _FEATURES))

    def take(self, rows: Iterable[int] | NDArray[np.integer[Any]]) -> Examples:
        """The given rows, in the given order (repeats allowed).

        >>> Examples(Sequences.of([[4], [5, 6]]), [0, 1]).take([1, 1]).targets.tolist()
        [1, 1]
        """
        index = np.asarray(list(rows) if not isinstance(rows, np.ndarray) else rows, np.int64)
        return Examples(self.sequences.take(index), self.targets[index], self.weights[index])

    def check(self, outputs: int) -> None:
        """`DataError` or `UsageError` unless the targets fit a network of so many outputs."""
        if self.targets.ndim == 2:
            if self.targets.shape[1] != outputs:
                raise UsageError(f"soft targets have {self.targets.shape[1]} columns, the network {outputs} outputs")
            return
        classes = 2 if outputs == 1 else outputs
        _refuse("target", self.targets, self.targets >= classes, f"the network tells {classes} classes apart")

    def digest(self) -> str:
        """A digest (BLAKE2b, 16 bytes, hexadecimal) of everything in the rows: equal exactly when training is on the
        same data."""
        state = hashlib.blake2b(digest_size=16)
        sequences = self.sequences
        arrays = [sequences.values, sequences.offsets, self.targets, self.weights]
        for bags in (sequences.bags, sequences.phrases):
            arrays += [] if bags is None else [bags.ids, bags.offsets]
        arrays += [array for array in (sequences.channels, sequences.linear) if array is not None]
        for array in arrays:
            state.update(f"{array.dtype.str}{array.shape};".encode())
            state.update(np.ascontiguousarray(array).data)
        return state.hexdigest()


def _refuse(what: str, values: NDArray[Any], wrong: NDArray[np.bool_], mend: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(f"{what} of row {row} is {values[row].tolist()}", mend=mend)
