"""Slips of fingers, words near a string, and sentences as they were meant."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timesteps.errors import DataError, UsageError
from timesteps.runtime.language.plain import PlainModel
from timesteps.runtime.language.spelling.candidates import Finder, written_like
from timesteps.runtime.language.spelling.channel import Channel, Prices
from timesteps.runtime.language.spelling.corrector import Corrector, Settings
from timesteps.runtime.language.spelling.index import DeleteIndex
from timesteps.runtime.language.spelling.lexicon import Lexicon
from timesteps.runtime.language.spelling.strokes import KEYS, neighbours, strokes, typed
from timesteps.runtime.language.units import UnitsSpec

ENGLISH = [
    "the bus came to the school",
    "the boy ran to school",
    "she cut the tree",
    "a tree fell on the bus",
    "the bus",
]
KOREAN = ["선생님이 교실로 달려갔다", "나는 교실로 달려갔다", "나무가 잘려 나갔다", "아이가 교실로 갔다", "버스를 탔다"]


def osa(a: str, b: str) -> int:
    """Edits between two strings, by the definition."""
    d = {(i, -1): i + 1 for i in range(-1, len(a))} | {(-1, j): j + 1 for j in range(-1, len(b))}
    for i, j in product(range(len(a)), range(len(b))):
        d[i, j] = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + (a[i] != b[j]))
        if i and j and a[i] == b[j - 1] and a[i - 1] == b[j]:
            d[i, j] = min(d[i, j], d[i - 2, j - 2] + 1)
    return d[len(a) - 1, len(b) - 1]


def test_every_syllable_is_typed_and_read_back() -> None:
    for code in range(0xAC00, 0xD7A4):
        word = chr(code) + "나" + chr(code)
        assert typed(strokes(word)) == word
    assert strokes("값") == "ㄱㅏㅂㅅ" and strokes("의") == "ㅇㅡㅣ" and typed("ㄲㅏㅆㅓ") == "까써"
    assert typed("ㅏㄱㄱ1") == "ㅏㄱㄱ1"


@given(st.text(alphabet="가닭ㅋab ㅏ"))
def test_strokes_are_stable(text: str) -> None:
    assert strokes(typed(strokes(text))) == strokes(text)


def test_keys_lie_where_they_lie() -> None:
    assert "".join(sorted(neighbours("s"))) == "adewxz"
    assert "".join(sorted(neighbours("q"))) == "aw"
    assert neighbours("ㄷ") >= {"ㅈ", "ㄱ", "ㄴ", "ㅇ"} and "ㅂ" not in neighbours("ㄷ")
    assert KEYS["ㄲ"] == KEYS["ㄱ"] == "r" and len(KEYS) == 26 + 26 + 7
    for letter in KEYS:
        assert all(letter in neighbours(other) for other in neighbours(letter))
        assert not any(KEYS[other] == KEYS[letter] for other in neighbours(letter))
    assert neighbours("!") == frozenset()


@given(
    st.lists(st.text(alphabet="abcd", min_size=1, max_size=12), min_size=1, max_size=20, unique=True),
    st.text(alphabet="abcd", max_size=12),
    st.integers(1, 2),
)
def test_the_index_misses_no_word(words: list[str], asked: str, distance: int) -> None:
    found = DeleteIndex(words, distance=distance, prefix=4).near(asked)
    near = {number for number, word in enumerate(words) if osa(asked, word) <= distance}
    assert near <= set(found.tolist()) and list(found) == sorted(set(found))


@given(st.text(alphabet="abㅏ", max_size=6), st.text(alphabet="abㅏ", max_size=6))
def test_with_one_price_for_all_the_price_is_the_distance(a: str, b: str) -> None:
    even = Prices(**dict.fromkeys(Prices.__struct_fields__, 1.0) | {"first": 0.0})
    assert math.isclose(Channel(even).price(a, b), osa(a, b))


def test_prices_know_hands_and_ears() -> None:
    price = Channel().price
    assert price("bus", "bus") == 0
    assert price("bud", "bus") < price("bup", "bus")  # d is beside s
    assert price("adress", "address") < price("addres", "andress")
    assert price("teh", "the") < price("tje", "thee")
    assert price("tomatoe", "tomato") < price("tomatok", "tomato")
    assert price("definately", "definitely") < price("defintely", "definiitely") + 3
    assert price(strokes("가따"), strokes("갔다")) < price(strokes("가차"), strokes("갔다"))
    assert price(strokes("잘"), strokes("달")) < price(strokes("팔"), strokes("달"))
    assert price("nus", "bus") > price("bua", "bus")  # the first letter is seldom wrong


def test_words_and_frequencies() -> None:
    lexicon = Lexicon.fit(["The bus, the bus!", "3 buses"], min_count=1)
    assert dict(zip(lexicon.words, lexicon.counts.tolist(), strict=True)) == {"The": 1, "bus": 2, "the": 1, "buses": 1}
    again = Lexicon.read(lexicon.lines())
    assert sorted(again.words) == sorted(lexicon.words) and again.words[0] == "bus"
    assert math.isclose(lexicon.log_share("bus"), math.log(2 / 6))
    with pytest.raises(UsageError, match="not in the lexicon"):
        lexicon.log_share("tram")
    for line in ("bus", "bus x", "bus 1 2", "bus -1", "bus 99999999999999999999"):
        with pytest.raises(DataError, match=r"f\.txt:2: is no word"):
            Lexicon.read(["a 1", line], name="f.txt")
    with pytest.raises(DataError, match="has no words"):
        Lexicon.read(["", " "])
    with pytest.raises(DataError, match="no words with frequencies"):
        Lexicon({"<s>": 3, "a": 0})


def test_candidates_and_capitals() -> None:
    finder = Finder(Lexicon.fit(ENGLISH))
    found = finder.find("Teh")
    assert found[0].word == "Teh" and found[0].channel == 0.0 and found[0].entry is None
    the = next(each for each in found if each.word == "The")
    assert the.entry == "the" and the.channel == -Channel().price("teh", "the")
    assert finder.find("Bus")[0].entry == "bus"
    assert written_like("Tree", "tree") == "Tree" and written_like("TREE", "tree") == "TREE"


def test_korean_words_of_other_syllables_need_no_list_but_pieces_of_known_words() -> None:
    def found(*words: str, typed: str = "잘려갔다") -> set[str]:
        return {each.word for each in Finder(Lexicon(dict.fromkeys(words, 1))).find(typed)}

    assert "달려갔다" in found("달려갔을", "갔다")
    assert "달려갔다" not in found("달", "려", "갔다")
    assert "달려갔다" not in found("달려갔을", "잘려갔을"), "as much is known of what was typed"
    assert "달려갔다" not in found("달려갔을", "잘려갔다"), "what was typed is a word"
    assert "달려갔다" in found("달려갔다", "잘려갔다")


@pytest.mark.parametrize("kind", ["word", "syllable", "jamo", "char"])
def test_words_are_corrected_in_their_sentence(kind: str) -> None:
    model = PlainModel(KOREAN * 20, UnitsSpec(kind), order=2 if kind == "word" else 6, k=0.1)  # type: ignore[arg-type]
    corrector = Corrector(model, Lexicon.fit(KOREAN), settings=Settings(caution=1.0))
    found = corrector.correct("선생님이  교실로 잘려갔다!")
    assert found.text == "선생님이  교실로 달려갔다!"
    (change,) = found.changes
    assert (change.begin, change.typed, change.meant) == (10, "잘려갔다", "달려갔다") and change.probability > 0.9
    # 잘려 is right where a tree is.
    assert corrector.correct("나무가 잘려 나갔다").changes == []


def test_real_words_are_errors_too() -> None:
    texts = ["she cut the tree", "he cut the cake", "the cat ran away", "a cat sat"] * 10
    corrector = Corrector(PlainModel(texts, order=2, k=0.01), settings=Settings(caution=0.5))
    assert corrector.correct("she cat the tree").text == "she cut the tree"
    assert corrector.correct("the cat ran away").changes == []
    assert corrector.correct("THE CUT RAN AWAY").text == "THE CUT RAN AWAY"  # the model knows no capitals
    assert Corrector(corrector.model, settings=Settings(caution=50.0)).correct("she cat the tree").changes == []


def test_the_best_beginnings_are_kept_not_only_the_first() -> None:
    """What the second word says about the first."""
    texts = ["form the line"] * 30 + ["from here"] * 40 + ["a form"] * 5
    model = PlainModel(texts, order=3, k=0.01)
    assert Corrector(model, settings=Settings(caution=0.0)).correct("fomr the line").text == "form the line"


@given(st.text(alphabet="the bus교실로 달려갔다,.!12 \n\t", max_size=30))
def test_what_is_changed_is_words_only(sentence: str) -> None:
    corrector = Corrector(None, Lexicon.fit(ENGLISH + KOREAN))
    found = corrector.correct(sentence)
    rest = sentence
    for change in reversed(found.changes):
        assert rest[change.begin : change.begin + len(change.typed)] == change.typed and change.typed != change.meant
        rest = rest[: change.begin] + change.meant + rest[change.begin + len(change.typed) :]
    assert rest == found.text


def test_words_alone() -> None:
    corrector = Corrector(None, Lexicon({"the": 1000, "then": 10, "ten": 20, "tea": 5}))
    found = corrector.suggest("teh", 10)
    assert found[0].word == "the" and math.isclose(sum(each.probability for each in found), 1.0)
    assert corrector.suggest("the")[0].word == "the"
    assert corrector.suggest("zzzzzzz")[0].word == "zzzzzzz"
    for word, k in (("", 1), ("a b", 1), ("a", 0)):
        with pytest.raises(UsageError):
            corrector.suggest(word, k)


def test_empty_sentences_digits_and_what_cannot_be() -> None:
    model = PlainModel(ENGLISH)
    corrector = Corrector(model)
    for sentence in ("", "  ", "12:30 b4", "!!!"):
        assert corrector.correct(sentence).text == sentence
    with pytest.raises(UsageError, match="neither"):
        Corrector(None)
    with pytest.raises(UsageError, match="not words"):
        Corrector(PlainModel(ENGLISH, UnitsSpec("char")))
    for wrong in ({"caution": -1}, {"weight": math.nan}, {"beam": 0}, {"width": 10**6}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            Settings(**wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="distance"):
        DeleteIndex(["a"], distance=4)


def test_a_models_own_words_are_its_lexicon() -> None:
    model = PlainModel(ENGLISH)
    lexicon = Corrector(model).lexicon
    assert set(lexicon.words) == {word for word in model.words if word[0] != "<"}
    shares = lexicon.counts / lexicon.counts.sum()
    expected = np.exp(model.distribution(()))
    assert math.isclose(
        shares[lexicon.numbers["bus"]] / shares[lexicon.numbers["tree"]],
        expected[model.words.index("bus")] / expected[model.words.index("tree")],
        rel_tol=1e-6,
    )
