from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import timesteps
from timesteps import Classifier
from timesteps.errors import DataError, UsageError
from timesteps.nn.models import Regularization
from timesteps.tasks.classify.estimator import _OWN
from timesteps.tasks.classify.fitting import build_network
from timesteps.tasks.classify.options import Options
from timesteps.tasks.classify.prepare import hold_out
from timesteps.training.callbacks import LambdaCallback

SMALL = {"hidden_size": 8, "epochs": 10, "random_state": 0}
TEXTS = ["좋은 영화 정말", "나쁜 영화 진짜", "아주 좋은", "너무 나쁜 것"] * 10
MOODS = np.array(["pos", "neg", "pos", "neg"] * 10)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def waves(rows: int = 60, classes: int = 2, seed: int = 0) -> tuple[list[NDArray[np.float64]], NDArray[np.int64]]:
    """Noisy waves of two features and different lengths; the class is their frequency."""
    random = np.random.default_rng(seed)
    targets = np.arange(rows) % classes
    found = []
    for target in targets:
        time_ = np.arange(random.integers(10, 20)) * (target + 1) / 2
        found.append(np.stack([np.sin(time_), np.cos(time_)], axis=1) + 0.1 * random.normal(size=(len(time_), 2)))
    return found, targets


def text_model(**changes: Any) -> Classifier:
    return Classifier(
        **{"hidden_size": 4, "embedding_size": 8, "min_count": 1, "epochs": 12, "random_state": 0} | changes
    )


@parametrize_with_checks([Classifier(**SMALL)])
def test_scikit_learns_checks(estimator: Classifier, check: Any) -> None:
    check(estimator)


def test_every_parameter_is_an_option() -> None:
    assert set(Classifier().get_params()) - _OWN == set(Options.names()) - {"seed"}  # which is random_state
    with pytest.raises(TypeError):
        Classifier(hidden_sizes=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "labels",
    [
        ["neg", "pos", "mid"],
        [3, -1, 7],
        [0.0, 1.0, 2.0],
        [False, True],
    ],
    ids=["text", "int", "float", "bool"],
)
def test_labels_come_back_as_they_were(labels: list[Any], tmp_path: Path) -> None:
    rows, targets = waves(classes=len(labels))
    model = Classifier(hidden_size=8, epochs=60, random_state=0).fit(rows, [labels[target] for target in targets])
    assert model.classes_.tolist() == sorted(labels)
    fresh, expected = waves(rows=30, classes=len(labels), seed=1)
    found = model.predict(fresh)
    assert found.dtype == np.array(labels).dtype
    assert np.mean([one == labels[target] for one, target in zip(found.tolist(), expected, strict=True)]) > 0.9
    model.save(tmp_path / "model.safetensors")
    loaded = timesteps.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(fresh), model.predict_proba(fresh))
    assert loaded.predict(fresh) == found.tolist()


@pytest.mark.parametrize("container", [list, np.array, pd.Series, lambda X: pd.DataFrame({"text": X})])
def test_texts(container: Any, tmp_path: Path) -> None:
    model = text_model().fit(container(TEXTS), pd.Series(MOODS, index=range(100, 140)))
    assert model.predict(container(["좋은 이야기", "나쁜 이야기"])).tolist() == ["pos", "neg"]
    probabilities = model.predict_proba(container(TEXTS))
    assert probabilities.shape == (40, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-12)
    model.save(str(tmp_path / "model.safetensors"))
    loaded = timesteps.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(TEXTS), probabilities)
    assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("changes", [{"input": "ids"}, {"input": "one_hot"}, {"recipe": "textbook"}])
