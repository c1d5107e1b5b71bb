"""Ids of words: order, reserved ids, agreement of encode and decode, and the size rule of Keras' IMDB."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timesteps.errors import UsageError
from timesteps.runtime.text.vocabulary import PADDING, START, UNKNOWN, Vocabulary

TOKENS = st.lists(
    st.lists(st.sampled_from(["a", "b", "c", "영화", "ㅋㅋ", "<start>", "<unknown>"]), max_size=8), max_size=6
)


def test_frequency_then_first_occurrence():
    vocabulary = Vocabulary.fit([["late", "often", "early"], ["often", "early", "last"]])
    assert vocabulary.words == ("often", "early", "late", "last")
    assert vocabulary.counts == (2, 2, 1, 1)
    assert vocabulary.encode(["often", "last", "never"]) == [3, 6, UNKNOWN]
    assert (len(vocabulary), "last" in vocabulary, "never" in vocabulary) == (7, True, False)


@given(TOKENS, st.integers(3, 6), st.one_of(st.none(), st.integers(7, 12)))
def test_encode_and_decode_agree(lists, index_from, num_words):
    vocabulary = Vocabulary.fit(lists, index_from=index_from, num_words=num_words)
    ids = [0, 1, 2, *range(index_from, len(vocabulary))]
    assert vocabulary.encode(vocabulary.decode(ids)) == ids
    for tokens in lists:
        encoded = vocabulary.encode(tokens)
        assert all(0 <= number < len(vocabulary) for number in encoded)
        known = [token if token in vocabulary else "<unknown>" for token in tokens]
        assert vocabulary.decode(encoded) == known
    assert list(vocabulary.counts) == sorted(vocabulary.counts, reverse=True)


@given(TOKENS, st.integers(4, 12))
def test_num_words_is_the_rule_of_keras(lists, num_words):
    """As `keras.datasets.imdb.load_data` does: [x if x < num_words else oov_char for x in row]."""
    everything = Vocabulary.fit(lists)
    small = Vocabulary.fit(lists, num_words=num_words)
    assert len(small) == min(num_words, len(everything))
    for tokens in lists:
        full = everything.encode(tokens)
        assert small.encode(tokens) == [number if number < num_words else UNKNOWN for number in full]


def test_reserved_ids():
    vocabulary = Vocabulary(["a"], index_from=5)
    assert vocabulary.decode([PADDING, START, UNKNOWN, 4, 5]) == ["<padding>", "<start>", "<unknown>", "<unknown>", "a"]
    assert len(vocabulary) == 6


def test_marks_are_never_words():
    vocabulary = Vocabulary.fit([["<start>", "<start>", "a", "<padding>"]])
    assert vocabulary.words == ("a",)
    assert vocabulary.encode(["<start>", "<padding>"]) == [1, 0]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Vocabulary(["a", "a"]),
        lambda: Vocabulary(["<start>"]),
        lambda: Vocabulary(["a"], index_from=2),
        lambda: Vocabulary(["a"], num_words=3),
        lambda: Vocabulary(["a"], counts=[1, 2]),
        lambda: Vocabulary(["a"]).decode([4]),
        lambda: Vocabulary(["a"]).decode([-1]),
    ],
)
def test_refused(make):
    with pytest.raises(UsageError):
        make()
