"""An epoch on ETTh1 beside the same model written with torch.nn: one thread, in turns, from the same weights."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.forecast.sets import ett
from timesteps.inspect.speed import on_threads
from timesteps.inspect.timing import Spread, ratios
from timesteps.runtime.regularization import Regularization
from timesteps.tasks.fit_network import arrays_of, untrained
from timesteps.tasks.forecast.choices import ForecastChoices, choose
from timesteps.tasks.forecast.examples import WindowExamples
from timesteps.tasks.forecast.fitting import model_spec
from timesteps.tasks.forecast.preparing import prepare
from timesteps.training.engines.choice import choose as choose_engine
from timesteps.training.engines.choice import engine_for
from timesteps.training.engines.plain import PlainNetwork
from timesteps.training.examples import Examples
from timesteps.training.loop import train

HIDDEN, CONTEXT, HORIZON = 64, 96, 24
ROWS = 6400  # of the windows, evenly spread, where steps are many: an epoch of 100 batches
PARITY_STEPS = 20
TOLERANCE = 1e-4  # of a loss near 0.3
#: Cases by name: cell, and hours that the network reads at a time.
CASES: dict[str, tuple[str, int]] = {
    "GRU, hour by hour": ("gru", 1),
    "LSTM, hour by hour": ("lstm", 1),
    "GRU, a day at a time": ("gru", 24),
}


class Plain(nn.Module):
    """The model as one writes it with torch.nn: a recurrent layer, from whose last state all quantiles are read."""

    def __init__(self, cell: str, inputs: int, outputs: int) -> None:
        super().__init__()
        self.rnn = getattr(nn, cell.upper())(inputs, HIDDEN, batch_first=True)
        self.head = nn.Linear(HIDDEN, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, I) -> (B, outputs)."""
        y, _ = self.rnn(x)
        found: Tensor = self.head(y[:, -1])
        return found


def prepared(case: str) -> tuple[PlainNetwork, Examples, ForecastChoices, int]:
    """The untrained network, its windows, the choices, and how many windows there are in all."""
    cell, segment = CASES[case]
    task = ett(HORIZON, CONTEXT)
    chosen = {**task.choices, "cell": cell, "segment": segment, "hidden_size": HIDDEN, "epochs": 1}
    asked = choose(horizon=HORIZON, engine="native", **chosen)
    parts, choices = prepare(task.train, task.columns, task.frequency, asked, lambda _: None)
    every = WindowExamples(
        parts.spec, choices.criterion.name, parts.panel, parts.train, parts.mean, parts.scale, parts.unit
    )
    count = ROWS if segment == 1 else len(every)
    rows = np.linspace(0, len(every) - 1, count).round().astype(np.int64)
    network = untrained(model_spec(parts, choices).network, Regularization(), choices.settings(0))
    assert isinstance(network, PlainNetwork)
    return network, every.take(rows), choices, len(every)


def by_hand(
    case: str, network: PlainNetwork, examples: Examples, choices: ForecastChoices
) -> Callable[[Tensor], float]:
    """A training step of torch on some of the rows, which gives its loss."""
    cell, _ = CASES[case]
    width = examples.sequences.values.shape[1]
    x = torch.from_numpy(examples.sequences.values.reshape(len(examples), -1, width))
    y, levels = torch.from_numpy(examples.targets), torch.tensor(choices.criterion.quantiles)
    plain = Plain(cell, width, y.shape[1] * len(levels))
    plain.load_state_dict({name: torch.from_numpy(part) for name, part in arrays_of(network).items()})
    settings, norm = choices.settings(0), choices.clip_norm
    assert norm is not None
    adam = torch.optim.Adam(plain.parameters(), lr=settings.learning_rate)

    def step(rows: Tensor) -> float:
        adam.zero_grad()
        wrong = y[rows].unsqueeze(2) - plain(x[rows]).reshape(len(rows), -1, len(levels))
        loss = torch.maximum(levels * wrong, (levels - 1) * wrong).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(plain.parameters(), norm)
        adam.step()
        return loss.item()

    return step


def measure(case: str, rounds: int) -> dict[str, Any]:
    """Seconds of an epoch of both, and the largest difference of the first losses on the same batches."""
    with on_threads(1):
        network, examples, choices, windows = prepared(case)
        order = torch.from_numpy(np.random.default_rng(0).permutation(len(examples)))
        batches = torch.split(order, choices.batch_size)
        error = _difference(case, examples, choices, batches)
        if error > TOLERANCE:
            raise ValueError(f"{case}: the losses differ by {error:.2g}")
        step = by_hand(case, network, examples, choices)
        settings = choices.settings(0)

        def ours() -> None:
            train(prepared_again(network, settings.seed), examples, None, settings)

        def theirs() -> None:
            for rows in batches:
                step(rows)

        seconds: dict[str, list[float]] = {"native": [], "torch.nn": []}
        for turn in range(rounds + 1):
            for name, epoch in (("native", ours), ("torch.nn", theirs))[:: 1 if turn % 2 else -1]:
                begin = time.process_time()
                epoch()
                if turn:  # the first turn warms up
                    seconds[name].append(time.process_time() - begin)
    return {
        "seconds": {name: Spread.of(each).median for name, each in seconds.items()},
        "ratio": asdict(ratios(seconds["torch.nn"], seconds["native"])),
        "rows": len(examples),
        "windows": windows,
        "batch": choices.batch_size,
        "errors": {"loss": error},
        "rounds": rounds,
    }


def prepared_again(network: PlainNetwork, seed: int) -> PlainNetwork:
    """The same network before training."""
    return PlainNetwork.untrained(network.spec, Regularization(), seed=seed)


def _difference(case: str, examples: Examples, choices: ForecastChoices, batches: tuple[Tensor, ...]) -> float:
    """The largest one of the first losses, at a constant rate as torch's."""
    network, settings = prepared(case)[0], choices.settings(0)
    step = by_hand(case, network, examples, choices)
    settings = type(settings)(**{**vars(settings), "schedule": "constant", "warmup": 0.0})
    engine = engine_for(choose_engine(network, settings), network, examples, settings, 1)
    engine.begin_epoch()
    losses = [
        (engine.step(number, rows.numpy()).loss, step(rows)) for number, rows in enumerate(batches[:PARITY_STEPS])
    ]
    return max(abs(ours - theirs) for ours, theirs in losses)
