"""Splits: no text on both sides, every class on its share, whatever the order of rows."""

from __future__ import annotations

import unicodedata
from collections import Counter
from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timesteps.data.split import hash_fraction, shared_rows, split_groups, split_rows, text_key, without
from timesteps.errors import DataError, UsageError

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "A ", "b", "가", unicodedata.normalize("NFD", "가"), *"cdefghijk"]), st.integers(0, 2)
    ),
    min_size=2,
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(ROWS, st.floats(0.05, 0.95), st.integers(0, 5), st.randoms())
def test_laws_of_the_split(rows, fraction, seed, random):
    texts, labels = [text for text, _ in rows], [label for _, label in rows]
    groups: dict[bytes, Counter[int]] = {}
    for text, label in rows:
        groups.setdefault(text_key(text), Counter())[label] += 1
    owner = {key: min(k for k, n in counts.items() if n == max(counts.values())) for key, counts in groups.items()}
    if max(Counter(owner.values()).values()) < 2:
        with pytest.raises(DataError, match="too few to set some apart"):
            split_rows(texts, labels, fraction, seed)
        return
    train, valid = split_rows(texts, labels, fraction, seed)
    assert train.dtype == valid.dtype == np.int64
    assert sorted([*train, *valid]) == list(range(len(rows)))
    assert np.all(np.diff(train) > 0) and np.all(np.diff(valid) > 0)
    train_keys, valid_keys = {text_key(texts[i]) for i in train}, {text_key(texts[i]) for i in valid}
    assert not train_keys & valid_keys and valid_keys
    for label, count in Counter(owner.values()).items():
        if count > 1:
            assert any(owner[key] == label for key in train_keys)
    order = list(range(len(rows)))
    random.shuffle(order)
    _, again = split_rows([texts[i] for i in order], [labels[i] for i in order], fraction, seed)
    assert {text_key(texts[order[i]]) for i in again} == valid_keys


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
def test_shares(fraction):
    texts = [f"text {i % 900}" for i in range(1_000)]
    labels = np.array([str(int(i % 900 < 300)) for i in range(1_000)])
    _, valid = split_rows(texts, labels, fraction, 3)
    for label in "01":
        share = np.mean(np.isin(np.flatnonzero(labels == label), valid))
        assert abs(share - fraction) < 0.005


def test_another_seed_is_another_split():
    texts, labels = [str(i) for i in range(100)], [i % 2 for i in range(100)]
    first, second = (split_rows(texts, labels, 0.2, seed)[1].tolist() for seed in (0, 1))
    assert first != second and first == split_rows(texts, labels, 0.2, 0)[1].tolist()


def test_a_split_is_the_same_on_every_machine():
    """Recorded: a change here changes every published score."""
    _, valid = split_rows([f"text {i}" for i in range(20)], [i % 2 for i in range(20)], 0.2, 7)
    assert valid.tolist() == [0, 4, 5, 7]


def test_a_large_group_does_not_swallow_the_training_rows():
    texts = 90 * ["ㅋㅋ"] + [f"text {i}" for i in range(10)]
    for seed in range(10):
        train, valid = split_rows(texts, 100 * [1], 0.1, seed)
        assert len(valid) == 10 and len(train) == 90


def test_numeric_rows_and_no_labels():
    rows = [np.array([i % 5, 1.5]) for i in range(50)]
    train, valid = split_groups([row.tobytes() for row in rows], None, 0.2, 0)
    assert len(valid) == 10 and {rows[i][0] for i in train} & {rows[i][0] for i in valid} == set()


def test_refusals():
    for fraction in (0, 1, -0.5, float("nan")):
        with pytest.raises(UsageError, match="between 0 and 1"):
            split_rows(["a", "b"], [0, 0], fraction, 0)
    with pytest.raises(DataError, match="2 rows with 3 labels"):
        split_rows(["a", "b"], [0, 0, 0], 0.5, 0)
    with pytest.raises(DataError, match="too few"):
        split_rows([], [], 0.5, 0)


def test_hash_fraction_is_as_defined():
    digest = blake2b("7:좋다".encode(), digest_size=8).digest()
    assert hash_fraction("좋다", 7) == int.from_bytes(digest, "little") / 2**64
    values = [hash_fraction(f"text {i}", 0) for i in range(2_000)]
    assert min(values) >= 0 and max(values) < 1 and abs(np.mean(values) - 0.5) < 0.03
    assert hash_fraction("a", 0) != hash_fraction("A", 0)


def test_rows_without_those_that_are_held_out():
    assert without(["good", "bad"], ["Good "]) == ["bad"]
    rows = [np.array([1, 2]), np.array([3])]
    assert without(rows, [np.array([3])]) == rows[:1]
    assert without([], ["good"]) == without([], rows) == []


def test_shared_rows():
    assert shared_rows(["Good", "bad", "good ", "fine"], ["GOOD", "worse"]).tolist() == [0, 2]
    assert shared_rows(["a"], []).dtype == np.int64
