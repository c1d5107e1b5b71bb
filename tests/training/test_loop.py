from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from problems import KINDS, Kind, examples, network, same_bits, weights
from torch import nn

from timesteps.errors import DataError
from timesteps.nn.models import Batch
from timesteps.training.callbacks import Callback, LambdaCallback, Logs, TerminateOnNaN
from timesteps.training.collate import collate
from timesteps.training.examples import Examples
from timesteps.training.loop import train
from timesteps.training.losses import loss
from timesteps.training.nonfinite import NonFiniteError, culprit
from timesteps.training.optimizers import Optimizers
from timesteps.training.predict import evaluate, logits
from timesteps.training.progress import SilentProgress
from timesteps.training.settings import Settings

RATES = {"adam": 0.03, "adamw": 0.03, "rmsprop": 0.02, "sgd": 0.5}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("optimizer", RATES)
def test_it_learns(kind: Kind, optimizer: Any) -> None:
    module = network(kind, dropout=0.0)
    settings = Settings(
        epochs=25, optimizer=optimizer, learning_rate=RATES[optimizer], momentum=0.5, table_learning_rate=0.03
    )
    rows = examples(kind, 100)
    history = train(module, rows, examples(kind, 60, seed=1), settings)
    losses = history.history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    assert history.history["val_accuracy"][-1] > 0.8
    assert not module.training
    assert evaluate(module, rows)["accuracy"] > 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_bits(kind: Kind) -> None:
    rows = examples(kind)
    results = []
    for seed, draws in ((3, 0), (3, 5), (4, 0)):
        torch.rand(draws)  # the state that the user's generator happens to be in must not matter
        module = network(kind)
        history = train(module, rows, rows, Settings(epochs=2, batch_size=16, seed=seed, ema=0.9))
        results.append((weights(module), history.rows))
    assert same_bits(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]
    assert not same_bits(results[0][0], results[2][0])


def test_consistency_draws_the_answers_closer() -> None:
    """R-Drop adds its weight times the disagreement, and without dropout there is none."""
    rows = examples("ids")
    plain, dropped = (
        [
            train(network("ids", dropout=dropout), rows, None, Settings(epochs=1, batch_size=60, consistency=weight))
            for weight in (0.0, 1.0, 2.0)
        ]
        for dropout in (0.0, 0.5)
    )
    losses = [history.history["loss"][0] for history in plain]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)
    _, one, two = (history.history["loss"][0] for history in dropped)
    assert two > one
    assert one - (two - one) > 0  # what remains is the cross-entropy


def test_dropout_differs_from_step_to_step_and_seed_to_seed() -> None:
    class Noise(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))
            self.drawn: list[float] = []

        def forward(self, batch: Batch) -> torch.Tensor:
            if self.training:
                self.drawn.append(torch.rand(()).item())
            return self.weight.expand(len(batch.lengths), 1)

    drawn = []
    for seed in (0, 1):
        module = Noise()
        train(module, examples("ids"), None, Settings(epochs=3, batch_size=10, seed=seed))
        drawn.append(module.drawn)
    assert len({*drawn[0], *drawn[1]}) == 2 * 3 * 6


