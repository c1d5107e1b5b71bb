from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from problems import examples

from timesteps.runtime.sequences import Bags, Sequences
from timesteps.training.batches import evaluation_batches, padding_waste, training_batches
from timesteps.training.collate import collate

LENGTHS = st.lists(st.integers(0, 40), min_size=1, max_size=80).map(lambda lengths: np.array(lengths, np.int64))


@given(LENGTHS, st.integers(1, 20), st.integers(0, 2**40), st.integers(0, 5), st.booleans())
def test_every_row_once(lengths: np.ndarray, size: int, seed: int, epoch: int, bucket: bool) -> None:
    batches = training_batches(lengths, size, seed=seed, epoch=epoch, bucket=bucket)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert len(batches) == -(-len(lengths) // size)
    sizes = {len(rows) for rows in batches}
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1
    again = training_batches(lengths, size, seed=seed, epoch=epoch, bucket=bucket)
    assert all((one == two).all() for one, two in zip(batches, again, strict=True))


@given(LENGTHS, st.integers(1, 20))
def test_evaluation_visits_every_row_once_longest_first(lengths: np.ndarray, size: int) -> None:
    order = np.concatenate(evaluation_batches(lengths, size))
    assert sorted(order) == list(range(len(lengths)))
    assert (np.diff(lengths[order]) <= 0).all()


@pytest.mark.parametrize("bucket", [True, False])
@pytest.mark.parametrize("other", [{"seed": 1, "epoch": 0}, {"seed": 0, "epoch": 1}])
def test_seed_and_epoch_change_the_order(bucket: bool, other: dict[str, int]) -> None:
    lengths = np.random.default_rng(0).integers(0, 30, 200)
    first = training_batches(lengths, 16, seed=0, epoch=0, bucket=bucket)
    second = training_batches(lengths, 16, **other, bucket=bucket)
    assert any((one != two).any() for one, two in zip(first, second, strict=True) if len(one) == len(two))


def test_rows_meet_other_neighbours_every_epoch() -> None:
    lengths = np.random.default_rng(0).integers(50, 80, 400)
    together = [
        {frozenset(rows.tolist()) for rows in training_batches(lengths, 8, seed=0, epoch=epoch)} for epoch in range(2)
    ]
    assert not together[0] & together[1]


def test_batches_are_not_in_order_of_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 300, 2000)
    means = [lengths[rows].mean() for rows in training_batches(lengths, 50, seed=3, epoch=0)]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.5


def test_buckets_waste_little() -> None:
    lengths = np.random.default_rng(0).geometric(0.02, 4000)
    bucketed = padding_waste(lengths, training_batches(lengths, 64, seed=0, epoch=0))
    shuffled = padding_waste(lengths, training_batches(lengths, 64, seed=0, epoch=0, bucket=False))
    assert bucketed < 0.12
    assert shuffled > 0.6


def test_waste_counts_padded_steps() -> None:
    assert padding_waste(np.array([2, 3, 0, 5]), [np.array([0, 3]), np.array([1, 2])]) == pytest.approx(1 - 10 / 16)
    assert padding_waste(np.array([0, 0]), [np.array([0, 1])]) == 0.0
    assert padding_waste(np.zeros(0, np.int64), []) == 0.0


@given(st.lists(st.lists(st.integers(1, 99), max_size=8), min_size=1, max_size=8), st.data())
def test_ids_are_padded_row_by_row(rows: list[list[int]], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=10))
    batch = collate(Sequences.of(rows), np.array(chosen))
    assert batch.values is not None
    assert batch.values.dtype == batch.lengths.dtype == torch.int64
    assert batch.values.shape == (len(chosen), max(1, *(len(rows[row]) for row in chosen), 1))
    for row, length, values in zip(chosen, batch.lengths.tolist(), batch.values.tolist(), strict=True):
        assert values == rows[row] + [0] * (len(values) - length)
        assert length == len(rows[row])


def test_numbers_become_float32() -> None:
    sequences = Sequences(np.arange(8, dtype=np.float64).reshape(4, 2), np.array([1, 2, 2, 4]))  # starts behind 0
    batch = collate(sequences, np.array([2, 1, 0]))
    assert batch.values is not None
    assert batch.values.dtype == torch.float32
    assert batch.values.tolist() == [[[4, 5], [6, 7]], [[0, 0], [0, 0]], [[2, 3], [0, 0]]]


@given(st.integers(0, 2**32), st.booleans())
def test_bags_lie_in_row_order(seed: int, with_phrases: bool) -> None:
    random = np.random.default_rng(seed)

    def bags(number: int) -> tuple[list[list[int]], Bags]:
        lists = [random.integers(0, 50, random.integers(0, 4)).tolist() for _ in range(number)]
        ids = np.array([feature for each in lists for feature in each], np.int32)
        return lists, Bags(ids, np.cumsum([0, *map(len, lists)]))

    unit_lists, units = bags(6)
    offsets = np.cumsum([0, *random.integers(0, 4, 5)])
    values = random.integers(0, 6, offsets[-1]).astype(np.int32)
    phrase_lists, phrases = bags(len(values))
    sequences = Sequences(values, offsets, units, phrases if with_phrases else None)
    rows = random.integers(0, 5, 4)
    batch = collate(sequences, rows)
    steps = [step for row in rows for step in range(offsets[row], offsets[row + 1])]
    expected = [unit_lists[values[step]] + (phrase_lists[step] if with_phrases else []) for step in steps]
    assert batch.values is None
    assert batch.bag_ids is not None
    assert batch.bag_offsets is not None
    assert batch.bag_ids.dtype == batch.bag_offsets.dtype == torch.int64
    assert batch.lengths.tolist() == (offsets[1:] - offsets[:-1])[rows].tolist()
    ends = batch.bag_offsets.tolist()
    assert [batch.bag_ids[a:b].tolist() for a, b in pairwise(ends)] == expected


@pytest.mark.parametrize("kind", ["ids", "numeric", "bag"])
def test_a_batch_of_empty_rows(kind: str) -> None:
    batch = collate(examples(kind).sequences, np.array([0, 1]))  # type: ignore[arg-type]
    assert batch.lengths.tolist() == [0, 0]
    if kind == "bag":
        assert batch.bag_offsets.tolist() == [0]  # type: ignore[union-attr]
    else:
        assert batch.values.shape[:2] == (2, 1)  # type: ignore[union-attr]
        assert not batch.values.any()  # type: ignore[union-attr]
