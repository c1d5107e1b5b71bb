"""Callbacks against Keras' own, on the same sequences of metrics."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras
from problems import examples
from safetensors.torch import load_file

from timesteps.errors import UsageError
from timesteps.training.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    Run,
)
from timesteps.training.engines.torch_engine import TorchEngine
from timesteps.training.settings import Settings

METRICS = st.lists(st.sampled_from([0.1, 0.2, 0.25, 0.3, 0.4, 0.5]), min_size=1, max_size=14)


def started(callback: Callback) -> Run:
    layer = nn.Linear(1, 1, bias=False)
    callback.run = Run(TorchEngine(layer, examples("ids"), Settings(learning_rate=1.0), 1))
    callback.on_train_begin()
    return callback.run


def keras_model() -> Any:
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse")
    return model


MODEL = keras_model()


@given(METRICS, st.integers(0, 4), st.sampled_from([0.0, 0.06]), st.sampled_from(["val_loss", "val_accuracy"]))
def test_early_stopping_is_keras(metrics: list[float], patience: int, min_delta: float, monitor: str) -> None:
    mode = "max" if monitor == "val_accuracy" else "min"
    theirs = keras.callbacks.EarlyStopping(monitor, min_delta, patience, mode=mode, restore_best_weights=True)
    theirs.set_model(MODEL)
    MODEL.stop_training = False
    theirs.on_train_begin()
    ours = EarlyStopping(monitor, min_delta, patience, restore_best_weights=True)
    run = started(ours)
    for epoch, metric in enumerate(metrics):
        MODEL.set_weights([np.full((1, 1), epoch)])
        run.network.weight.data.fill_(epoch)  # type: ignore[union-attr, operator]
        theirs.on_epoch_end(epoch, {monitor: metric})
        ours.on_epoch_end(epoch, {monitor: metric})
        assert run.stop_training == MODEL.stop_training
        if run.stop_training:
            assert ours.stopped_epoch == epoch
            break
    theirs.on_train_end()
    ours.on_train_end()
    assert ours.best_epoch == theirs.best_epoch
    assert run.network.weight.item() == MODEL.get_weights()[0].item()  # type: ignore[union-attr, operator]


@given(METRICS, st.integers(1, 3), st.integers(0, 2), st.sampled_from([0.0, 0.3]))
def test_plateau_is_keras(metrics: list[float], patience: int, cooldown: int, min_lr: float) -> None:
    options = {"factor": 0.5, "patience": patience, "cooldown": cooldown, "min_lr": min_lr, "min_delta": 0.01}
    theirs = keras.callbacks.ReduceLROnPlateau(mode="min", **options)
    theirs.set_model(MODEL)
    MODEL.optimizer.learning_rate = 1.0
    theirs.on_train_begin()
    ours = ReduceLROnPlateau(**options)  # type: ignore[arg-type]
    run = started(ours)
    for epoch, metric in enumerate(metrics):
        theirs.on_epoch_end(epoch, {"val_loss": metric})
        ours.on_epoch_end(epoch, {"val_loss": metric})
        assert run.optimizer.learning_rate == pytest.approx(float(MODEL.optimizer.learning_rate))


@given(METRICS, st.integers(1, 13), st.sampled_from([EarlyStopping, ReduceLROnPlateau]))
def test_a_state_carries_on(metrics: list[float], cut: int, kind: type[Any]) -> None:
    one, two, three = (kind(patience=2, min_delta=0.01) for _ in range(3))
    runs = [started(callback) for callback in (one, two, three)]
    for epoch, metric in enumerate(metrics):
        one.on_epoch_end(epoch, {"val_loss": metric})
        if epoch == cut:
            three.load_state(two.state())
            runs[2].optimizer.learning_rate = runs[1].optimizer.learning_rate
            runs[2].stop_training = runs[1].stop_training
        (two if epoch < cut else three).on_epoch_end(epoch, {"val_loss": metric})
    last = three if len(metrics) > cut else two
    assert last.state() == one.state()
    assert last.run.stop_training == runs[0].stop_training
    assert last.run.optimizer.learning_rate == runs[0].optimizer.learning_rate


def test_an_unknown_metric_is_named() -> None:
    callback = EarlyStopping(monitor="val_f1")
    started(callback)
    with pytest.raises(UsageError, match=r"watches 'val_f1'.*choose one of loss, val_loss"):
        callback.on_epoch_end(0, {"loss": 1.0, "val_loss": 1.0})
    with pytest.raises(UsageError, match="mode is 'up'"):
        EarlyStopping(mode="up")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="factor is 1"):
        ReduceLROnPlateau(factor=1)


def test_model_checkpoint(tmp_path: Path) -> None:
    callback = ModelCheckpoint(tmp_path / "{epoch:02d}-{val_loss:.1f}.safetensors", save_best_only=True)
    run = started(callback)
    for epoch, value in enumerate([0.5, 0.6, 0.4]):
        run.network.weight.data.fill_(epoch)  # type: ignore[union-attr, operator]
        callback.on_epoch_end(epoch, {"val_loss": value})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["01-0.5.safetensors", "03-0.4.safetensors"]
    assert load_file(tmp_path / "03-0.4.safetensors")["weight"].tolist() == [[2.0]]
    every = ModelCheckpoint(tmp_path / "{epoch}.safetensors")
    started(every)
    every.on_epoch_end(4, {"loss": 9.0})
    assert (tmp_path / "5.safetensors").exists()
    wrong = ModelCheckpoint(tmp_path / "{val_f1}.safetensors")
    started(wrong)
    with pytest.raises(UsageError, match="asks for 'val_f1'"):
        wrong.on_epoch_end(0, {"loss": 1.0})


def test_learning_rate_scheduler() -> None:
    callback = LearningRateScheduler(lambda epoch, rate: rate * 0.5 if epoch else rate)
    run = started(callback)
    rates = []
    for epoch in range(3):
        callback.on_epoch_begin(epoch)
        rates.append(run.optimizer.learning_rate)
    assert rates == [1.0, 0.5, 0.25]
    wrong = LearningRateScheduler(lambda epoch, rate: float("nan"))
    started(wrong)
    with pytest.raises(UsageError, match="learning rate nan for epoch 3"):
        wrong.on_epoch_begin(3)


def test_csv_logger_is_keras(tmp_path: Path) -> None:
    theirs = keras.callbacks.CSVLogger(tmp_path / "theirs.csv", separator=";")
    theirs.set_model(MODEL)
    theirs.on_train_begin()
    ours = CSVLogger(tmp_path / "ours.csv", separator=";")
    started(ours)
    for epoch in range(3):
        for callback in (theirs, ours):
            callback.on_epoch_end(epoch, {"val_loss": 0.25, "loss": 0.5 / (epoch + 1)})
    theirs.on_train_end()
    assert (tmp_path / "ours.csv").read_bytes() == (tmp_path / "theirs.csv").read_bytes()


def test_csv_logger_goes_on_behind_its_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    first = CSVLogger(path)
    started(first)
    first.on_epoch_end(0, {"loss": 0.5})
    state = first.state()
    first.on_epoch_end(1, {"loss": 0.1})  # after the checkpoint, lost
    with path.open("a") as file:
        file.write("2,0.")
    second = CSVLogger(path)
    started(second)
    second.load_state(state)
    second.on_epoch_end(1, {"loss": 0.25})
    assert list(csv.reader(io.StringIO(path.read_text()))) == [["epoch", "loss"], ["0", "0.5"], ["1", "0.25"]]
    appended = CSVLogger(path, append=True)
    started(appended)
    appended.on_epoch_end(0, {"loss": 0.75})
    assert path.read_text().split() == ["epoch,loss", "0,0.5", "1,0.25", "0,0.75"]
    fresh = CSVLogger(path)
    started(fresh)
    fresh.on_epoch_end(0, {"loss": 1.0})
    assert path.read_text().split() == ["epoch,loss", "0,1.0"]


def test_history_and_lambda() -> None:
    history = History.of([{"epoch": 1, "loss": 0.7}, {"epoch": 2, "loss": 0.5, "val_loss": 0.6}])
    assert history.epoch == [0, 1]
    assert history.history == {"loss": [0.7, 0.5], "val_loss": [0.6]}
    seen: list[Any] = []
    callback = LambdaCallback(on_epoch_begin=seen.append, on_train_batch_end=lambda batch, logs: seen.append(logs))
    callback.on_epoch_begin(3)
    callback.on_train_batch_end(0, {"loss": 1.0})
    callback.on_epoch_end(3, {})
    assert seen == [3, {"loss": 1.0}]


def test_a_copy_of_the_best_weights_is_kept() -> None:
    callback = EarlyStopping(restore_best_weights=True)
    run = started(callback)
    callback.on_epoch_end(0, {"val_loss": 1.0})
    state = callback.state()
    run.network.weight.data.fill_(7.0)  # type: ignore[union-attr, operator]
    assert isinstance(state["weights.weight"], torch.Tensor)
    assert state["weights.weight"].item() != 7.0
