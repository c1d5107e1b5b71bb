"""A whole training step, from the rows to the last weight: binary cross-entropy, Adam, no clipping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.training.plan import Model
from timesteps.inspect.speed import on_threads
from timesteps.inspect.timing import Spread, clock_for, interleave, ratios
from timesteps.nn import build
from timesteps.runtime.sequences import Sequences
from timesteps.training.engines.choice import choose, engine_for
from timesteps.training.examples import Examples
from timesteps.training.settings import Settings

PARITY_STEPS = 20
TOLERANCE = 1e-5  # of a loss near 0.7


class Plain(nn.Module):
    """The model as one writes it with torch.nn."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.pool = model.pool
        self.embedding = nn.Embedding(model.words, model.embedded)
        layer = getattr(nn, model.cell.upper())
        self.rnn = layer(model.embedded, model.hidden, bidirectional=model.bidirectional)
        self.head = nn.Linear(model.hidden * (2 if model.bidirectional else 1), 1)

    def forward(self, ids: Tensor) -> Tensor:
        """(T, B) whole numbers -> (B,) logits."""
        y, _ = self.rnn(self.embedding(ids))
        return self.head(y[-1] if self.pool == "last" else y.mean(0)).squeeze(1)


def contestants(model: Model, threads: int) -> dict[str, Callable[[], float]]:
    """Calls that train a step, always on the same batch, and return its loss; all begin from the same weights."""
    random = np.random.default_rng(0)
    ids = random.integers(1, model.words, (model.batch, model.steps)).astype(np.int32)
    targets = random.integers(0, 2, model.batch)
    offsets = np.arange(model.batch + 1) * model.steps
    examples, rows = Examples(Sequences(ids.reshape(-1), offsets), targets), np.arange(model.batch)
    settings = Settings(epochs=100_000, batch_size=model.batch, clip_norm=None, threads=threads)

    def by_engine(name: Any) -> Callable[[], float]:
        network, asked, step = build(model.spec()), replace(settings, engine=name), iter(range(10**9))
        engine = engine_for(choose(network, asked), network, examples, asked, settings.epochs)
        engine.begin_epoch()
        return lambda: engine.step(next(step), rows).loss

    x, y = torch.from_numpy(ids.T.astype(np.int64)).contiguous(), torch.from_numpy(targets).float()

    def by_hand(**options: Any) -> Callable[[], float]:
        plain = Plain(model)
        plain.load_state_dict(build(model.spec()).state_dict())
        adam, loss_of = torch.optim.Adam(plain.parameters(), **options), nn.BCEWithLogitsLoss()

        def step() -> float:
            adam.zero_grad()
            loss = loss_of(plain(x), y)
            loss.backward()
            adam.step()
            return loss.item()

        return step

    return {
        "native": by_engine("native"),
        "torch engine": by_engine("torch"),
        "torch": by_hand(),
        "torch, fused Adam": by_hand(fused=True),
    }


def measure(model: Model, threads: int, rounds: int) -> dict[str, Any]:
    """Seconds of a step of each, and how often the native one goes into torch's, with Adam as torch makes it by default
    and with its fused one. Parity: the losses of the first 20 steps."""
    with on_threads(threads):
        calls = contestants(model, threads)
        losses = {name: np.array([step() for _ in range(PARITY_STEPS)]) for name, step in calls.items()}
        seconds = interleave(calls, rounds=rounds, clock=clock_for(threads))
    return {
        "seconds": {name: Spread.of(each).median for name, each in seconds.items()},
        "ratio": asdict(ratios(seconds["torch"], seconds["native"])),
        "ratio_fused": asdict(ratios(seconds["torch, fused Adam"], seconds["native"])),
        "errors": {name: float(np.abs(losses[name] - losses["torch"]).max()) for name in ("native", "torch engine")},
        "rounds": len(seconds["torch"]),
    }
