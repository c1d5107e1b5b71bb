from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timesteps.data.source import open_source
from timesteps.data.split import split_rows
from timesteps.errors import DataError, UsageError
from timesteps.runtime.sequences import Sequences
from timesteps.tasks.baselines import NUMERIC_BASELINES, TEXT_BASELINES, BaselineResult, fit_baselines
from timesteps.tasks.baselines_numeric import resample, statistics
from timesteps.tasks.baselines_text import analyzer
from timesteps.tasks.nbsvm import NBSVM, log_count_ratio


def reviews(seed: int, rows: int = 240, classes: int = 2) -> tuple[list[str], np.ndarray]:
    """Texts whose class shows in a word of each, beside words that say nothing."""
    random = np.random.default_rng(seed)
    targets = random.integers(0, classes, rows)
    noise = [f"word{n}" for n in range(60)]
    texts = [" ".join([*random.choice(noise, 5), f"sign{target}{random.integers(0, 5)}"]) for target in targets]
    return texts, targets


def accuracy(result: BaselineResult, targets: np.ndarray) -> float:
    return float((result.probabilities.argmax(axis=1) == targets).mean())


@pytest.mark.parametrize("classes", [2, 4])
def test_text_baselines_learn_what_can_be_learned(classes: int) -> None:
    (train, targets), (valid, truth) = reviews(0, 400, classes), reviews(1, 400, classes)
    results = fit_baselines(train, targets, valid)
    assert tuple(result.name for result in results) == TEXT_BASELINES
    for result in results:
        assert result.probabilities.shape == (400, classes)
        np.testing.assert_allclose(result.probabilities.sum(axis=1), 1, atol=1e-6)
        assert (result.probabilities >= 0).all() and result.seconds >= 0 and result.description
    assert [accuracy(result, truth) > 0.95 for result in results] == [False, True, True]


def test_figures_on_the_bundled_sample() -> None:
    table = open_source(None)
    targets = np.array([int(label) for label in table.labels or []])
    train, valid = split_rows(table.texts, targets, 0.2, 0)
    results = fit_baselines([table.texts[i] for i in train], targets[train], [table.texts[i] for i in valid])
    found = {result.name: accuracy(result, targets[valid]) for result in results}
    assert found["majority"] == pytest.approx(max(np.bincount(targets[valid])) / len(valid), abs=0.01)
    assert found["TF-IDF"] == pytest.approx(0.799, abs=0.01)  # measured, scikit-learn 1.9
    assert found["NBSVM"] == pytest.approx(0.795, abs=0.01)
    assert all(result.settings["analyzer"] == "char" for result in results[1:])


def test_tfidf_is_scikit_learns() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    (train, targets), (valid, _) = reviews(2), reviews(3)
    weight = np.random.default_rng(0).random(len(train)) + 0.5
    theirs = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\w+|[^\w\s]"),
        LogisticRegression(C=4.0, max_iter=1000),
    ).fit(train, targets, logisticregression__sample_weight=weight)
    (ours,) = fit_baselines(train, targets, valid, names=["TF-IDF"], sample_weight=weight)
    np.testing.assert_allclose(ours.probabilities, theirs.predict_proba(valid), atol=2e-3)
    assert ours.settings["n-grams"] == "1–2" and ours.settings["C"] == 4.0


def test_log_count_ratio_is_naive_bayes() -> None:
    """The ratio is the difference of scikit-learn's multinomial naive Bayes' feature log-probabilities."""
    from scipy.sparse import csr_matrix
    from sklearn.naive_bayes import MultinomialNB

    random = np.random.default_rng(0)
    features = csr_matrix((random.random((40, 12)) < 0.3).astype(np.float32))
    positive, weight = random.random(40) < 0.4, random.random(40) + 0.5
    bayes = MultinomialNB(alpha=1.0).fit(features, positive, sample_weight=weight)
    np.testing.assert_allclose(
        log_count_ratio(features, positive, weight), bayes.feature_log_prob_[1] - bayes.feature_log_prob_[0], rtol=1e-5
    )


