"""A run that was stopped, politely or not, goes on to the same bits."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from problems import KINDS, Kind, examples, network, same_bits, weights

from timesteps.errors import UsageError
from timesteps.training.callbacks import Callback, CSVLogger, LambdaCallback, ModelCheckpoint, ReduceLROnPlateau
from timesteps.training.checkpoint import checkpoint_path, load_checkpoint, peek_checkpoint
from timesteps.training.examples import Examples
from timesteps.training.loop import Interrupted, train
from timesteps.training.nonfinite import NonFiniteError
from timesteps.training.settings import Settings

SETTINGS = Settings(
    epochs=6,
    batch_size=16,
    learning_rate=0.02,
    schedule="cosine",
    warmup=0.2,
    ema=0.9,
    patience=4,
    label_smoothing=0.05,
)


def stopping(when: str) -> Callback:
    """Ctrl-C in the fourth epoch: at its beginning, within it, or when it was validated."""

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    if when == "begin":
        return LambdaCallback(on_epoch_begin=lambda epoch: stop() if epoch == 3 else None)
    if when == "end":
        return LambdaCallback(on_epoch_end=lambda epoch, logs: stop() if epoch == 3 else None)
    left = [3 * 4 + 2]

    def step(batch: int, logs: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            stop()

    return LambdaCallback(on_train_batch_end=step)


def callbacks(folder: Path) -> list[Callback]:
    return [ReduceLROnPlateau(patience=1, factor=0.5), CSVLogger(folder / "log.csv"), ModelCheckpoint(folder / "best")]


@pytest.mark.parametrize("when", ["begin", "within", "end"])
@pytest.mark.parametrize("kind", KINDS)
def test_interrupted_and_resumed(kind: Kind, when: str, tmp_path: Path) -> None:
    rows, valid = examples(kind), examples(kind, 40, seed=1)
    whole, half = tmp_path / "whole", tmp_path / "half"
    whole.mkdir()
    half.mkdir()
    module = network(kind)
    history = train(module, rows, valid, SETTINGS, callbacks=callbacks(whole), folder=whole)
    with pytest.raises(Interrupted) as stop:
        train(network(kind), rows, valid, SETTINGS, callbacks=[*callbacks(half), stopping(when)], folder=half)
    assert (stop.value.epoch, stop.value.folder) == (3, half)
    assert peek_checkpoint(checkpoint_path(half)).epoch == 3
    again = network(kind, seed=9)  # its weights come from the checkpoint
    resumed = train(again, rows, valid, SETTINGS, callbacks=callbacks(half), folder=half, resume=True)
    assert resumed.rows == history.rows
    assert resumed.best_epoch == history.best_epoch
    assert same_bits(weights(again), weights(module))
    for name in ("log.jsonl", "log.csv", "checkpoint.safetensors", "best"):
        assert (half / name).read_bytes() == (whole / name).read_bytes()
    assert len((half / "timings.jsonl").read_bytes().splitlines()) == len(history.rows)
    # Resuming what is finished trains nothing and gives the same.
    third = network(kind, seed=8)
    finished = train(third, rows, valid, SETTINGS, callbacks=callbacks(half), folder=half, resume=True)
    assert finished.rows == history.rows
    assert same_bits(weights(third), weights(module))


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "sgd"])
def test_every_optimizer_resumes(optimizer: Any, tmp_path: Path) -> None:
    rows, settings = examples("bag"), Settings(epochs=5, batch_size=16, optimizer=optimizer, momentum=0.5)
    module, again = network("bag"), network("bag", seed=2)
    history = train(module, rows, None, settings)
    with pytest.raises(Interrupted):
        train(network("bag"), rows, None, settings, callbacks=[stopping("within")], folder=tmp_path)
    assert train(again, rows, None, settings, folder=tmp_path, resume=True).rows == history.rows
    assert same_bits(weights(again), weights(module))


def test_the_options_of_cells_resume(tmp_path: Path) -> None:
    rows, settings = examples("ids"), Settings(epochs=5, batch_size=16)
    options = {"layer_norm": True, "peephole": True, "zoneout": 0.1, "zoneout_cell": 0.3, "initial_state": "learned"}
    module, again = network("ids", **options), network("ids", seed=2, **options)
    history = train(module, rows, None, settings)
    assert history.rows[-1]["loss"] < history.rows[0]["loss"]
    with pytest.raises(Interrupted):
        train(network("ids", **options), rows, None, settings, callbacks=[stopping("within")], folder=tmp_path)
    assert train(again, rows, None, settings, folder=tmp_path, resume=True).rows == history.rows
    assert same_bits(weights(again), weights(module))


def test_a_torn_log_is_mended(tmp_path: Path) -> None:
    rows = examples("ids")
    with pytest.raises(Interrupted):
        train(network("ids"), rows, rows, SETTINGS, callbacks=[stopping("begin")], folder=tmp_path)
    log, timings = tmp_path / "log.jsonl", tmp_path / "timings.jsonl"
    for path in (log, timings):
        with path.open("ab") as file:
            file.write(b'{"epoch":4,"loss":9.0}\n{"epoch":5,"lo')
    train(network("ids"), rows, rows, SETTINGS, folder=tmp_path, resume=True)
    whole = tmp_path / "whole"
    train(network("ids"), rows, rows, SETTINGS, folder=whole)
    assert log.read_bytes() == (whole / "log.jsonl").read_bytes()
    assert len(timings.read_bytes().splitlines()) == len(log.read_bytes().splitlines())


def test_nan_leaves_the_last_good_epoch(tmp_path: Path) -> None:
    def poison(epoch: int) -> None:
        if epoch == 2:
            module.head.bias.data.fill_(float("nan"))

    module, rows = network("ids"), examples("ids")
    with pytest.raises(NonFiniteError):
        train(
            module, rows, None, Settings(epochs=5), callbacks=[LambdaCallback(on_epoch_begin=poison)], folder=tmp_path
        )
    checkpoint, tensors = load_checkpoint(checkpoint_path(tmp_path))
    assert checkpoint.epoch == 2
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_resuming_something_else_is_refused(tmp_path: Path) -> None:
    rows = examples("ids")
    settings = Settings(epochs=2)
    train(network("ids"), rows, None, settings, folder=tmp_path)

    def resume(
        module: Any = None, train_rows: Any = rows, valid: Any = None, changed: Settings = settings, **more: Any
    ) -> None:
        train(module or network("ids"), train_rows, valid, changed, folder=tmp_path, resume=True, **more)

    with pytest.raises(UsageError, match=r"seed was 0, is 1; learning_rate was 0.001|learning_rate was 0.001, is 0.1"):
        resume(changed=Settings(epochs=2, seed=1, learning_rate=0.1))
    with pytest.raises(UsageError, match="training rows differ"):
        resume(train_rows=examples("ids", seed=5))
    with pytest.raises(UsageError, match="validation rows differ"):
        resume(valid=rows)
    with pytest.raises(UsageError, match=r"head\.weight was float32 \(1, 5\), is float32 \(3, 5\)"):
        resume(module=network("ids", outputs=3))
    with pytest.raises(UsageError, match="had the callbacks none, now they are ReduceLROnPlateau"):
        resume(callbacks=[ReduceLROnPlateau(monitor="loss")])
    resume(changed=Settings(epochs=2, threads=1))


def test_a_run_that_was_ended_early_stays_ended(tmp_path: Path) -> None:
    rows = examples("ids", 30)
    contrary = Examples(rows.sequences, 1 - rows.targets)
    settings = Settings(epochs=30, patience=1, learning_rate=0.01)
    first, again = network("ids"), network("ids", seed=2)
    history = train(first, rows, contrary, settings, folder=tmp_path)
    assert len(history.rows) < 30
    resumed = train(again, rows, contrary, settings, folder=tmp_path, resume=True)
    assert resumed.rows == history.rows
    assert same_bits(weights(again), weights(first))


def test_a_run_at_a_constant_rate_can_be_made_longer(tmp_path: Path) -> None:
    rows = examples("ids")
    train(network("ids"), rows, None, Settings(epochs=2), folder=tmp_path)
    longer, whole = network("ids"), network("ids")
    history = train(longer, rows, None, Settings(epochs=4), folder=tmp_path, resume=True)
    assert history.rows == train(whole, rows, None, Settings(epochs=4)).rows
    assert same_bits(weights(longer), weights(whole))


def test_an_unfinished_run_is_not_overwritten(tmp_path: Path) -> None:
    rows = examples("ids")
    with pytest.raises(Interrupted):
        train(network("ids"), rows, None, SETTINGS, callbacks=[stopping("begin")], folder=tmp_path)
    with pytest.raises(UsageError, match=r"stopped after epoch 3 of 6; resume it"):
        train(network("ids"), rows, None, SETTINGS, folder=tmp_path)
    train(network("ids"), rows, None, SETTINGS, folder=tmp_path, resume=True)
    train(network("ids"), rows, None, Settings(epochs=1), folder=tmp_path)  # a finished one is
    assert peek_checkpoint(checkpoint_path(tmp_path)).epoch == 1
    assert len((tmp_path / "timings.jsonl").read_bytes().splitlines()) == 1


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be made"):
        train(network("ids"), examples("ids"), None, SETTINGS, folder=tmp_path / "file" / "run")


CHILD = f"""
import sys, torch
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from problems import KINDS, examples, network
from timesteps.training.callbacks import LambdaCallback
from timesteps.training.loop import train
from timesteps.training.settings import Settings
from timesteps.training.weights import save_weights
torch.set_num_threads(1)
settings = Settings(epochs=15, batch_size=8, ema=0.9, schedule="linear", patience=9)
for kind in KINDS:
    folder = Path(sys.argv[1]) / kind
    say = LambdaCallback(on_epoch_end=lambda epoch, logs: print(kind, epoch + 1, flush=True))
    print(kind, 0, flush=True)
    module = network(kind)
    train(module, examples(kind), examples(kind, 40, seed=1), settings, callbacks=[say], folder=folder, resume=True)
    save_weights(folder / "weights", module)
