"""What the native engine promises beside torch's numbers: its bits, its words, and when it is chosen."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from engine_problems import DROPOUTS, INPUTS, network_of, rows_of, spec_of
from problems import same_bits, weights
from torch import nn

from timesteps.errors import DataError, UsageError
from timesteps.nn.models import build
from timesteps.runtime import native
from timesteps.runtime.regularization import Regularization
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.spec import LayerSpec, NetworkSpec
from timesteps.training.callbacks import Callback, LambdaCallback, Logs
from timesteps.training.checkpoint import checkpoint_path, load_checkpoint
from timesteps.training.engines.choice import choose, engine_for
from timesteps.training.engines.native_engine import NativeEngine
from timesteps.training.engines.plain import PlainNetwork
from timesteps.training.examples import Examples
from timesteps.training.loop import Interrupted, train
from timesteps.training.nonfinite import NonFiniteError
from timesteps.training.predict import evaluate, logits
from timesteps.training.settings import Settings

pytestmark = pytest.mark.skipif(native.core is None, reason="no compiled core")

SETTINGS = Settings(
    epochs=4, batch_size=12, learning_rate=0.02, schedule="cosine", warmup=0.2, ema=0.9, patience=3, engine="native"
)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
@pytest.mark.parametrize("kind", INPUTS)
def test_a_stopped_run_goes_on_to_the_same_bits(kind: str, optimizer: Any, tmp_path: Path) -> None:
    def stop(epoch: int) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    spec, rows, settings = (
        spec_of(kind, learned=True),
        rows_of(kind),
        replace(SETTINGS, optimizer=optimizer, momentum=0.5),
    )
    whole, again = network_of(spec, DROPOUTS), network_of(spec, DROPOUTS, seed=5)
    history = train(whole, rows, rows, settings, folder=tmp_path / "whole")
    with pytest.raises(Interrupted):
        stopping = [LambdaCallback(on_epoch_begin=stop)]
        train(network_of(spec, DROPOUTS), rows, rows, settings, folder=tmp_path / "half", callbacks=stopping)
    assert train(again, rows, rows, settings, folder=tmp_path / "half", resume=True).rows == history.rows
    assert same_bits(weights(again), weights(whole))
    for name in ("checkpoint.safetensors", "log.jsonl"):
        assert (tmp_path / "half" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_an_engine_does_not_go_on_with_the_others_run(tmp_path: Path) -> None:
    spec, rows = spec_of(), rows_of("ids")
    train(build(spec), rows, None, Settings(epochs=1, engine="torch"), folder=tmp_path)
    with pytest.raises(UsageError, match="engine was torch, is native"):
        train(build(spec), rows, None, Settings(epochs=2, engine="native"), folder=tmp_path, resume=True)
    train(build(spec), rows, None, Settings(epochs=2, engine="torch"), folder=tmp_path, resume=True)


def test_both_engines_write_the_same_checkpoint(tmp_path: Path) -> None:
    """The same names, shapes and types, and the same numbers up to rounding."""
    found = []
    for engine in ("native", "torch"):
        settings = replace(SETTINGS, epochs=1, engine=engine)
        train(network_of(spec_of("wide")), rows_of("wide"), rows_of("wide", seed=1), settings, folder=tmp_path / engine)
        found.append(load_checkpoint(checkpoint_path(tmp_path / engine), "numpy")[1])
    assert found[0].keys() == found[1].keys()
    for name, array in found[0].items():
        assert (array.dtype, array.shape) == (found[1][name].dtype, found[1][name].shape), name
        np.testing.assert_allclose(array, found[1][name], rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("kind", ["ids", "bag"])
def test_threads_change_no_bit(kind: str) -> None:
    """Large enough that work is shared."""
    layers = tuple(LayerSpec(cell="lstm", input_size=size, hidden_size=48, bidirectional=True) for size in (64, 96))
    inputs: Any = kind
    spec = NetworkSpec(
        input=inputs,
        input_size=40_000,
        embedding_size=64,
        layers=layers,
        pool="mean+max",
        outputs=1,
        wide=kind == "bag",
    )
    random = np.random.default_rng(0)
    ids = random.integers(0, 40_000, 64 * 40).astype(np.int32)
    offsets = np.arange(65) * 40
    rows = Examples(Sequences(ids, offsets), random.integers(0, 2, 64))
    if kind == "bag":
        from timesteps.runtime.sequences import Bags

        bags = Bags(random.integers(0, 40_000, 2000 * 30).astype(np.int32), np.arange(2001) * 30)
        rows = Examples(Sequences((ids % 2000).astype(np.int32), offsets, bags), rows.targets)
    found = []
    for threads in (1, 2, 3):
        network = build(spec, DROPOUTS)
        settings = Settings(epochs=3, batch_size=64, threads=threads, engine="native", ema=0.5)
        history = train(network, rows, rows, settings)
        found.append((weights(network), history.rows))
    assert same_bits(found[0][0], found[1][0]) and same_bits(found[0][0], found[2][0])
    assert found[0][1] == found[1][1] == found[2][1]


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "sgd"])
def test_rows_that_no_batch_uses_make_up_for_it_later(optimizer: Any) -> None:
    """Settled after every step or once at the end: the same bits; and they are torch's whole steps, up to rounding."""
    rows, spec = rows_of("ids", 40, longest=3), spec_of("ids")
    settings = Settings(optimizer=optimizer, momentum=0.5, weight_decay=0.05, ema=0.9, learning_rate=0.01)
    found = []
    for name, often in (("native", True), ("native", False), ("torch", False)):
        network, engine_name = network_of(spec, DROPOUTS), replace(settings, engine=name)
        engine = engine_for(choose(network, engine_name), network, rows, engine_name, 40)
        engine.begin_epoch()
        for step in range(40):
            engine.step(step, np.array([step]))  # a few of twelve ids
            if often:
                engine.settle()
        engine.end()
        state = engine.state()
        found.append({part: np.asarray(numbers).copy() for part, numbers in state.items()})
    for part, numbers in found[0].items():
        np.testing.assert_array_equal(found[1][part], numbers, err_msg=part)
        np.testing.assert_allclose(found[2][part], numbers, rtol=1e-3, atol=1e-4, err_msg=part)


