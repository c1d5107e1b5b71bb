"""Memory: what stays resident over many batches of random lengths, and what a layer keeps for its backward pass."""

from __future__ import annotations

import random
import resource
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from timesteps.inspect.speed import on_threads, pair
from timesteps.nn import GRU, LSTM, RNN

BATCHES, WARM = 10_000, 300
HIDDEN, ROWS, STEPS = 128, 32, 100  # of what is kept
RECOMPUTE = 20


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def kept_bytes(layer: nn.Module, x: Tensor) -> int:
    """Bytes that autograd keeps for backward of a call, other than parameters and x itself."""
    known = {parameter.data_ptr() for parameter in (*layer.parameters(), x)}
    found: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in known:
            found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y, _ = layer(x)
    found.pop(y.untyped_storage().data_ptr(), None)
    return sum(found.values())


def measure(cell: str, batches: int = BATCHES) -> dict[str, Any]:
    """Training on batches of 1 to 48 rows of 0 to 60 steps, on one thread; growth is from the 300th on."""
    draw, layer = random.Random(0), {"RNN": RNN, "LSTM": LSTM, "GRU": GRU}[cell](24, 40)

    def train(count: int) -> None:
        for _ in range(count):
            rows, steps = draw.randint(1, 48), draw.randint(1, 60)
            lengths = torch.tensor([draw.randint(0, steps) for _ in range(rows)])
            y, _ = layer(torch.randn(steps, rows, 24), lengths=lengths)
            y.sum().backward()

    with on_threads(1):
        train(WARM)
        before = resident()
        train(batches - WARM)
        growth = resident() - before
        x = torch.randn(STEPS, ROWS, HIDDEN, requires_grad=True)
        layers = pair(cell, HIDDEN, HIDDEN) | {
            "recompute": pair(cell, HIDDEN, HIDDEN, recompute=RECOMPUTE)["timesteps"]
        }
        kept = {name: kept_bytes(each, x) for name, each in layers.items()}
    return {"batches": batches, "growth": growth, "kept": kept, "errors": {}}
