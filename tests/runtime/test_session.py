"""Inputs in, answers out."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys

import msgspec
import numpy as np
import pytest
import random_models as models

from timesteps.errors import DataError, ModelError, UsageError
from timesteps.runtime import modelfile
from timesteps.runtime import session as session_module
from timesteps.runtime.network import Network
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.session import Session, load, with_golden
from timesteps.runtime.text.processor import TextProcessor

REPLACE = msgspec.structs.replace


def numeric_rows(lengths: list[int], features: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.normal(size=(length, features)) * 3 + 1 for length in lengths]


def test_texts_answer_as_processor_and_network_do():
    spec, tensors = models.text_model()
    session = Session(spec, tensors)
    logits = Network(spec.network, tensors).logits(TextProcessor.load(spec.text, tensors).steps(models.TEXTS))
    np.testing.assert_array_equal(session.logits(models.TEXTS), logits)
    p = session.predict_proba(models.TEXTS)
    np.testing.assert_allclose(p[:, 1:], 1 / (1 + np.exp(-logits)), rtol=1e-6)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-15)
    assert session.predict(models.TEXTS) == [("negative", "positive")[int(logit > 0)] for logit in logits[:, 0]]
    assert session.classes == ("negative", "positive")


def test_several_classes_are_a_softmax():
    spec, tensors = models.text_model(outputs=3)
    logits, p = Session(spec, tensors).logits(models.TEXTS), Session(spec, tensors).predict_proba(models.TEXTS)
    np.testing.assert_allclose(p, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), rtol=1e-12)


def test_members_answer_by_their_mean_logit():
    spec, tensors = models.text_model(members=3)
    alone = []
    for member in range(3):
        own = {name.removeprefix(f"members.{member}."): tensor for name, tensor in tensors.items()}
        alone.append(Session(REPLACE(spec, members=1), own).logits(models.TEXTS))
    assert np.abs(alone[0] - alone[1]).max() > 0.1
    np.testing.assert_allclose(Session(spec, tensors).logits(models.TEXTS), np.mean(alone, axis=0), rtol=1e-14)


def test_numbers_are_scaled_and_computed_in_float64():
    spec, tensors = models.numeric_model()
    rows = numeric_rows([4, 0, 2])
    scaled = Sequences.of([(row - [1, 2, 3]) / 2 for row in rows], np.float64)
    expected = Network(spec.network, tensors, np.float64).logits(scaled)
    np.testing.assert_allclose(Session(spec, tensors).logits(rows), expected, rtol=0, atol=1e-15)
    single = Session(spec, tensors, dtype=np.float32).logits(rows)
    assert 0 < np.abs(single - expected).max() < 1e-4


def test_a_numeric_answer_does_not_depend_on_the_batch():
    spec, tensors = models.numeric_model(members=2)
    session, rows = Session(spec, tensors), numeric_rows([5, 1, 0, 9, 3, 3, 2])
    alone = np.concatenate([session.predict_proba([row]) for row in rows])
    np.testing.assert_allclose(session.predict_proba(rows), alone, rtol=0, atol=1e-12)
    order = [3, 0, 6, 2, 5, 1, 4]
    np.testing.assert_allclose(session.predict_proba([rows[i] for i in order]), alone[order], rtol=0, atol=1e-12)


def test_shapes_of_numeric_rows():
    spec, tensors = models.numeric_model(features=1)
    session = Session(spec, tensors)
    expected = session.logits([[[1.0], [2.0]], [[3.0]]])
    np.testing.assert_array_equal(session.logits([[1, 2], [3]]), expected)
    np.testing.assert_array_equal(session.logits([np.array([1.0, 2.0]), np.array([[3]])]), expected)
    flat, tensors = models.numeric_model(features=3, steps=2)
    table = np.arange(12.0).reshape(2, 6)
    expected = Session(flat, tensors).logits(table.reshape(2, 2, 3))
    np.testing.assert_array_equal(Session(flat, tensors).logits(table), expected)


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([np.zeros((2, 3)), np.zeros((2, 4))], r"row 1 has shape \(2, 4\), this model reads \(steps, 3\)"),
        ([np.zeros((2, 3)), np.zeros(3)], r"row 1 has shape \(3,\)"),
        ([np.zeros((2, 3)), np.array([[0, 0, 0], [0, np.nan, 0]])], "row 1, step 1, feature 1 is nan"),
        ([np.array([[0, 0, -np.inf]])], "row 0, step 0, feature 2 is -inf"),
        ([np.zeros((2, 3)), "text"], "row 1 is of type str, this model reads numbers"),
        ([[[1, 2, 3], [1, 2]]], "row 0 is of type list, this model reads numbers"),
        ([None], "row 0"),
    ],
)
def test_numeric_rows_that_cannot_be_read(rows, match):
    with pytest.raises(DataError, match=match):
        Session(*models.numeric_model()).predict(rows)


def test_a_flat_row_of_another_size():
    with pytest.raises(DataError, match="row 0 has 5 features, but the model is expecting 6"):
        Session(*models.numeric_model(steps=2)).predict(np.zeros((2, 5)))


def test_ids():
    spec, tensors = models.ids_model("ids")
    session = Session(spec, tensors)
    rows = [[1, 2, 10], [], list(range(11)) * 2]
    cut = [[1, 2, 10], [], (list(range(11)) * 2)[-8:]]
    expected = Network(spec.network, tensors).logits(Sequences.of(cut))
    np.testing.assert_array_equal(session.logits(rows), expected)
    np.testing.assert_array_equal(session.logits([[1, 99, 10**12]]), session.logits([[1, 2, 2]]))
    for row, kind in (([-1], "list"), ([0.5], "list"), ("word", "str"), ([[1]], "list"), (np.zeros(2), "ndarray")):
        with pytest.raises(DataError, match=f"row 1 is of type {kind}, this model reads token ids"):
            session.predict([[1], row])
    with pytest.raises(DataError, match="row 1 is of type int"):
        session.predict([[1], 3])


def test_inputs_that_are_not_texts():
    session = Session(*models.text_model())
    for rows, match in (([1], "row 0 is of type int"), (["a", None], "row 1"), (["a", float("nan")], "row 1")):
        with pytest.raises(DataError, match=match):
            session.predict(rows)
    with pytest.raises(UsageError, match="one text"):
        session.predict("정말 재미있는 영화")
    assert session.predict(np.array(["재미"])) == session.predict(iter(["재미"])) == session.predict(["재미"])
    assert session.predict([]) == []
    assert session.predict_proba([]).shape == (0, 2)


def test_blocks_change_nothing_and_rows_keep_their_numbers(monkeypatch):
    session = Session(*models.text_model())
    texts = models.TEXTS * 5
    whole = session.logits(texts)
    monkeypatch.setattr(session_module, "_ROWS", 4)
    np.testing.assert_allclose(session.logits(texts), whole, rtol=1e-5, atol=1e-5)
    monkeypatch.setattr(session_module, "_CHARACTERS", 25)
    blocks = list(session_module._blocks(texts))
    assert [text for block in blocks for text in block] == texts
    assert max(sum(map(len, block)) for block in blocks) <= 25
    np.testing.assert_allclose(session.logits(texts), whole, rtol=1e-5, atol=1e-5)
    with pytest.raises(DataError, match="row 29 is of type NoneType"):
        session.logits([*texts[:-1], None])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda session: pickle.loads(pickle.dumps(session))])
def test_a_copy_answers_alike(tmp_path, copied):
    """scikit-learn copies estimators, and sends them to other processes."""
    spec, tensors = models.text_model(members=2)
    modelfile.save(tmp_path / "m", spec, tensors)
    for session in (Session(spec, tensors), load(tmp_path / "m"), Session(spec, tensors, dtype=np.float64)):
        again = copied(session)
        assert again.spec == session.spec and again.dtype == session.dtype
        np.testing.assert_array_equal(again.logits(models.TEXTS), session.logits(models.TEXTS))


def test_evaluate():
    session = Session(*models.text_model())
    answers = session.predict(models.TEXTS)
    wrong = "positive" if answers[0] == "negative" else "negative"
    result = session.evaluate(models.TEXTS, [wrong, *answers[1:]])
    assert result.n == 6 and result.accuracy == 5 / 6
    with pytest.raises(DataError, match=r"not trained on: 'neutral' \(2 rows\), '' \(1 rows\).*'negative', 'positive'"):
        session.evaluate(models.TEXTS, ["neutral", "", "neutral", *answers[3:]])
    with pytest.raises(UsageError, match="6 rows and 1 labels"):
        session.evaluate(models.TEXTS, ["negative"])


@pytest.mark.parametrize("name", ["text", "members", "words", "ids", "numeric"])
def test_golden_vectors(tmp_path, name):
    spec, tensors = {
        "text": models.text_model,
        "members": lambda: models.text_model(members=2, outputs=3),
        "guided": models.guided_model,
        "words": models.ids_model,
        "ids": lambda: models.ids_model("ids"),
        "numeric": models.numeric_model,
    }[name]()
    inputs = {"ids": [[3, 4], []], "numeric": numeric_rows([3, 0, 1])}.get(name, models.TEXTS)
    spec = with_golden(spec, tensors, inputs)
    assert len(spec.golden) == len(inputs)
    modelfile.save(tmp_path / "model.safetensors", spec, tensors)
    assert load(tmp_path, verify=True).verify() == pytest.approx(0, abs=1e-5)
    first = spec.golden[0]
    off = REPLACE(first, logits=(first.logits[0] + 0.01 * max(1, abs(first.logits[0])), *first.logits[1:]))
    modelfile.save(tmp_path / "model.safetensors", REPLACE(spec, golden=(off,)), tensors)
    assert load(tmp_path).spec.golden == (off,)
    with pytest.raises(ModelError, match="golden vector 0 gives") as caught:
        load(tmp_path, verify=True)
    assert str(caught.value).startswith(str(tmp_path / "model.safetensors"))


def test_a_text_part_that_does_not_fit_the_network(tmp_path):
    spec, tensors = models.ids_model()
    text = REPLACE(spec.text, words=spec.text.words[:-1], num_words=10)
    modelfile.save(tmp_path / "m", REPLACE(spec, text=text), tensors)
    with pytest.raises(ModelError, match="m: the text part has 10 ids, the network's input 11"):
        load(tmp_path / "m")


def test_a_fresh_process_answers_without_torch(tmp_path):
    spec, tensors = models.text_model()
    modelfile.save(tmp_path / "model.safetensors", spec, tensors)
    program = (
        "import sys, timesteps\n"
        f"print(timesteps.load({str(tmp_path)!r}).predict({models.TEXTS!r}))\n"
        "print(sorted({'torch', 'sklearn', 'scipy', 'pandas'} & sys.modules.keys()))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert out.stdout.splitlines() == [str(Session(spec, tensors).predict(models.TEXTS)), "[]"]
