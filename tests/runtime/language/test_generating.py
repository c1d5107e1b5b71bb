"""Generated text: drawn as often as it is probable, the same for the same seed."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from language_models import TEXTS, Table

from timesteps.errors import ModelError, UsageError
from timesteps.runtime.language.generating import Sampling, generate, generate_tokens
from timesteps.runtime.language.plain import PlainModel
from timesteps.runtime.language.units import UnitsSpec

LOGS = np.log([0.05, 0.5, 0.2, 0.25])


def frequencies(sampling: Sampling) -> list[float]:
    """Shares of an even sweep of chances."""
    found = Counter(sampling.draw(LOGS, (place + 0.5) / 2000) for place in range(2000))
    return [found[token] / 2000 for token in range(4)]


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(), [0.05, 0.5, 0.2, 0.25]),
        (Sampling(temperature=0), [0, 1, 0, 0]),
        (Sampling(top_k=2), [0, 2 / 3, 0, 1 / 3]),
        (Sampling(top_p=0.7), [0, 2 / 3, 0, 1 / 3]),
        (Sampling(top_p=0.5), [0, 1, 0, 0]),
        (Sampling(top_p=0.76), [0, 0.5 / 0.95, 0.2 / 0.95, 0.25 / 0.95]),
        (Sampling(temperature=0.5), [p * p / 0.355 for p in (0.05, 0.5, 0.2, 0.25)]),
        (Sampling(temperature=2, top_k=2), [0, 2**0.5 / (1 + 2**0.5), 0, 1 / (1 + 2**0.5)]),
    ],
)
def test_tokens_are_drawn_as_often_as_they_are_probable(sampling: Sampling, expected: list[float]) -> None:
    assert np.allclose(frequencies(sampling), expected, atol=2e-3)


@given(st.floats(0, 1, exclude_max=True), st.floats(0.01, 50), st.integers(1, 5), st.floats(0.01, 1))
def test_draws_are_tokens_that_are_possible(chance: float, temperature: float, k: int, p: float) -> None:
    logs = np.array([-np.inf, -3.0, -800.0, -0.1])
    assert Sampling(temperature, k, p).draw(logs, chance) in (1, 2, 3)


def test_the_same_seed_writes_the_same() -> None:
    model = PlainModel(TEXTS, UnitsSpec("char"))
    texts = [generate(model, "나", length=30, seed=seed, stop=False) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    assert all(text.startswith("나") for text in texts)


def test_marks_are_never_written_and_sentences_end() -> None:
    model = PlainModel(TEXTS, order=2, k=5.0)
    tokens = list(itertools.islice(generate_tokens(model, seed=3), 300))
    assert model.end in tokens and model.begin not in tokens and model.unknown not in tokens
    stopped = generate(model, length=300, seed=3)
    assert "\n" not in stopped and len(stopped.split()) == tokens.index(model.end)
    going = generate(model, length=300, seed=3, stop=False)
    assert going.startswith(stopped + "\n") and len(going.split("\n")) == tokens.count(model.end) + 1


def test_the_next_sentence_begins_as_sentences_do() -> None:
    model = PlainModel(TEXTS, order=3, k=1e-9)
    lines = generate(model, length=200, stop=False, seed=1).split("\n")
    assert set(lines[:-1]) <= {*TEXTS, "나는 버스를 탔다", "그는 버스를 기다렸다"}


def test_the_prompt_stays_as_it_was_written() -> None:
    model = PlainModel(["the bus came"], UnitsSpec("word", lowercase=True), k=1e-6)
    assert generate(model, "The  zebra BUS", temperature=0) == "The  zebra BUS came"
    assert generate(model, "", temperature=0) == "the bus came"
    characters = PlainModel(["abab"], UnitsSpec("char"), k=1e-6)
    assert generate(characters, "a", temperature=0, length=2).startswith("ab")


def test_what_cannot_be_written() -> None:
    model = PlainModel(TEXTS)
    with pytest.raises(UsageError, match=r"no word of the prompt \('zebra'\)"):
        generate(model, "zebra giraffe")
    for option in ({"temperature": -1}, {"temperature": math.nan}, {"top_k": 0}, {"top_p": 0.0}, {"length": 0}):
        with pytest.raises(UsageError, match=next(iter(option))):
            generate(model, **option)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="expects NaN"):
        generate(Table(TEXTS, {"버스를": math.nan}), "나는")
    with pytest.raises(ModelError, match="no token at all"):
        generate(Table(["a"], {"a": -math.inf, "</s>": -math.inf}))
