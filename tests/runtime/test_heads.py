"""Sessions and streams of models that answer at every step, and of models that predict numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import random_models as models
from scipy import stats

import timesteps
from timesteps.errors import DataError, ModelError, UsageError
from timesteps.runtime import modelfile, native
from timesteps.runtime.engine import NativeEngine
from timesteps.runtime.losses import LOSSES, Loss
from timesteps.runtime.session import Session, load, with_golden
from timesteps.runtime.stepping import NumpyEngine
from timesteps.runtime.stream import Stream

ENGINES = [NumpyEngine] if native.core is None else [NumpyEngine, NativeEngine]
ROWS = [np.random.default_rng(3).normal(1, 2, (length, 3)) for length in (5, 0, 1, 8)]
TOKENS = [text.split() for text in models.TEXTS]
NUMBERS = [name for name in LOSSES if name != "cross_entropy"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("members", [1, 3])
def test_a_tagger_of_the_past_streams_its_answers(engine: Any, members: int) -> None:
    spec, tensors = models.tagger_model()
    if members > 1:
        own = {
            f"members.{member}.{name}": part * (1 + member)
            for member in range(members)
            for name, part in tensors.items()
            if not name.startswith("scaler.")
        }
        spec, tensors = msgspec.structs.replace(spec, members=members), {**tensors, **own}
        tensors = {name: part for name, part in tensors.items() if name.startswith(("members.", "scaler."))}
    session, stream = Session(spec, tensors), Stream(spec, tensors)
    stream._engine = engine(spec, tensors)
    for row in ROWS:
        stream.reset()
        steps = np.array([stream.step(x) for x in row]).reshape(-1, 3)
        np.testing.assert_allclose(steps, session.logits([row]), rtol=1e-6, atol=1e-6)


def test_a_tagger_answers_at_every_step() -> None:
    session = Session(*models.tagger_model(bidirectional=True))
    shares = session.predict_proba(ROWS)
    assert shares.shape == (14, 3)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    answers = session.predict(ROWS)
    assert [len(row) for row in answers] == [5, 0, 1, 8]
    assert [label for row in answers for label in row] == ["ABC"[best] for best in shares.argmax(axis=1)]
    with pytest.raises(ModelError, match="bidirectional"):
        session.step(ROWS[0][0])


def test_evaluation_of_tags() -> None:
    session = Session(*models.tagger_model())
    labels = session.predict(ROWS)
    labels[3] = ["A" if label != "A" else "B" for label in labels[3]]
    found = session.evaluate(ROWS, labels)
    assert (found.sequences, found.sequence_accuracy, found.tokens.n) == (4, 0.75, 14)
    assert found.tokens.accuracy == pytest.approx(6 / 14)
    with pytest.raises(DataError, match="row 2 has 1 steps and 2 labels"):
        session.evaluate(ROWS, [labels[0], [], ["A", "A"], labels[3]])
    with pytest.raises(DataError):
        session.evaluate(ROWS, [labels[0], [], ["Z"], labels[3]])
    with pytest.raises(UsageError, match="4 rows and 3 labels"):
        session.evaluate(ROWS, labels[:3])


@pytest.mark.parametrize("bags", [False, True])
def test_every_token_is_a_step(bags: bool) -> None:
    session = Session(*models.token_model(bags))
    rows = [["no such", "", "good\x1efilm", "\n"], [], ["good"] * 3]
    assert [len(row) for row in session.predict(rows)] == [4, 0, 3]
    with pytest.raises(DataError, match="row 1 is of type str, this model reads lists of tokens"):
        session.predict([["a"], "a text"])
    with pytest.raises(DataError, match="row 0, step 1 is of type int"):
        session.predict([["a", 3]])


def test_tokens_stream() -> None:
    session = Session(*models.token_model(bags=False))
    row = ["good", "film", "!!", "unknown"]
    expected = session.logits([row])
    np.testing.assert_allclose([session.step(token) for token in row], expected, rtol=1e-6, atol=1e-6)
    session.reset()
    np.testing.assert_allclose(session.run(row), expected, rtol=1e-6, atol=1e-6)
    session.reset()
    np.testing.assert_allclose(session.step(["good", "good"]), expected[[0, 0]], rtol=1e-6, atol=1e-6)
    session.reset()
    np.testing.assert_allclose(session.run([row, row[:1]])[0], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("pool", ["mean", "none"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
@pytest.mark.parametrize("loss", NUMBERS)
def test_numbers_come_in_their_own_units(loss: Any, shape: tuple[int, ...], pool: Any) -> None:
    spec, tensors = models.regression_model(loss, shape, pool)
    session, plain = Session(spec, tensors), Loss(loss, spec.targets.quantiles)
    raw = plain.read(session.logits(ROWS))
    answers = len(session.logits(ROWS))
    assert answers == (14 if pool == "none" else 4)
    mean, scale = tensors["target.mean"], tensors["target.scale"]
    found = session.distribution(ROWS)
    assert found.keys() == raw.keys()
    for name, part in raw.items():
        part = part.reshape(answers, *(shape or (1,)))
        expected = part if name in ("df", "dispersion") else part * scale if name == "scale" else part * scale + mean
        np.testing.assert_allclose(found[name], expected.reshape(answers, *shape), rtol=1e-12)
    centre = found[plain.parameters[plain.centre]]
    predicted = session.predict(ROWS)
    if pool == "none":
        assert [part.shape for part in predicted] == [(len(row), *shape) for row in ROWS]
        predicted = np.concatenate(predicted)
    np.testing.assert_array_equal(predicted, centre)


@pytest.mark.parametrize("loss", ["gaussian", "student_t"])
def test_quantiles_and_losses_are_those_of_the_distribution(loss: Any) -> None:
    session = Session(*models.regression_model(loss))
    found, levels = session.distribution(ROWS), (0.05, 0.5, 0.9)
    outside = stats.norm if loss == "gaussian" else stats.t
    degrees = () if loss == "gaussian" else (found["df"],)
    quantiles = session.quantiles(ROWS, levels)
    for k, level in enumerate(levels):
        np.testing.assert_allclose(
            quantiles[..., k], outside.ppf(level, *degrees, found["mean"], found["scale"]), rtol=1e-8
        )
    targets = np.random.default_rng(0).normal(5, 2, (4, 2, 3))
    targets[1, 0, 1] = np.nan
    evaluation = session.evaluate(ROWS, targets)
    errors = targets - found["mean"]
    assert (evaluation.n, evaluation.missing) == (23, 1)
    assert evaluation.mae == pytest.approx(np.nanmean(np.abs(errors)))
    assert evaluation.rmse == pytest.approx(np.sqrt(np.nanmean(errors**2)))
    # On the scale of training: the density in units of the targets, times the scale.
    density = outside.logpdf(targets, *degrees, found["mean"], found["scale"]) + np.log(session.tensors["target.scale"])
    assert evaluation.loss == pytest.approx(-np.nanmean(density))


def test_what_a_model_of_numbers_does_not_do() -> None:
    session = Session(*models.regression_model("mse"))
    with pytest.raises(UsageError, match="predicts numbers"):
        session.predict_proba(ROWS)
    with pytest.raises(UsageError, match="no spread"):
        session.quantiles(ROWS)
    with pytest.raises(UsageError, match="tells classes apart"):
        Session(*models.numeric_model()).quantiles(ROWS)
    with pytest.raises(DataError, match="targets of shape"):
        session.evaluate(ROWS, np.zeros((4, 5)))
    with pytest.raises(DataError, match="no number to judge"):
        session.evaluate(ROWS, np.full((4, 2, 3), np.nan))


@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        (models.tagger_model, ROWS), (models.token_model, TOKENS), (models.regression_model, ROWS),
        (lambda: models.regression_model("student_t", (2,), "none", 3), ROWS),
    ],
)  # fmt: skip
def test_files_keep_everything(tmp_path: Path, model: Any, inputs: Any) -> None:
    spec, tensors = model()
    spec = with_golden(spec, tensors, inputs)
    modelfile.save(tmp_path / "model.safetensors", spec, tensors)
    session = timesteps.load(tmp_path, verify=True)
    np.testing.assert_array_equal(session.logits(inputs), Session(spec, tensors).logits(inputs))
    changed = {**tensors, "head.bias": tensors["head.bias"] + 0.1} if "head.bias" in tensors else None
    if changed is not None:
        modelfile.save(tmp_path / "model.safetensors", spec, changed)
        with pytest.raises(ModelError, match="golden vector 0"):
            load(tmp_path, verify=True)


@pytest.mark.parametrize(
    ("model", "change", "what"),
    [
        (models.tagger_model, {"task": "classify"}, "task classify, pool none"),
        (models.numeric_model, {"task": "tag"}, "task tag"),
        (models.numeric_model, {"task": "regress"}, "its targets"),
        (models.regression_model, {"targets": None}, "its targets"),
        (models.regression_model, {"classes": (1, 2)}, "with classes"),
    ],
)
def test_contradictions(tmp_path: Path, model: Any, change: dict[str, Any], what: str) -> None:
    spec, tensors = model()
    with pytest.raises(ModelError, match=what):
        modelfile.save(tmp_path / "it", msgspec.structs.replace(spec, **change), tensors)


@pytest.mark.skipif(native.core is None, reason=native.explain())
def test_the_c_library_says_what_it_does_not_run(tmp_path: Path) -> None:
    for model, reason in (
        (models.tagger_model(bidirectional=True), "reads the future"),
        (models.regression_model(), "scale of their own"),
        (models.token_model(bags=False), "tokenizer tokens reads texts"),
    ):
        modelfile.save(tmp_path / "it", *model)
        _, status, message = native.core.read_model((tmp_path / "it").read_bytes())
        assert status == 5
        assert reason in message
