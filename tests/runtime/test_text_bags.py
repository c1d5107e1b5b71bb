"""Bags of n-grams: what they hold, counting, and the two implementations, which must agree to the bit."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timesteps.errors import UsageError
from timesteps.runtime import native
from timesteps.runtime.spec import BagSpec
from timesteps.runtime.text.bags import FeatureCounter, look_up, look_up_phrases
from timesteps.runtime.text.ngrams import feature, fnv1a, ngrams, parse_piece, phrase_features, pieces, unit_features

needs_core = pytest.mark.skipif(native.core is None, reason=native.explain())
RANGES = st.one_of(st.none(), st.tuples(st.integers(1, 4), st.integers(0, 3)).map(lambda pair: (pair[0], sum(pair))))
UNITS = st.text(
    st.one_of(st.characters(), st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), st.sampled_from("aㅋ\ud800")),
    max_size=12,
)
PIECES = st.tuples(UNITS, st.integers(0, 9), st.integers(0, 14)).map(lambda piece: "\x1e".join(map(str, piece)))
SPECS = st.builds(BagSpec, word=st.just(True), syllable=RANGES, jamo=RANGES, phrase=st.integers(1, 4))


@pytest.fixture(params=[pytest.param("core", marks=needs_core), "plain"])
def either(request, monkeypatch):
    if request.param == "plain":
        monkeypatch.setattr(native, "core", None)


def shown(ngram):
    return ngram.replace("\x02", "<").replace("\x03", ">")


def test_fnv1a_by_the_numbers_of_its_authors():
    """From the test vectors of the FNV reference implementation."""
    known = {b"": 0xCBF29CE484222325, b"a": 0xAF63DC4C8601EC8C, b"foobar": 0x85944171F73967E8}
    assert {data: fnv1a(data) for data in known} == known


def test_ngrams_between_marks():
    assert [shown(ngram) for ngram in ngrams("재밌", 2, 3)] == ["<재", "<재밌", "재밌", "재밌>", "밌>"]
    assert [shown(ngram) for ngram in ngrams("a", 1, 9)] == ["<a", "<a>", "a", "a>"]
    assert list(ngrams("ab", 5, 9)) == []


def test_features_of_a_unit(either):
    spec = BagSpec(syllable=(1, 2), jamo=(4, 4), min_count=1)
    expected = {feature("w", "한글"), *(feature("s", ngram) for ngram in ("\x02한", "한", "한글", "글", "글\x03"))}
    jamo = ["\x02\u1112\u1161\u11ab", "\u1112\u1161\u11ab\u1100", "\u1161\u11ab\u1100\u1173"]
    jamo += ["\u11ab\u1100\u1173\u11af", "\u1100\u1173\u11af\x03"]
    expected |= {feature("j", ngram) for ngram in jamo}
    assert unit_features("한글", spec) == expected
    counter = FeatureCounter(spec)
    counter.add(["한글"], np.array([1]))
    assert counter.features().tolist() == sorted(expected)


def test_a_bag_is_a_set(either):
    counter = FeatureCounter(BagSpec(word=False, syllable=(1, 1), jamo=None, min_count=1))
    counter.add(["aaaa", "ab"], np.array([2, 3]))
    assert len(counter) == 2
    assert counter.features(min_count=5).tolist() == [feature("s", "a")]
    assert counter.features(min_count=6).tolist() == []


def test_families_do_not_mix():
    one = BagSpec(syllable=(3, 3), jamo=(3, 3))
    assert len(unit_features("a", one)) == 3  # the word, <a> by code points, <a> by jamo


def test_most_frequent_features(either):
    counter = FeatureCounter(BagSpec(syllable=None, jamo=None, min_count=1))
    words = ["a", "b", "c", "d"]
    counter.add(words, np.array([5, 1, 1, 9]))
    rare = min(feature("w", "b"), feature("w", "c"))
    assert set(counter.features(most=3).tolist()) == {feature("w", "a"), feature("w", "d"), rare}
    assert counter.features(most=0).tolist() == []
    assert len(counter.features(most=99)) == 4


def test_unseen_features_are_left_out(either):
    spec = BagSpec(syllable=(1, 1), jamo=None, min_count=1)
    counter = FeatureCounter(spec)
    counter.add(["ab"], np.array([1]))
    features = counter.features()
    bags = look_up(["ab", "", "ax", "zz"], spec, features)
    assert np.diff(bags.offsets).tolist() == [3, 0, 1, 0]
    assert features[bags.ids[3]] == feature("s", "a")
    assert (bags.ids.dtype, bags.offsets.dtype) == (np.int32, np.int64)
    nothing = look_up(["ab"], spec, features[:0])
    assert (nothing.ids.tolist(), nothing.offsets.tolist()) == ([], [0, 0])


def test_phrases_end_at_the_step_and_stay_in_their_row(either):
    units, steps, offsets = ["not", "good", "film"], np.array([0, 1, 2, 2, 1], np.int32), np.array([0, 3, 3, 5])
    spec = BagSpec(word=False, syllable=None, jamo=None, phrase=3, min_count=1)
    counter = FeatureCounter(spec)
    counter.add_phrases(units, steps, offsets)
    expected = ["not\x1fgood", "good\x1ffilm", "not\x1fgood\x1ffilm", "film\x1fgood"]
    features = counter.features()
    assert features.tolist() == sorted(feature("p", phrase) for phrase in expected)
    bags = look_up_phrases(units, steps, offsets, spec, features)
    found = [set(features[bags.ids[start:end]].tolist()) for start, end in pairwise(bags.offsets)]
    wanted = [[], ["not\x1fgood"], ["good\x1ffilm", "not\x1fgood\x1ffilm"], [], ["film\x1fgood"]]
    assert found == [{feature("p", phrase) for phrase in phrases} for phrases in wanted]


def plain_counts(units, counts, steps, offsets, spec):
    """Counted the simplest way that there is."""
    counter = Counter()
    for unit, count in zip(units, counts.tolist(), strict=True):
        counter.update(dict.fromkeys(unit_features(unit, spec), count))
    for start, end in pairwise(offsets):
        for found in phrase_features([units[step] for step in steps[start:end]], spec.phrase):
            counter.update(found)
    return counter


@settings(max_examples=150, deadline=None)
@given(
    units=st.lists(st.one_of(UNITS, PIECES), min_size=1, max_size=8, unique=True),
    spec=SPECS,
    steps=st.lists(st.lists(st.integers(0, 99), max_size=6), max_size=4),
    least=st.integers(1, 4),
    data=st.data(),
)
@pytest.mark.parametrize("use_core", [pytest.param(True, marks=needs_core), False])
def test_both_implementations_are_the_definition(use_core, units, spec, steps, least, data):
    counts = np.array(data.draw(st.lists(st.integers(1, 4), min_size=len(units), max_size=len(units))))
    offsets = np.cumsum([0, *map(len, steps)])
    flat = np.array([step % len(units) for row in steps for step in row], np.int32)
    expected = plain_counts(units, counts, flat, offsets, spec)

    with pytest.MonkeyPatch.context() as patch:
        if not use_core:
            patch.setattr(native, "core", None)
        counter = FeatureCounter(spec)
        counter.add(units, counts)
        counter.add_phrases(units, flat, offsets)
        features = counter.features(min_count=least)
        most = counter.features(min_count=least, most=5)
        bags = look_up(units, spec, features)
        phrases = look_up_phrases(units, flat, offsets, spec, features)

    assert len(counter) == len(expected)
    assert features.tolist() == sorted(key for key, count in expected.items() if count >= least)
    ranked = sorted((-count, key) for key, count in expected.items() if count >= least)
    assert most.tolist() == sorted(key for _, key in ranked[:5])
    places = {key: place for place, key in enumerate(features.tolist())}
    for unit, start, end in zip(units, bags.offsets[:-1], bags.offsets[1:], strict=True):
        wanted = sorted(places[key] for key in unit_features(unit, spec) if key in places)
        assert bags.ids[start:end].tolist() == wanted
    step = 0
    for row in steps:
        for found in phrase_features([units[number % len(units)] for number in row], spec.phrase):
            wanted = sorted({places[key] for key in found if key in places})
            assert phrases.ids[phrases.offsets[step] : phrases.offsets[step + 1]].tolist() == wanted
            step += 1
    assert len(phrases) == step


@pytest.mark.parametrize(
    "options",
    [
        {"syllable": (0, 2)},
        {"jamo": (3, 2)},
        {"phrase": 0},
        {"min_count": 0},
        {"word": False, "syllable": None, "jamo": None},
    ],
)
def test_bags_that_make_no_sense(options):
    with pytest.raises(UsageError):
        FeatureCounter(BagSpec(**options))


def test_counts_must_fit(either):
    counter = FeatureCounter(BagSpec())
    for counts in ([1], [1, 0], [1, 2, 3]):
        with pytest.raises(UsageError):
            counter.add(["a", "b"], np.array(counts))


def test_the_pieces_of_a_word_share_its_n_grams_out():
    """Every n-gram of the word begins in one piece, and the word itself is in all."""
    spec = BagSpec(piece=2, min_count=1)
    for word in ("재미있는", "좋다", "영", "아름다워요", "안녕하세요여러분"):
        parts = pieces(word, 2)
        assert len(parts) == max(1, round(len(word) / 2))
        assert "".join(unit[begin:end] for unit, begin, end in map(parse_piece, parts)) == word
        bags = [unit_features(part, spec) for part in parts]
        assert set.union(*bags) == unit_features(word, spec)
        assert set.intersection(*bags) >= {feature("w", word)}
        repeated = sum(map(len, bags)) - (len(parts) - 1) - len(set.union(*bags))
        assert repeated == 0 or len(set(word)) < len(word)
    assert pieces("film", 2) == ["film"] and pieces("ㅋㅋㅋㅋ", 2) == ["ㅋㅋㅋㅋ"]
    with pytest.raises(UsageError, match="pieces of 2 syllables"):
        FeatureCounter(BagSpec(piece=2, phrase=2))
