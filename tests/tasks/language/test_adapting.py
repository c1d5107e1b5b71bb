"""The neural cache and dynamic evaluation."""

from __future__ import annotations

import numpy as np
import pytest

from timesteps.errors import UsageError
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
    found = cached_log_probs(model, tokens, size=size, flatness=theta, share=share)
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
    assert -cached_log_probs(model, tokens, share=0.5).mean() < plain - 0.3
    assert dynamic_loss(model, tokens, rate=2.0) < plain - 0.3
    assert all(np.array_equal(weight, before[name]) for name, weight in model.weights.items())


def test_without_a_share_or_a_rate_nothing_changes(model: LanguageModel) -> None:
    tokens = text(model, 3)
    plain, _ = model.log_probs(model.start(), tokens.tolist())
    np.testing.assert_allclose(cached_log_probs(model, tokens, share=0.0), plain, atol=1e-5)
    still = model.log_probs(model.empty(), tokens.tolist())[0][1:]
    assert dynamic_loss(model, tokens, rate=1e-12) == pytest.approx(-still.mean(), abs=1e-4)


def test_numbers_out_of_range_are_refused(model: LanguageModel) -> None:
    with pytest.raises(UsageError, match="size is 0"):
        cached_log_probs(model, text(model, 1), size=0)
    with pytest.raises(UsageError, match="share is 1"):
        cached_log_probs(model, text(model, 1), share=1.0)