def test_token_ids(changes: dict[str, Any], padded: bool) -> None:
    random = np.random.default_rng(0)
    rows = [random.integers(5, 20, random.integers(3, 8)).tolist() for _ in range(80)]
    labels = [int(row[-1] >= 12) for row in rows]
    X = timesteps.pad_sequences(rows, maxlen=8) if padded else rows
    model = Classifier(hidden_size=16, epochs=30, learning_rate=0.02, patience=30, random_state=0, **changes)
    model.fit(X, labels, validation_data=(X, labels))
    assert model.score(X, labels) > 0.9
    assert model.session_.spec.network.input == changes.get("input", "ids")
    assert len(model.history_) == 30 and "val_loss" in model.history_[0]


def test_an_array_is_its_rows() -> None:
    rows, targets = waves()
    X = np.stack([row[:10] for row in rows])
    model = Classifier(**SMALL).fit(X, targets)
    assert model.session_.spec.network.input_size == 2
    np.testing.assert_array_equal(model.predict_proba(X), Classifier(**SMALL).fit(list(X), targets).predict_proba(X))
    np.testing.assert_array_equal(model.predict_proba(X[:, :7]), model.predict_proba([row[:7] for row in rows]))


def test_a_table_is_rows_of_single_numbers() -> None:
    rows, targets = waves()
    X = np.stack([row[:10, 0] for row in rows])
    model = Classifier(**SMALL).fit(X, targets)
    assert model.n_features_in_ == 10 and model.session_.spec.network.input_size == 1
    sequences = Classifier(**SMALL).fit([row[:, None] for row in X], targets)
    np.testing.assert_array_equal(model.predict_proba(X), sequences.predict_proba(X))
    frame = pd.DataFrame(X, columns=[f"hour {n}" for n in range(10)])
    named = Classifier(**SMALL).fit(frame, targets)
    np.testing.assert_array_equal(named.predict_proba(frame), model.predict_proba(X))
    assert named.feature_names_in_[3] == "hour 3"
    for other in (X[:, :7], list(X[:, :7]), X[:, :7].tolist()):
        with pytest.raises(ValueError, match=r"7 (features|steps)"):
            model.predict(other)
    assert not hasattr(named.fit(rows, targets), "feature_names_in_")


def test_the_same_seed_gives_the_same_bits() -> None:
    rows, targets = waves()
    order = np.random.default_rng(0).permutation(len(rows))
    options = {"layer_norm": True, "peephole": True, "zoneout": 0.2, "zoneout_cell": 0.1, "weight_drop": 0.3}
    for changes in ({}, {"dropout": 0.3, "input_dropout": 0.2, "members": 2, "ema": 0.9}, options):
        first = Classifier(**SMALL, **changes).fit(rows, targets).predict_proba(rows)
        torch.manual_seed(5)
        again = Classifier(**SMALL, **changes).fit(rows, targets).predict_proba(rows)
        shuffled = Classifier(**SMALL, **changes).fit([rows[i] for i in order], targets[order]).predict_proba(rows)
        np.testing.assert_array_equal(first, again)
        np.testing.assert_array_equal(first, shuffled)
        other = Classifier(**{**SMALL, "random_state": 1}, **changes).fit(rows, targets).predict_proba(rows)
        assert not np.array_equal(first, other)
    states = [np.random.RandomState(seed) for seed in (7, 7, 8)]
    found = [Classifier(**{**SMALL, "random_state": state}).fit(rows, targets).predict_proba(rows) for state in states]
    assert np.array_equal(found[0], found[1]) and not np.array_equal(found[0], found[2])
    texts = [text_model(members=2).fit(TEXTS, MOODS).predict_proba(TEXTS) for _ in range(2)]
    np.testing.assert_array_equal(*texts)


def test_every_rate_and_option_reaches_the_network() -> None:
    rates = {"input_dropout": 0.1, "dropout": 0.2, "recurrent_dropout": 0.3, "feature_dropout": 0.4}
    rates |= {"word_dropout": 0.5, "weight_drop": 0.6}
    layer = {"zoneout": 0.7, "zoneout_cell": 0.8, "layer_norm": True, "peephole": True, "initial_state": "learned"}
    options = Options().but(input="bag", **rates, **layer)
    network = build_network(options.network_spec(9, 2), options)
    assert network.regularization == Regularization(head_dropout=0.2, **rates)
    assert {name: getattr(network.spec.layers[0], name) for name in layer} == layer
    for name in ("peephole", "zoneout_cell"):
        with pytest.raises(UsageError, match=f"{name}=.*needs the state c.*give cell='lstm'"):
            Options().but(cell="gru", **{name: layer[name]})


