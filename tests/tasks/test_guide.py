"""Learning a guide: what a training text is told about itself must not come from its own label."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from timesteps import Classifier
from timesteps.errors import UsageError
from timesteps.runtime.spec import GuideSpec, TextSpec
from timesteps.runtime.text.processor import TextProcessor
from timesteps.tasks.classify.guide import FOLDS, _fold, guide_spec, learn_guide
from timesteps.tasks.classify.prepare import prepare
from timesteps.tasks.classify.recipes import RECIPES
from timesteps.tasks.nbsvm import NBSVM, log_count_ratio

RNG = np.random.default_rng(3)
WORDS = [a + b for a in "abcde" for b in "uvwxyz"]
TEXTS = [" ".join(RNG.choice(WORDS, size=8)) for _ in range(200)]
TARGETS = np.array(["av" in text.split() for text in TEXTS]).astype(np.int64)
SPEC = GuideSpec(longest=2)


def learned(texts=TEXTS, targets=TARGETS, weights=None, spec=SPEC, classes=2):
    processor = TextProcessor.fit(list(texts), TextSpec(max_length=6))
    weights = np.ones(len(texts)) if weights is None else weights
    return learn_guide(processor, texts, targets, weights, classes, spec)


@pytest.mark.parametrize("spec", [SPEC, GuideSpec(unit="character", longest=3)])
def test_a_training_text_is_told_nothing_that_comes_from_its_own_label(spec: GuideSpec) -> None:
    """Turning the label of one text round changes the channels of others, not its own (the scale aside)."""
    _, before = learned(spec=spec)
    turned = TARGETS.copy()
    turned[17] = 1 - turned[17]
    _, after = learned(targets=turned, spec=spec)
    own = slice(before.offsets[17], before.offsets[18])
    assert np.abs(before.channels[own]).max() > 0
    ratio = np.abs(after.channels[own]).max() / np.abs(before.channels[own]).max()
    np.testing.assert_allclose(after.channels[own], before.channels[own] * ratio, rtol=1e-4, atol=1e-6)
    fold = np.array([_fold(text, 0) for text in TEXTS])
    other = int(np.flatnonzero(fold != fold[17])[0])
    theirs = slice(before.offsets[other], before.offsets[other + 1])
    assert not np.allclose(after.channels[theirs], before.channels[theirs] * ratio, rtol=1e-4, atol=1e-6)


def test_channels_are_the_ratios_of_the_other_folds() -> None:
    guided, steps = learned()
    fold = np.array([_fold(text, 0) for text in TEXTS])
    assert set(fold) == set(range(FOLDS))
    rest = fold != fold[5]
    vocabulary = {word: k for k, word in enumerate(WORDS)}
    rows = [sorted({vocabulary[word] for word in text.split()}) for text in TEXTS]
    every = {" ".join(pair) for text in TEXTS for pair in zip(text.split(), text.split()[1:], strict=False)}
    pairs = {pair: k + len(WORDS) for k, pair in enumerate(sorted(every))}
    for row, text in zip(rows, TEXTS, strict=True):
        row += sorted({pairs[" ".join(p)] for p in zip(text.split(), text.split()[1:], strict=False)})
    matrix = np.zeros((len(TEXTS), len(WORDS) + len(pairs)))
    for number, row in enumerate(rows):
        matrix[number, row] = 1
    common = matrix.sum(0) >= 2  # the vocabulary of all texts; of these, what two of the other folds' texts have
    ratio = np.full(len(common), np.nan)
    ratio[common] = log_count_ratio(csr_matrix(matrix[rest][:, common]), TARGETS[rest] == 1, np.ones(rest.sum()))
    known = common & (matrix[rest].sum(0) >= 2)
    tokens = TEXTS[5].split()
    wanted = [
        [ratio[vocabulary[b]] * known[vocabulary[b]], ratio[pairs[f"{a} {b}"]] if known[pairs[f"{a} {b}"]] else 0.0]
        for a, b in list(itertools.pairwise(tokens))[1:]
    ]
    found = steps.channels[steps.offsets[5] : steps.offsets[6]]
    scale = wanted[0][0] / found[0][0]
    np.testing.assert_allclose(found * scale, wanted, rtol=1e-4, atol=1e-5)
    # All texts together teach what other texts are told, in the same unit.
    everything = np.full(len(common), 0.0)
    everything[common] = log_count_ratio(csr_matrix(matrix[:, common]), TARGETS == 1, np.ones(len(TEXTS)))
    told = guided.steps(["unknown av"]).channels
    np.testing.assert_allclose(told * scale, [[0, 0], [everything[1], 0]], rtol=1e-4, atol=1e-6)


def test_the_scale_is_that_of_the_training_channels() -> None:
    _, steps = learned()
    assert abs(steps.channels.std() - 1) < 1e-3


def test_the_linear_model_is_nbsvm() -> None:
    guided, steps = learned()
    found = guided.guide.find(guided.units(TEXTS, SPEC)).distinct()
    matrix = csr_matrix((np.ones(len(found.ids), np.float32), found.ids, found.offsets))
    model = NBSVM(C=0.3).fit(matrix, TARGETS, np.ones(len(TEXTS)), 2)
    shares = 1 / (1 + np.exp(-steps.linear[:, 0].astype(float)))
    np.testing.assert_allclose(shares, model.predict_proba(matrix)[:, 1], atol=1e-5)


def test_three_classes_have_a_channel_each() -> None:
    targets = np.array([WORDS.index(text.split()[0]) % 3 for text in TEXTS])
    _, steps = learned(targets=targets, classes=3)
    assert steps.channels.shape[1] == 2 * 3
    assert steps.linear.shape == (len(TEXTS), 3)


def test_without_a_repeated_n_gram_there_is_no_guide() -> None:
    processor, steps = learned(["a b", "c d", "e"], np.array([0, 1, 0]))
    assert processor.guide is None
    assert steps.channels is None


def test_weights_count() -> None:
    weights = np.ones(len(TEXTS))
    weights[:100] = 3
    _, weighted = learned(weights=weights)
    _, plain = learned()
    assert not np.allclose(weighted.linear, plain.linear, atol=1e-3)


def test_the_unit_that_suits_the_texts() -> None:
    assert guide_spec("auto", None, ["정말 재미있다"]) == GuideSpec(unit="character", longest=5)
    assert guide_spec("auto", 2, ["good film"]) == GuideSpec(unit="token", longest=2)
    assert guide_spec("token", None, ["정말 재미있다"]).unit == "token"


def test_a_classifier_with_a_guide_learns_saves_and_answers_alike(tmp_path) -> None:
    model = Classifier(guide="token", members=2, unguided=1, epochs=3, max_length=6, hidden_size=8, consistency=0.0)
    model.fit(TEXTS, TARGETS)
    assert model.score(TEXTS, TARGETS) > 0.9
    assert model.session_.spec.text.guide == GuideSpec(longest=3)
    assert model.session_.spec.unguided == 1
    model.save(tmp_path / "model.safetensors")
    from timesteps import load

    np.testing.assert_array_equal(load(tmp_path / "model.safetensors").logits(TEXTS), model.session_.logits(TEXTS))


def test_what_a_guide_cannot_read_is_refused() -> None:
    with pytest.raises(UsageError, match="guide"):
        RECIPES["textbook"].but(guide="token")
    with pytest.raises(UsageError, match="token ids"):
        prepare("ids", [[4, 5], [6]], RECIPES["ids"].but(guide="token"), [0, 1], targets=np.array([0, 1]))
    with pytest.raises(UsageError, match="guide_share"):
        Classifier(guide="token", guide_share=1.5).fit(TEXTS, TARGETS)
