"""`Examples`: sequences with what is to be learned from them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from timesteps.errors import DataError, UsageError, option
from timesteps.runtime.losses import Loss
from timesteps.runtime.sequences import Sequences

__all__ = ["Examples", "StoredExamples", "TargetKind"]

TargetKind = Literal["classes", "numbers"]

_FEATURES = 16  # of a bag, about


@dataclass(frozen=True, init=False)
class Examples:
    """Rows to train or validate on.

    There is one target for every row or, with `per_step`, for every step of every row, laid end to end as the steps
    are: U targets in all.

    Args:
        sequences: the input, R rows; rows of no steps are allowed.
        targets: of classes (U,) class numbers from 0, or (U, outputs) soft targets in [0, 1]: the probability of class
            1 where the network has one output, else a distribution over the classes in every row; of numbers (U, D) or
            (U,) the numbers to predict.
        weights: (U,) how often each target counts (sample weight × class weight), or (R,) for all steps of a row, at
            least 0; None counts each once. A row of weight 2 is worth the same row twice, and one of weight 0 is left
            out.
        kind: whether targets are classes or numbers.
        per_step: whether every step has a target, for networks that answer at every step.
        missing: what a target is that is NaN or, of class numbers, -1: an `error`, or one to leave out (`mask`), which
            adds nothing to the loss; of several numbers, each for itself.

    Raises:
        UsageError: arrays that do not fit each other.
        DataError: a weight or target outside its range, by its row or step (from 0).

    >>> rows = Sequences.of([[4, 5, 6], [7]])
    >>> examples = Examples(rows, [1, 0])
    >>> len(examples), examples.weights.tolist()
    (2, [1.0, 1.0])
    >>> Examples(rows, [0.5, np.nan, 2.0, 1.5], kind="numbers", per_step=True, missing="mask").targets.ravel().tolist()
    [0.5, nan, 2.0, 1.5]
    """

    sequences: Sequences
    targets: NDArray[Any]  # (U,) int64, (U, outputs) float32, or (U, D) float32 with NaN for what is missing
    weights: NDArray[np.float32]  # (U,)
    kind: TargetKind
    per_step: bool

    def __init__(
        self,
        sequences: Sequences,
        targets: ArrayLike,
        weights: ArrayLike | None = None,
        *,
        kind: TargetKind = "classes",
        per_step: bool = False,
        missing: Literal["error", "mask"] = "error",
    ) -> None:
        units = int(sequences.offsets[-1] - sequences.offsets[0]) if per_step else len(sequences)
        what = "step" if per_step else "row"
        given = np.asarray(targets)
        if given.ndim not in (1, 2) or len(given) != units:
            raise UsageError(
                f"targets of shape {given.shape} for {units} {'steps' if per_step else 'sequences'}",
                mend=f"give one target a {what}",
            )
        share = _weights(sequences, weights, units, what)
        masked = missing == "mask"
        checked: NDArray[Any]
        if kind == "numbers":
            checked = _numbers(given, masked, what)
        else:
            checked, absent = (_classes if given.ndim == 1 else _distributions)(given, masked, what)
            share = np.where(absent, np.float32(0), share)
        parts = {"sequences": sequences, "targets": checked, "weights": share, "kind": kind, "per_step": per_step}
        for name, value in parts.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.sequences)

    def units(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Which targets are those of these rows, in their order.

        >>> Examples(Sequences.of([[4, 5], [6]]), [1, 0, 1], per_step=True).units(np.array([1, 0]))
        array([2, 0, 1])
        """
        if not self.per_step:
            return np.asarray(rows, np.int64)
        units: NDArray[np.int64] = self.sequences.steps_of(rows) - self.sequences.offsets[0]
        return units

    def counted(self) -> NDArray[np.bool_]:
        """(R,) which rows have anything to learn from: a target that is there, and a weight above 0."""
        counts = self.weights > 0
        if self.kind == "numbers":
            counts &= ~np.isnan(self.targets).all(axis=1)
        if not self.per_step:
            return counts
        before = np.concatenate([[0], np.cumsum(counts)])
        ends = self.sequences.offsets - self.sequences.offsets[0]
        return np.asarray(before[ends[1:]] > before[ends[:-1]])

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
        units = self.units(index)
        return Examples(
            self.sequences.take(index),
            self.targets[units],
            self.weights[units],
            kind=self.kind,
            per_step=self.per_step,
            missing="mask",
        )

    def check(self, outputs: int, loss: Loss | None = None) -> None:
        """`DataError` or `UsageError` unless the targets fit a network of so many outputs and a loss (by default,
        cross-entropy)."""
        loss = loss or Loss("cross_entropy")
        if loss.is_classification != (self.kind == "classes"):
            mend = f"train by another {option('loss')}, or give targets of the other kind"
            raise UsageError(f"the targets are {self.kind}, the loss is {loss.name}", mend=mend)
        if self.kind == "numbers":
            numbers, wanted = self.targets.shape[1], len(loss.parameters)
            if numbers * wanted != outputs:
                raise UsageError(
                    f"{outputs} outputs for {numbers} numbers of the loss {loss.name}",
                    mend=f"give the network {loss.outputs(numbers)} outputs",
                )
            if loss.name == "negative_binomial":
                what, wrong = "step" if self.per_step else "row", np.asarray((self.targets < 0).any(axis=1))
                _refuse("target", self.targets, wrong, "this loss is of counts, from 0 on", what)
            return
        if self.targets.ndim == 2:
            if self.targets.shape[1] != outputs:
                raise UsageError(f"soft targets have {self.targets.shape[1]} columns, the network {outputs} outputs")
            return
        classes = 2 if outputs == 1 else outputs
        what = "step" if self.per_step else "row"
        _refuse("target", self.targets, self.targets >= classes, f"the network tells {classes} classes apart", what)

    def digest(self) -> str:
        """A digest (BLAKE2b, 16 bytes, hexadecimal) of everything in the rows: equal exactly when training is on the
        same data."""
        state = hashlib.blake2b(digest_size=16)
        sequences = self.sequences
        arrays = [sequences.values, sequences.offsets, self.targets, self.weights]
        if self.kind == "numbers" or self.per_step:
            state.update(f"{self.kind} {self.per_step};".encode())
        for bags in (sequences.bags, sequences.phrases):
            arrays += [] if bags is None else [bags.ids, bags.offsets]
        arrays += [array for array in (sequences.channels, sequences.linear) if array is not None]
        for array in arrays:
            state.update(f"{array.dtype.str}{array.shape};".encode())
            state.update(np.ascontiguousarray(array).data)
        return state.hexdigest()