"""


@pytest.mark.slow
def test_killed_at_any_moment(tmp_path: Path) -> None:
    def start(folder: Path) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, text=True)

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    began = None
    with start(whole) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line == "ids 1\n":
                began = time.monotonic()
    assert child.returncode == 0
    assert began is not None
    seconds = time.monotonic() - began  # that the training takes, once it is warm
    moments = random.Random(7)
    done = dict.fromkeys(KINDS, 0)
    for _ in range(5):
        with start(killed) as child:
            assert child.stdout is not None
            said = [child.stdout.readline(), child.stdout.readline()]  # torch loads much between the two
            time.sleep(moments.uniform(0.0, 0.35) * seconds)
            child.send_signal(signal.SIGKILL)
            said += child.stdout.readlines()
        for line in said:
            if len(parts := line.split()) == 2:
                kind: Any = parts[0]
                done[kind] = max(done[kind], int(parts[1]))
        for kind in KINDS:
            if (path := checkpoint_path(killed / kind)).exists():
                checkpoint, tensors = load_checkpoint(path)
                assert checkpoint.epoch >= done[kind] - 1
                assert all(tensor.isfinite().all() for tensor in tensors.values())
    assert sum(done.values()) > 0
    with start(killed) as child:
        assert child.stdout is not None
        child.stdout.read()
    assert child.returncode == 0
    for kind in KINDS:
        for name in ("log.jsonl", "weights", "checkpoint.safetensors"):
            assert (killed / kind / name).read_bytes() == (whole / kind / name).read_bytes()
