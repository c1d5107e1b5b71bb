"""Normalisation, Hangul arithmetic and the tokenizers by rule."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from timesteps.errors import UsageError
from timesteps.runtime.text.normalize import compose_hangul, decompose_hangul, normalize
from timesteps.runtime.text.tokenizers import detokenize, tokenize

HANGUL = st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3)
JAMO = st.characters(min_codepoint=0x1100, max_codepoint=0x11FF)
COMPATIBILITY_JAMO = st.characters(min_codepoint=0x3131, max_codepoint=0x318E)
PICTURES = st.sampled_from("😀👍🏽\u200d\ufe0f❤🇰🇷#1️⃣⃣★")
ANY = st.text(st.one_of(HANGUL, JAMO, COMPATIBILITY_JAMO, PICTURES, st.sampled_from(" _!.é\u0301ख़ा"), st.characters()))
NORMAL = ANY.map(normalize)


def test_every_syllable_is_taken_apart_as_unicode_says():
    for code in range(0xAC00, 0xD7A4):
        assert decompose_hangul(chr(code)) == unicodedata.normalize("NFD", chr(code))
        assert compose_hangul(decompose_hangul(chr(code))) == chr(code)


@given(ANY.map(lambda text: unicodedata.normalize("NFC", text)))
def test_jamo_round_trip_of_any_composed_text(text):
    assert compose_hangul(decompose_hangul(text)) == text


@given(ANY, st.booleans(), st.integers(0, 3))
def test_normalising_twice_changes_nothing(text, lowercase, squeeze):
    once = normalize(text, lowercase=lowercase, squeeze=squeeze)
    assert normalize(once, lowercase=lowercase, squeeze=squeeze) == once
    assert unicodedata.is_normalized("NFC", once)


@given(st.text(st.sampled_from("<<bBrR/> >\n=\u0338"), max_size=30), st.booleans(), st.integers(0, 3))
@example("<bbr>", True, 1)  # cutting runs must not make a break
@example("<br<br>>", True, 0)  # nor must replacing one
def test_normalising_line_breaks_twice_changes_nothing(text, lowercase, squeeze):
    once = normalize(text, lowercase=lowercase, squeeze=squeeze)
    assert normalize(once, lowercase=lowercase, squeeze=squeeze) == once


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("ㅋㅋㅋㅋㅋ!!!", {"squeeze": 2}, "ㅋㅋ!!"),
        ("ㅋㅋㅋㅋㅋ!!!", {"squeeze": 1}, "ㅋ!"),
        ("ㅋㅋㅋ!!!", {}, "ㅋㅋㅋ!!!"),
        ("a\n\n\n\nb", {"squeeze": 2}, "a\n\nb"),
        ("ABC", {"lowercase": False}, "ABC"),
        ("\u1112\u1161\u11ab", {}, "한"),
        ("İ", {}, "i\u0307"),
        ("J\u030c", {}, "\u01f0"),
        ("\ud83d\ude00 \ud800", {}, "😀 \ufffd"),
        ("good.<br /><br />Bad", {}, "good.\n\nbad"),
        ("a<br>b<BR/>c<Br >d", {"lowercase": False}, "a\nb\nc\nd"),
        ('a<br clear="all" />b', {}, "a\nb"),
        ("<br", {}, "<br"),
        ("<broken> <b>bold</b> x<y", {}, "<broken> <b>bold</b> x<y"),
        ("<br>" * 5, {"squeeze": 2}, "\n\n"),
    ],
)
def test_normalize(text, options, expected):
    assert normalize(text, **options) == expected


def test_line_breaks_of_html_are_no_tokens():
    for rule in ("word", "syllable"):
        assert tokenize(normalize("It was<br /><br />good"), rule) == tokenize("it was good", rule)


def test_negative_squeeze_is_refused():
    with pytest.raises(UsageError):
        normalize("a", squeeze=-1)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("이것도 재밌네ㅋㅋㅋ!!", ["이것도", "재밌네", "ㅋㅋㅋ", "!!"]),
        ("10점 만점에1점", ["10", "점", "만점에", "1", "점"]),
        ("ㅠㅠ...ㅡㅡ;; ^_^", ["ㅠㅠ", "...", "ㅡㅡ", ";;", "^_^"]),
        ("Wow영화test1", ["Wow", "영화", "test", "1"]),
        ("हिन्दी नमस्ते ไทย café cafe\u0301", ["हिन्दी", "नमस्ते", "ไทย", "café", "cafe\u0301"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("日本語テスト", ["日本語テスト"]),
        ("😂😂👍🏽👨‍👩‍👧🇰🇷🇺🇸❤️!!❤️", ["😂", "😂", "👍🏽", "👨‍👩‍👧", "🇰🇷", "🇺🇸", "❤️", "!!", "❤️"]),
        ("12️⃣ #️⃣#", ["1", "2️⃣", "#️⃣", "#"]),
        ("★★♥", ["★★♥"]),
        ("a\u200bb\x00c\ufeffd", ["a", "b", "c", "d"]),
        ("1.5 ½ ２０", ["1", ".", "5", "½", "２０"]),
        ("snake_case __init__", ["snake", "_", "case", "__", "init", "__"]),
        (" \t\n\u3000\x00", []),
        ("\u0301", ["\u0301"]),
    ],
)
def test_words(text, tokens):
    assert tokenize(text, "word") == tokens


def test_syllables():
    assert tokenize("꿀잼ㅋㅋ 영화 yes12", "syllable") == ["꿀", "잼", "ㅋㅋ", "영", "화", "yes", "12"]


@given(NORMAL, st.sampled_from(["word", "syllable", "char", "jamo", "byte"]))
def test_tokens_survive_being_joined(text, name):
    tokens = tokenize(text, name)
    assert tokenize(detokenize(tokens, name), name) == tokens


@given(NORMAL, st.sampled_from(["char", "jamo", "byte"]))
def test_texts_survive_being_taken_apart(text, name):
    assert detokenize(tokenize(text, name), name) == text


@given(NORMAL, st.sampled_from(["word", "syllable"]))
def test_words_lose_nothing_but_blanks_and_invisible_characters(text, name):
    def visible(part):
        return [char for char in part if not char.isspace() and unicodedata.category(char) not in ("Cc", "Cf")]

    tokens = tokenize(text, name)
    assert visible("".join(tokens)) == visible(text)
    assert all(visible(token) for token in tokens)


@pytest.mark.parametrize("length", [1, 50_000])
def test_long_runs_take_linear_time(length):
    for piece in ("!", "!_", "e\u0301", "👍🏽", "a!", "1", "가"):
        assert "".join(tokenize(piece * length + "\ufe0f")) == piece * length + "\ufe0f"


def test_unknown_tokenizer():
    for call in (tokenize, lambda text, name: detokenize([text], name)):
        with pytest.raises(UsageError, match="morpheme"):
            call("영화", "morpheme")