def test_nbsvm_is_a_linear_model_of_scaled_features() -> None:
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(0)
    X = (random.random((120, 30)) < 0.2).astype(np.float32)
    targets = (X[:, 0] + random.random(120) > 0.8).astype(np.int64)
    weight = np.ones(120)
    ratio = log_count_ratio(csr_matrix(X), targets == 1, weight)
    theirs = LogisticRegression(C=1.0, solver="liblinear", tol=1e-6).fit(X * ratio, targets)
    ours = NBSVM(C=1.0).fit(csr_matrix(X), targets, weight, 2).predict_proba(csr_matrix(X))
    np.testing.assert_allclose(ours, theirs.predict_proba(X * ratio), atol=0.01)


def test_class_weights_reach_every_baseline() -> None:
    """Rows of weight 1000 decide what is said of texts that both classes have."""
    texts, targets = ["same text"] * 40, np.array([0, 1] * 20)
    for result in fit_baselines(texts, targets, ["same text"], sample_weight=np.where(targets == 1, 1000.0, 1.0)):
        assert result.probabilities[0, 1] > 0.9, result.name
    for result in fit_baselines(texts, targets, ["same text"], sample_weight=np.where(targets == 0, 1000.0, 1.0)):
        assert result.probabilities[0, 0] > 0.9, result.name


def test_rows_of_weight_zero_are_as_if_absent() -> None:
    (train, targets), (valid, _) = reviews(4), reviews(5, 50)
    weight = (np.arange(len(train)) % 3 > 0).astype(float)
    kept = np.flatnonzero(weight)
    without = fit_baselines([train[i] for i in kept], targets[kept], valid)
    for ours, theirs in zip(fit_baselines(train, targets, valid, sample_weight=weight), without, strict=True):
        np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=1e-6)


def test_a_class_without_rows_has_a_column_of_zeros() -> None:
    for result in fit_baselines(["a b", "b c", "c d", "d e"] * 5, [0, 2, 0, 2] * 5, ["a b"], num_classes=4):
        assert result.probabilities.shape == (1, 4)
        assert result.probabilities[0, [1, 3]].tolist() == [0, 0] and result.probabilities.sum() == pytest.approx(1)


def test_the_same_rows_give_the_same_figures() -> None:
    (train, targets), (valid, _) = reviews(6, 300, 3), reviews(7, 60, 3)
    for first, second in zip(fit_baselines(train, targets, valid), fit_baselines(train, targets, valid), strict=True):
        assert np.array_equal(first.probabilities, second.probabilities)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["정말 재미있는 영화"], "char"),
        (["本当に面白い映画"], "char"),
        (["很好看的电影"], "char"),
        (["หนังดีมาก"], "char"),
        (["ㅋㅋㅋㅋ"], "char"),
        (["a good film", "ein guter Film", "хороший фильм", "फ़िल्म अच्छी है"], "word"),
        (["one Korean word 영화 among many English ones"], "word"),
        (["123 !!!", ""], "word"),
    ],
)
def test_which_n_grams(texts: list[str], expected: str) -> None:
    assert analyzer(texts) == expected


