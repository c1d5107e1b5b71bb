"""Every way in which numbers stop being numbers, planted in both engines: seen at its step, told, and survived."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_problems import CELLS, network_of, rows_of, spec_of
from language.language_problems import network_of as language_network

from timesteps.training.callbacks import Callback, LambdaCallback, Logs, TerminateOnNaN
from timesteps.training.doctor import Doctor, unsound
from timesteps.training.engines.engine import BadStepError
from timesteps.training.examples import Examples
from timesteps.training.language.loop import train_language
from timesteps.training.language.settings import LanguageSettings
from timesteps.training.loop import train
from timesteps.training.nonfinite import Fault, NonFiniteError
from timesteps.training.settings import Settings

PLAIN = Settings(epochs=3, batch_size=12, seed=1, threads=1)  # four steps an epoch
both = pytest.mark.parametrize("engine", ["native", "torch"])


def arrays(network: Any) -> dict[str, np.ndarray[Any, Any]]:
    return {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}


def settings(engine: Any, **others: Any) -> Settings:
    return replace(PLAIN, engine=engine, **others)


@both
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("cell", list(CELLS))
def test_a_bad_number_in_the_input_is_named_by_row_step_and_place(engine: str, bad: float, cell: str) -> None:
    rows, network = rows_of("numeric", full=True), network_of(spec_of("numeric", cell))
    rows.sequences.values[rows.sequences.offsets[31] + 4, 2] = bad
    says = f"the input of the step is not finite: row 31, step 4, number 2 is {bad}; fill or drop such rows first"
    before = arrays(network)
    with pytest.raises(NonFiniteError, match=re.escape(says)) as found:
        train(network, rows, None, settings(engine, epochs=1, batch_size=48))
    assert "in epoch 1, step 1 of 1" in str(found.value)
    for name, weight in arrays(network).items():  # its one step was not taken
        np.testing.assert_array_equal(weight, before[name])


@both
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["rnn.weight_ih_l0", "rnn.bias_hh_l0", "head.bias", "embedding.weight"])
def test_a_weight_that_a_callback_spoils_is_seen_at_once(engine: str, bad: float, name: str) -> None:
    """An infinite bias too, which saturates a gate and shows in no loss; and a row of words that no batch has used."""
    steps = 0
    good: list[dict[str, Any]] = []

    class Spoil(Callback):
        def on_epoch_begin(self, epoch: int) -> None:
            good.append(arrays(self.run.network))

        def on_train_batch_end(self, batch: int, logs: Logs) -> None:
            nonlocal steps
            steps += 1
            if steps == 6:
                dict(self.run.network.named_parameters())[name].data.view(-1)[0] = bad

    network = network_of(spec_of())
    with pytest.raises(NonFiniteError, match=rf"parameter {name} is not finite in epoch 2, step 2 of 4: a callback"):
        train(network, rows_of("ids"), None, settings(engine), callbacks=[Spoil()])
    assert steps == 6
    for key, weight in arrays(network).items():
        np.testing.assert_array_equal(weight, good[1][key])


@both
@pytest.mark.parametrize("where", ["memory", "folder"])
def test_a_wild_learning_rate_is_told_from_an_explosion(engine: str, where: str, tmp_path: Path) -> None:
    network, seen = network_of(spec_of()), []
    before = arrays(network)
    watch = LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch))
    with pytest.raises(NonFiniteError, match="learning rate 1e\\+30") as found:
        folder = tmp_path if where == "folder" else None
        train(network, rows_of("ids"), None, settings(engine, learning_rate=1e30), callbacks=[watch], folder=folder)
    assert len(seen) == 1, "seen in the step after the one that spoilt the weights"
    assert "epoch 1, step 2 of 4" in str(found.value)
    for name, weight in arrays(network).items():
        np.testing.assert_array_equal(weight, before[name])


@both
def test_a_loss_that_overflows_tells_of_the_targets(engine: str) -> None:
    rows = rows_of("numeric", numbers=1)
    targets = rows.targets.copy()
    targets[5] = 3e30
    spoilt = Examples(rows.sequences, targets, rows.weights, kind="numbers", missing="mask")
    # The native engine sums in double, so its loss is too large without being infinite.
    overflows = r"loss is inf in .*: the loss overflows: outputs are up to .*, targets up to 3e\+30.*scale the targets"
    says = (
        overflows if engine == "torch" else r"loss is \S+e\+\d\d in .*, of targets or inputs that are too large; scale"
    )
    with pytest.raises(NonFiniteError, match=says):
        train(network_of(spec_of("numeric")), spoilt, None, settings(engine, loss="mse"))


@both
def test_skipping_goes_on_with_the_other_batches(engine: str) -> None:
    rows = rows_of("numeric", full=True)
    rows.sequences.values[rows.sequences.offsets[31] + 4, 2] = np.inf
    network = network_of(spec_of("numeric"))
    with pytest.warns(RuntimeWarning, match=r"skipped: .* row 31, step 4, number 2 is inf"):
        history = train(network, rows, None, settings(engine, nonfinite="skip"))
    assert [row["skipped"] for row in history.rows] == [1.0] * 3
    assert all(np.isfinite(row["loss"]) for row in history.rows)
    assert history.rows[-1]["loss"] < history.rows[0]["loss"]
    assert unsound(arrays(network)) is None


def test_sound_runs_say_nothing_of_skipping() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = train(network_of(spec_of()), rows_of("ids"), None, PLAIN)
        skipping = train(network_of(spec_of()), rows_of("ids"), None, replace(PLAIN, nonfinite="skip"))
    assert plain.rows == skipping.rows and "skipped" not in plain.rows[0]


@both
def test_skipping_ends_where_the_weights_are_bad(engine: str) -> None:
    network = network_of(spec_of())
    network.head.weight.data[0, 0] = float("nan")
    with pytest.raises(NonFiniteError, match=r"parameter head\.weight is not finite, from before the first step"):
        train(network, rows_of("ids"), None, settings(engine, nonfinite="skip"))


@both
def test_skipping_ends_where_nothing_is_left(engine: str) -> None:
    rows = rows_of("numeric", full=True)
    rows.sequences.values[:, 0] = np.nan
    with pytest.warns(RuntimeWarning), pytest.raises(NonFiniteError, match="all 4 steps of epoch 1 were skipped"):
        train(network_of(spec_of("numeric")), rows, None, settings(engine, nonfinite="skip"))
    with pytest.warns(RuntimeWarning), pytest.raises(NonFiniteError, match="10 steps one after the other"):
        train(network_of(spec_of("numeric")), rows, None, settings(engine, nonfinite="skip", batch_size=2))


def test_keras_callback_ends_in_peace_with_the_last_good_weights() -> None:
    network, good = network_of(spec_of()), []

    def spoil(epoch: int) -> None:
        good.append(arrays(network))
        if epoch == 1:
            network.rnn.bias_hh_l0.data[0] = float("inf")

    spoiler = LambdaCallback(on_epoch_begin=spoil)
    history = train(network, rows_of("ids"), None, settings("native"), callbacks=[spoiler, TerminateOnNaN()])
    assert len(history.rows) == 1
    for name, weight in arrays(network).items():
        np.testing.assert_array_equal(weight, good[1][name])


@both
def test_language_models_keep_their_last_good_weights(engine: Any) -> None:
    network = language_network("lstm", 12, 12, 2, 50)
    before = {name: weight.copy() for name, weight in network.weights.items()}
    wild = LanguageSettings(epochs=2, batch_size=4, bptt=5, learning_rate=1e30, clip_norm=None, engine=engine)
    text = np.random.default_rng(0).integers(0, 50, 400)
    with pytest.raises(NonFiniteError, match=r"epoch 1, tokens.*learning rate 1e\+30"):
        train_language(network, text, None, wild)
    for name, weight in network.weights.items():
        np.testing.assert_array_equal(weight, before[name])


def test_the_gradients_history_is_told() -> None:
    doctor = Doctor("stop", dict, lambda: None)
    for norm in (0.5, 3.0, 40.0, 900.0):
        doctor.passed(1.0, norm, 0.01, "epoch 1")
    with pytest.raises(NonFiniteError) as found:
        doctor.met(
            BadStepError("gradient norm", np.inf, Fault("gradient", "the gradient of a is not finite")), "epoch 2"
        )
    assert str(found.value) == (
        "gradient norm is inf in epoch 2: the gradient of a is not finite; the gradients explode (gradient "
        "norms before: 0.5, 3, 40, 900, learning rate 0.01); lower learning_rate or clip_norm"
    )
