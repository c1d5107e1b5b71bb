"""Units of texts and their numbers."""

from __future__ import annotations

import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timesteps.errors import DataError, ModelError, UsageError
from timesteps.runtime.language.units import Units, UnitsSpec, spelled, unspelled
from timesteps.runtime.language.vocabulary import UnitVocabulary, VocabularySpec, check_vocabulary

TEXTS = ["나는 버스를 탔다", "선생님이 교실로 갔다.", "I don't (ever) ride a bus!!"]


@given(st.text(), st.sampled_from(["syllable", "char", "jamo", "byte"]))
def test_a_text_comes_back_from_its_units(text: str, kind: str) -> None:
    units = Units(UnitsSpec(kind))  # type: ignore[arg-type]
    text = unicodedata.normalize("NFC", text)
    assert units.join(units.cut(text)) == text


@given(st.text(), st.booleans())
def test_words_come_back_up_to_blanks(text: str, apart: bool) -> None:
    units = Units(UnitsSpec("word", apart=apart))
    text = unicodedata.normalize("NFC", text)
    assert "".join(units.join(units.cut(text)).split()) == "".join(text.split())


@given(st.text(), st.sampled_from(["word", "syllable", "char", "jamo", "byte"]), st.booleans())
def test_tokens_number_the_units(text: str, kind: str, sentences: bool) -> None:
    vocabulary = UnitVocabulary.fit(TEXTS, UnitsSpec(kind), sentences=sentences)  # type: ignore[arg-type]
    tokens, units = vocabulary.tokens(text), vocabulary.units(text)
    assert len(tokens) == len(units)
    for token, unit in zip(tokens, units, strict=True):
        assert token == vocabulary.unknown if unit not in vocabulary else vocabulary.words[token] == unit


@given(st.text())
def test_a_spelled_unit_has_no_blank_and_comes_back(unit: str) -> None:
    assert not any(letter.isspace() for letter in spelled(unit))
    if "<0x" not in unit:
        assert unspelled(spelled(unit)) == unit


def test_long_words_take_linear_time() -> None:
    word = "a." * 200_000
    assert Units(UnitsSpec("word", apart=True)).cut(word) == [word[:-1], "."]


def test_marks_in_a_text_are_unknown_words() -> None:
    vocabulary = UnitVocabulary.fit(["a <unk> </s> <s> b"], UnitsSpec("word"))
    assert vocabulary.words == ("<unk>", "<s>", "</s>", "a", "b")
    assert vocabulary.tokens("<s> a </s> <unk>") == [0, 3, 0, 0]
    assert vocabulary.counts.tolist() == [3, 0, 1, 1, 1]


def test_sizes_and_cut_offs() -> None:
    texts = ["a a a b b c", "d"]
    units = UnitsSpec("word")
    assert UnitVocabulary.fit(texts, units, size=5).words[3:] == ("a", "b")
    assert UnitVocabulary.fit(texts, units, min_count=2).counts.tolist() == [2, 0, 2, 3, 2]
    assert UnitVocabulary.fit(texts, units, sentences=False).words[:2] == ("<unk>", "a")
    with pytest.raises(UsageError, match="min_count is 0"):
        UnitVocabulary.fit(texts, units, min_count=0)
    with pytest.raises(UsageError, match="3 marks"):
        UnitVocabulary.fit(texts, units, size=3)
    with pytest.raises(DataError, match="none of 4 words occurs 9 times"):
        UnitVocabulary.fit(texts, units, min_count=9)
    with pytest.raises(DataError, match="no words"):
        UnitVocabulary.fit([""], units)


def test_bytes_know_every_text() -> None:
    vocabulary = UnitVocabulary.fit(["a"], UnitsSpec("byte"))
    assert (vocabulary.begin, vocabulary.end, vocabulary.unknown, len(vocabulary)) == (0, 1, -1, 258)
    assert vocabulary.text(vocabulary.tokens("한 줄\n")) == "한 줄\n"
    assert vocabulary.counts[vocabulary.tokens("a")[0]] == 1


@pytest.mark.parametrize("kind", ["word", "byte", "jamo"])
def test_specifications_survive_json(kind: str) -> None:
    vocabulary = UnitVocabulary.fit(TEXTS, UnitsSpec(kind, lowercase=True))  # type: ignore[arg-type]
    spec = msgspec.json.decode(msgspec.json.encode(vocabulary.spec), type=VocabularySpec)
    check_vocabulary(spec)
    again = UnitVocabulary(spec)
    assert again.words == vocabulary.words and again.tokens("A bus") == vocabulary.tokens("a bus")
    assert (again.counts == vocabulary.counts).all()


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"words": ("a", "a")}, "twice"),
        ({"words": ("a", "<s>")}, "<s> is among"),
        ({"words": ("",)}, "nothing is among"),
        ({"words": ()}, "0 words"),
        ({"words": ("a",), "counts": (1, 2)}, "2 counts for 4 tokens"),
        ({"words": ("a",), "counts": (0, 0, 0, -1)}, "negative"),
        ({"units": UnitsSpec("byte"), "words": ("a",)}, "1 words of kind byte"),
        ({"units": UnitsSpec("char", apart=True), "words": ("a",)}, "apart"),
    ],
)
def test_contradictions_are_refused(fields: dict[str, object], what: str) -> None:
    with pytest.raises(ModelError, match=what):
        check_vocabulary(VocabularySpec(**{"units": UnitsSpec(), **fields}))  # type: ignore[arg-type]


def test_wrong_units_are_refused() -> None:
    with pytest.raises(UsageError, match="no kind of unit"):
        Units(UnitsSpec("letter"))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no words to set punctuation apart"):
        Units(UnitsSpec("char", apart=True))
    with pytest.raises(ModelError, match="no spelling"):
        unspelled("<0xD800>")
    with pytest.raises(UsageError, match="outside 0 to"):
        UnitVocabulary.fit(TEXTS, UnitsSpec()).text([10_000])


def test_subwords() -> None:
    pytest.importorskip("sentencepiece")
    from timesteps.runtime.text.subword import SubwordModel

    texts = ["the cat sat on the mat", "a cat ran"] * 20
    model = SubwordModel.train(texts, size=30)
    vocabulary = UnitVocabulary.fit(texts, UnitsSpec("subword"), subword=model)
    assert vocabulary.text(vocabulary.tokens("the cat ran")) == "the cat ran"
    with pytest.raises(UsageError, match="subword model"):
        Units(UnitsSpec("subword"))
