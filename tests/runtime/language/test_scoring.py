"""Scores of sentences, the next word, choices and evaluations, against sums made by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from language_models import TEXTS, Table

from timesteps.errors import DataError, ModelError, UsageError
from timesteps.runtime.language.choosing import choose
from timesteps.runtime.language.evaluation import evaluate_text
from timesteps.runtime.language.plain import PlainModel
from timesteps.runtime.language.scoring import advance, next_words, score
from timesteps.runtime.language.units import UnitsSpec

KINDS = ["word", "char", "jamo", "byte", "syllable"]


def by_hand(model: PlainModel, text: str) -> list[float]:
    """log P token by token, from whole distributions."""
    state, found = model.start(), []
    for token in [*model.tokens(text), model.end]:
        found.append(float(model.distribution(state)[token]))
        state = model.log_prob(state, token)[1]
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", [1, 2, 4])
def test_distributions_sum_to_one(kind: str, order: int) -> None:
    model = PlainModel(TEXTS, UnitsSpec(kind), order=order)  # type: ignore[arg-type]
    for context in ("", "나는", "zebra 나는 버스"):
        logs = model.distribution(advance(model, context))
        assert math.isclose(np.exp(logs).sum(), 1.0) and logs[model.begin] == -np.inf


@pytest.mark.parametrize("kind", KINDS)
def test_a_score_is_the_sum_over_its_tokens(kind: str) -> None:
    model = PlainModel(TEXTS, UnitsSpec(kind))  # type: ignore[arg-type]
    text = "나는 택시를 탔다"
    found, logs = score(model, text), by_hand(model, text)
    assert np.allclose(found.log_probs, logs) and math.isclose(found.log10, sum(logs) / math.log(10))
    assert found.units == [*model.units(text), "</s>"] and found.tokens == len(logs)
    assert (found.words, found.characters, found.ends) == (3, len(text), 1)
    assert math.isclose(found.perplexity, math.exp(-sum(logs) / len(logs)))
    assert math.isclose(found.word_perplexity, math.exp(-sum(logs) / 4))
    assert math.isclose(found.bits_per_character, -sum(logs) / math.log(2) / (len(text) + 1))
    assert math.isclose(math.log2(found.character_perplexity), found.bits_per_character)


def test_unknown_words_count_above_and_below_the_line_or_not_at_all() -> None:
    model = PlainModel(TEXTS)
    found, logs = score(model, "나는 택시를 탔다"), by_hand(model, "나는 택시를 탔다")
    assert found.unknown == 1
    assert math.isclose(found.perplexity_known, math.exp(-(sum(logs) - logs[1]) / 3))
    assert found.perplexity_known < found.perplexity
    only = score(model, "")
    assert only.tokens == 1 and only.unknown == 0 and only.perplexity == only.perplexity_known


def test_a_sum_over_all_sentences_is_one() -> None:
    """Of all sentences of up to 12 tokens over a vocabulary of 2, the probabilities are nearly all there is."""
    model = PlainModel(["a", "b a"], order=2)
    total = sum(10 ** score(model, text).log10 for n in range(8) for text in _all(n))
    assert 0.95 < total < 1.0


def _all(n: int) -> list[str]:
    return [""] if n == 0 else [f"{word} {rest}".strip() for word in ("a", "b", "zzz") for rest in _all(n - 1)]


def test_an_infinite_perplexity_says_which_token() -> None:
    model = Table(TEXTS, {"버스를": -math.inf})
    found = score(model, "나는 버스를 탔다")
    assert found.perplexity == math.inf and found.impossible == ["버스를"]
    sent = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert sent["perplexity"] is None and sent["impossible"] == ["버스를"]
    whole = evaluate_text(model, TEXTS)
    assert whole.perplexity == math.inf and whole.impossible == ["버스를"]
    assert json.dumps(whole.to_dict(), allow_nan=False)


@pytest.mark.parametrize("wrong", [math.nan, 0.5])
def test_what_is_no_probability_is_refused_by_name(wrong: float) -> None:
    model = Table(TEXTS, {"버스를": wrong})
    with pytest.raises(ModelError, match="'버스를', token 2"):
        score(model, "나는 버스를 탔다")
    with pytest.raises(ModelError, match="line 1: gives '버스를'"):
        evaluate_text(model, TEXTS)


def test_next_words_are_the_best_of_the_distribution() -> None:
    model = PlainModel(TEXTS)
    logs = model.distribution(advance(model, "나는 버스를"))
    found = next_words(model, "나는 버스를", 3)
    assert (
        found[0].unit == "탔다"
        and [each.probability for each in found]
        == sorted((math.exp(value) for token, value in enumerate(logs) if token != model.unknown), reverse=True)[:3]
    )
    assert all(each.unit != "<unk>" for each in next_words(model, "", 100))
    with pytest.raises(UsageError, match="k is 0"):
        next_words(model, "", 0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_better_hypothesis(kind: str) -> None:
    model = PlainModel(TEXTS, UnitsSpec(kind))  # type: ignore[arg-type]
    alone = choose(model, ["나는 버스를 태운다", "나는 버스를 탔다"])
    after = choose(model, ["버스를 태운다", "버스를 탔다"], context="나는")
    assert alone.best == after.best == 1
    # What the context itself costs is the same for all, and not counted.
    assert math.isclose(alone.values[1] - alone.values[0], after.values[1] - after.values[0])
    assert after.values[1] > alone.values[1]
    assert [each.words for each in after.scores] == [2, 2]


def test_means_favour_no_length() -> None:
    model = PlainModel(TEXTS)
    long, short = "나는 버스를 탔다", "태운다"
    assert choose(model, [long, short]).values[0] < 0
    by_mean = choose(model, [long, short], per_token=True)
    assert by_mean.best == 0 and math.isclose(by_mean.values[0], score(model, long).log10 / 4)


def test_choices_that_are_none() -> None:
    model = PlainModel(TEXTS)
    with pytest.raises(UsageError, match="no hypotheses"):
        choose(model, [])
    with pytest.raises(UsageError, match="hypothesis 2 of 2 is empty"):
        choose(model, ["나는", " "])
    with pytest.raises(UsageError, match="impossible for this model, the first because of '버스를'"):
        choose(Table(TEXTS, {"버스를": -math.inf}), ["버스를", "버스를 탔다"])
    assert choose(Table(TEXTS, {"버스를": -math.inf}), ["버스를", "탔다"]).best == 1
    assert choose(model, ["탔다", "탔다"]).best == 0


@given(st.lists(st.text(alphabet="나는 버스a\n", max_size=12), min_size=1))
def test_an_evaluation_is_the_sum_of_its_lines(lines: list[str]) -> None:
    model = PlainModel(TEXTS)
    lines = [line.replace("\n", " ") for line in lines]
    kept = [line for line in lines if line.strip()]
    if not kept:
        with pytest.raises(DataError, match="no line with anything"):
            evaluate_text(model, lines)
        return
    found, scores = evaluate_text(model, lines), [score(model, line) for line in kept]
    assert found.lines == len(kept) and found.tokens == sum(each.tokens for each in scores)
    assert math.isclose(found.log_prob, sum(each.log_prob for each in scores))
    assert sum(n for _, n, _ in found.by_position) == found.tokens
    assert math.isclose(sum(n * math.log(value) for _, n, value in found.by_position), -found.log_prob)


def test_surprises_are_the_least_probable_known_tokens() -> None:
    model = PlainModel(TEXTS)
    lines = ["나는 버스를 탔다", "", "탔다 택시를 버스를", "나는 버스를 기다렸다"]
    found = evaluate_text(model, enumerate(lines, 1), most=3)
    every = []
    for number, line in enumerate(lines, 1):
        if line:
            of = score(model, line)
            every += [
                (value, number, place, unit)
                for place, (value, unit) in enumerate(zip(of.log_probs.tolist(), of.units, strict=True))
                if unit != "택시를"
            ]
    every.sort()
    assert [(each.log_prob, each.line, each.position, each.unit) for each in found.surprises] == every[:3]
    assert found.surprises[0].context == model.text(model.tokens(lines[2])[: found.surprises[0].position])
    assert [each.line for each in found.shown] == [1, 3, 4]


def test_a_running_text_is_read_on() -> None:
    """Without sentences the state goes from line to line, and a line's end is a character."""
    model = PlainModel(TEXTS, UnitsSpec("char"), sentences=False)
    assert model.begin == model.end == -1
    found = evaluate_text(model, ["나는", "버스를"])
    logs, _ = model.log_probs(model.empty(), model.tokens("나는\n버스를\n"))
    assert math.isclose(found.log_prob, logs.sum()) and found.characters == 7 and found.ends == 0
    assert score(model, "나는").tokens == 2
