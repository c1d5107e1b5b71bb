"""`Tagger`: what it learns, what it refuses, what its file says."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import accuracy_score, f1_score

import timesteps
from timesteps import Tagger
from timesteps.errors import DataError, ModelError, UsageError
from timesteps.runtime import native
from timesteps.tasks.tag.baseline import MostFrequentTag

NOUNS, VERBS, UNSEEN = ["dog", "cat", "fish", "bird"], ["runs", "sleeps", "swims"], ["walks", "jumps"]
SMALL: dict[str, Any] = {
    "hidden_size": 12,
    "embedding_size": 16,
    "epochs": 25,
    "learning_rate": 1e-2,
    "random_state": 0,
}


def sentences(count: int, seed: int = 0) -> tuple[list[list[str]], list[list[str]]]:
    """ "fish" is a noun behind an article and a verb behind a noun: the word alone does not tell."""
    random = np.random.default_rng(seed)
    rows, tags = [], []
    for _ in range(count):
        row, tag = [["the", "a"][random.integers(2)], NOUNS[random.integers(4)]], ["D", "N"]
        if random.random() < 0.5:
            row, tag = [*row, "fish"], [*tag, "V"]
        else:
            row, tag = [*row, VERBS[random.integers(3)]], [*tag, "V"]
        rows.append(row if random.random() < 0.8 else row[:2])
        tags.append(tag[: len(rows[-1])])
    return rows, tags


def machine(count: int, seed: int = 0) -> tuple[list[np.ndarray[Any, Any]], list[list[int]]]:
    """Numbers whose label is whether their running sum is positive."""
    random = np.random.default_rng(seed)
    rows = [random.normal(size=(int(length), 2)) for length in random.integers(0, 12, count)]
    return rows, [(row[:, 0].cumsum() > 0).astype(int).tolist() for row in rows]


@pytest.mark.parametrize("input", ["bag", "ids"])
def test_context_beats_the_most_frequent_tag(input: Any) -> None:
    rows, tags = sentences(120)
    judged, truth = sentences(60, seed=1)
    found = Tagger(input=input, **SMALL).fit(rows, tags).evaluate(judged, truth)
    answers = MostFrequentTag(rows, tags).predict(judged)
    baseline = np.mean([a == b for row, tag in zip(answers, truth, strict=True) for a, b in zip(row, tag, strict=True)])
    assert found.tokens.accuracy == 1.0 > baseline
    assert found.sequence_accuracy == 1.0


def test_unknown_words_are_told_by_their_letters() -> None:
    rows, tags = sentences(120)
    tagger = Tagger(bidirectional=False, **SMALL).fit(rows, tags)
    assert tagger.predict([["the", "dog", word] for word in UNSEEN]) == [["D", "N", "V"]] * 2


def test_measures_are_scikit_learns() -> None:
    rows, tags = sentences(60)
    tagger = Tagger(hidden_size=4, epochs=2).fit(rows, tags)
    judged, truth = sentences(40, seed=2)
    answers = [label for row in tagger.predict(judged) for label in row]
    flat = [label for row in truth for label in row]
    found = tagger.evaluate(judged, truth)
    assert found.tokens.accuracy == pytest.approx(accuracy_score(flat, answers))
    assert found.tokens.macro_f1 == pytest.approx(f1_score(flat, answers, average="macro"))
    assert tagger.score(judged, truth) == found.tokens.accuracy
    shares = tagger.predict_proba(judged)
    assert [part.shape for part in shares] == [(len(row), 3) for row in judged]
    assert [tagger.classes_[best] for part in shares for best in part.argmax(1)] == answers


def test_numbers_and_a_stream() -> None:
    rows, labels = machine(150)
    tagger = Tagger(bidirectional=False, cell="gru", hidden_size=16, epochs=40, learning_rate=1e-2).fit(rows, labels)
    judged, truth = machine(30, seed=1)
    assert tagger.score(judged, truth) > 0.9
    row = max(judged, key=len)
    logits = np.array([tagger.session_.step(x) for x in row])
    assert (logits[:, 0] > 0).astype(int).tolist() == tagger.predict([row])[0]


def test_a_row_is_answered_the_same_in_any_company() -> None:
    rows, tags = sentences(40)
    tagger = Tagger(hidden_size=6, epochs=2).fit(rows, tags)
    together = tagger.predict_proba(rows)
    for row, shares in zip(rows[:8], together, strict=False):
        np.testing.assert_allclose(tagger.predict_proba([row])[0], shares, rtol=1e-5)


@pytest.mark.skipif(native.core is None, reason="no compiled core")
def test_both_engines_train_the_same_tagger() -> None:
    rows, tags = sentences(40)
    options: dict[str, Any] = {"hidden_size": 6, "epochs": 3, "dropout": 0.2, "class_weight": "balanced"}
    ours, theirs = (Tagger(engine=engine, **options).fit(rows, tags) for engine in ("native", "torch"))
    for one, two in pairwise([ours.history_, theirs.history_]):
        assert [row["loss"] for row in one] == pytest.approx([row["loss"] for row in two], rel=1e-4)
    np.testing.assert_allclose(
        np.concatenate(ours.predict_proba(rows)), np.concatenate(theirs.predict_proba(rows)), atol=1e-4
    )


def test_file_and_session(tmp_path: Path) -> None:
    rows, tags = sentences(40)
    tagger = Tagger(hidden_size=6, epochs=2).fit(rows, tags)
    tagger.save(tmp_path / "model.safetensors")
    session = timesteps.load(tmp_path, verify=True)
    assert len(session.spec.golden) == 3
    assert session.predict(rows) == tagger.predict(rows)
    assert session.spec.task == "tag"
    with pytest.raises(ModelError, match="bidirectional"):
        session.step("dog")


def test_validation_and_patience() -> None:
    rows, tags = sentences(60)
    tagger = Tagger(hidden_size=6, epochs=4, patience=1).fit(rows, tags)
    assert "val_accuracy" in tagger.history_[0]
    given = Tagger(hidden_size=6, epochs=2).fit(rows[:40], tags[:40], validation_data=(rows[40:], tags[40:]))
    assert "val_loss" in given.history_[0]
    with pytest.raises(DataError, match="label 'Z', unseen in training"):
        Tagger(epochs=1).fit(rows, tags, validation_data=([["a"]], [["Z"]]))


@pytest.mark.parametrize(
    ("X", "y", "error", "what"),
    [
        ([["a", "b"]], [["A"]], DataError, "row 0 has 2 steps and 1 labels"),
        ([["a"], ["b"]], [["A"]], DataError, "2 rows and labels of 1"),
        ([["a"]], [["A"]], DataError, "1 labels"),
        (["a text"], [["A"]], DataError, "a row is a text"),
        ("text", [["A"]], UsageError, "X is of type str"),
        ([["a", 3]], [["A", "B"]], DataError, "row 0, step 1 is of type int"),
        ([["a", "b"]], [["A", None]], DataError, "row 0, step 1 has the label None"),
        ([["a", "b"]], [["A", 3]], DataError, "both text and numbers"),
        ([[[1.0], [np.nan]]], [[0, 1]], DataError, "row 0, step 1, feature 0 is nan"),
    ],
)
def test_what_cannot_be_learned(X: Any, y: Any, error: type[Exception], what: str) -> None:
    with pytest.raises(error, match=what):
        Tagger(epochs=1).fit(X, y)


def test_parameters() -> None:
    tagger = Tagger(hidden_size=9, ngrams=(2, 3))
    assert clone(tagger).get_params() == tagger.get_params()
    with pytest.raises(UsageError, match="epochs"):
        Tagger(epochs=0).fit(*sentences(4))
