"""The law that ties the engines: the same network, rows and settings give the same losses, to float32 rounding."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle, product
from typing import Any

import numpy as np
import pytest
from engine_problems import CELLS, DROPOUTS, INPUTS, LOSSES, POOLS, network_of, rates_for, rows_of, spec_of
from problems import weights

from timesteps.runtime import native
from timesteps.runtime.layout import network_tensors
from timesteps.runtime.regularization import Regularization
from timesteps.runtime.spec import NetworkSpec
from timesteps.training.callbacks import LambdaCallback
from timesteps.training.engines.engine import Engine
from timesteps.training.engines.native_engine import NativeEngine
from timesteps.training.engines.torch_engine import TorchEngine
from timesteps.training.examples import Examples
from timesteps.training.loop import train
from timesteps.training.settings import Settings

pytestmark = pytest.mark.skipif(native.core is None, reason="no compiled core")

ENGINES = ("native", "torch")

#: 48 rows in batches of 12 make 4 steps an epoch.
PLAIN = Settings(epochs=50, batch_size=12, learning_rate=0.01)
OPTIONS: dict[str, Settings] = {
    "plain": PLAIN,
    "adamw": replace(PLAIN, optimizer="adamw", weight_decay=0.1, schedule="linear", warmup=0.1, ema=0.9),
    "decay": replace(PLAIN, weight_decay=0.1, betas=(0.8, 0.99), clip_norm=None),
    "rmsprop": replace(PLAIN, optimizer="rmsprop", learning_rate=3e-3, weight_decay=0.01),
    "momentum": replace(PLAIN, optimizer="rmsprop", learning_rate=1e-3, momentum=0.9, schedule="cosine"),
    "sgd": replace(PLAIN, optimizer="sgd", learning_rate=0.1, momentum=0.9, weight_decay=0.01, label_smoothing=0.1),
    "nesterov": replace(PLAIN, optimizer="sgd", learning_rate=0.05, momentum=0.8, nesterov=True, schedule="linear"),
    "tables": replace(PLAIN, table_learning_rate=0.03, wide_learning_rate=0.1, clip_norm=0.1, ema=0.99, bucket=False),
    "consistency": replace(PLAIN, consistency=2.0, label_smoothing=0.05, schedule="linear"),
}
#: Layer norm divides by what may be nearly nothing: in float32 rounding grows to nothing alike in a hundred steps,
#: between torch's own operators and torch on the compiled kernels as much as between the engines. So they are compared
#: in double.
NORMED = [name for name, options in CELLS.items() if options.get("layer_norm")]
POOLED = POOLS[:-1]  # without pooling rows have other targets: `test_answers_at_every_step`
CASES = [
    (kind, cell, pool, name, outputs)
    for (kind, cell), pool, name, outputs in zip(
        product(INPUTS, (cell for cell in CELLS if cell not in NORMED)), cycle(POOLED), cycle(OPTIONS),
        cycle((1, 3, 1)), strict=False,
    )
]  # fmt: skip


def run(
    engine: Any, spec: NetworkSpec, rates: Regularization | None, rows: Examples, valid: Examples, settings: Settings
) -> tuple[list[float], dict[str, Any], list[dict[str, float]]]:
    """Losses of all steps, the weights that are kept, the log."""
    network, losses = network_of(spec, rates), []
    watch = LambdaCallback(on_train_batch_end=lambda batch, logs: losses.append(logs["loss"]))
    history = train(network, rows, valid, replace(settings, engine=engine, threads=1), callbacks=[watch])
    assert str(history.engine) == f"{engine}, because it was asked for"
    return losses, weights(network), history.rows


def same(spec: NetworkSpec, rates: Regularization | None, rows: Examples, settings: Settings, steps: int = 200) -> None:
    valid = rows.take(range(0, len(rows), 3))
    ours, theirs = (run(engine, spec, rates, rows, valid, settings) for engine in ENGINES)
    assert len(ours[0]) == steps
    np.testing.assert_allclose(ours[0], theirs[0], rtol=5e-4, atol=1e-6)
    np.testing.assert_allclose(ours[0][:20], theirs[0][:20], rtol=5e-6, atol=1e-6)
    assert theirs[0][-1] != theirs[0][0]
    for name, weight in theirs[1].items():
        np.testing.assert_allclose(ours[1][name], weight, rtol=1e-2, atol=1e-3, err_msg=name)
    for one, two in zip(ours[2], theirs[2], strict=True):
        assert one == pytest.approx(two, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(("kind", "cell", "pool", "name", "outputs"), CASES)
def test_the_same_losses_for_200_steps(kind: str, cell: str, pool: Any, name: str, outputs: int) -> None:
    spec = spec_of(kind, cell, pool, outputs=outputs, bidirectional=name != "plain")
    same(spec, rates_for(cell), rows_of(kind, outputs=outputs), OPTIONS[name])


@pytest.mark.parametrize("pool", ["mean+max", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_the_losses_of_numbers(name: Any, pool: Any) -> None:
    options = replace(OPTIONS["adamw"], loss=name, quantiles=LOSSES[name])
    spec = spec_of("numeric", "gru", pool, outputs=options.criterion.outputs(4))
    same(spec, DROPOUTS, rows_of("numeric", numbers=4, loss=name, per_step=pool == "none"), options)


@pytest.mark.parametrize("name", ["plain", "consistency", "tables"])
@pytest.mark.parametrize("kind", ["ids", "bag", "one_hot"])
def test_answers_at_every_step(kind: str, name: str) -> None:
    spec = spec_of(kind, "lstm", "none", outputs=3, bidirectional=True)
    same(spec, DROPOUTS, rows_of(kind, outputs=3, per_step=True), OPTIONS[name])


@pytest.mark.parametrize("cell", NORMED)
@pytest.mark.parametrize("kind", ["ids", "one_hot", "numeric"])
def test_the_same_losses_for_200_steps_in_double(kind: str, cell: str) -> None:
    spec, rows = spec_of(kind, cell, outputs=3, bidirectional=True, hidden=16), rows_of(kind, outputs=3)
    losses = []
    for engine in ENGINES:
        network = network_of(spec, DROPOUTS).double()
        found: Engine = TorchEngine(network, rows, PLAIN, 200)
        if engine == "native":
            arrays = {name: network.state_dict()[name].numpy() for name in network_tensors(spec)}
            found = NativeEngine(spec, DROPOUTS, arrays, rows, PLAIN, 200)
        found.begin_epoch()
        losses.append([found.step(step, np.arange(step % 4, 48, 4)).loss for step in range(200)])
    np.testing.assert_allclose(*losses, rtol=1e-6)


@pytest.mark.parametrize("cell", NORMED)
@pytest.mark.parametrize("kind", ["wide", "guided"])
def test_normed_cells_begin_with_the_same_losses(kind: str, cell: str) -> None:
    spec, rows = spec_of(kind, cell, hidden=16), rows_of(kind)
    ours, theirs = (run(engine, spec, DROPOUTS, rows, rows, replace(PLAIN, epochs=5))[0] for engine in ENGINES)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("kind", ["ids", "wide"])
def test_every_option(name: str, kind: str) -> None:
    same(spec_of(kind, "lstm", "mean+max"), DROPOUTS, rows_of(kind), OPTIONS[name])


def test_a_stack_of_layers_with_learned_states_and_soft_targets() -> None:
    spec = spec_of("ids", "lstm", "last", layers=3, bidirectional=True, learned=True, outputs=3)
    same(spec, DROPOUTS, rows_of("ids", outputs=3, soft=True), OPTIONS["adamw"])


def test_the_textbook_model() -> None:
    """Padding is fed to the network, nothing is dropped."""
    same(spec_of("ids", "lstm", "last", hidden=8), None, rows_of("ids", full=True), OPTIONS["rmsprop"])


def test_rows_without_steps_and_batches_of_one() -> None:
    rows = rows_of("ids", 4, longest=1)
    same(spec_of("ids", "gru", "max"), DROPOUTS, rows, replace(PLAIN, batch_size=1))