@pytest.mark.parametrize("kind", ["numeric", "text"])
def test_weights(kind: str) -> None:
    """Weight 0 is absent; in numeric rows, weight 2 is twice, in a split and in class weights too."""
    X, y = waves() if kind == "numeric" else ([*TEXTS, "드문 낱말"], np.append(MOODS, "pos"))
    model = Classifier(**SMALL, class_weight="balanced") if kind == "numeric" else text_model(class_weight="balanced")
    weights = np.ones(len(X))
    weights[-1] = 0
    present = clone(model).fit(X[:-1], y[:-1]).predict_proba(X)
    np.testing.assert_array_equal(clone(model).fit(X, y, weights).predict_proba(X), present)
    np.testing.assert_array_equal(clone(model).fit(X, y, 3 * weights).predict_proba(X), present)
    if kind == "numeric":
        weights[:10] = 2
        model.set_params(validation_split=0.2)
        twice = clone(model).fit([*X[:10], *X[:-1]], np.append(y[:10], y[:-1]))
        weighted = clone(model).fit(X, y, weights)
        np.testing.assert_array_equal(weighted.predict_proba(X), twice.predict_proba(X))
        assert weighted.history_ == twice.history_


@pytest.mark.parametrize("class_weight", [{"1": 50.0}, "balanced"])
def test_class_weight(class_weight: Any) -> None:
    random = np.random.default_rng(0)
    targets = (np.arange(100) % 10 == 0).astype(int)
    X = random.normal(size=(100, 3)) + targets[:, None]
    y = np.array(["0", "1"])[targets]
    plain = Classifier(**SMALL).fit(X, y).predict_proba(X)[:, 1].mean()
    assert Classifier(**SMALL, class_weight=class_weight).fit(X, y).predict_proba(X)[:, 1].mean() > plain + 0.15


def test_validation() -> None:
    rows, targets = waves(100)
    split = Classifier(**SMALL, validation_split=0.3).fit(rows, targets)
    assert {"val_loss", "val_accuracy"} <= set(split.history_[-1]) and len(split.history_) == 10
    given = Classifier(**SMALL).fit(rows[:70], targets[:70], validation_data=(rows[70:], targets[70:].tolist()))
    measured = given.session_.evaluate(rows[70:], targets[70:])
    assert given.history_[-1]["val_accuracy"] == pytest.approx(measured.accuracy)
    assert "val_loss" not in Classifier(**SMALL).fit(rows, targets).history_[0]
    text = text_model(validation_split=0.25).fit([f"{text} {n}" for n, text in enumerate(TEXTS)], MOODS)
    assert "val_loss" in text.history_[0]


def test_held_out_rows_count_by_their_weight() -> None:
    texts = [f"{text} {n}" for n, text in enumerate(TEXTS)]
    targets = (MOODS == "pos").astype(int)
    weights = np.random.default_rng(0).uniform(0.1, 5, 40)
    model = text_model(members=1, validation_split=0.25, epochs=3, class_weight="balanced").fit(texts, targets, weights)
    held = hold_out("text", texts, targets, 0.25, 0)[1]
    right = model.predict_proba([texts[i] for i in held])[np.arange(len(held)), targets[held]]
    expected = -np.average(np.log(right), weights=weights[held])
    assert model.history_[-1]["val_loss"] == pytest.approx(expected, rel=1e-4)


