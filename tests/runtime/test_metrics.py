"""Figures against scikit-learn and scipy, intervals against what they promise."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference

from timesteps.errors import DataError
from timesteps.runtime.metrics import compare, evaluate, label_targets, log_loss, probabilities, wilson_interval


def rows(seed: int, n: int = 200, K: int = 4):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(K, 0.5), n)
    targets = np.where(rng.random(n) < 0.6, shares.argmax(axis=1), rng.integers(0, K, n))
    return targets, shares, rng.integers(0, 4, n).astype(float)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("K", [2, 4])
def test_equals_scikit_learn(K, weighted):
    targets, shares, weights = rows(K, K=K)
    weight = weights if weighted else None
    answers = shares.argmax(axis=1)
    result = evaluate(targets, shares, tuple("abcd"[:K]), weight)
    given = {"sample_weight": weight}
    assert result.n == 200
    assert result.accuracy == pytest.approx(reference.accuracy_score(targets, answers, **given), abs=1e-12)
    assert result.macro_f1 == pytest.approx(reference.f1_score(targets, answers, average="macro", **given), abs=1e-12)
    assert result.log_loss == pytest.approx(reference.log_loss(targets, shares, **given), rel=1e-12)
    np.testing.assert_array_equal(result.confusion, reference.confusion_matrix(targets, answers, **given))
    expected = reference.precision_recall_fscore_support(targets, answers, **given)
    found = [[s.precision, s.recall, s.f1, s.support] for s in result.per_class]
    np.testing.assert_allclose(found, np.array(expected).T, atol=1e-12)
    assert [s.label for s in result.per_class] == list("abcd"[:K])


def test_a_class_without_rows_or_answers():
    targets, shares = [0, 0, 1, 1], np.array([[0.9, 0.1, 0, 0], [0.4, 0.6, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    result = evaluate(targets, shares, "abcd")
    expected = reference.f1_score(targets, shares.argmax(axis=1), average="macro")  # the classes that occur: a, b, c
    assert result.macro_f1 == pytest.approx(expected)
    assert result.per_class[3].precision == result.per_class[3].recall == result.per_class[3].f1 == 0


def test_a_sure_error_costs_much_but_not_everything():
    targets, shares = [0, 1], [[1.0, 0.0], [1.0, 0.0]]
    assert log_loss(targets, shares) == pytest.approx(reference.log_loss(targets, shares), rel=1e-12)
    assert log_loss(targets, shares) == pytest.approx(52 * math.log(2) / 2, rel=1e-6)


def test_to_dict_has_a_stable_shape():
    targets, shares, _ = rows(0, n=10, K=2)
    plain = evaluate(targets, shares, (0, 1)).to_dict()
    assert list(plain) == [
        "n", "accuracy", "accuracy_interval", "macro_f1", "log_loss", "classes", "per_class", "confusion",
    ]  # fmt: skip
    assert list(plain["per_class"][0]) == ["label", "precision", "recall", "f1", "support"]
    assert json.loads(json.dumps(plain))["confusion"] == plain["confusion"] or isinstance(plain["confusion"], tuple)
    assert all(isinstance(count, int) for row in plain["confusion"] for count in row)
    assert list(compare([0], [0], [1]).to_dict()) == [
        "n", "difference", "interval", "only_first", "only_second", "p_value", "mid_p_value",
    ]  # fmt: skip


def test_matrix_text():
    shares = np.eye(2)[[0, 1, 1, *[0] * 12]]
    text = evaluate([0, 0, 1, *[0] * 12], shares, ("negative", "부정")).matrix_text()
    assert text.splitlines() == [
        "label \\ answer  negative  부정",
        "negative              13   1",
        "부정                     0   1",
    ]


@given(st.integers(1, 3000), st.data())
@settings(max_examples=200, deadline=None)
def test_wilson_equals_scipy(n, data):
    k = data.draw(st.integers(0, n))
    expected = stats.binomtest(k, n).proportion_ci(0.95, "wilson")
    assert wilson_interval(k / n, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_weights_make_the_interval_wider():
    targets, shares, weights = rows(5)
    plain, weighted = evaluate(targets, shares, "abcd"), evaluate(targets, shares, "abcd", weights + 0.1)
    assert np.diff(weighted.accuracy_interval) > np.diff(plain.accuracy_interval)
    tripled = evaluate(targets, shares, "abcd", np.full(200, 3.0))  # all equal: nothing changes
    assert tripled.accuracy_interval == pytest.approx(plain.accuracy_interval)


@given(st.integers(0, 60), st.integers(0, 60))
@settings(max_examples=150, deadline=None)
def test_mcnemar_equals_the_binomial_test(b, c):
    result = compare([1] * (b + c + 5), [1] * b + [0] * c + [1] * 5, [0] * b + [1] * c + [1] * 5)
    assert (result.only_first, result.only_second, result.n) == (b, c, b + c + 5)
    expected = stats.binomtest(b, b + c).pvalue if b + c else 1.0
    assert result.p_value == pytest.approx(expected, rel=1e-9)
    point = stats.binom.pmf(b, b + c, 0.5) if b + c else 0.0
    assert result.mid_p_value == pytest.approx(expected - (point / 2 if b == c else point), rel=1e-9, abs=1e-15)


def test_mcnemar_of_many_rows_does_not_overflow():
    truth = np.zeros(25_000, int)
    first, second = truth.copy(), truth.copy()
    first[:4_000], second[4_000:8_300] = 1, 1
    result = compare(truth, first, second)
    assert result.p_value == pytest.approx(stats.binomtest(4000, 8300).pvalue, rel=1e-8)
    assert result.difference == pytest.approx(300 / 25_000)
    assert result.interval[0] < result.difference < result.interval[1]
    assert result.interval[0] > 0 and result.p_value < 0.05


@pytest.mark.parametrize(("both", "only_first", "only_second"), [(0.7, 0.15, 0.08), (0.4, 0.5, 0.05), (0.3, 0.05, 0.6)])
def test_the_interval_of_a_difference_covers_the_truth_as_often_as_it_says(both, only_first, only_second):
    rng = np.random.default_rng(0)
    n = 150
    covered = 0
    for _ in range(2000):
        kind = rng.choice(4, n, p=[both, only_first, only_second, 1 - both - only_first - only_second])
        low, high = compare(np.ones(n), kind <= 1, (kind == 0) | (kind == 2)).interval
        covered += low <= only_first - only_second <= high
    assert 0.94 <= covered / 2000 <= 0.97


def test_probabilities_of_huge_logits_are_exact():
    with np.errstate(all="raise", under="ignore"):
        p = probabilities(np.array([[1e4], [-1e4], [40.0], [-40.0]]))
        assert probabilities(np.array([[1e4, 0.0, -1e4]])).tolist() == [[1, 0, 0]]
    assert p[0].tolist() == [0, 1] and p[1].tolist() == [1, 0]
    assert p[2, 0] == pytest.approx(math.exp(-40), rel=1e-12) and p[3, 1] == pytest.approx(math.exp(-40), rel=1e-12)


def test_labels_find_their_classes():
    assert label_targets(np.array([2, 1, 2]), (1, 2)).tolist() == [1, 0, 1]
    assert label_targets(["2", "1"], (1, 2)).tolist() == [1, 0]
    assert label_targets([1, 2], ("1", "2")).tolist() == [0, 1]
    assert label_targets(["1", 1], ("1", 1)).tolist() == [0, 1]
    assert label_targets([np.True_, "False"], (False, True)).tolist() == [1, 0]
    assert label_targets([], (1, 2)).tolist() == []
    with pytest.raises(DataError, match=r"'bad' \(2 rows\), 'nan' \(1 rows\); drop these rows.*1, 2") as caught:
        label_targets(["bad", 1, "bad", float("nan")], (1, 2))
    assert caught.value.exit_code == 3
    with pytest.raises(DataError, match="and 5 more"):
        label_targets([f"label {k}" for k in range(15)], (1, 2))


def test_what_cannot_be_judged():
    with pytest.raises(DataError, match="no rows"):
        evaluate([], np.zeros((0, 2)), "ab")
    for targets, shares in (([0], [[1.0]]), ([2], [[1.0, 0.0]]), ([-1], [[1.0, 0.0]]), ([0, 1], [[1.0, 0.0]])):
        with pytest.raises(DataError):
            evaluate(targets, shares, "ab")
    for weight in ([-1, 1], [0, 0], [np.nan, 1], [1]):
        with pytest.raises(DataError, match="weights"):
            evaluate([0, 1], np.eye(2), "ab", weight)
    for answers in ([], [0, 1]):
        with pytest.raises(DataError):
            compare([0], [0], answers)
    with pytest.raises(DataError):
        compare([], [], [])
