"""A whole training step, from the rows to the last weight: Adam, no clipping, always the same batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from bench.training.plan import Model
from timesteps.inspect.speed import on_threads
from timesteps.inspect.timing import Spread, clock_for, interleave, ratios
from timesteps.nn import build
from timesteps.training.engines.choice import choose, engine_for

PARITY_STEPS, LARGE_PARITY_STEPS = 20, 3  # … of models whose steps take a tenth of a second and more
TOLERANCE = 1e-5  # of a loss near 0.7, or 1

Step = Callable[[], float]
"""Trains a step and returns its loss."""


class Plain(nn.Module):
    """The model as one writes it with torch.nn; with `packed`, over packed sequences."""

    def __init__(self, model: Model, packed: bool = False) -> None:
        super().__init__()
        self.pool, self.packed = model.pool, packed
        self.lengths = torch.from_numpy(model.lengths())
        if model.words:
            self.embedding = nn.Embedding(model.words, model.inputs)
        layer = getattr(nn, model.cell.upper())
        self.rnn = layer(model.inputs, model.hidden, bidirectional=model.bidirectional)
        self.head = nn.Linear(model.hidden * (2 if model.bidirectional else 1), 1)

    def forward(self, x: Tensor) -> Tensor:
        """(T, B) whole numbers or (T, B, I) numbers -> (B,) logits."""
        x = self.embedding(x) if hasattr(self, "embedding") else x
        if self.packed:
            y, _ = self.rnn(pack_padded_sequence(x, self.lengths, enforce_sorted=False))
            y, _ = pad_packed_sequence(y)
        else:
            y, _ = self.rnn(x)
        if self.pool == "last":
            return self.head(y[-1]).squeeze(1)
        real = torch.arange(len(y)).unsqueeze(1) < self.lengths
        return self.head((y * real.unsqueeze(2)).sum(0) / self.lengths.unsqueeze(1)).squeeze(1)


def by_engine(model: Model, threads: int, name: Any) -> Step:
    """A step of one of our engines."""
    network, examples = build(model.spec()), model.examples()
    asked, step = replace(model.settings(threads), engine=name), iter(range(10**9))
    engine = engine_for(choose(network, asked), network, examples, asked, asked.epochs)
    engine.begin_epoch()
    rows = np.arange(model.batch)
    return lambda: engine.step(next(step), rows).loss


def batch_of(model: Model) -> tuple[Any, Any]:
    """The batch as other libraries take it: inputs padded at the end with zeros (B, T) or (B, T, I), targets (B,)."""
    examples = model.examples()
    values, offsets = examples.sequences.values, examples.sequences.offsets
    x = np.zeros((model.batch, int(np.diff(offsets).max()), *values.shape[1:]), values.dtype)
    for row, (begin, end) in enumerate(pairwise(offsets)):
        x[row, : end - begin] = values[begin:end]
    return x, examples.targets.reshape(-1).astype(np.float32)


def contestants(model: Model, threads: int) -> dict[str, Step]:
    """The engines and torch; all begin from the same weights."""
    inputs, targets = batch_of(model)
    x = torch.from_numpy(inputs).transpose(0, 1).contiguous()
    x, y = x.long() if model.words else x, torch.from_numpy(targets)

    def by_hand(packed: bool = False, **options: Any) -> Step:
        plain = Plain(model, packed)
        plain.load_state_dict(build(model.spec()).state_dict())
        adam = torch.optim.Adam(plain.parameters(), **options)
        loss_of = nn.BCEWithLogitsLoss() if model.words else nn.MSELoss()

        def step() -> float:
            adam.zero_grad()
            loss = loss_of(plain(x), y)
            loss.backward()
            adam.step()
            return loss.item()

        return step

    calls = {
        "native": by_engine(model, threads, "native"),
        "torch engine": by_engine(model, threads, "torch"),
        "torch": by_hand(),
        "torch, fused Adam": by_hand(fused=True),
    }
    if model.ragged:
        calls["torch packed"] = by_hand(packed=True)
    return calls


def compared(calls: Mapping[str, Step], expected: str, threads: int, rounds: int, steps: int) -> dict[str, Any]:
    """Seconds of a step of each, and how often the native one goes into the others'. Parity: the largest difference of
    the first `steps` losses to those of `expected`."""
    with on_threads(threads):
        losses = {name: np.array([step() for _ in range(steps)]) for name, step in calls.items()}
        seconds = interleave(calls, rounds=rounds, clock=clock_for(threads))
    others = [name for name in calls if name != "native"]
    return {
        "seconds": {name: Spread.of(each).median for name, each in seconds.items()},
        "ratios": {name: asdict(ratios(seconds[name], seconds["native"])) for name in others},
        "errors": {name: float(np.abs(losses[name] - losses[expected]).max()) for name in calls if name != expected},
        "parity_steps": steps,
        "rounds": len(seconds["native"]),
    }


def measure(model: Model, threads: int, rounds: int) -> dict[str, Any]:
    """Our engines beside torch. What reads padding, as torch does without packing, computes something else in reverse:
    its losses are not compared."""
    with on_threads(threads):
        calls = contestants(model, threads)
    steps = LARGE_PARITY_STEPS if model.words > 1000 else PARITY_STEPS
    found = compared(calls, "torch packed" if model.ragged else "torch", threads, rounds, steps)
    if model.ragged:
        found["errors"] = {name: each for name, each in found["errors"].items() if name in ("native", "torch engine")}
    return found