class StoredExamples(Protocol):
    """Rows that are not in memory as the network reads them: on the disk, or made when they are read."""

    def __len__(self) -> int: ...

    @property
    def steps(self) -> int:
        """Of all rows together."""
        ...

    @property
    def step_bytes(self) -> int:
        """About what a step takes in memory."""
        ...

    def read(self, blocks: Iterable[int]) -> Examples:
        """The rows of some blocks of `batches.BLOCK` rows, in this order, in memory."""
        ...

    def digest(self) -> str:
        """Of everything in the rows."""
        ...


def _weights(sequences: Sequences, weights: ArrayLike | None, units: int, what: str) -> NDArray[np.float32]:
    """(U,) from weights of targets or of rows."""
    share = np.ones(units, np.float32) if weights is None else np.asarray(weights, np.float32)
    if share.shape == (len(sequences),) != (units,):
        share = np.repeat(share, sequences.lengths)
    if share.shape != (units,):
        mend = f"give one weight a {what}" + ("" if what == "row" else " or a row")
        raise UsageError(f"weights of shape {share.shape} for {len(sequences)} sequences", mend=mend)
    _refuse("weight", share, ~((share >= 0) & np.isfinite(share)), "give finite weights of at least 0", what)
    return share


def _classes(given: NDArray[Any], masked: bool, what: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Class numbers, and which are missing."""
    if given.dtype.kind not in "iub":
        raise UsageError(
            f"targets of dtype {given.dtype} and shape {given.shape}",
            mend="give whole class numbers or soft targets (…, outputs), or say that they are numbers to predict",
        )
    classes = given.astype(np.int64)
    absent = (classes == -1) & masked
    _refuse("target", classes, (classes < 0) & ~absent, "number the classes from 0", what)
    return np.where(absent, 0, classes), absent


def _distributions(given: NDArray[Any], masked: bool, what: str) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Soft targets, and which are missing."""
    soft = given.astype(np.float32)
    absent = np.asarray(np.isnan(soft).all(axis=1) & masked)
    wrong = ~np.asarray(((soft >= 0) & (soft <= 1)).all(axis=1))
    if soft.shape[1] > 1:
        wrong |= np.abs(soft.sum(axis=1) - 1) > 1e-3
    _refuse("target", soft, wrong & ~absent, "give probabilities that sum to 1", what)
    return np.where(absent[:, None], np.float32(1 / soft.shape[1]), soft), absent


def _numbers(given: NDArray[Any], masked: bool, what: str) -> NDArray[np.float32]:
    """Numbers to predict (U, D)."""
    if given.dtype.kind not in "iubf":
        raise UsageError(f"targets of dtype {given.dtype}", mend="give numbers")
    with np.errstate(over="ignore"):
        numbers = given.reshape(len(given), -1).astype(np.float32)
    wrong = np.asarray(np.isinf(numbers) if masked else ~np.isfinite(numbers))
    mend = "give finite numbers" + ("" if masked else ", or leave missing ones out of the loss with missing='mask'")
    _refuse("target", numbers, np.asarray(wrong.any(axis=1)), mend, what)
    return numbers


def _refuse(what: str, values: NDArray[Any], wrong: NDArray[np.bool_], mend: str, unit: str) -> None:
    if wrong.any():
        place = int(np.argmax(wrong))
        raise DataError(f"{what} of {unit} {place} is {values[place].tolist()}", mend=mend)
