"""The neural cache and dynamic evaluation."""

from __future__ import annotations

import numpy as np
import pytest

from timesteps.errors import UsageError
from timesteps.tasks.language.adapted import Adapting, evaluate_adapted
from timesteps.tasks.language.adapting import cached_log_probs, dynamic_loss
from timesteps.tasks.language.estimator import LanguageModel

WORDS = [f"w{n}" for n in range(30)]


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    random = np.random.default_rng(0)
    lines = [" ".join(random.choice(WORDS, 8)) for _ in range(60)]
    options = {"embedding_size": 8, "hidden_size": 8, "num_layers": 1, "batch_size": 2, "bptt": 6, "epochs": 2}
    return LanguageModel("small", threads=1, **options).fit(lines, 0.0)


def text(model: LanguageModel, seed: int) -> np.ndarray:  # type: ignore[type-arg]
    """One that uses a few of the words only."""
    return np.array(np.random.default_rng(seed).choice(model.tokens("w1 w2 w3"), 700), np.int32)


@pytest.mark.parametrize("size", [3, 100, 1000])
def test_the_cache_is_its_equation(model: LanguageModel, size: int) -> None:
    tokens, theta, share = text(model, 1), 0.7, 0.3
    outputs = np.concatenate([model.output(model.start())[None], model.read(model.start(), tokens)[0][:-1]])
    found = cached_log_probs(model, tokens, cache_size=size, cache_flatness=theta, cache_share=share)
    plain, _ = model.log_probs(model.start(), tokens.tolist())
    for place in (0, 1, 2, 5, 255, 256, 257, 600, 699):
        past = range(max(0, place - size), place)
        weights = {i: np.exp(theta * float(outputs[place].astype(float) @ outputs[i])) for i in past}
        wanted = np.exp(plain[place])
        if weights:
            same = sum(weight for i, weight in weights.items() if tokens[i] == tokens[place])
            wanted = (1 - share) * wanted + share * same / sum(weights.values())
        assert found[place] == pytest.approx(np.log(wanted), abs=1e-4), place


def test_both_do_better_on_a_text_that_repeats_itself(model: LanguageModel) -> None:
    tokens = text(model, 2)
    plain = -model.log_probs(model.start(), tokens.tolist())[0].mean()
    before = {name: weight.copy() for name, weight in model.weights.items()}
    assert -cached_log_probs(model, tokens, cache_share=0.5).mean() < plain - 0.3
    assert dynamic_loss(model, tokens, dynamic_rate=2.0) < plain - 0.3
    assert all(np.array_equal(weight, before[name]) for name, weight in model.weights.items())


def test_without_a_share_or_a_rate_nothing_changes(model: LanguageModel) -> None:
    tokens = text(model, 3)
    plain, _ = model.log_probs(model.start(), tokens.tolist())
    np.testing.assert_allclose(cached_log_probs(model, tokens, cache_share=0.0), plain, atol=1e-5)
    assert dynamic_loss(model, tokens, dynamic_rate=1e-12) == pytest.approx(-plain.mean(), abs=1e-5)


def test_numbers_out_of_range_are_refused(model: LanguageModel) -> None:
    with pytest.raises(UsageError, match="size is 0"):
        cached_log_probs(model, text(model, 1), cache_size=0)
    with pytest.raises(UsageError, match="share is 1"):
        cached_log_probs(model, text(model, 1), cache_share=1.0)
    with pytest.raises(UsageError, match="dynamic_rate is 0"):
        dynamic_loss(model, text(model, 1), dynamic_rate=0)
    with pytest.raises(UsageError, match="beyond all bounds; give a lower one"):
        dynamic_loss(model, text(model, 1), dynamic_rate=1e30)
    with pytest.raises(UsageError, match="cache_share is for cache"):
        Adapting(dynamic=True, cache_share=0.1)
    with pytest.raises(UsageError, match="cache_flatness is -1"):
        Adapting(cache=True, cache_flatness=-1.0)


def test_without_sentences_the_first_token_counts_as_well() -> None:
    model = LanguageModel("char", threads=1, embedding_size=4, hidden_size=4, num_layers=1, batch_size=2, epochs=1)
    model.fit(["abcabcacb"] * 30, 0.0)
    tokens = np.array(model.tokens("abccbacab\nab"), np.int32)
    plain, _ = model.log_probs(model.start(), tokens.tolist())
    assert dynamic_loss(model, tokens, dynamic_rate=1e-12) == pytest.approx(-plain.mean(), abs=1e-5)


def lines(seed: int) -> list[tuple[int, str]]:
    random = np.random.default_rng(seed)
    return [(number, " ".join(random.choice(WORDS[1:4], 8))) for number in range(1, 80)]


def test_weights_are_fitted_on_the_held_out_text(model: LanguageModel) -> None:
    held, text_ = lines(4), lines(5)
    usual = evaluate_adapted(model, text_, Adapting(cache=True, dynamic=True))
    fitted = evaluate_adapted(model, text_, Adapting(cache=True, cache_size=60, dynamic=True), held)
    assert [each.way for each in fitted] == ["plain", "cache", "dynamic"]
    assert fitted[0] == usual[0] and fitted[0].nats == pytest.approx(
        -model.log_probs(model.start(), [t for _, line in text_ for t in [*model.tokens(line), model.end]])[0].sum()
    )
    for mine, theirs in zip(fitted[1:], usual[1:], strict=True):
        assert mine.perplexity < theirs.perplexity < fitted[0].perplexity
    tokens = np.array([t for _, line in held for t in [*model.tokens(line), model.end]], np.int32)
    numbers = fitted[1].numbers
    best = cached_log_probs(model, tokens, **numbers).sum()  # type: ignore[arg-type]
    for name, factor in (("cache_share", 0.9), ("cache_share", 1.05)):
        other = {**numbers, name: min(numbers[name] * factor, 0.999)}
        assert cached_log_probs(model, tokens, **other).sum() < best  # type: ignore[arg-type]
    rate = fitted[2].numbers["dynamic_rate"]
    losses = [dynamic_loss(model, tokens, dynamic_rate=rate * factor) for factor in (0.5, 1.0, 2.0)]
    assert losses[1] == min(losses)
    given = evaluate_adapted(model, text_, Adapting(cache=True, cache_share=0.25, dynamic=True, dynamic_rate=0.3), held)
    assert given[1].numbers["cache_share"] == 0.25 and given[2].numbers["dynamic_rate"] == 0.3