def test_evaluation_is_torchs() -> None:
    for kind in INPUTS:
        spec, rows = spec_of(kind, outputs=3, bidirectional=True), rows_of(kind, outputs=3)
        network = network_of(spec, DROPOUTS)
        parts = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
        engine = NativeEngine(spec, DROPOUTS, parts, rows, Settings(), 1, network)
        assert engine.evaluate(rows, 7) == pytest.approx(evaluate(network, rows), rel=1e-5)


def test_nan_stops_at_its_step_with_the_name_of_the_tensor() -> None:
    kept: list[dict[str, torch.Tensor]] = []

    class Poison(Callback):
        def on_train_batch_end(self, batch: int, logs: Logs) -> None:
            kept.append(weights(self.run.network))
            if len(kept) == 6:
                self.run.network.rnn.weight_hh_l0.data[2, 1] = float("nan")

    says = r"parameter rnn\.weight_hh_l0 is not finite in epoch 2, step 2 of 4: a callback has set it; lower"
    network = network_of(spec_of(), DROPOUTS)
    with pytest.raises(NonFiniteError, match=says):
        train(network, rows_of("ids"), None, SETTINGS, callbacks=[Poison()])
    assert len(kept) == 6
    assert same_bits(weights(network), kept[3])  # those of the end of epoch 1


@pytest.mark.parametrize("pool", ["last", "mean", "max", "mean+max", "attention"])
def test_nan_in_the_numbers_is_seen_whatever_the_pool(pool: Any) -> None:
    rows = rows_of("numeric")
    rows.sequences.values[100, 0] = np.nan
    with pytest.raises(NonFiniteError, match="the input of the step is not finite"):
        train(network_of(spec_of("numeric", pool=pool)), rows, None, SETTINGS)


@pytest.mark.parametrize("pool", ["last", "mean", "max", "mean+max", "attention"])
def test_answers_to_nan_are_nan(pool: Any) -> None:
    rows, spec = rows_of("numeric", full=True), spec_of("numeric", pool=pool)
    rows.sequences.values[7 * 9 + 4, 1] = np.nan  # in the middle of row 7
    network = network_of(spec)
    parts = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    answers = NativeEngine(spec, Regularization(), parts, rows, Settings(), 1, network).logits(rows, 16)
    np.testing.assert_array_equal(np.isnan(answers), np.isnan(logits(network, rows.sequences)))
    assert np.flatnonzero(np.isnan(answers)).tolist() == [7]


def test_logits_that_overflow_are_named() -> None:
    network = network_of(spec_of(cell="rnn"))
    network.head.weight.data.fill_(3e38)
    network.rnn.bias_ih_l0.data.fill_(9.0)  # all outputs are near 1
    with pytest.raises(NonFiniteError, match="the network's logits are not finite"):
        train(network, rows_of("ids"), None, SETTINGS)


def test_callbacks_see_and_change_the_network() -> None:
    seen: list[bool] = []

    class Look(Callback):
        def on_epoch_begin(self, epoch: int) -> None:
            self.run.network.head.bias.data.fill_(3.0)
            self.run.optimizer.learning_rate = 0.0

        def on_train_batch_end(self, batch: int, logs: Logs) -> None:
            seen.append(self.run.network.training)

    network = network_of(spec_of())
    settings = Settings(epochs=1, batch_size=12, engine="native")
    assert train(network, rows_of("ids"), None, settings, callbacks=[Look()]).rows[0]["learning_rate"] == 0.0
    assert network.head.bias.item() == 3.0 and seen == [True] * 4 and not network.training


