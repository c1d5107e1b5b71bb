from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight

from timesteps.errors import DataError, UsageError
from timesteps.tasks.classify import inputs
from timesteps.tasks.classify.prepare import class_factors, hold_out, prepare
from timesteps.tasks.classify.recipes import RECIPES

TEXTS = ["좋아요", "별로"]
IDS = [[4, 7, 2], [5]]
SEQUENCES = [np.ones((3, 2)), np.ones((1, 2))]


@pytest.mark.parametrize(
    "X",
    [
        TEXTS,
        tuple(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, object),
        pd.Series(TEXTS, index=[7, 3]),
        pd.Series(TEXTS, dtype="string"),
        pd.DataFrame({"text": TEXTS}),
        pl.Series(TEXTS),
        pl.DataFrame({"text": TEXTS}),
        (text for text in TEXTS),
    ],
    ids=lambda X: f"{type(X).__module__.split('.')[0]}.{type(X).__name__}",
)
def test_texts_in_every_container(X: object) -> None:
    found = inputs.listed(X)
    assert inputs.kind_of(found) == "text"
    assert inputs.texts(found) == TEXTS


@pytest.mark.parametrize(
    ("X", "wished", "kind", "table"),
    [
        (IDS, None, "ids", False),
        ([np.array([4, 7]), np.array([5])], None, "ids", False),
        ([[], [4]], None, "ids", False),
        (IDS, "numeric", "numeric", False),
        (np.array([[4, 7], [5, 6]]), None, "numeric", True),
        (np.array([[4, 7], [5, 6]]), "ids", "ids", True),
        (np.array([[4.0, 7], [5, 6]]), "ids", "numeric", True),
        ([[4.0, 7.0], [5.0, 6.0]], None, "numeric", True),
        ([[True, False], [False, True]], None, "numeric", True),
        ([[4.0, 7.0], [5.0]], None, "numeric", False),
        ([np.ones(2), np.ones(2)], None, "numeric", False),
        (SEQUENCES, None, "numeric", False),
        ([[[1, 2], [3, 4]], [[5, 6]]], None, "numeric", False),
        (np.ones((2, 3, 4)), None, "numeric", False),
        (pd.DataFrame({"a": [1.0, 2.0], "b": [3, 4]}), None, "numeric", True),
        ([1.0, 2.0], None, "numeric", True),
    ],
)
def test_kinds(X: object, wished: inputs.Kind | None, kind: str, table: bool) -> None:
    found = inputs.listed(X)
    assert inputs.kind_of(found, wished) == kind
    if kind == "numeric":
        assert inputs.is_table(found) == table


def test_numeric_rows() -> None:
    rows = inputs.numeric([[1, 2, 3], np.ones((2, 1)), []])
    assert [row.shape for row in rows] == [(3, 1), (2, 1), (0, 1)]
    assert inputs.numeric([np.ones((2, 3)), []])[1].shape == (0, 3)
    assert not np.signbit(inputs.numeric([[-0.0]])[0]).any()


