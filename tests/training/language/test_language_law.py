"""The law that ties the engines: the same gradients in double precision, the same losses to float32 rounding."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st
from language_problems import AWD, ZAREMBA, network_of, tokens_of

from timesteps.runtime import native
from timesteps.training.language.loop import train_language
from timesteps.training.language.native_engine import NativeLanguageEngine
from timesteps.training.language.network import LanguageNetwork
from timesteps.training.language.settings import LanguageSettings
from timesteps.training.language.streams import Text, windows
from timesteps.training.language.torch_engine import TorchLanguageEngine

pytestmark = pytest.mark.skipif(native.core is None, reason="no compiled core")

SIZES = ((5, 7, 2, 13), (70, 33, 1, 300), (130, 65, 3, 70))


def engines(cell: str, sizes: tuple[int, int, int, int], tied: bool, double: bool, **options: Any) -> Any:
    choices = LanguageSettings(threads=1, **options)
    networks = [network_of(cell, *sizes, tied=tied, double=double) for _ in range(2)]
    counts = np.bincount(tokens_of(sizes[3], 2000), minlength=sizes[3])
    return NativeLanguageEngine(networks[0], choices, counts), TorchLanguageEngine(networks[1], choices, counts)


@pytest.mark.parametrize(
    ("cell", "tied", "sizes", "options"),
    list(product(("rnn", "lstm", "gru"), (False, True), SIZES, ({}, ZAREMBA, AWD))),
)
def test_gradients_are_torchs(cell: str, tied: bool, sizes: Any, options: dict[str, Any]) -> None:
    check_gradients(cell, tied, sizes, options, streams=4, bptt=9)


def test_tensors_may_come_in_any_order() -> None:
    """Those of a file are sorted by name, and the core tells them by their place."""
    text = Text(tokens_of(13, 200), 2)
    found = []
    for turn in (1, -1):
        network = network_of("lstm", 5, 7, 2, 13)
        weights = dict(list(network.weights.items())[::turn])
        engine = NativeLanguageEngine(LanguageNetwork(network.spec, weights), LanguageSettings(batch_size=2, threads=1))
        found.append([engine.step(window, n, 1.0).loss for n, window in enumerate(text.windows(iter(lambda: 9, 0)))])
    assert found[0] == found[1] and found[0][0] != found[0][-1]


@pytest.mark.parametrize(
    ("tied", "sizes", "samples", "options"),
    list(product((False, True), SIZES, (1, 8, 200), ({}, AWD))),
)
def test_gradients_of_a_sampled_softmax_are_torchs(
    tied: bool, sizes: Any, samples: int, options: dict[str, Any]
) -> None:
    check_gradients("lstm", tied, sizes, options | {"samples": samples}, streams=4, bptt=9)


@rules(max_examples=25, deadline=None)
@given(
    st.sampled_from(("rnn", "lstm", "gru")), st.booleans(), st.integers(1, 70), st.integers(1, 40), st.integers(5, 270),
    st.integers(1, 9), st.integers(2, 80), st.sampled_from(({}, ZAREMBA, AWD)), st.sampled_from((0, 0, 3, 50)),
)  # fmt: skip
def test_gradients_of_any_shape(
    cell: str,
    tied: bool,
    embedding: int,
    hidden: int,
    words: int,
    streams: int,
    bptt: int,
    options: dict[str, Any],
    samples: int,
) -> None:
    options = options | {"samples": samples}
    check_gradients(cell, tied, (embedding, hidden, 2, words), options, streams, bptt)


def check_gradients(cell: str, tied: bool, sizes: Any, options: dict[str, Any], streams: int, bptt: int) -> None:
    ours, torchs = engines(cell, sizes, tied, True, batch_size=streams, bptt=bptt, **options)
    text = Text(tokens_of(sizes[3], 3 * streams * bptt), streams)
    for number, window in enumerate(text.windows(windows(bptt, False, 0, 0))):
        (step, gradients), (wanted, theirs) = ours.gradients(window, number), torchs.gradients(window, number)
        np.testing.assert_allclose(step, wanted, rtol=1e-11, atol=1e-13)
        for name, gradient in theirs.items():
            scale = max(1e-3, float(np.abs(gradient).max()))
            assert np.abs(gradients[name] - gradient).max() <= 1e-9 * scale, name


@pytest.mark.parametrize(
    "options",
    [
        {"learning_rate": 1.0},
        {"learning_rate": 1.0, "momentum": 0.5, "weight_decay": 1e-4, **ZAREMBA},
        {"optimizer": "adam", "learning_rate": 0.01, "ema": 0.95, "schedule": "linear", "warmup": 0.1, **ZAREMBA},
        {"learning_rate": 1.0, "variable": True, "ema": 0.9, "decay": 0.5, "hold": 1, "weight_decay": 1e-3, **AWD},
        {"learning_rate": 1.0, "momentum": 0.5, "samples": 12},
        {"optimizer": "adam", "learning_rate": 0.01, "ema": 0.95, "weight_decay": 1e-4, "samples": 12, **ZAREMBA},
    ],
    ids=("sgd", "momentum", "adam", "awd", "sampled", "sampled adam"),
)
@pytest.mark.parametrize("tied", [False, True])
def test_losses_over_two_hundred_steps(options: dict[str, Any], tied: bool) -> None:
    ours, torchs = engines("lstm", (24, 24, 2, 60), tied, False, batch_size=5, bptt=8, epochs=4, **options)
    text = Text(tokens_of(60, 2200), 5)
    losses: list[list[float]] = [[], []]
    before = ours.evaluate(text, 20)
    for epoch in range(4):
        for engine, found in zip((ours, torchs), losses, strict=True):
            engine.begin_epoch()
            for window in text.windows(windows(8, options.get("variable", False), 0, epoch)):
                rate = engine._settings.rate(epoch, window.begin / text.steps)
                step = engine.step(window, epoch * text.steps + window.begin, rate)
                found.append(step.loss + step.penalty)
    assert len(losses[0]) >= 200
    np.testing.assert_allclose(losses[0], losses[1], rtol=2e-4)
    if not options.get("samples"):  # what those learn, a test of its own says
        assert ours.evaluate(text, 20) < before - 0.01
    with ours.averaged(), torchs.averaged():
        np.testing.assert_allclose(ours.evaluate(text, 20), torchs.evaluate(text, 20), rtol=1e-4)
        for name, weight in torchs.weights().items():
            np.testing.assert_allclose(ours.weights()[name], weight, atol=2e-3)


@pytest.mark.parametrize("samples", [0, 300])
def test_two_threads_have_the_bits_of_one(samples: int) -> None:
    found = []
    for threads in (1, 2):
        network = network_of("lstm", 40, 40, 2, 2000)
        settings = LanguageSettings(
            batch_size=8, bptt=20, epochs=1, threads=threads, optimizer="adam", samples=samples, **AWD
        )
        train_language(network, tokens_of(2000, 3000), None, settings, counts=np.arange(2000))
        found.append(network.weights)
    assert all(np.array_equal(found[0][name], found[1][name]) for name in found[0])


def test_a_token_that_is_never_predicted_has_no_part_in_training() -> None:
    network = network_of("gru", 8, 8, 1, 20)
    before = network.weights["head.bias"][1]
    train_language(network, tokens_of(20, 500), None, LanguageSettings(batch_size=2, epochs=2, optimizer="adam"))
    assert network.weights["head.bias"][1] == before
    rest = np.delete(network.weights["head.bias"], 1)
    assert np.abs(rest).max() > 0


def test_a_sampled_softmax_learns_what_the_whole_one_does() -> None:
    tokens, held = tokens_of(300, 12000), tokens_of(300, 1500, seed=1)
    counts = np.bincount(tokens, minlength=300)
    losses = []
    for samples in (0, 60):
        settings = LanguageSettings(
            batch_size=8,
            bptt=20,
            epochs=3,
            optimizer="adam",
            learning_rate=0.02,
            samples=samples,
            threads=1,
        )
        history = train_language(network_of("lstm", 32, 32, 1, 300), tokens, held, settings, counts=counts)
        losses.append(history.rows[-1]["val_loss"])
    assert losses[1] < losses[0] + 0.25 < np.log(300) - 1