def test_a_network_made_from_the_engine_shares_its_memory() -> None:
    spec, rows = spec_of(), rows_of("ids")
    parts = {name: tensor.numpy() for name, tensor in build(spec).state_dict().items()}
    engine = NativeEngine(spec, Regularization(), parts, rows, Settings(learning_rate=0.1), 1)
    before = weights(engine.network)
    engine.step(0, np.arange(12))
    assert not same_bits(before, weights(engine.network))
    np.testing.assert_array_equal(engine.network.head.weight.detach().numpy(), parts["head.weight"])


def built(**options: Any) -> nn.Module:
    """A network of ids whose layer has these options."""
    spec = spec_of()
    (layer,) = spec.layers
    return build(msgspec.structs.replace(spec, layers=(msgspec.structs.replace(layer, **options),)))


def test_auto_takes_native_for_plain_networks_and_says_why_not() -> None:
    plain, auto = build(spec_of()), Settings()
    assert str(choose(plain, auto)) == "native, because the network is plain"
    assert str(choose(plain, Settings(engine="torch"))) == "torch, because it was asked for"
    frozen, double, hooked = build(spec_of()), build(spec_of()).double(), build(spec_of())
    frozen.head.bias.requires_grad_(False)
    hooked.head.register_forward_hook(lambda *_: None)
    cases: list[tuple[nn.Module, str]] = [
        (nn.Linear(2, 1), "the network is a Linear, not one that a specification describes"),
        (frozen, "parameter head.bias is not to be trained"),
        (double, "parameter embedding.weight is torch.float64, not contiguous float32"),
        (hooked, "a module has hooks, which only torch calls"),
        (built(cell="mingru", zoneout=0.1), "the native engine has no zoneout of a mingru"),
    ]
    for network, reason in cases:
        assert str(choose(network, auto)) == f"torch, because {reason}"
        with pytest.raises(UsageError, match="the native engine cannot train this: " + reason.split(",")[0]):
            choose(network, Settings(engine="native"))


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_what_acts_on_recurrent_products_is_refused_without_one(engine: Any) -> None:
    network = PlainNetwork.untrained(spec_of(cell="mingru"), Regularization(weight_drop=0.1))
    with pytest.raises(UsageError, match=r"weight_drop is 0.1, but (a mingru|MinGRUCell) has no recurrent product"):
        train(network, rows_of("ids"), None, replace(SETTINGS, engine=engine))


def test_without_the_core_torch_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "core", None)
    assert str(choose(build(spec_of()), Settings())).startswith("torch, because there is no compiled core")


def test_rows_that_do_not_fit_are_refused() -> None:
    def start(spec: NetworkSpec, rows: Examples) -> None:
        train(build(spec), rows, None, Settings(engine="native"))

    ids = Examples(Sequences(np.array([3, 99], np.int32), np.array([0, 1, 2])), [0, 1])
    with pytest.raises(DataError, match="ids from 3 to 99, this network has 0 to 11"):
        start(spec_of("ids"), ids)
    with pytest.raises(UsageError, match="a network of bag and rows without bags"):
        start(spec_of("bag"), rows_of("ids"))
    with pytest.raises(UsageError, match="for a network of numeric"):
        start(spec_of("numeric"), rows_of("ids"))
    with pytest.raises(UsageError, match="the batch has no channels"):
        start(spec_of("guided"), rows_of("bag"))
    with pytest.raises(DataError, match="the network tells 2 classes apart"):
        start(spec_of("ids"), rows_of("ids", outputs=3))


def test_the_engine_does_not_import_torch() -> None:
    code = (
        "import timesteps.training.loop, timesteps.training.engines.native_engine, sys; print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


def test_a_plain_network_is_trained_by_either_engine() -> None:
    found = []
    for engine in ("native", "torch"):
        network = PlainNetwork.untrained(spec_of(), DROPOUTS, seed=3)
        choice: Any = engine
        history = train(network, rows_of("ids"), rows_of("ids"), replace(SETTINGS, engine=choice))
        found.append((history.rows[-1], network.state_dict()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-4)
    for name, weight in found[0][1].items():
        np.testing.assert_allclose(weight, found[1][1][name], rtol=1e-3, atol=1e-5, err_msg=name)


def test_torch_that_is_needed_and_missing_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timesteps.training.engines.choice.find_spec", lambda name: None)
    assert choose(PlainNetwork.untrained(spec_of()), Settings()).name == "native"
    with pytest.raises(UsageError, match=r"PyTorch has to train this, because it was asked for; pip install"):
        choose(PlainNetwork.untrained(spec_of()), Settings(engine="torch"))
