"""Word vectors that a classifier learns from its texts, labelled or not, before it is trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from timesteps import Classifier
from timesteps.errors import UsageError
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.spec import TextSpec
from timesteps.runtime.text.processor import TextProcessor
from timesteps.tasks.classify.recipes import RECIPES, choose
from timesteps.training.cbow import train_vectors

TEXTS = ["a good film", "a bad film", "good and nice", "bad and sad"] * 6
MOODS = ["pos", "neg", "pos", "neg"] * 6
FURTHER = ["a great film", "great and nice", "an awful film", "awful and sad"] * 5
SMALL: dict[str, Any] = {"input": "ids", "embedding_size": 8, "hidden_size": 4, "epochs": 1, "patience": "none"}
#: Steps too small to move a weight, so that a trained model shows what it began with.
STILL: dict[str, Any] = {"learning_rate": 1e-30, "weight_decay": 0.0}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def words(model: Classifier) -> tuple[str, ...]:
    found: tuple[str, ...] = model.session_.spec.text.words
    return found


def table(model: Classifier) -> NDArray[np.float32]:
    found: NDArray[np.float32] = model.session_.tensors["embedding.weight"]
    return found


def test_the_vocabulary_is_that_of_all_texts() -> None:
    model = Classifier(**SMALL).fit(TEXTS, MOODS, unlabeled=FURTHER)
    assert {"good", "great", "awful"} < set(words(model))
    assert "great" not in words(Classifier(**SMALL).fit(TEXTS, MOODS))
    assert len(words(Classifier(**SMALL, num_words=6).fit(TEXTS, MOODS, unlabeled=FURTHER))) == 3


def test_every_member_starts_from_the_vectors_of_whole_texts() -> None:
    """Truncation takes words from the network, not from the vectors; rows of reserved ids are the network's own."""
    model = Classifier(**SMALL, **STILL, max_length=2, truncating="post", members=2, pretrain=3).fit(TEXTS, MOODS)
    processor, corpus = TextProcessor.fit_whole(TEXTS, TextSpec(squeeze=2))
    assert words(model) == processor.spec.words
    vectors = train_vectors(corpus, processor.input_size, size=8, epochs=3)
    tables = [value for name, value in model.session_.tensors.items() if name.endswith("embedding.weight")]
    assert len(tables) == 2
    for rows in tables:
        np.testing.assert_array_equal(rows[3:], vectors[3:])
    assert not np.array_equal(tables[0][1:3], tables[1][1:3])


def test_pretraining_is_off_unless_asked_for() -> None:
    plain = Classifier(**SMALL).fit(TEXTS, MOODS)
    off = Classifier(**SMALL, pretrain=0).fit(TEXTS, MOODS)
    asked = Classifier(**SMALL, pretrain=2).fit(TEXTS, MOODS)
    np.testing.assert_array_equal(table(off), table(plain))
    assert not np.allclose(table(asked)[3:], table(plain)[3:], atol=0.01)


def test_unlabeled_rows_ask_for_five_epochs() -> None:
    by_default = Classifier(**SMALL).fit(TEXTS, MOODS, unlabeled=FURTHER)
    five = Classifier(**SMALL, pretrain=5).fit(TEXTS, MOODS, unlabeled=FURTHER)
    one = Classifier(**SMALL, pretrain=1).fit(TEXTS, MOODS, unlabeled=FURTHER)
    np.testing.assert_array_equal(table(by_default), table(five))
    assert not np.array_equal(table(by_default), table(one))


def test_held_out_texts_teach_no_vectors() -> None:
    judged = ["an unheard film", "a good film"]
    given = [*FURTHER, " An unheard FILM"]  # equal but for case and blanks
    model = Classifier(**SMALL).fit(TEXTS, MOODS, validation_data=(judged, ["pos", "neg"]), unlabeled=given)
    assert "unheard" not in words(model)
    without = Classifier(**SMALL).fit(TEXTS, MOODS, validation_data=(judged, ["pos", "neg"]), unlabeled=FURTHER)
    np.testing.assert_array_equal(table(model), table(without))


def test_words_without_labels_are_understood_by_their_company() -> None:
    """No training text has "great" or "awful": only the unlabelled ones tell what they are like."""
    random = np.random.default_rng(0)
    names = {"pos": ["good", "great"], "neg": ["bad", "awful"]}
    moods = ["pos", "neg"] * 40
    texts = [f"{names[mood][0]} film number {number}" for number, mood in enumerate(moods)]
    further = []
    for number in range(2000):
        mood = moods[number % 2]
        company = [f"{mood}{word}" for word in random.integers(0, 100, 8)]
        further.append(" ".join([*company[:4], names[mood][random.integers(2)], *company[4:]]))
    settings = {**SMALL, "embedding_size": 16, "hidden_size": 8, "epochs": 15, "batch_size": 8, "learning_rate": 0.01}
    model = Classifier(**settings, pretrain=10).fit(texts, moods, unlabeled=further)
    great, awful = model.predict_proba(["great film number", "awful film number"])[:, 1]
    assert great > 0.5 > awful
    assert great - awful > 0.4