def test_patience_stops_and_restores() -> None:
    rows, targets = waves(60)
    wrong = 1 - targets[40:]  # the validation loss rises from the first epoch on that learns anything
    model = Classifier(hidden_size=8, epochs=30, patience=2, random_state=0)
    model.fit(rows[:40], targets[:40], validation_data=(rows[40:], wrong))
    losses = [row["val_loss"] for row in model.history_]
    assert len(losses) == int(np.argmin(losses)) + 3 < 30
    probabilities = model.predict_proba(rows[40:])
    assert -np.log(probabilities[np.arange(20), wrong]).mean() == pytest.approx(min(losses), rel=1e-4)
    assert "val_loss" in Classifier(**SMALL, patience=3).fit(rows, targets).history_[0]


def test_members_answer_by_their_mean_logit(tmp_path: Path) -> None:
    rows, targets = waves(classes=3)
    model = Classifier(**SMALL, members=2).fit(rows, targets)
    assert len(model.histories_) == 2 and model.histories_[0] != model.histories_[1]
    single = Classifier(**SMALL).fit(rows, targets)
    assert model.history_ == single.history_
    assert np.abs(model.decision_function(rows) - single.decision_function(rows)).max() > 1e-3
    model.save(tmp_path / "model.safetensors")
    loaded = timesteps.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(rows), model.predict_proba(rows))


def test_decision_function() -> None:
    rows, targets = waves()
    model = Classifier(**SMALL).fit(rows, targets)
    logits = model.decision_function(rows)
    assert logits.shape == (60,)
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), model.predict_proba(rows)[:, 1], atol=1e-12)
    rows, targets = waves(classes=3)
    model = Classifier(**SMALL).fit(rows, targets)
    logits = model.decision_function(rows)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), model.predict_proba(rows), atol=1e-12)


@pytest.mark.parametrize("cell", ["mingru", "minlstm"])
def test_linear_cells_are_trained_saved_and_read(cell: str, tmp_path: Path) -> None:
    rows, targets = waves()
    model = Classifier(**SMALL, cell=cell, bidirectional=True, num_layers=2, initial_state="learned")
    model.fit(rows, targets)
    assert model.score(rows, targets) > 0.9
    model.save(tmp_path / "model.safetensors")
    loaded = timesteps.load(tmp_path / "model.safetensors")
    np.testing.assert_allclose(loaded.predict_proba(rows), model.predict_proba(rows), atol=1e-6)
    with pytest.raises(UsageError, match=f"recurrent_dropout is 0.1, but cell='{cell}' has no recurrent product"):
        Classifier(**SMALL, cell=cell, recurrent_dropout=0.1).fit(rows, targets)


def test_in_scikit_learns_tools() -> None:
    rows, targets = waves()
    search = GridSearchCV(
        Classifier(**SMALL), {"cell": ["rnn", "gru"], "hidden_size": np.array([2, 8])}, cv=2, n_jobs=1
    )
    search.fit(rows, targets, sample_weight=np.ones(60))
    assert search.best_score_ > 0.8 and search.best_estimator_.score(rows, targets) > 0.8
    table = np.stack([row[:10, 0] for row in rows])
    pipeline = make_pipeline(StandardScaler(), Classifier(**SMALL)).fit(table, targets)
    assert pipeline.predict(table).shape == (60,)
    lower = make_pipeline(FunctionTransformer(lambda texts: [text.lower() for text in texts]), text_model())
    assert cross_val_score(lower, TEXTS, MOODS, cv=2).min() == 1
    assert cross_val_score(text_model(), pd.Series(TEXTS), pd.Series(MOODS), cv=2, scoring="neg_log_loss").min() > -0.5


def test_copies() -> None:
    model = text_model(class_weight={"pos": 2.0}).fit(TEXTS, MOODS)
    expected = model.predict_proba(TEXTS)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(TEXTS), expected)
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    np.testing.assert_array_equal(joblib.load(file).predict_proba(TEXTS), expected)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        copy.predict(TEXTS)
    np.testing.assert_array_equal(copy.fit(TEXTS, MOODS).predict_proba(TEXTS), expected)


