"""Two words that were written as one, and one word that was written as two."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timesteps.runtime.language.plain import PlainModel
from timesteps.runtime.language.spelling.blanks import Blanks
from timesteps.runtime.language.spelling.channel import Channel, Prices
from timesteps.runtime.language.spelling.corrector import Corrector, Settings
from timesteps.runtime.language.spelling.lexicon import Lexicon
from timesteps.runtime.language.units import UnitsSpec

ENGLISH = ["the dog ran to school today", "i saw the dog today", "to the school", "a day at school", "the day"] * 20
KOREAN = ["나는 학교에 갔다", "어제 나는 학교에 갔다", "어제 비가 왔다", "어 그래", "제 이름이다"] * 20


def corrector(
    texts: list[str], kind: str = "word", *, settings: Settings | None = None, prices: Prices | None = None
) -> Corrector:
    model = PlainModel(texts, UnitsSpec(kind), order=3 if kind == "word" else 6, k=0.001)  # type: ignore[arg-type]
    channel = None if prices is None else Channel(prices)
    return Corrector(model, Lexicon.fit(texts), channel=channel, settings=settings or Settings(blanks=True))


@pytest.mark.parametrize("kind", ["word", "syllable", "jamo", "char"])
@pytest.mark.parametrize(
    ("typed", "meant", "change"),
    [
        ("나는학교에 갔다", "나는 학교에 갔다", (0, "나는학교에", "나는 학교에")),
        ("어 제 나는 학교에 갔다", "어제 나는 학교에 갔다", (0, "어 제", "어제")),
        ("나는 (학교에갔다)!", "나는 (학교에 갔다)!", (4, "학교에갔다", "학교에 갔다")),
        ("i saw thedog today", "i saw the dog today", (6, "thedog", "the dog")),
        ("Thedog ran to school to day.", "The dog ran to school today.", None),
        ("i saw the dog to day", "i saw the dog today", (14, "to day", "today")),
    ],
)
def test_blanks_are_mended_and_positions_are_those_of_what_was_typed(
    kind: str, typed: str, meant: str, change: tuple[int, str, str] | None
) -> None:
    korean = any("가" <= letter <= "힣" for letter in typed)
    found = corrector(KOREAN if korean else ENGLISH, kind, prices=Prices(blank_drop=2.0, blank_add=2.0)).correct(typed)
    assert found.text == meant
    if change is not None:
        assert [(each.begin, each.typed, each.meant) for each in found.changes] == [change]
    assert all(0.0 < each.probability <= 1.0 for each in found.changes)
    as_json = json.loads(json.dumps(found.to_dict()))
    assert [each["typed"] for each in as_json["changes"]] == [each.typed for each in found.changes]


@pytest.mark.parametrize("typed", ["to  day", "to\tday", "to, day", "to (day", "to - day"])
def test_words_that_more_than_one_blank_parts_stay_two(typed: str) -> None:
    free = corrector(ENGLISH, prices=Prices(blank_drop=0.0, blank_add=0.0))
    assert free.correct("i saw the dog to day").text == "i saw the dog today"
    assert "today" not in free.correct(f"i saw the dog {typed}").text


def test_usual_prices_mend_too_and_sound_sentences_stay() -> None:
    usual = corrector(ENGLISH)
    assert usual.correct("i saw thedog today").text == "i saw the dog today"
    for texts in (ENGLISH, KOREAN):
        assert all(corrector(texts, "syllable").correct(text).changes == [] for text in set(texts))


def test_switched_off() -> None:
    assert not Settings().blanks
    off = corrector(ENGLISH, settings=Settings(caution=0.0), prices=Prices(blank_drop=0.0, blank_add=0.0))
    for typed in ("i saw thedog today", "i saw the dog to day"):
        assert all(" " not in each.typed + each.meant for each in off.correct(typed).changes)
    assert len(off.correct("i saw thedog today").text.split()) == 4


def test_caution_counts_for_blanks() -> None:
    bold, careful = (corrector(ENGLISH, settings=Settings(caution=caution, blanks=True)) for caution in (0.0, 60.0))
    assert bold.correct("i saw thedog today").changes and not careful.correct("i saw thedog today").changes


def test_what_is_no_two_words_stays() -> None:
    free = corrector(ENGLISH, prices=Prices(blank_drop=0.0, blank_add=0.0))
    for typed in ("i saw xyzzydog", "i saw thexyzzy", "to7 day", "the7dog", "xy zzy"):
        assert len(free.correct(typed).text.split()) == len(typed.split()), typed


def test_candidates() -> None:
    blanks = Blanks(Lexicon({"the": 9, "dog": 3, "today": 2, "I": 5, "a": 5, "t": 1, "he": 4, "thedogs": 1}), Prices())
    (found,) = blanks.apart("THEDOG")
    assert found.word == "THE DOG" and found.channel == -Prices().blank_drop
    assert found.words == [("THE", "the"), ("DOG", "dog")]
    assert [each.word for each in blanks.apart("the")] == [], "it is a word"
    assert [each.word for each in blanks.apart("theDog")] == ["the Dog"]
    joined = blanks.together("To", "day")
    assert joined is not None and (joined.word, joined.entry) == ("Today", "today")
    assert blanks.together("to", "Day") is None and blanks.together("to", "") is None
    assert blanks.together("x" * 10, "y") is None
    every = Blanks(Lexicon({"a" * n: n for n in range(1, 30) if n != 20}), Prices()).apart("a" * 20)
    assert len(every) == 4 and every[0].word in (f"{'a' * 9} {'a' * 11}", f"{'a' * 10} {'a' * 10}")


def test_unlisted_parts_need_known_pieces() -> None:
    lexicon = Lexicon({"나는": 5, "학교에서": 2, "교에서는": 1})
    assert Blanks(lexicon, Prices()).apart("나는학교에서는") == []
    (found,) = Blanks(lexicon, Prices(), True).apart("나는학교에서는")
    assert found.words == [("나는", "나는"), ("학교에서는", None)]
    assert Blanks(lexicon, Prices(), True).apart("나는학교에만") == []


def test_the_longest_inputs_have_no_more_candidates() -> None:
    free = corrector(ENGLISH, prices=Prices(blank_drop=0.0, blank_add=0.0))
    assert free._blanks is not None and free._blanks.apart("a" * 1_000_000) == []
    assert free.correct("thedog" * 50_000).changes == []
    calls = 0
    together = free._blanks.together

    def counted(first: str, second: str) -> object:
        nonlocal calls
        calls += 1
        return together(first, second)

    free._blanks.together = counted  # type: ignore[method-assign,assignment]
    free.correct("to day " * 300)
    assert calls == 599


@given(st.lists(st.sampled_from(["the", "dog", "thedog", "to", "day", "어", "제", "(the", "day,", "7"]), max_size=8))
def test_changes_lead_from_what_was_typed_to_the_text(words: list[str]) -> None:
    texts = ENGLISH + KOREAN
    found = corrector(texts, prices=Prices(blank_drop=0.5, blank_add=0.5)).correct(" ".join(words))
    rest = found.typed
    for change in reversed(found.changes):
        assert rest[change.begin : change.begin + len(change.typed)] == change.typed != change.meant
        rest = rest[: change.begin] + change.meant + rest[change.begin + len(change.typed) :]
    assert rest == found.text
    letters = [found.begin for found in found.changes]
    assert letters == sorted(letters)