def test_the_users_torch_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    seen = []
    watch = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(torch.get_num_threads()))
    settings = Settings(epochs=1, threads=threads + 1, engine="torch")  # the native engine has threads of its own
    train(network("ids"), examples("ids"), None, settings, callbacks=[watch])
    assert seen == [threads + 1]
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.rand(3), expected)
    with pytest.raises(ZeroDivisionError):
        boom = LambdaCallback(on_epoch_begin=lambda epoch: 1 / 0)
        train(network("ids"), examples("ids"), None, Settings(epochs=1, threads=threads + 1), callbacks=[boom])
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("outputs", [1, 3])
def test_weights_are_repetition(kind: Kind, outputs: int) -> None:
    rows = examples(kind, 30)
    counts = np.random.default_rng(1).integers(0, 4, len(rows))
    weighted = Examples(rows.sequences, rows.targets, counts)
    repeated = rows.take(np.repeat(np.arange(len(rows)), counts))
    trained = []
    for each in (weighted, repeated):
        module = network(kind, outputs=outputs, dropout=0.0)
        settings = Settings(epochs=5, batch_size=len(repeated), learning_rate=0.02, label_smoothing=0.1)
        trained.append((module, train(module, each, each, settings).rows))
    for one, two in zip(trained[0][0].parameters(), trained[1][0].parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4)
    for one_row, two_row in zip(trained[0][1], trained[1][1], strict=True):
        for name in ("loss", "val_loss"):
            assert one_row[name] == pytest.approx(two_row[name], rel=1e-4)
    # Of the last epoch only: before, two classes may be level to the last bit.
    for name in ("accuracy", "val_accuracy"):
        assert trained[0][1][-1][name] == pytest.approx(trained[1][1][-1][name])


def test_early_stopping_restores_the_best() -> None:
    rows = examples("ids", 30)
    contrary = Examples(rows.sequences, 1 - rows.targets)  # the better on the one, the worse on the other
    kept: list[dict[str, torch.Tensor]] = []

    class Keep(Callback):
        def on_epoch_end(self, epoch: int, logs: Logs) -> None:
            kept.append(weights(self.run.network))

    module = network("ids", dropout=0.0)
    settings = Settings(epochs=30, patience=3, learning_rate=0.01, ema=0.5)
    history = train(module, rows, contrary, settings, callbacks=[Keep()])
    values = history.history["val_loss"]
    best = int(np.argmin(values))
    assert history.best_epoch == best
    assert len(values) == best + 1 + 3 < 30
    assert same_bits(weights(module), kept[best])
    assert evaluate(module, contrary)["loss"] == pytest.approx(values[best], rel=1e-6)


def test_without_patience_the_last_weights_stay() -> None:
    rows = examples("ids", 30)
    contrary = Examples(rows.sequences, 1 - rows.targets)
    module = network("ids", dropout=0.0)
    history = train(module, rows, contrary, Settings(epochs=6, learning_rate=0.01))
    assert history.best_epoch is None
    assert evaluate(module, contrary)["loss"] == pytest.approx(history.history["val_loss"][-1], rel=1e-6)
    # Nothing to watch without validation rows.
    assert len(train(module, rows, None, Settings(epochs=4, patience=0)).rows) == 4


@pytest.mark.parametrize("kind", KINDS)
def test_the_average_is_validated_and_kept(kind: Kind) -> None:
    rows, settings = examples(kind), Settings(epochs=3, batch_size=16, learning_rate=0.02, ema=0.9)
    module = network(kind)
    history = train(module, rows, rows, settings)
    assert evaluate(module, rows)["loss"] == pytest.approx(history.history["val_loss"][-1], rel=1e-6)
    # Against averaging all weights, tables whole, in every step of the same run without an average.
    twin = network(kind)
    expected = {name: weight.double() for name, weight in weights(twin).items()}
    steps = 0

    class Average(Callback):
        def on_train_batch_end(self, batch: int, logs: Logs) -> None:
            nonlocal steps
            steps += 1
            decay = min(0.9, steps / (9 + steps))
            for name, weight in self.run.network.state_dict().items():
                expected[name] = decay * expected[name] + (1 - decay) * weight.double()

    train(twin, rows, None, Settings(epochs=3, batch_size=16, learning_rate=0.02), callbacks=[Average()])
    assert steps == 12
    for name, weight in weights(module).items():
        torch.testing.assert_close(weight.double(), expected[name], rtol=1e-4, atol=1e-5)


