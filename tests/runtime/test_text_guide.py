"""A guide: its n-grams against scikit-learn's, the core against the definition, and what a network makes of it."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import random_models as models
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from timesteps.errors import DataError, ModelError, UsageError
from timesteps.nn.models import Regularization, build
from timesteps.runtime import native
from timesteps.runtime.layout import check_spec, member_network, member_prefix
from timesteps.runtime.network import Network
from timesteps.runtime.sequences import Bags
from timesteps.runtime.session import Session
from timesteps.runtime.spec import BagSpec, GuideSpec, TextSpec
from timesteps.runtime.text.grams import Found, GramCounter, grams, look_up_grams
from timesteps.runtime.text.guide import Guide, channels
from timesteps.runtime.text.ngrams import feature, parse_piece, pieces
from timesteps.runtime.text.processor import TextProcessor
from timesteps.training.collate import collate
from timesteps.training.predict import logits

_PLAIN = TextSpec()
TEXTS = ["재미 있다 있다", "a b a b!", "", " 두 칸 ", "b", "a b a"]


def learned(texts: list[str], spec: GuideSpec, text: TextSpec = _PLAIN) -> tuple[TextProcessor, np.ndarray]:
    processor = TextProcessor.fit(texts, text)
    counter = GramCounter(spec)
    counter.add(processor.units(texts, spec))
    return processor, counter.features()


@pytest.mark.parametrize("core", [True, False])
@pytest.mark.parametrize(("unit", "least"), [("token", 1), ("token", 2), ("character", 2)])
def test_the_n_grams_of_a_row_are_those_of_scikit_learn(unit: str, least: int, core: bool, monkeypatch) -> None:
    if not core:
        monkeypatch.setattr(native, "core", None)
    spec = GuideSpec(unit=unit, longest=3, min_count=least)
    processor, features = learned(TEXTS, spec)
    rows = processor.units(TEXTS, spec)
    if unit == "token":
        vectorizer = CountVectorizer(ngram_range=(1, 3), analyzer=lambda row: _joined(row, 3), min_df=least)
        matrix = vectorizer.fit_transform(rows)
        names = [feature("p", name) for name in vectorizer.get_feature_names_out()]
    else:
        vectorizer = CountVectorizer(ngram_range=(1, 3), analyzer="char", min_df=least, lowercase=False)
        matrix = vectorizer.fit_transform(["".join(row) for row in rows])
        names = [feature("c", name) for name in vectorizer.get_feature_names_out()]
    assert sorted(names) == features.tolist()
    distinct = look_up_grams(rows, spec, features).distinct()
    for row in range(len(rows)):
        ours = {int(features[k]) for k in distinct.ids[distinct.offsets[row] : distinct.offsets[row + 1]]}
        assert ours == {names[column] for column in matrix[row].indices}


def _joined(row: list[str], longest: int) -> list[str]:
    return ["\x1f".join(row[i : i + n]) for n in range(1, longest + 1) for i in range(len(row) - n + 1)]


@pytest.mark.skipif(native.core is None, reason="the compiled core is not there")
@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.lists(st.text("가나ab !\U0001f600\x1f", min_size=1, max_size=4), max_size=6), max_size=5),
    st.sampled_from(["token", "character"]),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_the_core_finds_what_the_definition_says(rows: list[list[str]], unit: str, longest: int, least: int) -> None:
    spec = GuideSpec(unit=unit, longest=longest, min_count=least)
    compiled = GramCounter(spec)
    compiled.add(rows)
    plain = GramCounter(spec)
    plain._counts.core = None
    plain.add(rows)
    features = plain.features()
    np.testing.assert_array_equal(compiled.features(), features)
    found = look_up_grams(rows, spec, features)
    wanted: list[list[int]] = [[] for _ in range(sum(map(len, rows)) * longest)]
    first = 0
    for row in rows:
        for slot, key in grams(row, spec):
            wanted[first * longest + slot] += [int(np.searchsorted(features, key))] if key in features else []
        first += len(row)
    assert [part.tolist() for part in np.split(found.bags.ids, found.bags.offsets[1:-1])] == (wanted or [[]])
    assert found.offsets.tolist() == np.cumsum([0, *map(len, rows)]).tolist()


def test_truncation_cuts_steps_but_not_n_grams() -> None:
    spec = GuideSpec(longest=2, min_count=1)
    text = TextSpec(max_length=3, truncating="middle", head_length=1)
    processor, features = learned(["a b c d e"], spec, text)
    ratio = np.arange(1, len(features) + 1, dtype=np.float32)[:, None]
    guide = Guide(spec, features, ratio, ratio, np.zeros(1, np.float32))
    steps = processor.guided_by(guide).steps(["a b c d e"])
    value = {int(key): float(r) for key, r in zip(features, ratio[:, 0], strict=True)}
    pair = [value[feature("p", f"{a}\x1f{b}")] for a, b in ("cd", "de")]
    assert steps.channels is not None
    assert steps.linear is not None
    assert steps.channels[:, 0].tolist() == [value[feature("p", token)] for token in "ade"]
    assert steps.channels[:, 1].tolist() == [0.0, *pair]
    assert steps.linear[0, 0] == ratio.sum()


def test_characters_between_tokens_belong_to_the_later_one() -> None:
    processor = TextProcessor.fit(["x"], TextSpec())
    row = processor.units([" ab,  cd "], GuideSpec(unit="character"))[0]
    assert row == ["\x02 ab", ",", "  cd\x03"]
    assert processor.units([""], GuideSpec(unit="character")) == [[]]


def test_channels_are_sums_by_step_order_and_output() -> None:
    found = Found(Bags(np.array([0, 1, 1], np.int32), np.array([0, 1, 1, 1, 3])), np.array([0, 2]), 2)
    ratio = np.array([[1.0, -1.0], [2.0, 3.0]], np.float32)
    assert channels(found, ratio).tolist() == [[1, -1, 0, 0], [0, 0, 4, 6]]
    none = Found(Bags(np.zeros(0, np.int32), np.zeros(1, np.int64)), np.zeros(3, np.int64), 2)
    assert channels(none, ratio).shape == (0, 4)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("unit", ["character", "token"])
@pytest.mark.parametrize("layer_norm", [False, True])
def test_torch_and_numpy_make_the_same_of_a_guide(outputs: int, unit: str, layer_norm: bool) -> None:
    spec, tensors = models.guided_model(outputs=outputs, unit=unit, layer_norm=layer_norm)
    texts = [*models.TEXTS, "정말 모르는 낱말", "!"]
    steps = TextProcessor.load(spec.text, tensors).steps(texts)
    answers = []
    for member in range(spec.members):
        prefix = member_prefix(spec, member)
        own = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        shape = member_network(spec, member)
        network = build(shape, Regularization(input_dropout=0.5)).eval()
        network.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in own.items()})
        theirs = logits(network, steps)
        np.testing.assert_allclose(Network(shape, own).logits(steps), theirs, atol=2e-6)
        answers.append(theirs)
    np.testing.assert_allclose(Session(spec, tensors).logits(texts), np.mean(answers, axis=0), atol=2e-6)


def test_the_share_of_the_linear_model() -> None:
    spec, tensors = models.guided_model(members=1, unguided=0)
    steps = TextProcessor.load(spec.text, tensors).steps(models.TEXTS)
    alone = msgspec.structs.replace(spec.network, share=0.0)
    other = Network(alone, tensors).logits(steps)
    assert steps.linear is not None
    np.testing.assert_allclose(
        Network(spec.network, tensors).logits(steps), 0.75 * other + 0.25 * steps.linear, atol=1e-6
    )


def test_in_training_the_network_answers_alone_and_no_dropout_touches_the_channels() -> None:
    spec, tensors = models.guided_model(members=1, unguided=0)
    steps = TextProcessor.load(spec.text, tensors).steps(models.TEXTS)
    network = build(spec.network, Regularization(input_dropout=0.9, word_dropout=0.9, feature_dropout=0.9))
    seen = []
    run = network.rnn.run
    network.rnn.run = lambda x, *args, **kwargs: (seen.append((x, kwargs["spared"])), run(x, *args, **kwargs))[1]
    batch = collate(steps, np.arange(len(steps)))
    network.train()
    first = network(batch)
    x, spared = seen[0]
    assert spared == spec.network.channels
    np.testing.assert_array_equal(x[..., -spared:].detach().numpy(), batch.channels.numpy())
    without = network(batch._replace(linear=None), torch.Generator().manual_seed(1))
    assert first.shape == without.shape
    with pytest.raises(UsageError, match="linear logits"):
        network.eval()(batch._replace(linear=None))


def test_a_guide_that_does_not_fit_its_model_is_refused() -> None:
    spec, tensors = models.guided_model()
    wrong = dict(tensors, **{"guide.features": tensors["guide.features"][::-1].copy()})
    with pytest.raises(ModelError, match="not sorted"):
        Session(spec, wrong)
    ids = msgspec.structs.replace(spec.text, tokenizer="ids")  # rows of ids have no text that a guide could read
    for change in ({"unguided": 4}, {"network": msgspec.structs.replace(spec.network, share=1.5)}, {"text": ids}):
        with pytest.raises(ModelError, match="contradicts itself"):
            check_spec(msgspec.structs.replace(spec, **change))
    with pytest.raises(UsageError, match="start steps"):
        TextProcessor(TextSpec(start=True, guide=GuideSpec()), guide=Guide.load(spec.text.guide, tensors))
    with pytest.raises(UsageError, match="pieces of the text"):
        TextProcessor(
            TextSpec(tokenizer="jamo", guide=GuideSpec(unit="character")), guide=Guide.load(spec.text.guide, tensors)
        )
    steps = TextProcessor.load(msgspec.structs.replace(spec.text, guide=None), tensors).steps(["좋다"])
    own = {name.removeprefix("members.0."): tensor for name, tensor in tensors.items()}
    with pytest.raises(DataError, match="channels"):
        Network(spec.network, own).logits(steps)


def test_a_page_without_blanks_takes_memory_by_its_length_and_not_its_square() -> None:
    """Each piece is a string that holds its unit, which therefore must not be a page."""
    page = "".join(chr(0xAC00 + 7 * k % 11172) for k in range(6000))
    found = pieces(page, 2)
    assert len(found) == 3000
    assert sum(map(len, found)) < 300 * len(found)
    assert "".join(unit[begin:end] for unit, begin, end in map(parse_piece, found)) == page
    spec = GuideSpec(unit="character", longest=2, min_count=1)
    processor, _ = learned([page], spec, TextSpec(bag=BagSpec(piece=2, min_count=1)))
    assert "".join(processor.units([page], spec)[0]) == f"\x02{page}\x03"


def test_with_pieces_a_step_is_two_syllables_to_bag_and_guide_alike() -> None:
    text = TextSpec(bag=BagSpec(piece=2, min_count=1))
    spec = GuideSpec(unit="character", longest=2, min_count=1)
    texts = ["정말 재미있는 film", "재미있네"]
    processor, features = learned(texts, spec, text)
    assert processor.tokens(texts) == [["정말", "재미", "있는", "film"], ["재미", "있네"]]
    assert processor.units(texts, spec) == [["\x02정말", " 재미", "있는", " film\x03"], ["\x02재미", "있네\x03"]]
    ones = np.ones((len(features), 1), np.float32)
    steps = processor.guided_by(Guide(spec, features, ones, ones, np.zeros(1, np.float32))).steps(texts)
    assert steps.lengths.tolist() == [4, 2]
    assert steps.channels is not None
    assert steps.channels.tolist() == [[3, 2], [3, 3], [2, 2], [6, 6], [3, 2], [3, 3]]
