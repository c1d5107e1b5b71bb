"""A whole training step of a textbook's model, with PyTorch's embedding, loss and fused Adam around either layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from timesteps.inspect.speed import on_threads, pair
from timesteps.inspect.timing import Spread, clock_for, interleave, ratios

WORDS, EMBEDDED, HIDDEN, BATCH, STEPS = 500, 16, 8, 32, 100
PARITY_STEPS = 20


class Model(nn.Module):
    """Embedding(500, 16) -> a recurrent layer of 8 -> Dense(1) on the last step."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.embedding, self.layer, self.dense = nn.Embedding(WORDS, EMBEDDED), layer, nn.Linear(HIDDEN, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """(T, B) whole numbers -> (B,) logits."""
        y, _ = self.layer(self.embedding(tokens))
        return self.dense(y[-1]).squeeze(1)


def trainer(layer: nn.Module) -> Callable[[], Tensor]:
    """A call trains a step on the same batch and returns its loss."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(2)
        model = Model(layer)
    generator = torch.Generator().manual_seed(3)
    tokens = torch.randint(WORDS, (STEPS, BATCH), generator=generator)
    targets = torch.randint(2, (BATCH,), generator=generator).float()
    adam = torch.optim.Adam(model.parameters(), fused=True)
    loss_of = nn.BCEWithLogitsLoss()

    def step() -> Tensor:
        adam.zero_grad()
        loss = loss_of(model(tokens), targets)
        loss.backward()
        adam.step()
        return loss.detach()

    return step


def measure(cell: str, rounds: int) -> dict[str, Any]:
    """One thread. Parity: the losses of the first 20 steps from the same weights."""
    with on_threads(1):
        calls = {name: trainer(layer) for name, layer in pair(cell, EMBEDDED, HIDDEN).items()}
        losses = {name: torch.stack([step() for _ in range(PARITY_STEPS)]) for name, step in calls.items()}
        seconds = interleave(calls, rounds=rounds, clock=clock_for(1))
    return {
        "seconds": {name: Spread.of(each).median for name, each in seconds.items()},
        "ratio": asdict(ratios(seconds["torch"], seconds["timesteps"])),
        "errors": {"output": float((losses["timesteps"] - losses["torch"]).abs().max())},
        "rounds": len(seconds["torch"]),
    }
