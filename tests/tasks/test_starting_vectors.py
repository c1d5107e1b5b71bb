"""Pretrained vectors for a classifier, as a file, a mapping or an array; and its threads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from timesteps import Classifier
from timesteps.errors import DataError, UsageError
from timesteps.training.callbacks import LambdaCallback

TEXTS = ["좋은 영화", "나쁜 영화", "아주 좋은", "너무 나쁜"] * 4
MOODS = [1, 0, 1, 0] * 4
VECTORS = {"좋은": [1.0, 0.0, 2.0], "나쁜": [-1.0, 0.5, 0.25], "없는": [9.0, 9.0, 9.0]}


def model(**changes: Any) -> Classifier:
    """A classifier whose embedding stays, for all practical purposes, where it starts."""
    plain = {
        "input": "ids",
        "embedding_size": 3,
        "hidden_size": 2,
        "epochs": 1,
        "learning_rate": 1e-9,
        "patience": "none",
    }
    return Classifier(**{**plain, "random_state": 0, **changes})


def table(fitted: Classifier) -> dict[str, np.ndarray]:
    """The embedding by words."""
    text = fitted.session_.spec.text
    assert text is not None
    rows = fitted.session_.tensors["embedding.weight"]
    return {word: rows[text.index_from + rank] for rank, word in enumerate(text.words)}


def test_a_mapping_and_a_file_are_where_the_embedding_starts(tmp_path: Path) -> None:
    path = tmp_path / "small.vec"
    path.write_text("".join(f"{word} {' '.join(map(str, row))}\n" for word, row in VECTORS.items()), "utf-8")
    before = table(model().fit(TEXTS, MOODS))
    for given in (VECTORS, path, str(path)):
        estimator = model(vectors=given)
        after = table(clone(estimator).fit(TEXTS, MOODS))
        for word in ("좋은", "나쁜"):
            np.testing.assert_allclose(after[word], VECTORS[word], atol=1e-6)
        for word in ("영화", "아주", "너무"):  # no vector: as without
            np.testing.assert_allclose(after[word], before[word], atol=1e-6)


def test_an_array_has_a_row_for_each_id() -> None:
    rows = [[3, 4], [5], [4, 4, 3], [5, 5]] * 4
    vectors = np.arange(21, dtype=np.float64).reshape(7, 3)  # id 6 does not occur
    vectors[4] = np.nan
    plain = model().fit(rows, MOODS).session_.tensors["embedding.weight"]
    found = model(vectors=vectors).fit(rows, MOODS).session_.tensors["embedding.weight"]
    np.testing.assert_allclose(found[[3, 5]], vectors[[3, 5]], atol=1e-6)
    np.testing.assert_allclose(found[4], plain[4], atol=1e-6)
    fewer = model(vectors=vectors[:4]).fit(rows, MOODS).session_.tensors["embedding.weight"]
    np.testing.assert_allclose(fewer[3], vectors[3], atol=1e-6)
    np.testing.assert_allclose(fewer[5], plain[5], atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"vectors": {"좋은": [1.0, 2.0]}}, "vectors of 2 numbers, but embedding_size is 3; add embedding_size=2"),
        ({"vectors": {"없는": [1.0, 2.0, 3.0]}}, "none of the words"),
        ({"vectors": {"좋은": [1.0] * 3, "나쁜": [1.0] * 2}}, r"vectors of \[2, 3\] numbers"),
        ({"vectors": {"좋은": [1.0, np.nan, 2.0]}}, r"vectors\['좋은'\] is not a row of finite numbers"),
        ({"vectors": np.ones(3)}, r"vectors has the shape \(3,\)"),
        ({"vectors": np.full((9, 3), np.inf)}, "infinite"),
        ({"vectors": VECTORS, "input": "bag"}, "ids as input; add input='ids'"),
        (
            {"vectors": VECTORS, "tokenizer": "byte", "num_words": "none"},
            "need a vocabulary of words; choose tokenizer='word'",
        ),
        ({"threads": 0}, "threads is 0"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        model(**changes).fit(TEXTS, MOODS)


def test_vectors_are_not_for_numbers_and_must_be_there() -> None:
    with pytest.raises(UsageError, match="needs ids as input"):
        Classifier(vectors=VECTORS).fit([[0.5, 1.0], [2.0, 3.0]] * 4, [0, 1] * 4)
    with pytest.raises(DataError, match=r"nowhere\.vec: cannot be read"):
        model(vectors="nowhere.vec").fit(TEXTS, MOODS)


@pytest.mark.parametrize(("threads", "expected"), [(None, 1), (2, 2)])
def test_threads(threads: int | None, expected: int) -> None:
    import torch

    seen = []
    callback = LambdaCallback(on_epoch_begin=lambda epoch: seen.append(torch.get_num_threads()))
    model(threads=threads, engine="torch").fit(TEXTS, MOODS, callbacks=[callback])
    assert seen == [expected]