def test_the_loss_is_what_is_minimised() -> None:
    """One epoch of the loop is one epoch written out by hand."""
    rows = examples("numeric", 20)
    soft = Examples(rows.sequences, np.where(rows.targets, 0.9, 0.2)[:, None], np.linspace(0.5, 2, 20))
    settings = Settings(epochs=1, batch_size=20, learning_rate=0.1, optimizer="sgd", label_smoothing=0.1)
    ours, twin = network("numeric", dropout=0.0), network("numeric", dropout=0.0)
    seen: list[float] = []
    watch = LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["loss"]))
    history = train(ours, soft, None, settings, callbacks=[watch])
    everything = np.arange(20)
    value = loss(
        twin(collate(soft.sequences, everything)), torch.from_numpy(soft.targets), torch.from_numpy(soft.weights), 0.1
    )
    value.backward()
    torch.nn.utils.clip_grad_norm_(twin.parameters(), 1.0)
    torch.optim.SGD(twin.parameters(), lr=0.1).step()
    assert seen[0] == history.history["loss"][0] == pytest.approx(value.item(), rel=1e-5)
    for one, two in zip(ours.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


def test_the_log_of_an_epoch() -> None:
    rows = examples("ids")
    settings = Settings(epochs=2, batch_size=30, schedule="linear", learning_rate=0.4)
    history = train(network("ids"), rows, rows, settings)
    names = ["epoch", "loss", "accuracy", "learning_rate", "padding_waste", "val_loss", "val_accuracy"]
    assert [list(row) for row in history.rows] == [names, names]
    assert history.history["learning_rate"] == pytest.approx([0.3, 0.1])
    assert all(0 <= waste < 0.5 for waste in history.history["padding_waste"])


def test_callbacks_are_called_in_order() -> None:
    calls: list[str] = []

    class Watch(Callback):
        def on_train_begin(self) -> None:
            calls.append("begin")

        def on_epoch_begin(self, epoch: int) -> None:
            calls.append(f"epoch {epoch}")

        def on_train_batch_end(self, batch: int, logs: Logs) -> None:
            calls.append(f"batch {batch}")

        def on_epoch_end(self, epoch: int, logs: Logs) -> None:
            calls.append(f"end {epoch}")
            logs["val_f1"] = 0.5
            self.run.stop_training = epoch == 1

        def on_train_end(self) -> None:
            calls.append("done")

    history = train(network("ids"), examples("ids"), None, Settings(epochs=9), callbacks=[Watch()])
    batches = ["batch 0", "batch 1"]
    assert calls == ["begin", "epoch 0", *batches, "end 0", "epoch 1", *batches, "end 1", "done"]
    assert history.history["val_f1"] == [0.5, 0.5]


def test_progress_hears_of_everything() -> None:
    class Watch(SilentProgress):
        def __init__(self) -> None:
            self.calls: list[Any] = []

        def begin(self, **facts: int) -> None:
            self.calls.append(facts)

        def advance(self, epoch: int, step: int, tokens: int, metrics: Any) -> None:
            self.calls.append((epoch, step, tokens, sorted(metrics())))

        def epoch_end(self, record: Any) -> None:
            self.calls.append(record["epoch"])

        def end(self) -> None:
            self.calls.append("end")

    rows, watch = examples("ids"), Watch()
    train(network("ids"), rows, rows, Settings(epochs=1, batch_size=60), progress=watch)
    tokens = int(rows.sequences.lengths.sum())
    facts = {"rows": 60, "epochs": 1, "steps": 1, "done": 0}
    assert watch.calls == [facts, (1, 1, tokens, ["accuracy", "loss"]), 1, "end"]


@pytest.mark.parametrize("kind", KINDS)
def test_logits_in_the_order_of_the_rows(kind: Kind) -> None:
    module, rows = network(kind, outputs=3), examples(kind)
    module.train()
    module.head_dropout.eval()
    answers = logits(module, rows.sequences, batch_size=7)
    assert answers.shape == (60, 3)
    assert answers.dtype == np.float32
    assert module.training
    assert not module.head_dropout.training
    alone = np.concatenate([logits(module, rows.sequences.take([row])) for row in range(60)])
    np.testing.assert_allclose(answers, alone, rtol=1e-4, atol=1e-5)
    assert logits(module, rows.sequences.take([])).shape == (0, 3)


class _Poisoned(nn.Module):
    """Becomes NaN in a step, forward or backward."""

    def __init__(self, step: int, where: str) -> None:
        super().__init__()
        self.inner, self.step, self.where = network("ids", dropout=0.0), step, where

    def forward(self, batch: Batch) -> torch.Tensor:
        answer = self.inner(batch)
        if self.training:
            self.step -= 1
            if self.step < 0 and self.where == "logits":
                return answer + torch.nan
            if self.step < 0 and self.where == "gradient":
                answer.register_hook(lambda grad: grad * torch.nan)
        return answer


@pytest.mark.parametrize(
    ("where", "says"),
    [
        (
            "logits",
            r"loss is nan in epoch 2, step 3 of 4: the network's logits are not finite \(gradient norms before: ",
        ),
        ("gradient", r"gradient norm is nan in epoch 2, step 3 of 4: the gradient of inner\.\S+ is not finite"),
    ],
)
def test_nan_stops_at_its_step(where: str, says: str) -> None:
    module = _Poisoned(6, where)
    kept: list[dict[str, torch.Tensor]] = []

    class Keep(Callback):
        def on_train_batch_end(self, batch: int, logs: Logs) -> None:
            kept.append(weights(module))

    settings = Settings(epochs=5, batch_size=16)
    with pytest.raises(NonFiniteError, match=says):
        train(module, examples("ids"), None, settings, callbacks=[Keep()])
    assert len(kept) == 6
    assert same_bits(weights(module), kept[-1])  # the bad step was not taken
    # With Keras' callback the run ends in peace, and the unfinished epoch is not in the history.
    history = train(_Poisoned(6, where), examples("ids"), None, settings, callbacks=[TerminateOnNaN()])
    assert len(history.rows) == 1


def test_nan_in_the_data_and_in_the_weights() -> None:
    rows = examples("numeric")
    rows.sequences.values[0, 0] = np.nan
    with pytest.raises(NonFiniteError, match="the input of the step is not finite"):
        train(network("numeric"), rows, None, Settings(epochs=1))
    module = network("ids")
    module.head.bias.data.fill_(np.inf)
    with pytest.raises(NonFiniteError, match=r"parameter head\.bias is not finite"):
        train(module, examples("ids"), None, Settings(epochs=1))


def test_an_overflowing_norm_names_the_largest() -> None:
    module = network("numeric", dropout=0.0)
    optimizers = Optimizers(module, Settings(), 1)
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    module.head.weight.grad.fill_(1e30)  # type: ignore[union-attr]
    assert optimizers.gradient_norm().isinf()
    batch = collate(examples("numeric").sequences, np.arange(3))
    assert culprit(module, batch, torch.zeros(3, 1)).said.endswith("that of head.weight most of all")


def test_metrics_must_be_numbers() -> None:
    bad = LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(val_f1=float("nan")))
    with pytest.raises(NonFiniteError, match="val_f1 of epoch 1 is nan"):
        train(network("ids"), examples("ids"), None, Settings(epochs=1), callbacks=[bad])


def test_rows_that_cannot_be_trained_on() -> None:
    rows = examples("ids")
    with pytest.raises(DataError, match=r"no training rows$"):
        train(network("ids"), rows.take([]), None, Settings())
    with pytest.raises(DataError, match="no validation rows with a weight above 0"):
        train(network("ids"), rows, Examples(rows.sequences, rows.targets, np.zeros(60)), Settings())
    with pytest.raises(DataError, match="the network tells 2 classes apart"):
        train(network("ids"), Examples(rows.sequences, rows.targets + 1), None, Settings())
