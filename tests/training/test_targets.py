"""Targets of steps and numbers to predict: what counts, what does not, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from engine_problems import DROPOUTS, LOSSES, network_of, rows_of, spec_of

from timesteps.errors import DataError, UsageError
from timesteps.runtime import native
from timesteps.runtime.losses import Loss
from timesteps.runtime.sequences import Sequences
from timesteps.training.engines.native_engine import NativeEngine
from timesteps.training.engines.plain import PlainNetwork
from timesteps.training.examples import Examples
from timesteps.training.loop import train
from timesteps.training.settings import Settings

ROWS = Sequences.of([[1, 2], [3], [], [4, 5, 6]])
needs_core = pytest.mark.skipif(native.core is None, reason="no compiled core")


@pytest.mark.parametrize(
    ("targets", "options", "error", "says"),
    [
        ([0, 1, 0, 1], {"per_step": True}, UsageError, "for 6 steps"),
        ([0, 1, 0, 1, 0, -2], {"per_step": True}, DataError, "target of step 5 is -2"),
        ([0, 1, 0, 1, 0, -1], {"per_step": True}, DataError, "target of step 5 is -1"),
        ([1.0, 2.0, np.nan, 0.0], {"kind": "numbers"}, DataError, r"target of row 2 is \[nan\].*missing='mask'"),
        ([1.0, 2.0, np.inf, 0.0], {"kind": "numbers", "missing": "mask"}, DataError, "target of row 2"),
        (["1", "2", "3", "4"], {"kind": "numbers"}, UsageError, "targets of dtype"),
        ([0.5, 1.0, 0.0, 1.0], {}, UsageError, "numbers to predict"),
    ],
)
def test_what_does_not_fit_is_refused(targets: Any, options: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Examples(ROWS, targets, **options)


def test_weights_of_rows_are_those_of_their_steps() -> None:
    examples = Examples(ROWS, [0, 1, 0, 1, 0, 1], [1, 2, 3, 4], per_step=True)
    assert examples.weights.tolist() == [1, 1, 2, 4, 4, 4]
    assert Examples(ROWS, [0] * 6, [1, 2, 3, 4, 5, 6], per_step=True).weights.tolist() == [1, 2, 3, 4, 5, 6]
    taken = examples.take([3, 0])
    assert (taken.targets.tolist(), taken.weights.tolist()) == ([1, 0, 1, 0, 1], [4, 4, 4, 1, 1])


def test_what_is_missing_counts_nothing() -> None:
    labels = Examples(ROWS, [-1, -1, 1, 0, 2, -1], per_step=True, missing="mask")
    assert labels.weights.tolist() == [0, 0, 1, 1, 1, 0]
    assert labels.counted().tolist() == [False, True, False, True]
    numbers = Examples(ROWS, [[1.0, np.nan], [np.nan] * 2, [2.0, 3.0], [0.0, 0.0]], kind="numbers", missing="mask")
    assert numbers.counted().tolist() == [True, False, True, True]
    soft = Examples(ROWS, [[0.5], [np.nan], [1.0], [0.0]], missing="mask")
    assert soft.counted().tolist() == [True, False, True, True]


def test_targets_fit_the_loss_and_the_outputs() -> None:
    numbers = Examples(ROWS, np.zeros((4, 2)), kind="numbers")
    numbers.check(4, Loss("gaussian"))
    with pytest.raises(UsageError, match="give the network 6 outputs"):
        numbers.check(4, Loss("student_t"))
    with pytest.raises(UsageError, match="targets are numbers, the loss is cross_entropy"):
        numbers.check(2)
    with pytest.raises(UsageError, match="targets are classes, the loss is mse"):
        Examples(ROWS, [0, 1, 1, 0]).check(1, Loss("mse"))
    with pytest.raises(UsageError, match=r"label_smoothing is 0\.1 with loss='mse'"):
        Settings(loss="mse", label_smoothing=0.1)


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_each_engine_wants_targets_where_its_network_answers(engine: Any) -> None:
    if engine == "native" and native.core is None:
        pytest.skip("no compiled core")
    settings = Settings(epochs=1, engine=engine)
    for pool, per_step in (("none", False), ("mean", True)):
        rows = rows_of("ids", outputs=3, per_step=per_step)
        with pytest.raises(UsageError, match="targets of"):
            train(PlainNetwork.untrained(spec_of("ids", pool=pool, outputs=3)), rows, None, settings)


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_rows_without_targets_are_left_out(engine: Any) -> None:
    """A run with them is the run without them, to the last bit; padding and missing targets touch nothing."""
    if engine == "native" and native.core is None:
        pytest.skip("no compiled core")
    settings = Settings(epochs=2, batch_size=4, engine=engine, loss="gaussian", threads=1)
    spec = spec_of("numeric", "gru", "none", outputs=2)
    all_rows = rows_of("numeric", 20, numbers=1, per_step=True)
    known = Examples(
        all_rows.sequences,
        np.where(np.arange(len(all_rows.targets))[:, None] % 2, all_rows.targets, np.nan),
        all_rows.weights,
        kind="numbers",
        per_step=True,
        missing="mask",
    )
    runs = []
    for rows in (known, known.take(np.flatnonzero(known.counted()))):
        network = PlainNetwork.untrained(spec)
        history = train(network, rows, rows, settings)
        runs.append((history.rows, network.state_dict()["head.weight"].tolist()))
    assert runs[0] == runs[1]


@needs_core
@pytest.mark.parametrize("pool", ["mean", "none"])
@pytest.mark.parametrize("name", [*LOSSES, "cross_entropy"])
def test_native_gradients_are_numerically_right(name: Any, pool: Any) -> None:
    numbers = 0 if name == "cross_entropy" else 2
    options = Settings(loss=name, quantiles=LOSSES.get(name, ()), label_smoothing=0.0 if numbers else 0.1)
    outputs = options.criterion.outputs(numbers) if numbers else 3
    rows = rows_of("numeric", 6, outputs=outputs, numbers=numbers, loss=name, longest=4, per_step=pool == "none")
    network = network_of(spec_of("numeric", "lstm", pool, outputs=outputs)).double()
    weights = {key: part.numpy() for key, part in network.state_dict().items()}
    engine = NativeEngine(network.spec, network.regularization, weights, rows, options, 1)
    index = np.arange(len(rows))
    found = {key: part.copy() for key, part in engine.gradients(0, index)[1].items()}
    random = np.random.default_rng(0)
    for key, weight in weights.items():
        for place in random.integers(0, weight.size, 3):
            kept, ends = weight.flat[place], []
            for move in (1e-6, -1e-6):
                weight.flat[place] = kept + move
                ends.append(engine.gradients(0, index)[0])
            weight.flat[place] = kept
            assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(found[key].flat[place], rel=1e-5, abs=1e-8)


@needs_core
@pytest.mark.parametrize("name", ["cross_entropy", "student_t"])
def test_the_same_bits_on_two_threads(name: Any) -> None:
    numbers = 0 if name == "cross_entropy" else 5
    outputs = Loss(name).outputs(numbers) or 7
    rows = rows_of("numeric", 64, outputs=outputs, numbers=numbers, longest=40, per_step=True)
    ends = []
    for threads in (1, 2, 3):
        network = PlainNetwork.untrained(spec_of("numeric", "lstm", "none", outputs=outputs, hidden=33), DROPOUTS)
        train(network, rows, None, Settings(epochs=2, batch_size=32, loss=name, threads=threads, engine="native"))
        ends.append({key: part.tobytes() for key, part in network.state_dict().items()})
    assert ends[0] == ends[1] == ends[2]
