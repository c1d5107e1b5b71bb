"""`fit` on an iterator: the same model as from lists, and what cannot be used."""

from __future__ import annotations

import gzip
import tempfile
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from timesteps import Classifier
from timesteps.errors import DataError, UsageError
from timesteps.runtime.scratch import Scratch
from timesteps.runtime.text import splitting, totals
from timesteps.tasks.classify import texts as texts_module
from timesteps.tasks.classify.flowing import collect
from timesteps.training import batches

TINY = {"embedding_size": 4, "hidden_size": 3, "epochs": 2, "members": 1, "batch_size": 32}


@pytest.fixture(scope="module")
def reviews() -> tuple[list[str], list[str]]:
    packed = resources.files("timesteps.data").joinpath("samples/nsmc_cc0_4000.tsv.gz").read_bytes()
    rows = [line.rsplit("\t", 1) for line in gzip.decompress(packed).decode().splitlines()[1:600]]
    return [text for text, _ in rows], [label for _, label in rows]


@pytest.fixture
def small(monkeypatch) -> None:
    """Everything small, so that a few rows are many parts, windows, runs of counts and generations of units."""
    monkeypatch.setattr(splitting, "CHUNK", 128)
    monkeypatch.setattr("timesteps.tasks.classify.source.CHUNK", 128)
    monkeypatch.setattr(texts_module, "CHUNK", 128)
    monkeypatch.setattr(splitting, "MOST_UNITS", 700)
    monkeypatch.setattr(batches, "WINDOW", 200_000)


def same(ours: Classifier, theirs: Classifier) -> None:
    assert ours.session_.spec == theirs.session_.spec
    assert ours.history_ == theirs.history_
    assert ours.classes_.tolist() == theirs.classes_.tolist()
    assert ours.session_.tensors.keys() == theirs.session_.tensors.keys()
    for name, tensor in theirs.session_.tensors.items():
        np.testing.assert_array_equal(ours.session_.tensors[name], tensor, err_msg=name)


@pytest.mark.parametrize("recipe", ["default", "small", "ids", "textbook"])
@pytest.mark.usefixtures("small")
def test_the_same_bits_as_from_lists(recipe: str, reviews, monkeypatch) -> None:
    texts, labels = reviews
    options = TINY | {"patience": "none", "random_state": 3}
    lists = Classifier(recipe, **options).fit(texts, labels)
    monkeypatch.setattr(totals, "_ENTRY", 1 << 14)  # counts are spilled again and again
    monkeypatch.setattr(totals.Totals, "__init__", _few(totals.Totals.__init__))
    flow = Classifier(recipe, memory="64MB", **options).fit(zip(texts, labels, strict=True))
    same(flow, lists)
    again = Classifier(recipe, memory="1GB", **options).fit(lambda: zip(texts, labels, strict=True))
    same(again, lists)


def _few(init):
    def few(self, scratch: Scratch) -> None:
        init(self, scratch)
        self.most = 500

    return few


@pytest.mark.usefixtures("small")
def test_weights_and_balance(reviews) -> None:
    texts, labels = reviews
    weights = np.where(np.arange(len(texts)) % 5 == 0, 0.0, 1.5)
    options = TINY | {"class_weight": "balanced"}
    lists = Classifier("default", **options).fit(texts, labels, sample_weight=weights)
    flow = Classifier("default", **options).fit(iter(list(zip(texts, labels, weights, strict=True))))
    assert flow.session_.spec == lists.session_.spec
    np.testing.assert_allclose(flow.predict_proba(texts[:50]), lists.predict_proba(texts[:50]), atol=0.02)


def test_a_split_by_hash_keeps_equal_texts_together(reviews) -> None:
    texts, labels = reviews
    with Scratch(1 << 26) as scratch:
        kept = collect(zip([*texts, *texts], [*labels, *labels], strict=True), scratch)
        train, valid = kept.split(scratch, 0.3, seed=1)
        assert len(train) + len(valid) == 2 * len(texts)
        assert not {text.strip().lower() for text in train} & {text.strip().lower() for text in valid}
        assert 0.2 < len(valid) / len(kept) < 0.4
        other = collect(zip(reversed(texts), reversed(labels), strict=True), scratch).split(scratch, 0.3, seed=1)[1]
        assert set(other) == set(valid)  # whatever the order and the number of rows
        counts = [kept.counts[label] for label in sorted(kept.counts)]
        assert counts == [2 * labels.count(label) for label in sorted(set(labels))]


def test_early_stopping_holds_rows_out(reviews) -> None:
    texts, labels = reviews
    model = Classifier("ids", **TINY).fit(zip(texts, labels, strict=True))
    assert model.history_[-1].keys() >= {"val_loss"}
    given = Classifier("ids", **TINY).fit(zip(texts, labels, strict=True), validation_data=(texts[:9], labels[:9]))
    assert given.history_[-1].keys() >= {"val_loss"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no rows"),
        ([("a", 1), "b"], "row 1 is not"),
        ([("a", 1), (b"b", 0)], "row 1 has a text of type bytes"),
        ([([1, 2], 1)], "ids and numbers are fitted from lists"),
        ([("a", 1), ("b", None)], "label of row 1 is None"),
        ([("a", 1), ("b", float("nan"))], "label of row 1"),
        ([("a", 1, -1.0)], "weight of row 0 is -1"),
        ([("a", 1, float("inf"))], "weight of row 0"),
        ([("a", 1), ("b", 1)], "only one class"),
        ([("a", 1), ("b", "x")], "both text and numbers"),
    ],
)
def test_rows_that_cannot_be_used(rows, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Classifier("default", **TINY).fit(iter(rows))


def test_choices_that_make_no_sense() -> None:
    rows = [("good film", 1), ("bad film", 0)] * 10
    with pytest.raises(UsageError, match="sample_weight"):
        Classifier(**TINY).fit(iter(rows), sample_weight=[1.0] * 20)
    for memory in ("some", "1KB", -3):
        with pytest.raises(UsageError, match="memory is"):
            Classifier(memory=memory, **TINY).fit(iter(rows))
    with pytest.raises(UsageError, match="the target y is None"):
        Classifier(**TINY).fit(["a", "b"])


def test_nothing_is_left_behind(reviews, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def broken():
        yield from zip(*reviews, strict=True)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Classifier("default", **TINY).fit(broken)
    assert not list(tmp_path.iterdir())
