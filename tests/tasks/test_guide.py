"""Learning a guide: what a training text is told about itself must not come from its own label."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from timesteps import Classifier
from timesteps.errors import UsageError
from timesteps.runtime.spec import GuideSpec, TextSpec
from timesteps.runtime.text.processor import TextProcessor
from timesteps.tasks.classify.guide import FOLDS, _fold, guide_spec, learn_guide
from timesteps.tasks.classify.plan import plan
from timesteps.tasks.classify.prepare import prepare
from timesteps.tasks.classify.recipes import RECIPES
from timesteps.tasks.classify.request import Request
from timesteps.tasks.classify.source import Listed
from timesteps.tasks.nbsvm import NBSVM, log_count_ratio

RNG = np.random.default_rng(3)
WORDS = [a + b for a in "abcde" for b in "uvwxyz"]
TEXTS = [" ".join(RNG.choice(WORDS, size=8)) for _ in range(200)]
TARGETS = np.array(["av" in text.split() for text in TEXTS]).astype(np.int64)
SPEC = GuideSpec(longest=2)


def learned(texts=TEXTS, targets=TARGETS, weights=None, spec=SPEC, classes=2):
    processor = TextProcessor.fit(list(texts), TextSpec(max_length=6))
    weights = np.ones(len(texts)) if weights is None else weights
    found = learn_guide(processor, Listed(list(texts), np.asarray(targets), weights), classes, spec)
    steps = processor.steps(list(texts))
    if found is None:
        return processor, steps
    guided, heard = found
    channels, linear = heard.whole(len(steps.values))
    return guided, replace(steps, channels=channels, linear=linear)


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
    # Both stop at the same slope of the dual, by different paths.
    np.testing.assert_allclose(shares, model.predict_proba(matrix)[:, 1], atol=2e-4)


def test_training_texts_have_the_linear_logits_of_the_guide() -> None:
    guided, steps = learned()
    np.testing.assert_allclose(steps.linear, guided.steps(TEXTS).linear, atol=1e-5)


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


KOREAN = ["좋은 영화 였다", "나쁜 영화 였다", "아주 좋은 이야기", "너무 나쁜 이야기"] * 4
TINY = {"embedding_size": 4, "hidden_size": 2, "epochs": 1, "members": 1}


@pytest.mark.parametrize("tokenizer", ["byte", "jamo", "subword"])
def test_tokens_that_are_no_pieces_of_the_text_make_the_guide_one_of_tokens(tokenizer: str) -> None:
    size = 60 if tokenizer == "subword" else None
    model = Classifier("words", tokenizer=tokenizer, num_words=size, pretrain=0, **TINY).fit(KOREAN, [1, 0] * 8)
    assert model.session_.spec.text.guide == GuideSpec(unit="token", longest=3)
    with pytest.raises(UsageError, match="give guide='token'"):
        Classifier("words", tokenizer=tokenizer, guide="character", num_words=size, **TINY).fit(KOREAN, [1, 0] * 8)


def test_texts_without_a_step_in_batches_of_their_own() -> None:
    """In training, where batches hold rows of one length, and in validation."""
    model = Classifier("small", **TINY)
    model.fit([*KOREAN, *[" "] * 64], [1, 0] * 40, validation_data=(["", "\n"], [1, 0]))
    assert np.isfinite(model.predict_proba(["", "좋은"])).all()
    assert model.history_[-1].keys() >= {"val_loss"}


def test_a_class_whose_rows_weigh_nothing_is_there_and_improbable() -> None:
    targets = np.arange(len(TEXTS)) % 3
    weights = np.where(targets == 2, 0.0, 1.0)
    model = Classifier("words", pretrain=0, **TINY).fit(TEXTS, targets, sample_weight=weights)
    assert model.predict_proba(TEXTS).shape == (len(TEXTS), 3)
    assert model.predict_proba(TEXTS)[:, 2].max() < 0.3
    found = NBSVM(alpha=1.0).fit(csr_matrix(np.eye(4)), np.array([0, 0, 1, 0]), np.ones(4), 3).coefficients()
    assert found[0].shape == (4, 3)
    assert (found[0][:, 2] == 0).all()
    assert found[1][2] == pytest.approx(np.log(1 / 5))


def test_too_many_classes_for_a_guide() -> None:
    targets = np.arange(len(TEXTS)) % 25
    assert Classifier("words", pretrain=0, **TINY).fit(TEXTS, targets).session_.spec.text.guide is None
    with pytest.raises(UsageError, match="guide is 'token', but there are 25 classes, at most 20"):
        Classifier("words", guide="token", pretrain=0, **TINY).fit(TEXTS, targets)


def test_a_dry_run_counts_the_memory_of_the_channels(tmp_path) -> None:
    rows = [f"{text},{target}\n" for text, target in zip(TEXTS, TARGETS, strict=True)]
    (tmp_path / "data.csv").write_text("text,label\n" + "".join(rows))
    choices = {"input": "ids", "hidden_size": 1, "embedding_size": 1, "guide_longest": 9}
    plans = [
        plan(Request(data=str(tmp_path / "data.csv"), choices=choices | {"guide": guide}), lambda said: None)
        for guide in ("none", "token")
    ]
    steps = sum(len(part.sequences.values) for part in (plans[1].ready.train, plans[1].ready.valid))
    assert plans[1].bytes - plans[0].bytes > 4 * 9 * steps


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
    for change in ({"guide_share": 1.5}, {"guide_share": "0.5"}, {"guide_longest": 2.5}, {"guide_longest": 65}):
        with pytest.raises(UsageError, match=next(iter(change))):
            Classifier(guide="token", **change).fit(TEXTS, TARGETS)
