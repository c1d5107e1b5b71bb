"""Epochs over a text: what is kept, what goes on, what stops."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from language_problems import AWD, network_of, tokens_of

from timesteps.errors import DataError, UsageError
from timesteps.runtime import native
from timesteps.training.language.loop import choose_language_engine, train_language
from timesteps.training.language.settings import LanguageSettings
from timesteps.training.language.streams import Text, windows
from timesteps.training.nonfinite import NonFiniteError

TRAIN, VALID = tokens_of(50, 1500), tokens_of(50, 300, seed=1)
QUICK = LanguageSettings(batch_size=4, bptt=9, epochs=3, learning_rate=2.0, threads=1)
RUNS: dict[str, Any] = {
    "plain": {},
    "adam": {"optimizer": "adam", "learning_rate": 0.01, "ema": 0.9, **AWD},
    "momentum": {"momentum": 0.9, "weight_decay": 1e-3, "variable": True},
}


@pytest.mark.parametrize("engine", ["native", "torch"])
@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("tied", [False, True])
def test_a_resumed_run_has_the_bits_of_one_that_was_not_stopped(
    engine: Any, name: str, tied: bool, tmp_path: Path
) -> None:
    settings = replace(QUICK, engine=engine, **RUNS[name])
    whole, part, rest = (network_of("lstm", 12, 12, 2, 50, tied=tied) for _ in range(3))
    history = train_language(whole, TRAIN, VALID, settings)
    train_language(part, TRAIN, VALID, replace(settings, epochs=1), folder=tmp_path)
    resumed = train_language(rest, TRAIN, VALID, settings, folder=tmp_path, resume=True)
    assert resumed.rows == history.rows
    assert resumed.best_epoch == history.best_epoch
    assert all(np.array_equal(whole.weights[each], rest.weights[each]) for each in whole.weights)


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {here!r})
from language_problems import network_of
from test_language_loop import QUICK, TRAIN, VALID
from timesteps.training.language.loop import train_language
from timesteps.training.progress import SilentProgress
class Kill(SilentProgress):
    def advance(self, epoch, step, tokens, metrics):
        if epoch == 2 and step == 5:
            os.kill(os.getpid(), signal.SIGKILL)
train_language(network_of("gru", 12, 12, 1, 50), TRAIN, VALID, QUICK, folder=Path({folder!r}), progress=Kill())
"""


def test_a_killed_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    code = KILLED.format(here=str(Path(__file__).parent), folder=str(tmp_path))
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    whole, rest = network_of("gru", 12, 12, 1, 50), network_of("gru", 12, 12, 1, 50)
    history = train_language(whole, TRAIN, VALID, QUICK)
    with pytest.raises(UsageError, match="was stopped after epoch 1 of 3"):
        train_language(network_of("gru", 12, 12, 1, 50), TRAIN, VALID, QUICK, folder=tmp_path)
    assert train_language(rest, TRAIN, VALID, QUICK, folder=tmp_path, resume=True).rows == history.rows
    assert all(np.array_equal(whole.weights[name], rest.weights[name]) for name in whole.weights)


def test_another_text_or_other_settings_are_refused(tmp_path: Path) -> None:
    train_language(network_of("gru", 12, 12, 1, 50), TRAIN, VALID, replace(QUICK, epochs=1), folder=tmp_path)
    with pytest.raises(UsageError, match="digest was"):
        train_language(network_of("gru", 12, 12, 1, 50), TRAIN[:-50], VALID, QUICK, folder=tmp_path, resume=True)
    with pytest.raises(UsageError, match="dropout"):
        other = replace(QUICK, dropout=0.5)
        train_language(network_of("gru", 12, 12, 1, 50), TRAIN, VALID, other, folder=tmp_path, resume=True)


def test_the_best_epoch_is_kept_and_patience_ends_a_run() -> None:
    network = network_of("rnn", 12, 12, 1, 50)
    settings = replace(QUICK, epochs=30, patience=2, learning_rate=0.05, optimizer="adam")
    history = train_language(network, TRAIN[:300], VALID, settings)
    losses = [row["val_loss"] for row in history.rows]
    assert len(losses) < 30
    assert history.best_epoch == int(np.argmin(losses)) == len(losses) - 4
    again = train_language(network, TRAIN[:300], VALID, replace(QUICK, epochs=1, learning_rate=1e-9))
    assert again.rows[0]["val_loss"] == pytest.approx(min(losses), rel=1e-5)


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_nan_stops_with_the_tensors_name(engine: Any) -> None:
    network = network_of("lstm", 12, 12, 2, 50)
    network.weights["rnn.weight_hh_l1"][3, 4] = np.nan
    with pytest.raises(NonFiniteError, match=r"parameter rnn.weight_hh_l1 is not finite"):
        train_language(network, TRAIN, None, replace(QUICK, engine=engine))


def test_a_rate_that_is_too_high_stops_in_words() -> None:
    settings = replace(QUICK, learning_rate=1e38, clip_norm=None, epochs=2)
    with pytest.raises(NonFiniteError, match=r"in epoch 1, tokens \d+ to \d+ of the streams"):
        train_language(network_of("lstm", 12, 12, 2, 50), TRAIN, None, settings)


def test_streams_hold_each_token_and_its_successor() -> None:
    text = Text(np.arange(101), 4)
    ids = np.concatenate([window.ids for window in text.windows(windows(7, True, 3, 0))])
    assert ids.T.reshape(-1).tolist() == list(range(100))
    assert (text.targets == text.ids + 1).all()
    with pytest.raises(DataError, match="too few for 4 streams"):
        Text(np.arange(4), 4)


def test_lengths_are_functions_of_seed_and_epoch() -> None:
    def first(seed: int, epoch: int) -> list[int]:
        lengths = windows(70, True, seed, epoch)
        return [next(lengths) for _ in range(200)]

    assert first(1, 0) == first(1, 0) != first(1, 1)
    assert min(first(1, 0)) >= 5
    assert 60 < np.mean(first(1, 0)) < 72
    assert any(length < 45 for length in first(1, 0))


@pytest.mark.parametrize(
    ("option", "value"),
    [("bptt", 1), ("dropout", 1.0), ("activation", -1.0), ("decay", 0.0), ("learning_rate", 0.0), ("samples", -1)],
)
def test_values_out_of_range_are_refused_by_name(option: str, value: Any) -> None:
    with pytest.raises(UsageError, match=option):
        LanguageSettings(**{option: value})


def test_without_a_core_the_native_engine_says_so() -> None:
    with native.without_core():
        with pytest.raises(UsageError, match="native engine cannot train this: there is no compiled core"):
            choose_language_engine(LanguageSettings(engine="native"))
        assert choose_language_engine(LanguageSettings(samples=5)).name == "torch"
    assert native.core is None or choose_language_engine(LanguageSettings(samples=5)).name == "native"
