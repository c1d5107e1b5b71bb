"""The Korean examples of the README, from the texts that are here; and damage that can be mended."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bench.spelling.damage import add_blanks, damage_english, damage_korean, drop_blanks, mend
from bench.spelling.examples import MEANT, PAIRS, TYPED, model

from timesteps.runtime.language.choosing import choose
from timesteps.runtime.language.plain import PlainModel
from timesteps.runtime.language.spelling.corrector import Corrector, Settings

DATA = Path(os.environ.get("TIMESTEPS_DATA", "/nowhere"))


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "songys_chatbot").is_dir(), reason="needs the Korean texts of TIMESTEPS_DATA")
def test_korean_examples_come_out_right() -> None:
    mixture, lexicon = model()
    for pair in PAIRS:
        assert choose(mixture, pair).best == 0, pair
        assert choose(mixture, pair[::-1]).best == 1
    corrector = Corrector(mixture, lexicon)
    found = corrector.correct(TYPED)
    assert found.text == MEANT and len(found.changes) == 1
    for sentence in (MEANT, "나는 버스를 탔다", "영화가 정말 재미있었다"):
        assert corrector.correct(sentence).text == sentence


def test_damage_is_counted() -> None:
    sentences = ["선생님이 교실로 달려갔다", "나는 버스를 탔다 정말"] * 10
    damaged = damage_korean(sentences, 0.5, 1)
    assert damaged == damage_korean(sentences, 0.5, 1) != damage_korean(sentences, 0.5, 2)
    hit = sum(good != bad for good_words, bad_words in damaged for good, bad in zip(good_words, bad_words, strict=True))
    found = mend(Corrector(PlainModel(sentences), settings=Settings(caution=0.0)), damaged)
    assert found["damaged"] == hit > 10 and found["sound"] == 70 - hit
    assert found["restored"] > 0.8 * hit and found["spoiled"] == 0 and found["right_after"] > found["right_before"]
    nothing = mend(Corrector(PlainModel(sentences), settings=Settings(caution=1000.0)), damaged)
    assert nothing["restored"] == nothing["spoiled"] == 0
    english = damage_english(["The bus came"], {"bus": ["buss"]}, 1.0, 0)
    assert english == [(["the", "bus", "came"], ["the", "buss", "came"])]


def test_damaged_blanks_are_counted() -> None:
    sentences = ["the dog ran to school today", "i saw the dog"] * 10
    corrector = Corrector(PlainModel(sentences, order=2, k=0.001), settings=Settings(caution=0.0, blanks=True))
    without = Corrector(corrector.model, settings=Settings(caution=0.0))
    for damage in (drop_blanks, add_blanks):
        damaged = damage(sentences, 0.3, 1)
        assert damaged == damage(sentences, 0.3, 1) != damage(sentences, 0.3, 2)
        assert [" ".join(good) for good, _ in damaged] == sentences
        assert all(a.replace(" ", "") == b.replace(" ", "") for pair in damaged for a, b in zip(*pair, strict=True))
        found, other = mend(corrector, damaged), mend(without, damaged)
        assert found["damaged"] == other["damaged"] > 10 and found["spoiled"] == 0
        assert found["restored"] > 0.5 * found["damaged"] and other["restored"] == 0