def test_odd_texts_are_no_obstacle() -> None:
    odd = ["", "   ", "!!!", "\x00", "😀😀", "a" * 10_000, "정", "\n"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = fit_baselines(odd * 3, [0, 1] * 12, ["", "never seen"])
    assert all(np.isfinite(result.probabilities).all() for result in results)


def test_texts_that_share_no_n_gram() -> None:
    """More rows than the threshold of min_df=2, but no word that occurs twice."""
    texts = [f"unique{number}" for number in range(1200)]
    for result in fit_baselines(texts, np.arange(1200) % 2, ["unique7", "unique8"], names=["TF-IDF", "NBSVM"]):
        assert result.probabilities.argmax(axis=1).tolist() == [1, 0]
        assert result.settings["min_df"] == 1


def test_rare_n_grams_are_left_out_of_many_rows() -> None:
    train, targets = reviews(8, 1200)
    train[0] += " hapax"
    (result,) = fit_baselines(train, targets, ["x"], names=["NBSVM"])
    assert result.settings["min_df"] == 2


def waves(seed: int, rows: int = 60) -> tuple[Sequences, np.ndarray]:
    """Rows of different lengths: class 0 rises, class 1 falls, class 2 is flat but higher in the second feature."""
    random = np.random.default_rng(seed)
    targets = random.integers(0, 3, rows)
    found = []
    for target in targets:
        t = np.linspace(0, 1, random.integers(5, 20))
        first = {0: t, 1: 1 - t, 2: 0 * t + 0.5}[int(target)]
        found.append(np.stack([first, 0 * t + (target == 2)], axis=1) + 0.05 * random.normal(size=(len(t), 2)))
    return Sequences.of(found, np.float32), targets  # type: ignore[arg-type]


def test_numeric_baselines_learn_what_can_be_learned() -> None:
    (train, targets), (valid, truth) = waves(0), waves(1)
    results = fit_baselines(train, targets, valid)
    assert tuple(result.name for result in results) == NUMERIC_BASELINES
    assert [accuracy(result, truth) > 0.95 for result in results] == [False, True, True]
    assert all(result.probabilities.shape == (60, 3) for result in results)


def test_statistics_are_numpys_and_of_real_steps_only() -> None:
    x = np.random.default_rng(0).normal(size=(7, 2))
    rows = Sequences.of([x, np.zeros((0, 2)), x[:1]], np.float64)  # type: ignore[arg-type]
    found = statistics(rows)
    expected = np.concatenate([x.mean(axis=0), x.std(axis=0), x.min(axis=0), x.max(axis=0), x[-1]])
    np.testing.assert_allclose(found[0], expected)
    assert not found[1].any()
    np.testing.assert_allclose(found[2], np.concatenate([x[0], [0, 0], x[0], x[0], x[0]]))


@given(st.lists(st.integers(0, 12), min_size=1, max_size=5), st.integers(1, 9))
def test_resampling_is_numpys_interpolation(lengths: list[int], points: int) -> None:
    random = np.random.default_rng(len(lengths))
    rows = [random.normal(size=(length, 2)) for length in lengths]
    found = resample(Sequences.of(rows, np.float64), points).reshape(len(rows), points, 2)  # type: ignore[arg-type]
    for x, got in zip(rows, found, strict=True):
        at = np.linspace(0, len(x) - 1, points)
        for feature in range(2):
            expected = np.interp(at, np.arange(len(x)), x[:, feature]) if len(x) else np.zeros(points)
            np.testing.assert_allclose(got[:, feature], expected, atol=1e-12)


def test_nearest_neighbour_remembers_its_rows() -> None:
    train, targets = waves(3)
    (result,) = fit_baselines(train, targets, train, names=["1-NN"])
    assert accuracy(result, targets) == 1.0


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((["a", "b"], [0, 1], ["c"]), {"names": ["SVM"]}, "no baseline 'SVM'.*TF-IDF"),
        ((["a", "b"], [0, 1], ["c"]), {"names": ["1-NN"]}, "no baseline '1-NN'"),
    ],
)
def test_wrong_names(arguments: tuple, options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fit_baselines(*arguments, **options)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((["a", "b"], [0, 0], ["c"]), {}, "fewer than two classes"),
        ((["a", "b"], [0, 1], ["c"]), {"sample_weight": [1, 0]}, "fewer than two classes"),
        ((["a", "b"], [0, 1], ["c"]), {"sample_weight": [1, np.nan]}, "not finite"),
        ((["a", "b"], [0, 1, 1], ["c"]), {}, "2 training rows"),
        ((["a", "b"], [0, -1], ["c"]), {}, "not class numbers"),
        ((["a", "b"], ["x", "y"], ["c"]), {}, "not class numbers"),
        ((["a", "b"], [0, 2], ["c"]), {"num_classes": 2}, "class number 2 among 2"),
        (([" ", ""], [0, 1], ["c"]), {}, "blank"),
        ((["a", "b"], [0, 1], Sequences.of([[1.0]])), {}, "different kinds"),
    ],
)
def test_unusable_data(arguments: tuple, options: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit_baselines(*arguments, **options)


def test_without_scikit_learn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(UsageError, match=r"scikit-learn.*timesteps\[torch\]"):
        fit_baselines(["a", "b"], [0, 1], ["c"])


def test_progress_names_each_baseline() -> None:
    said: list[str] = []
    fit_baselines(["a b", "c d"] * 4, [0, 1] * 4, ["a"], progress=said.append)
    assert [line.split(":")[0] for line in said] == [f"baseline {name}" for name in TEXT_BASELINES]