def test_rows_of_ids() -> None:
    rows, labels = [[3, 4, 5], [6, 7], [4, 3], [7, 6, 6]] * 5, [0, 1, 0, 1] * 5
    model = Classifier(**SMALL, **STILL, pretrain=2).fit(rows, labels, unlabeled=[[8, 3, 9], np.array([9, 9, 6])])
    expected = train_vectors(Sequences.of([*rows, [8, 3, 9], [9, 9, 6]]), 10, size=8, epochs=2)
    assert len(table(model)) == 10
    np.testing.assert_array_equal(table(model)[3:], expected[3:])
    few = Classifier(**SMALL, **STILL, pretrain=2, num_words=6).fit(rows, labels, unlabeled=[[8, 3, 9]])
    assert len(table(few)) == 6
    held = Classifier(**SMALL, pretrain=2).fit(rows, labels, validation_data=([[11]], [0]), unlabeled=[[11], [8]])
    assert len(table(held)) == 9


@pytest.mark.parametrize("tokenizer", ["char", "syllable", "jamo", "byte"])
def test_other_units(tokenizer: str) -> None:
    model = Classifier(**SMALL, **STILL, tokenizer=tokenizer, num_words="none", pretrain=2).fit(TEXTS, MOODS)
    processor, corpus = TextProcessor.fit_whole(TEXTS, TextSpec(tokenizer=tokenizer, squeeze=2))  # type: ignore[arg-type]
    vectors = train_vectors(corpus, processor.input_size, size=8, epochs=2)
    known = ~np.isnan(vectors).any(1)
    assert known.sum() > 5
    np.testing.assert_array_equal(table(model)[known], vectors[known])


@pytest.mark.parametrize(
    ("settings", "unlabeled", "said"),
    [
        ({"input": "bag", "pretrain": 2}, None, "pretrain is 2, but the input 'bag'"),
        ({"input": "one_hot", "pretrain": 2}, None, "pretrain is 2, but the input 'one_hot'"),
        ({"input": "ids", "pretrain": -1}, None, "pretrain is -1"),
        ({"input": "bag"}, FURTHER, "unlabeled is for the vectors of words, which the input 'bag'"),
        ({"input": "ids", "pretrain": 0}, FURTHER, "unlabeled needs pretraining"),
        ({"input": "ids", "vectors": {"a": [1.0]}}, FURTHER, "vectors and unlabeled"),
        ({"input": "ids", "vectors": {"a": [1.0]}, "pretrain": 1}, None, "vectors and pretrain"),
    ],
)
def test_what_cannot_be(settings: dict[str, Any], unlabeled: list[str] | None, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Classifier(**settings).fit(TEXTS, MOODS, unlabeled=unlabeled)


def test_numbers_have_no_words() -> None:
    with pytest.raises(UsageError, match="the input 'numeric'"):
        Classifier().fit([[0.5], [1.0, 2.0]], [0, 1], unlabeled=[[0.5]])


def test_vectors_given_take_the_place_of_the_recipes_pretraining(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, "ids", RECIPES["ids"].but(pretrain=3))
    assert choose("ids", "text", {}, vectors=True).pretrain == 0
    assert choose("ids", "text", {}, unlabeled=True).pretrain == 3


@pytest.mark.parametrize(
    "spec",
    [
        TextSpec(),
        TextSpec(num_words=5, squeeze=2),
        TextSpec(tokenizer="syllable", start=True),
        TextSpec(tokenizer="byte"),
        TextSpec(max_length=2),
        TextSpec(max_length=9, mask=False),
    ],
)
def test_whole_texts_are_read_as_without_truncation(spec: TextSpec) -> None:
    texts = ["a good film!!!", "", "좋은 영화", "good"]
    processor, tokens = TextProcessor.fit_whole(texts, spec)
    plain = TextSpec(tokenizer=spec.tokenizer, squeeze=spec.squeeze, num_words=spec.num_words)
    expected = TextProcessor.fit(texts, plain)
    assert processor.spec.words == expected.spec.words
    assert (processor.spec.max_length, processor.spec.mask, processor.spec.start) == (
        spec.max_length,
        spec.mask,
        spec.start,
    )
    np.testing.assert_array_equal(tokens.values, expected.steps(texts).values)
    np.testing.assert_array_equal(tokens.offsets, expected.steps(texts).offsets)
