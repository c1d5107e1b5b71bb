"""Texts to steps: every option against a simple statement of it, learning, and what goes into a model file."""

import gzip
import sys
from collections import Counter
from importlib import resources
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timesteps.errors import DataError, ModelError, UsageError
from timesteps.runtime import native
from timesteps.runtime.spec import BagSpec, TextSpec
from timesteps.runtime.text import splitting
from timesteps.runtime.text.bags import look_up
from timesteps.runtime.text.ngrams import phrase_features, unit_features
from timesteps.runtime.text.processor import TextProcessor, cut
from timesteps.runtime.text.sequences import pad_sequences
from timesteps.runtime.text.tokenizers import tokenize

TEXTS = ["영화 영화 재밌다ㅋㅋㅋ", "별로다... 영화", "a b a c a d", ""]
SMALL = BagSpec(syllable=(1, 2), jamo=(3, 4), phrase=2, min_count=1)


@pytest.fixture(scope="module")
def reviews():
    packed = resources.files("timesteps.data").joinpath("samples/nsmc_cc0_4000.tsv.gz").read_bytes()
    return [line.rsplit("\t", 1)[0] for line in gzip.decompress(packed).decode().splitlines()]


def rows(sequences):
    return [sequences.values[start:end].tolist() for start, end in pairwise(sequences.offsets)]


def test_ids_of_words():
    processor = TextProcessor.fit(TEXTS, TextSpec())
    assert processor.spec.words[:3] == ("영화", "a", "재밌다")
    assert processor.input_size == 3 + len(processor.spec.words)
    steps = processor.steps(["a 영화 zzz", "", "A"])
    assert rows(steps) == [[4, 3, 2], [], [4]]
    assert (steps.values.dtype, steps.offsets.dtype, steps.bags) == (np.int32, np.int64, None)


def test_vocabulary_is_that_of_a_counter(reviews):
    processor = TextProcessor.fit(reviews, TextSpec(num_words=500))
    counter = Counter(token for text in reviews for token in tokenize(text.lower()))
    assert processor.spec.words == tuple(word for word, _ in counter.most_common(497))
    assert processor.input_size == 500
    values = processor.steps(reviews).values
    assert set(values) == {2, *range(3, 500)}


@settings(max_examples=200, deadline=None)
@given(
    length=st.integers(0, 9),
    max_length=st.integers(1, 6),
    truncating=st.sampled_from(["pre", "post"]),
    padding=st.sampled_from(["pre", "post"]),
)
def test_cut_rows_are_those_of_pad_sequences(length, max_length, truncating, padding):
    row = list(range(5, 5 + length))
    spec = TextSpec(max_length=max_length, truncating=truncating, padding=padding, mask=False)
    expected = pad_sequences([row], max_length, truncating=truncating, padding=padding)[0]
    np.testing.assert_array_equal(cut(row, spec), expected)
    masked = cut(np.array(row, np.int64), msgspec.structs.replace(spec, mask=True))
    assert masked.tolist() == [number for number in expected if number]


@given(st.integers(0, 12), st.integers(1, 8), st.data(), st.booleans())
def test_the_middle_is_cut_out(length, max_length, data, start):
    head = data.draw(st.integers(0, max_length - start))
    row = list(range(5, 5 + length))
    spec = TextSpec(max_length=max_length, truncating="middle", head_length=head, start=start)
    tail = max_length - start - head
    kept = row if length + start <= max_length else row[:head] + row[length - tail :]
    assert cut(row, spec).tolist() == [1] * start + kept


def test_start_and_padding():
    spec = TextSpec(start=True, mask=False, max_length=4, padding="post")
    processor = TextProcessor.fit(["a b", "a"], spec)
    assert processor.spec.words == ("a", "b")
    assert rows(processor.steps(["b", "a b a b a", ""])) == [[1, 4, 0, 0], [1, 3, 4, 3], [1, 0, 0, 0]]
    assert processor.tokens(["b"]) == [["<start>", "b", "<padding>", "<padding>"]]


@pytest.mark.parametrize("tokenizer", ["word", "char", "syllable", "jamo", "byte", "subword"])
@pytest.mark.parametrize("start", [False, True])
def test_as_many_tokens_as_steps(reviews, tokenizer, start):
    num_words = {"byte": None, "subword": 1500}.get(tokenizer, 300)
    spec = TextSpec(tokenizer=tokenizer, start=start, max_length=9, num_words=num_words)
    processor = TextProcessor.fit(reviews[:300], spec)
    texts = [*reviews[300:330], ""]
    steps = processor.steps(texts)
    assert [len(row) for row in processor.tokens(texts)] == steps.lengths.tolist()
    assert steps.values.min() > 0
    assert steps.values.max() < processor.input_size
    assert len(set(steps.values.tolist())) > 5
    if start:
        assert all(row[0] == 1 and 1 not in row[1:] for row in rows(steps))


