"""Padding against Keras 3 itself, its inverse, one-hot vectors."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timesteps.errors import UsageError
from timesteps.runtime.text.sequences import cut_padding, one_hot, pad_sequences

ROWS = st.lists(st.lists(st.integers(-9, 99), max_size=6), max_size=5)
SIDES = st.sampled_from(["pre", "post"])


def same_as_keras(*args, **options):
    """Both give the same array, or both refuse; says which."""
    try:
        expected = keras.utils.pad_sequences(*args, **options)
    except ValueError:
        with pytest.raises(UsageError):
            pad_sequences(*args, **options)
        return False
    found = pad_sequences(*args, **options)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)
    return True


@settings(max_examples=400, deadline=None)
@given(
    rows=ROWS,
    maxlen=st.one_of(st.none(), st.integers(0, 8)),
    dtype=st.sampled_from(["int32", "int64", "float32", "float64", "bool", "object", object, np.int16]),
    padding=SIDES,
    truncating=SIDES,
    value=st.sampled_from([0.0, 0, -1, 7, 2.5, float("nan")]),
)
def test_numbers_as_keras(rows, maxlen, dtype, padding, truncating, value):
    if value != value and not str(np.dtype(dtype)).startswith("float"):
        value = 0.0
    same_as_keras(rows, maxlen=maxlen, dtype=dtype, padding=padding, truncating=truncating, value=value)


@settings(max_examples=100, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    shape=st.sampled_from([(2,), (1,), (2, 3)]),
    maxlen=st.one_of(st.none(), st.integers(1, 6)),
    padding=SIDES,
    truncating=SIDES,
)
def test_steps_of_any_shape_as_keras(lengths, shape, maxlen, padding, truncating):
    source = np.random.default_rng(0)
    rows = [source.normal(size=(length, *shape)) for length in lengths]
    assert same_as_keras(rows, maxlen=maxlen, dtype="float32", padding=padding, truncating=truncating, value=-1.0)


@pytest.mark.parametrize("dtype", [object, "object", "<U5", "U", "S3", "int32", np.str_])
@pytest.mark.parametrize("value", ["", "pad", 0.0])
@pytest.mark.parametrize("padding", ["pre", "post"])
def test_texts_as_keras(dtype, value, padding):
    same_as_keras([["good", "film"], [], ["a"]], dtype=dtype, value=value, padding=padding)


def test_arrays_and_tuples_as_keras():
    assert same_as_keras((np.arange(3), (4, 5), []), maxlen=2)
    assert same_as_keras(np.arange(6).reshape(2, 3), padding="post", maxlen=5)


def test_no_rows():
    assert same_as_keras([], maxlen=3)
    assert not same_as_keras([])
    assert same_as_keras([[], []])


@pytest.mark.parametrize(
    "rows", [3, [1, 2], [[1], 2], iter([[1]]), [[[1, 2]], [[1]]], [[1], [[2]]]], ids=lambda rows: str(rows)[:20]
)
def test_refused_as_by_keras(rows):
    assert not same_as_keras(rows)


@pytest.mark.parametrize("option", ["padding", "truncating"])
def test_unknown_sides_are_refused_even_without_need(option):
    for rows in ([[1, 2]], [[]]):
        with pytest.raises(UsageError, match=option):
            pad_sequences(rows, **{option: "left"})


def test_negative_maxlen_is_refused():
    assert not same_as_keras([[1, 2]], maxlen=-1)


@given(rows=ROWS.filter(bool), padding=SIDES, extra=st.integers(0, 3))
def test_cutting_undoes_padding(rows, padding, extra):
    longest = max(map(len, rows)) + extra
    padded = pad_sequences(rows, maxlen=longest, padding=padding, value=-77)
    cut = cut_padding(padded, [len(row) for row in rows], padding)
    assert [row.tolist() for row in cut] == rows


def test_cutting_refuses_what_does_not_fit():
    padded = pad_sequences([[1], [2, 3]])
    for lengths in ([1], [1, 3], [-1, 2]):
        with pytest.raises(UsageError):
            cut_padding(padded, lengths)
    with pytest.raises(UsageError):
        cut_padding(padded, [1, 2], "left")


@given(shape=st.sampled_from([(), (0,), (4,), (2, 3), (2, 0, 3)]), classes=st.integers(1, 7), seed=st.integers(0, 99))
def test_one_hot_as_keras(shape, classes, seed):
    ids = np.random.default_rng(seed).integers(0, classes, shape)
    found = one_hot(ids, classes)
    assert found.dtype == np.float32
    assert found.shape == (*shape, classes)
    if ids.ndim and ids.size:
        np.testing.assert_array_equal(found, keras.utils.to_categorical(ids, classes))
    np.testing.assert_array_equal(found.argmax(-1), ids)
    np.testing.assert_array_equal(found.sum(-1), np.ones(shape))


@pytest.mark.parametrize("ids", [[3], [-1], [0.5], ["1"]])
def test_one_hot_refuses(ids):
    with pytest.raises(UsageError):
        one_hot(ids, 3)
