"""What a network is given: the scale of its numbers, the lengths of its rows, and the padding between them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.cells import Array
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.spec import TextSpec
from timesteps.training.batches import padding_waste, training_batches

__all__ = ["Intake", "intake"]

_PADDING = 0  # the id of it


@dataclass(frozen=True)
class Intake:
    """The rows as the first layer reads them."""

    rows: int
    seen: int  # rows that were looked at
    steps: int
    median: int  # steps of a row
    longest: int
    means: tuple[float, ...]  # of each number of a step, or of all of them together
    deviations: tuple[float, ...]
    constant: tuple[int, ...]  # numbers that are the same at every step
    padding_shuffled: float  # share of the steps of padded batches of shuffled rows
    padding_bucketed: float  # and of rows of similar length, as training puts them together
    padding_fed: float  # share of the steps that are padding which the network reads as input
    limit: int | None  # steps beyond which rows are cut
    cut: float  # share of rows that reach the limit
    batch_size: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def intake(
    rows: Sequences,
    x: Array | None,
    text: TextSpec | None = None,
    *,
    numeric: bool = False,
    lengths: NDArray[np.int64] | None = None,
    batch_size: int = 32,
) -> Intake:
    """What these rows look like.

    Args:
        rows: as a network reads them.
        x: (N, I) what the first layer reads; None of one-hot vectors.
        text: how texts became steps.
        numeric: whether each number of a step means something of its own, as those of an embedding do not.
        lengths: of all rows, where `rows` are some of them.
        batch_size: of the batches whose padding is counted.
    """
    lengths = rows.lengths if lengths is None else lengths
    means, deviations, constant = _scale(x, numeric)
    shuffled, bucketed = (
        training_batches(lengths, batch_size, seed=0, epoch=0, bucket=bucket) for bucket in (False, True)
    )
    limit = None if text is None else text.max_length
    fed = text is not None and not text.mask and rows.bags is None and len(rows.values) > 0
    return Intake(
        rows=len(lengths),
        seen=len(rows),
        steps=int(lengths.sum()),
        median=round(float(np.median(lengths))),
        longest=int(lengths.max()),
        means=means,
        deviations=deviations,
        constant=constant,
        padding_shuffled=padding_waste(lengths, shuffled),
        padding_bucketed=padding_waste(lengths, bucketed),
        padding_fed=float((rows.values == _PADDING).mean()) if fed else 0.0,
        limit=limit,
        cut=0.0 if limit is None or fed else float((lengths >= limit).mean()),
        batch_size=batch_size,
    )


def _scale(x: Array | None, numeric: bool) -> tuple[tuple[float, ...], tuple[float, ...], tuple[int, ...]]:
    if x is None:
        return (), (), ()
    if not numeric:
        return (float(x.mean()),), (float(x.std()),), ()
    deviations: NDArray[np.float64] = x.std(axis=0)
    # Rounding leaves something of what does not change.
    constant = np.flatnonzero(np.ptp(x, axis=0) == 0) if len(x) > 1 else np.zeros(0, np.int64)
    return tuple(x.mean(axis=0).tolist()), tuple(deviations.tolist()), tuple(constant.tolist())