def test_bytes_need_no_vocabulary():
    processor = TextProcessor.fit([], TextSpec(tokenizer="byte"))
    assert (processor.input_size, processor.spec.words) == (259, ())
    assert rows(processor.steps(["é"])) == [[3 + 0xC3, 3 + 0xA9]]


def test_subwords_spell_the_text(reviews):
    processor = TextProcessor.fit(reviews, TextSpec(tokenizer="subword", num_words=2000))
    assert 1000 < processor.input_size <= 2000
    text = "정말 재미있는 영화"
    assert "".join(processor.tokens([text])[0]).replace("▁", " ").strip() == text
    again = TextProcessor.load(processor.spec, processor.tensors())
    assert rows(again.steps(reviews[:50])) == rows(processor.steps(reviews[:50]))
    assert rows(processor.steps(["鬱"]))[0][-1] == 2


def test_subwords_without_sentencepiece(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(UsageError, match=r"timesteps\[text\]"):
        TextProcessor.fit(["a"], TextSpec(tokenizer="subword"))


@pytest.mark.parametrize("chunk", [1, 3, 8192])
@pytest.mark.parametrize("use_core", [True, False])
def test_bags_are_the_definition(reviews, monkeypatch, chunk, use_core):
    """Counting, ids, bags of units and of phrases on real reviews, whatever the chunks and the implementation."""
    if use_core and native.core is None:
        pytest.skip(native.explain())
    if not use_core:
        monkeypatch.setattr(native, "core", None)
    monkeypatch.setattr(splitting, "CHUNK", chunk)
    spec = TextSpec(bag=msgspec.structs.replace(SMALL, min_count=3), max_length=12, truncating="post")
    texts = [*reviews[:80], ""]
    tokens = [tokenize(text.lower())[:12] for text in texts]
    counter = Counter()
    for row in tokens:
        for unit in row:
            counter.update(unit_features(unit, spec.bag))
        for found in phrase_features(row, 2):
            counter.update(found)
    expected = sorted(key for key, count in counter.items() if count >= 3)

    processor = TextProcessor.fit(texts, spec)
    assert processor.tensors()["text.features"].view(np.uint64).tolist() == expected
    assert processor.input_size == len(expected)
    steps = processor.steps(texts)
    assert steps.lengths.tolist() == [len(row) for row in tokens]
    assert len(steps.bags) == len({unit for row in tokens for unit in row})
    assert len(steps.phrases) == len(steps.values)
    places = {key: place for place, key in enumerate(expected)}
    step = 0
    for row in tokens:
        for unit, found in zip(row, phrase_features(row, 2), strict=True):
            bag = steps.bags.take(steps.values[step : step + 1]).ids.tolist()
            assert bag == sorted(places[key] for key in unit_features(unit, spec.bag) if key in places)
            phrases = steps.phrases.take(np.array([step])).ids.tolist()
            assert phrases == sorted(places[key] for key in found if key in places)
            step += 1


def test_one_bag_a_distinct_unit_over_chunks(reviews, monkeypatch):
    whole = TextProcessor.fit(reviews[:60], TextSpec(bag=BagSpec(min_count=2)))
    steps = whole.steps(reviews[:60])
    monkeypatch.setattr(splitting, "CHUNK", 7)
    parts = whole.steps(reviews[:60])
    for name in ("values", "offsets"):
        np.testing.assert_array_equal(getattr(steps, name), getattr(parts, name))
    np.testing.assert_array_equal(steps.bags.ids, parts.bags.ids)
    np.testing.assert_array_equal(steps.bags.offsets, parts.bags.offsets)
    assert steps.phrases is None


def test_phrases_do_not_reach_over_a_cut():
    spec = TextSpec(bag=SMALL, max_length=4, truncating="middle", head_length=2)
    processor = TextProcessor.fit(["a b c d", "b c", "b e"], spec)
    steps = processor.steps(["a b x x x b e", "a b b e"])
    sizes = np.diff(steps.phrases.offsets).tolist()
    assert sizes == [0, 1, 0, 1, 0, 1, 0, 1]
    joined = TextProcessor.fit(["b b"], spec).steps(["a b x x x b e", "a b b e"])
    assert np.diff(joined.phrases.offsets).tolist() == [0, 0, 0, 0, 0, 0, 1, 0]


def test_padding_of_bags_is_an_empty_bag():
    spec = TextSpec(bag=SMALL, max_length=4, mask=False)
    processor = TextProcessor.fit(["a b", "a"], spec)
    assert processor.input_size == TextProcessor.fit(["a b", "a"], msgspec.structs.replace(spec, mask=True)).input_size
    steps = processor.steps(["a b"])
    assert steps.lengths.tolist() == [4]
    sizes = np.diff(steps.bags.offsets)[steps.values].tolist()
    assert sizes[:2] == [0, 0]
    assert min(sizes[2:]) > 0
    assert np.diff(steps.phrases.offsets).tolist() == [0, 0, 0, 1]


def test_num_words_keeps_the_most_frequent_features():
    spec = TextSpec(bag=BagSpec(syllable=None, jamo=None, min_count=1), num_words=2)
    processor = TextProcessor.fit(["a b c a b a"], spec)
    assert processor.input_size == 2
    steps = processor.steps(["a b c"])
    assert np.diff(steps.bags.offsets).tolist() == [1, 1, 0]


def test_no_texts():
    processor = TextProcessor.fit(["a"], TextSpec(bag=SMALL))
    steps = processor.steps([])
    assert (len(steps), len(steps.bags), len(steps.phrases)) == (0, 0, 0)
    assert len(TextProcessor.fit(["a"], TextSpec()).steps([])) == 0


@pytest.mark.parametrize(
    "spec",
    [
        TextSpec(),
        TextSpec(tokenizer="jamo", num_words=12),
        TextSpec(bag=SMALL),
        TextSpec(bag=SMALL, tokenizer="subword"),
    ],
    ids=["words", "jamo", "bags", "bags of subwords"],
)
def test_saved_is_loaded(reviews, spec):
    fitted = TextProcessor.fit(reviews[:400], spec)
    spec = msgspec.json.decode(msgspec.json.encode(fitted.spec), type=TextSpec)
    loaded = TextProcessor.load(spec, {name: tensor.copy() for name, tensor in fitted.tensors().items()})
    assert (loaded.spec, loaded.input_size) == (fitted.spec, fitted.input_size)
    ours, theirs = loaded.steps(reviews[400:500]), fitted.steps(reviews[400:500])
    np.testing.assert_array_equal(ours.values, theirs.values)
    if spec.bag is not None:
        np.testing.assert_array_equal(ours.bags.ids, theirs.bags.ids)
        features = loaded.tensors()["text.features"]
        assert features.dtype == np.int64
        alone = look_up(["영화"], spec.bag, features.view(np.uint64))
        assert len(alone.ids) > 0


@pytest.mark.parametrize(
    ("spec", "tensors"),
    [
        (TextSpec(bag=SMALL), {}),
        (TextSpec(bag=SMALL), {"text.features": np.zeros(3, np.int32)}),
        (TextSpec(bag=SMALL), {"text.features": np.zeros((1, 3), np.int64)}),
        (TextSpec(bag=SMALL), {"text.features": np.array([2, 1])}),
        (TextSpec(bag=SMALL), {"text.features": np.array([1, 1])}),
        (TextSpec(bag=SMALL), {"text.features": np.array([-1, 1])}),
        (TextSpec(tokenizer="subword"), {}),
        (TextSpec(tokenizer="subword"), {"text.subword": np.frombuffer(b"no model", np.uint8)}),
        (TextSpec(words=("a", "a")), {}),
        (TextSpec(words=("a",), max_length=0), {}),
        (TextSpec(bag=SMALL, tokenizer="ids"), {"text.features": np.array([1])}),
    ],
)
def test_damaged_models_are_refused(spec, tensors):
    with pytest.raises(ModelError):
        TextProcessor.load(spec, tensors)


@pytest.mark.parametrize(
    "options",
    [
        {"max_length": 0},
        {"mask": False},
        {"truncating": "middle"},
        {"truncating": "middle", "max_length": 3, "head_length": 4},
        {"truncating": "middle", "max_length": 3, "head_length": 3, "start": True},
        {"squeeze": -1},
        {"num_words": 3},
        {"index_from": 2},
        {"tokenizer": "ids"},
        {"tokenizer": "byte", "num_words": 20},
        {"tokenizer": "subword", "index_from": 4},
        {"bag": SMALL, "tokenizer": "byte"},
        {"bag": SMALL, "start": True},
        {"bag": SMALL, "num_words": 0},
        {"bag": BagSpec(syllable=(3, 1))},
    ],
)
def test_specifications_that_contradict_themselves(options):
    with pytest.raises(UsageError):
        TextProcessor.fit(["a b"], TextSpec(**options))


@pytest.mark.parametrize(
    "spec", [TextSpec(), TextSpec(bag=SMALL), TextSpec(bag=BagSpec(min_count=9)), TextSpec(tokenizer="subword")]
)
def test_nothing_to_learn_from(spec):
    with pytest.raises(DataError):
        TextProcessor.fit(["", " "] if spec.bag is None or spec.bag.min_count == 1 else ["a b"], spec)
    with pytest.raises(DataError):
        TextProcessor.fit([], spec)
