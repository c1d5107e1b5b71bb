"""Contributions that add up, the answer without each step, the rows nearest by, and what is refused."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest
import random_models as models

from timesteps.errors import DataError, ModelError, UsageError
from timesteps.inspect import explain
from timesteps.inspect.explain_reading import read_row
from timesteps.runtime import native
from timesteps.runtime.session import Session
from timesteps.runtime.text.processor import TextProcessor

NUMBERS = np.random.default_rng(3).normal(size=(9, 3))
needs_core = pytest.mark.skipif(native.core is None, reason="gradients are the core's")


def weights_by_class(outputs: int, wanted: int) -> np.ndarray:
    if outputs == 1:
        return np.array([1.0 if wanted == 1 else -1.0])
    return np.where(np.arange(outputs) == wanted, 1.0, -1 / (outputs - 1))


CASES = {
    "bags": (models.text_model(), "정말 재미있는 영화, so bad"),
    "bags of 3 classes, 2 members": (models.text_model(2, 3), "정말 재미있는 영화, so bad"),
    "guided": (models.guided_model(), "정말 재미있는 영화 정말"),
    "guided by tokens, 3 classes": (models.guided_model(outputs=3, unit="token"), "정말 재미있는 영화 정말"),
    "normed": (models.guided_model(layer_norm=True), "정말 재미있는 영화 정말"),
    "ids": (models.ids_model(), "너무 재미있는 영화"),
    "numbers": (models.numeric_model(members=2), NUMBERS),
    "flat numbers": (models.numeric_model(1, cell="lstm"), NUMBERS[:, 0]),
    "options": (models.model_of_options(), NUMBERS),
    "tags of numbers": (models.tagger_model(True), NUMBERS),
    "tags of tokens": (models.token_model(), ["the", "film", "was", "bad"]),
    "tags of ids": (models.token_model(False), ["the", "film", "was", "bad"]),
    "a number": (models.regression_model("mse", (), members=2), NUMBERS),
    "numbers of a row": (models.regression_model("quantile", (2, 3)), NUMBERS),
    "a number a step": (models.regression_model("gaussian", (2,), "none"), NUMBERS),
}


@needs_core
@pytest.mark.parametrize("case", CASES)
def test_contributions_sum_to_the_difference_of_the_scores(case) -> None:
    model, row = CASES[case]
    session = Session(*model)
    found = explain(session, row)
    it, score = found.integrated, found.chosen.score
    assert not isinstance(it, str), it
    logits = session.logits([row])
    assert it.score == pytest.approx(float(logits[score.step or 0] @ score.weights), rel=1e-5, abs=1e-5)
    assert it.score == pytest.approx(found.chosen.value, rel=1e-5, abs=1e-5)
    difference = it.score - it.baseline
    assert abs(it.residual) <= 0.01 * abs(difference) + 1e-6
    assert abs(it.steps.sum() + it.elsewhere - difference) <= 0.01 * abs(difference) + 1e-6
    assert it.steps.shape == (len(found.reading),) and np.isfinite(it.steps).all()
    if it.features is not None:
        np.testing.assert_allclose(it.features.sum(axis=1), it.steps, atol=1e-12)


@needs_core
def test_the_baseline_of_numbers_is_a_row_of_means_and_what_is_not_read_contributes_nothing() -> None:
    spec, tensors = models.numeric_model()
    tensors["rnn.weight_ih_l0"][:, 1] = 0
    session = Session(spec, tensors)
    found = explain(session, NUMBERS)
    it = found.integrated
    sign = float(found.chosen.score.weights[0])
    mean = np.tile(tensors["scaler.mean"], (len(NUMBERS), 1))
    assert it.baseline == pytest.approx(sign * session.logits([mean])[0, 0], abs=1e-10)
    assert np.abs(it.features[:, 1]).max() == 0 < np.abs(it.features[:, 0]).max()


@needs_core
def test_integrated_gradients_are_the_mean_gradient_on_a_straight_line() -> None:
    spec, tensors = models.numeric_model(cell="lstm")
    session = Session(spec, tensors)
    it = explain(session, NUMBERS, target=True).integrated
    mean, scale = tensors["scaler.mean"], tensors["scaler.scale"]
    shares, width, sums = (np.arange(400) + 0.5) / 400, 1e-4, np.zeros(NUMBERS.shape)
    for step, feature in [(0, 0), (4, 2), (8, 1)]:
        moved = np.zeros(NUMBERS.shape)
        moved[step, feature] = width * scale[feature]
        line = [mean + share * (NUMBERS - mean) for share in shares]
        up, down = (session.logits([row + sign * moved for row in line])[:, 0] for sign in (1, -1))
        x = (NUMBERS[step, feature] - mean[feature]) / scale[feature]
        sums[step, feature] = x * ((up - down) / (2 * width)).mean()
        assert it.features[step, feature] == pytest.approx(sums[step, feature], abs=2e-4)


@pytest.mark.parametrize("case", ["ids", "numbers", "flat numbers", "a number", "tags of ids", "tags of numbers"])
def test_without_a_step_the_score_is_that_of_the_shorter_row(case) -> None:
    model, row = CASES[case]
    session = Session(*model)
    found = explain(session, row)
    score = found.chosen.score
    for step in range(len(found.reading)):
        if step == score.step:
            assert np.isnan(found.left_out[step])
            continue
        if isinstance(row, str):
            shorter = " ".join(word for place, word in enumerate(row.split()) if place != step)
        elif isinstance(row, list):
            shorter = row[:step] + row[step + 1 :]
        else:
            shorter = np.delete(row, step, axis=0)
        at = 0 if score.step is None else score.step - (step < score.step)
        fallen = found.chosen.value - float(session.logits([shorter])[at] @ score.weights)
        assert found.left_out[step] == pytest.approx(fallen, abs=1e-5)


def test_the_n_grams_of_the_linear_model_go_with_their_step() -> None:
    """Where the linear model is the whole answer, the loss of each step is the weight of what only it has."""
    spec, tensors = models.guided_model(members=1, unguided=0)
    spec = msgspec.structs.replace(spec, network=msgspec.structs.replace(spec.network, share=1.0))
    session = Session(spec, tensors)
    found = explain(session, "재미 재미 영화", target="positive")
    reading = found.reading
    processor = TextProcessor.load(spec.text, tensors)
    grams = processor.guide.find(processor.units(["재미 재미 영화"], spec.text.guide))
    ends = grams.bags.offsets[:: grams.longest]
    at = [set(grams.bags.ids[begin:end].tolist()) for begin, end in pairwise(ends.tolist())]
    for step, own in enumerate(at):
        others = set().union(*(at[:step] + at[step + 1 :]))
        lost = sum(float(tensors["guide.weight"][gram, 0]) for gram in own - others)
        assert reading.alone[step, 0] == pytest.approx(lost, abs=1e-6)
    np.testing.assert_allclose(found.left_out, reading.alone[:, 0], atol=1e-5)
    assert reading.linear.sum() == pytest.approx(reading.steps.linear[0, 0] - 1.0, abs=1e-5)  # the bias is 1
    if native.core is not None:
        np.testing.assert_allclose(found.integrated.steps, reading.linear[:, 0], atol=1e-6)


def test_long_rows_lose_runs_of_steps() -> None:
    session = Session(*models.numeric_model())
    row = np.random.default_rng(0).normal(size=(900, 3))
    found = explain(session, row)
    assert found.run_length == 3 and len(found.left_out) == 900
    without = session.logits([np.delete(row, slice(3, 6), axis=0)])[0, 0] * found.chosen.score.weights[0]
    assert found.left_out[3] == found.left_out[5] == pytest.approx((found.chosen.value - without) / 3, abs=1e-9)
    assert "3 steps at a time" in found.notes[0]


def test_it_says_what_truncation_cuts() -> None:
    session = Session(*models.text_model())
    text = " ".join(f"film{'!' * (k % 2)}" for k in range(25))
    found = explain(session, text)
    assert len(found.reading) == 20 and "has 37 tokens and the model reads 20: the first 17" in found.notes[0]
    ids, tensors = models.ids_model("ids")
    reading = read_row(Session(ids, tensors), list(range(10)))
    assert reading.names == tuple("2" if k > 10 else str(k) for k in range(2, 10)) and "the first 2" in reading.cut
    guided = models.guided_model()
    long = explain(Session(*guided), text)
    if native.core is not None:
        it = long.integrated
        assert it.elsewhere != 0 and abs(it.residual) <= 0.01 * abs(it.score - it.baseline)


def test_names_stand_as_in_the_text() -> None:
    reading = read_row(Session(*models.text_model()), "Good film!!  정말")
    assert reading.names == ("good", "film", "!!", "정말") and reading.glued == (True, False, True, False)


def test_of_a_tagger_the_least_certain_step_is_explained() -> None:
    session = Session(*models.tagger_model())
    least = int(session.predict_proba([NUMBERS]).max(axis=1).argmin())
    found = explain(session, NUMBERS)
    assert found.chosen.score.step == least and found.chosen.answer == session.predict([NUMBERS])[0][least]
    other = explain(session, NUMBERS, step=0, target="C")
    p = session.logits([NUMBERS])[0]
    assert other.chosen.value == pytest.approx(p[2] - (p[0] + p[1]) / 2)


def test_of_numbers_the_score_is_in_the_units_of_the_target() -> None:
    for case, target in (("a number", None), ("numbers of a row", 4), ("a number a step", 1)):
        model, row = CASES[case]
        session = Session(*model)
        found = explain(session, row, target=target)
        predicted = np.asarray(session.predict([row])[0])
        predicted = predicted[-1] if case == "a number a step" else predicted
        assert float(found.chosen.answer) == pytest.approx(predicted.ravel()[target or 0], rel=1e-5)
        mean = model[1]["target.mean"][(target or 0) % len(model[1]["target.mean"])]
        if case != "numbers of a row":  # of untrained quantiles, which are sorted when they are read
            assert found.chosen.value == pytest.approx(float(found.chosen.answer) - mean, abs=1e-4)


def test_the_nearest_rows_are_others_by_the_angle_of_their_vectors() -> None:
    session = Session(*models.text_model())
    rows, labels = [*models.TEXTS, "정말  재미있는 영화", "good film !!"], [1, 0, 1, 0, 1, 0, 1, 0]
    found = explain(session, models.TEXTS[0], data=(rows, labels, "these"))
    assert found.neighbours[0].row == 6 and found.neighbours[0].similarity == pytest.approx(1)
    assert [each.row for each in found.neighbours].count(0) == 0 and "these" in found.to_html()
    assert len({each.text for each in found.neighbours}) == len(found.neighbours) == 6
    vectors = session.members[0].pooled(session.steps(rows)).astype(float)
    cosine = vectors[3] @ vectors[0] / np.linalg.norm(vectors[3]) / np.linalg.norm(vectors[0])
    assert next(n for n in found.neighbours if n.row == 3).similarity == pytest.approx(cosine, abs=1e-6)
    with pytest.raises(DataError, match="2 rows and 1 labels"):
        explain(session, "film", data=(["a", "b"], [1], ""))


def test_saturation_counts_shares() -> None:
    session = Session(*models.numeric_model(cell="lstm"))
    found = explain(session, NUMBERS)
    layer = found.trace["l1"]
    it = next(each for each in found.saturation if (each.layer, each.gate) == ("l1", "f"))
    assert it.low == pytest.approx((layer["f"] < 0.1).mean()) and it.high == pytest.approx((layer["f"] > 0.9).mean())
    gates = {(each.layer, each.gate) for each in found.saturation}
    assert gates == {(layer, gate) for layer in ("l0", "l1") for gate in "ifgoh"}


def test_everything_is_plain_json() -> None:
    for case in ("guided", "tags of tokens", "a number"):
        model, row = CASES[case]
        found = explain(Session(*model), row).to_dict()
        said = json.loads(json.dumps(found, allow_nan=False))
        assert len(said["steps"]) == len(said["left_out"])
        assert np.array(said["layers"]["l0"]["h"]).shape[0] == len(said["steps"])
    assert "layers" not in explain(Session(*model), row).to_dict(arrays=False)


@needs_core
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_gradients_that_explode_are_no_contributions() -> None:
    spec, tensors = models.numeric_model(cell="rnn")
    layer = msgspec.structs.replace(spec.network.layers[0], nonlinearity="relu")
    network = msgspec.structs.replace(spec.network, layers=(layer, *spec.network.layers[1:]))
    tensors["rnn.weight_hh_l0"][:] = 1e6 * np.eye(4)
    tensors["rnn.bias_ih_l0"][:] = 1.0
    found = explain(Session(msgspec.structs.replace(spec, network=network), tensors), np.tile(NUMBERS, (9, 1)))
    assert "explode" in found.integrated and "explode" in found.to_html()


@pytest.mark.parametrize("why", ["int8", "core"])
def test_without_gradients_it_says_why_and_leaves_out_steps_all_the_same(why) -> None:
    if why == "int8":
        found = explain(Session(*models.in_int8(models.text_model())), "재미있는 film")
        assert found.integrated == "weights in int8 have no gradients"
    else:
        with native.without_core():
            found = explain(Session(*models.text_model()), "재미있는 film")
        assert "no native core" in found.integrated
    assert np.abs(found.left_out).max() > 0 and "There are no integrated gradients" in found.to_html()


def test_a_vanilla_network_has_no_gates_and_says_so() -> None:
    found = explain(Session(*models.numeric_model(cell="rnn")), NUMBERS)
    assert "has no gates" in found.notes[0] and list(found.trace["l0"].arrays) == ["h"]
    with pytest.raises(UsageError, match="no gate or state 'f'"):
        explain(Session(*models.numeric_model(cell="rnn")), NUMBERS, unit="f.1")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"unit": "h.99"}, "layer l0_reverse has units 0 to 3"),
        ({"unit": "forget"}, "give a number, or one of i, f, g, o, h, c with a number"),
        ({"unit": "e.1"}, "there are i, f, g, o, h, c"),
        ({"layer": "l1"}, "there is no layer 'l1'; did you mean l0"),
        ({"member": 2}, "this model has 0, and no other"),
        ({"target": "positiv"}, "did you mean 'positive'"),
        ({"step": 1}, "answers once a row"),
    ],
)
def test_what_is_not_there_is_refused_in_a_line(given, message) -> None:
    session = Session(*models.text_model())
    if "unit" in given:
        given = {"layer": "l0_reverse", **given}
    with pytest.raises(UsageError, match=message) as caught:
        explain(session, "재미있는 film", **given)
    assert "\n" not in str(caught.value)


def test_rows_that_are_none_are_refused(tmp_path: Path) -> None:
    session = Session(*models.text_model())
    with pytest.raises(DataError, match="without any token has nothing to explain"):
        explain(session, " \n")
    with pytest.raises(DataError, match="this model reads texts"):
        explain(session, [1, 2])
    with pytest.raises(DataError, match="without any step"):
        explain(Session(*models.numeric_model()), np.zeros((0, 3)))
    with pytest.raises(UsageError, match="the model predicts numbers 0 to 5"):
        explain(Session(*models.regression_model()), NUMBERS, target=6)
    with pytest.raises(UsageError, match="the row has 9 steps"):
        explain(Session(*models.tagger_model()), NUMBERS, step=9)
    with pytest.raises(ModelError):
        explain(tmp_path / "none", "text")