def test_callbacks_and_progress(capsys: pytest.CaptureFixture[str]) -> None:
    rows, targets = waves()
    epochs: list[int] = []
    callback = LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch))
    Classifier(**SMALL).fit(rows, targets, callbacks=[callback])
    assert epochs == list(range(10)) and capsys.readouterr() == ("", "")
    Classifier(**SMALL, verbose=True).fit(rows, targets)
    assert "epoch 10/10" in capsys.readouterr().err


def test_short_texts_with_the_default_recipe() -> None:
    model = text_model(max_length=2).fit(TEXTS, MOODS)
    text = model.session_.spec.text
    assert text is not None and text.max_length == 2 and text.head_length <= 2


ROWS, TARGETS = waves(20)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ([], [], "there are no rows"),
        (np.zeros((0, 3)), [], "0 sample"),
        (TEXTS, MOODS[:-1], "40 rows, but 39 labels"),
        (TEXTS, ["pos"] * 40, "there is only one class: pos"),
        ([*TEXTS[:-1], None], MOODS, "row 39 is None, not text"),
        ([*ROWS[:-1], np.ones((4, 3))], TARGETS, "row 19 has 3 features a step, expected are 2"),
        ([*ROWS[:-1], np.full((4, 2), np.nan)], TARGETS, "row 19, step 0, feature 0 is nan"),
        (np.full((20, 3), np.inf), TARGETS, "Input X contains infinity"),
        (ROWS, TARGETS + 0.5, "Unknown label type"),
        (ROWS, None, "requires y to be passed"),
        ("one text", ["a"], "X is one text"),
        (7, [1], "Expected 2D array"),
    ],
)
def test_bad_input(X: Any, y: Any, message: str) -> None:
    model = text_model() if isinstance(X, list) and X and isinstance(X[0], str) else Classifier(**SMALL)
    with pytest.raises(ValueError, match=message) as caught:
        model.fit(X, y)
    if isinstance(caught.value, (DataError, UsageError)):
        assert "\n" not in str(caught.value)
    with pytest.raises(NotFittedError):
        model.predict(X)


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({}, {"validation_data": (ROWS[:1], [5])}, "validation row 0 has the label 5, unseen in training"),
        ({}, {"validation_data": ([], [])}, "there are no validation rows"),
        ({}, {"validation_data": ([np.ones((2, 3))], [0])}, "row 0 has 3 features a step, expected are 2"),
        ({}, {"sample_weight": TARGETS}, r"there is only one class that counts \(weight above 0\)"),
        ({}, {"sample_weight": [1.0]}, "sample_weight.shape"),
        ({}, {"sample_weight": -np.ones(20)}, "[Nn]egative"),
        ({"recipe": "best"}, {}, "there is no recipe 'best'"),
        ({"validation_split": 1.0}, {}, "validation_split is 1.0"),
        ({"epochs": 0}, {}, "epochs is 0"),
        ({"hidden_size": 0}, {}, "is 0"),
        ({"class_weight": {7: 1.0}}, {}, "class_weight has 7, which is no class"),
        ({"max_length": 3}, {}, "max_length is 3"),
        ({"input": "ids"}, {}, "numbers cannot be the input 'ids'"),
    ],
)
def test_bad_settings(changes: dict[str, Any], arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Classifier(**{**SMALL, **changes}).fit(ROWS, TARGETS, **arguments)


def test_a_model_reads_what_it_was_trained_on() -> None:
    text, numeric = text_model().fit(TEXTS, MOODS), Classifier(**SMALL).fit(ROWS, TARGETS)
    for model, X in ((text, ROWS), (text, [[1, 2]]), (numeric, TEXTS), (numeric, [np.ones((2, 5))]), (text, "좋은")):
        with pytest.raises(ValueError):
            model.predict(X)
    assert text.predict([]).shape == (0,) and text.predict_proba([]).shape == (0, 2)
    assert text.predict([""]).shape == (1,)
