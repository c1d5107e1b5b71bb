from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from problems import KINDS, examples

from timesteps.errors import DataError, UsageError
from timesteps.runtime.sequences import Sequences
from timesteps.training.examples import Examples

ROWS = Sequences.of([[1, 2], [3], []])


@pytest.mark.parametrize(
    ("targets", "weights", "error", "says"),
    [
        ([0, 1], None, UsageError, "3 sequences"),
        ([0, 1, -1], None, DataError, "target of row 2 is -1"),
        ([0.5, 1.0, 0.0], None, UsageError, "dtype float64"),
        ([[0.5], [1.5], [0.0]], None, DataError, "target of row 1"),
        ([[0.5, 0.5], [0.9, 0.2], [1, 0]], None, DataError, "target of row 1"),
        ([[0.5], [np.nan], [0.0]], None, DataError, "target of row 1"),
        ([0, 1, 1], [1, 2], UsageError, "weights of shape"),
        ([0, 1, 1], [1, -2, 1], DataError, "weight of row 1 is -2"),
        ([0, 1, 1], [1, 2, np.inf], DataError, "weight of row 2 is inf"),
        ([0, 1, 1], [np.nan, 2, 1], DataError, "weight of row 0 is nan"),
    ],
)
def test_what_does_not_fit_is_refused(targets: Any, weights: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Examples(ROWS, targets, weights)


def test_targets_must_have_an_output() -> None:
    with pytest.raises(DataError, match=r"row 2 is 2; the network tells 2 classes apart"):
        Examples(ROWS, [0, 1, 2]).check(1)
    Examples(ROWS, [0, 1, 2]).check(3)
    with pytest.raises(UsageError, match="2 columns, the network 3 outputs"):
        Examples(ROWS, [[0.5, 0.5]] * 3).check(3)


def test_take() -> None:
    taken = Examples(ROWS, [0, 1, 1], [1, 2, 3]).take([2, 0, 0])
    assert taken.targets.tolist() == [1, 0, 0]
    assert taken.weights.tolist() == [3, 1, 1]
    assert taken.sequences.lengths.tolist() == [0, 2, 2]


@pytest.mark.parametrize("kind", KINDS)
def test_the_digest_sees_every_part(kind: Any) -> None:
    rows = examples(kind)
    sequences = rows.sequences
    digest = rows.digest()
    assert examples(kind).digest() == digest
    values = sequences.values.copy()
    values.flat[5] += 1
    changed = [
        Examples(Sequences(values, sequences.offsets, sequences.bags), rows.targets),
        Examples(sequences, 1 - rows.targets),
        Examples(sequences, rows.targets, rows.weights * 2),
        examples(kind, seed=1),
    ]
    if sequences.bags is not None:
        ids = sequences.bags.ids.copy()
        ids[3] += 1
        bags = type(sequences.bags)(ids, sequences.bags.offsets)
        changed.append(Examples(Sequences(sequences.values, sequences.offsets, bags), rows.targets))
    assert len({digest, *(each.digest() for each in changed)}) == len(changed) + 1
