"""Plain texts in the core against the definition in Python."""

from __future__ import annotations

import gzip
from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timesteps.runtime import native
from timesteps.runtime.spec import BagSpec, GuideSpec, TextSpec
from timesteps.runtime.text import splitting
from timesteps.runtime.text.numbered import Numbered
from timesteps.runtime.text.processor import TextProcessor
from timesteps.runtime.text.splitting import Chunk, Splitter, TextRules
from timesteps.runtime.text.tokenizers import tokenizer

pytestmark = pytest.mark.skipif(native.core is None, reason="the compiled core is not there")

_LETTERS = "가나다힣ㅋㅠabZÉß×0９9_!~… \n\t\u3000<br/>BR\u0301\ufe0f⃣👍漢かー♥\x1e\x02\ud800"


@pytest.fixture(scope="module")
def reviews() -> list[str]:
    packed = resources.files("timesteps.data").joinpath("samples/nsmc_cc0_4000.tsv.gz").read_bytes()
    return [line.rsplit("\t", 1)[0] for line in gzip.decompress(packed).decode().splitlines()]


def both(spec: TextSpec, guide: GuideSpec | None) -> tuple[Splitter, Splitter]:
    rules = TextRules(spec, tokenizer(spec.tokenizer))
    return Splitter(rules, guide, compiled=True), Splitter(rules, guide)


def check(ours: Chunk, theirs: Chunk) -> None:
    for name in ("steps", "lengths", "segments"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)
    assert (ours.whole is None) == (theirs.whole is None)
    if ours.whole is not None and theirs.whole is not None:
        assert list(ours.whole.rows()) == list(theirs.whole.rows())
        assert ours.whole.units.text == theirs.whole.units.text


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.text(_LETTERS, max_size=40), max_size=4),
    st.sampled_from(["word", "syllable"]),
    st.booleans(),
    st.integers(0, 3),
    st.sampled_from([None, 1, 2, 3]),
    st.sampled_from(["pre", "post", "middle"]),
    st.sampled_from([None, GuideSpec(unit="token"), GuideSpec(unit="character")]),
)
def test_the_core_splits_as_the_definition_says(texts, name, lowercase, squeeze, piece, truncating, guide) -> None:
    spec = TextSpec(
        tokenizer=name,
        lowercase=lowercase,
        squeeze=squeeze,
        bag=BagSpec(piece=piece),
        max_length=5,
        truncating=truncating,
        head_length=2 if truncating == "middle" else 0,
    )
    compiled, plain = both(spec, guide)
    for part in (texts, texts[::-1]):
        check(compiled(part), plain(part))
    assert compiled.units().text == plain.units().text
    assert compiled.units().lengths.tolist() == plain.units().lengths.tolist()


def test_every_plain_character_beside_each_kind_of_neighbour() -> None:
    spec = TextSpec(squeeze=2, bag=BagSpec(piece=2))
    compiled, plain = both(spec, GuideSpec(unit="character"))
    pairs = ("aa", "가가", "ㅋㅋ", "11", "!!", "__", "  ")
    codes = [*range(0xD800), *range(0xE000, 0x10000), 0x1F600]
    texts = [" ".join(f"{left}{chr(code)}{right}" for left, right in pairs) for code in codes]
    check(compiled(texts), plain(texts))


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 255, 256, 257, 300, 520, 600])
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_long_words_are_cut_alike(length: int, size: int) -> None:
    word = "".join(chr(0xAC00 + 31 * k % 11172) for k in range(length))
    compiled, plain = both(TextSpec(bag=BagSpec(piece=size)), GuideSpec(unit="character"))
    check(compiled([word, f"{word} 끝"]), plain([word, f"{word} 끝"]))


def test_most_texts_are_plain(reviews) -> None:
    """A review that Python has to split costs twenty times as much."""
    splitter, other = both(TextSpec(), None)
    splitter._other = lambda text: (other._rules.split(text)[1], seen.append(text))
    seen: list[str] = []
    splitter(reviews)
    assert len(seen) < len(reviews) / 50


@pytest.mark.parametrize("core", [True, False])
@pytest.mark.parametrize("bag", [None, BagSpec(min_count=2), BagSpec(min_count=2, phrase=2)])
def test_forgetting_units_changes_no_step(reviews, bag, core, monkeypatch) -> None:
    if not core:
        monkeypatch.setattr(native, "core", None)
    texts, spec = reviews[:200], TextSpec(bag=bag)
    whole = TextProcessor.fit(texts, spec)
    steps = whole.steps(texts)
    monkeypatch.setattr(splitting, "CHUNK", 30)
    monkeypatch.setattr(splitting, "MOST_UNITS", 100)
    parts = TextProcessor.fit(texts, spec)
    assert parts.spec == whole.spec
    for name, tensor in whole.tensors().items():
        np.testing.assert_array_equal(parts.tensors()[name], tensor)
    again = parts.steps(texts)
    np.testing.assert_array_equal(again.offsets, steps.offsets)
    if bag is None:
        np.testing.assert_array_equal(again.values, steps.values)
        return
    assert len(again.bags) > len(steps.bags)
    np.testing.assert_array_equal(again.bags.take(again.values).ids, steps.bags.take(steps.values).ids)
    if bag.phrase > 1:
        np.testing.assert_array_equal(again.phrases.ids, steps.phrases.ids)


def test_rows_of_numbers_are_rows_of_strings() -> None:
    rows = [["b", "가"], [], ["", "b"]]
    assert list(Numbered.of(rows).rows()) == rows