@pytest.mark.parametrize(
    ("X", "kind", "message"),
    [
        ([np.ones((2, 3)), np.ones((2, 4))], "numeric", "row 1 has 4 features a step, expected are 3"),
        ([np.ones((2, 0))], "numeric", "row 0 has 0 features a step"),
        ([np.ones((2, 1)), [1.0, np.nan]], "numeric", "row 1, step 1, feature 0 is nan; fill or drop"),
        ([np.array([[1.0, -np.inf]])], "numeric", "row 0, step 0, feature 1 is -inf"),
        ([[1.0], ["b"]], "numeric", "row 1 is not numeric"),
        ([[[1.0], [2.0, 3.0]]], "numeric", "row 0 is not numeric"),
        ([np.ones((1, 1, 1))], "numeric", "row 0 has 3 dimensions"),
        (["a", None], "text", "row 1 is None, not text"),
        (["a", float("nan")], "text", "row 1 is nan, not text"),
        (["a", b"b"], "text", "row 1 is of type bytes, not text"),
        ([[1], [-1]], "ids", "row 1 is not a list of token ids"),
        ([[1], [2**31]], "ids", "row 1 is not a list of token ids"),
        ([[1], [1.5]], "ids", "row 1 is not a list of token ids"),
        ([[1], [[1], [2, 3]]], "ids", "row 1 is not a list of token ids"),
        ([[1], 7], "ids", "row 1 is not a list of token ids"),
    ],
)
def test_bad_rows_are_named(X: object, kind: inputs.Kind, message: str) -> None:
    with pytest.raises(DataError) as caught:
        inputs.read(X, kind)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_one_text_is_not_a_list_of_texts() -> None:
    with pytest.raises(UsageError, match="X is one text; give a list"):
        inputs.listed("좋아요")


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (["b", "a"], ["b", "a"]),
        (np.array(["b", "a"], object), ["b", "a"]),
        (pd.Series(["b", "a"], index=[5, 3]), ["b", "a"]),
        (pd.Series(["b", "a"], dtype="category"), ["b", "a"]),
        (pd.Series([True, False], dtype="boolean"), [True, False]),
        (np.array([True, False], object), [True, False]),
        ([True, False], [True, False]),
        (pd.Series([3, 1], dtype="Int64"), [3, 1]),
        (np.array([3, 1], np.uint8), [3, 1]),
        ([0.0, 1.0], [0.0, 1.0]),
    ],
)
def test_labels(y: object, expected: list[object]) -> None:
    found = inputs.labels(y, 2).tolist()
    assert found == expected and [type(label) for label in found] == [type(label) for label in expected]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed"),
        ([1], "2 rows, but 1 labels"),
        (["a", None], "the label of row 1 is None"),
        (pd.Series(["a", None], dtype="string"), "the label of row 1 is of type NAType"),
        (np.array(["a", np.nan], object), "the label of row 1 is nan"),
        (np.array(["a", 1], object), "labels are both text and numbers: 'a' in row 0, 1 in row 1"),
        ([1.0, np.nan], "Input y contains NaN"),
        ([b"a", b"b"], "labels are of dtype"),
        ([[1, 0], [0, 1]], "y should be a 1d array"),
    ],
)
def test_bad_labels(y: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        inputs.labels(y, 2)


@st.composite
def weighted(draw: st.DrawFn) -> tuple[list[NDArray[np.float64]], NDArray[np.int64], NDArray[np.int64]]:
    rows = draw(st.lists(st.lists(st.sampled_from([0.0, 1.0, -1.5]), max_size=3), min_size=1, max_size=8))
    sizes = st.integers(0, 3)
    targets = draw(st.lists(st.integers(0, 1), min_size=len(rows), max_size=len(rows)))
    weights = draw(st.lists(sizes, min_size=len(rows), max_size=len(rows)))
    return inputs.numeric(rows, 1), np.array(targets), np.array(weights)


@given(weighted(), st.randoms(use_true_random=False))
def test_weight_n_is_n_rows_in_any_order(data: tuple[list, NDArray, NDArray], random: object) -> None:
    rows, targets, weights = data
    repeated = [number for number, weight in enumerate(weights) for _ in range(weight)]
    random.shuffle(repeated)  # type: ignore[attr-defined]
    first, first_weights = inputs.merge_equal(rows, targets, weights.astype(float))
    second, second_weights = inputs.merge_equal([rows[i] for i in repeated], targets[repeated], np.ones(len(repeated)))
    origin = np.array(repeated, np.int64)[second]
    assert [rows[i].tolist() for i in first] == [rows[i].tolist() for i in origin]
    assert targets[first].tolist() == targets[origin].tolist()
    assert first_weights.tolist() == second_weights.tolist()
    assert first_weights.sum() == weights.sum()


def test_merged_weights_do_not_depend_on_the_order() -> None:
    weights = np.array([0.1, 0.2, 0.3])
    rows, targets = [np.ones((1, 1))] * 3, np.zeros(3, np.int64)
    assert inputs.merge_equal(rows, targets, weights)[1] == inputs.merge_equal(rows, targets, weights[::-1])[1]


def test_rows_of_one_content_and_two_shapes_are_two_rows() -> None:
    rows = [np.zeros((2, 3)), np.zeros((3, 2))]
    assert len(inputs.merge_equal(rows, np.array([0, 0]), np.ones(2))[0]) == 2


def test_class_factors_are_scikit_learns() -> None:
    targets = np.random.default_rng(0).integers(0, 3, 50)
    classes = np.array(["0", "1", "2"])
    expected = compute_class_weight("balanced", classes=classes, y=classes[targets])
    found = class_factors("balanced", classes.tolist(), targets, np.ones(50))
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    weights = np.random.default_rng(1).integers(1, 4, 50)
    repeated = np.repeat(targets, weights)
    np.testing.assert_allclose(
        class_factors("balanced", classes.tolist(), targets, weights.astype(float)),
        class_factors("balanced", classes.tolist(), repeated, np.ones(len(repeated))),
        rtol=1e-14,
    )
    assert class_factors({"1": 5.0}, classes.tolist(), targets, np.ones(50)).tolist() == [1, 5, 1]
    assert class_factors(None, classes.tolist(), targets, np.ones(50)).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [("even", "class_weight is 'even'"), ({"3": 1.0}, "class_weight has '3'"), ({"1": -1.0}, "give weights above 0")],
)
def test_bad_class_weights(class_weight: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        class_factors(class_weight, ["0", "1"], np.array([0, 1]), np.ones(2))


@pytest.mark.parametrize("kind", ["text", "ids", "numeric"])
def test_equal_rows_are_held_out_together(kind: inputs.Kind) -> None:
    rows = {
        "text": [f"text {i % 20}" for i in range(60)],
        "ids": [np.array([i % 20], np.int32) for i in range(60)],
        "numeric": [np.array([[i % 20]], np.float64) for i in range(60)],
    }[kind]
    train, valid = hold_out(kind, rows, np.arange(60) % 2, 0.25, 0)
    assert sorted([*train, *valid]) == list(range(60)) and len(valid) == 12
    assert not {str(rows[i]) for i in train} & {str(rows[i]) for i in valid}


def test_nothing_is_held_out_unless_asked() -> None:
    train, valid = hold_out("numeric", [np.ones((1, 1))] * 3, np.zeros(3, np.int64), 0.0, 0)
    assert train.tolist() == [0, 1, 2] and len(valid) == 0
    with pytest.raises(UsageError, match=r"validation_split is 1\.5"):
        hold_out("numeric", [], np.zeros(0, np.int64), 1.5, 0)


def test_scaler() -> None:
    rows = [np.array([[1.0, 0.1], [2.0, 0.1]]), np.array([[6.0, 0.1]])]
    prepared = prepare("numeric", rows, RECIPES["numeric"], [0, 1])
    steps = prepared.steps(rows)
    np.testing.assert_allclose(steps.values.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(steps.values.std(axis=0), [1, 0], atol=1e-12)
    assert prepared.tensors["scaler.scale"][1] == 1  # of a constant, whose computed deviation is a rounding error
    assert steps.offsets.tolist() == [0, 2, 3]


@pytest.mark.parametrize(
    ("rows", "message"),
    [([np.ones((0, 1))] * 2, "no row has a step"), ([np.array([[1e200], [-1e200]])], "feature 0 reaches 1e\\+200")],
)
def test_what_cannot_be_scaled(rows: list[NDArray[np.float64]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        prepare("numeric", rows, RECIPES["numeric"], [0, 1])


@pytest.mark.parametrize(
    ("kind", "recipe", "rows"),
    [
        ("text", "numeric", TEXTS),
        ("ids", "default", [np.array([4])]),
        ("ids", "numeric", [np.array([4])]),
        ("numeric", "textbook", SEQUENCES),
    ],
)
def test_recipes_for_other_inputs_are_refused(kind: inputs.Kind, recipe: str, rows: list) -> None:
    with pytest.raises(UsageError):
        prepare(kind, rows, RECIPES[recipe], [0, 1])


def test_numeric_rows_are_not_cut_silently() -> None:
    with pytest.raises(UsageError, match="max_length is 3"):
        prepare("numeric", SEQUENCES, RECIPES["numeric"].but(max_length=3), [0, 1])


def test_ids_keep_the_reserved_ones() -> None:
    prepared = prepare("ids", inputs.ids([[0, 1], [1]]), RECIPES["ids"], [0, 1])
    assert prepared.spec.network.input_size == 3  # 2, out of vocabulary, is there for larger ids
    assert prepared.steps(inputs.ids([[9]])).values.tolist() == [2]
    prepared = prepare("ids", inputs.ids([[0, 900], [1]]), RECIPES["ids"].but(num_words=100), [0, 1])
    assert prepared.spec.network.input_size == 100
