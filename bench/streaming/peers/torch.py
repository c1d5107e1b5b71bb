"""torch.nn.LSTMCell and Linear, in inference mode."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from bench.streaming.problem import Contestant, Weights

PACKAGES = ("torch",)


def build(weights: Weights) -> Contestant:
    """The modules with these weights; numpy arrays come and go without a copy."""
    torch.set_num_threads(1)
    hidden = weights["weight_hh"].shape[1]
    cell, head = torch.nn.LSTMCell(hidden, hidden), torch.nn.Linear(hidden, 1)
    cell.load_state_dict({name: torch.tensor(weights[name]) for name in cell.state_dict()})
    head.load_state_dict({name: torch.tensor(weights[f"head.{name}"]) for name in head.state_dict()})
    zeros = torch.zeros(hidden), torch.zeros(hidden)
    state = zeros

    @torch.inference_mode()
    def step(x: NDArray[np.float32]) -> NDArray[np.float32]:
        nonlocal state
        state = cell(torch.from_numpy(x), state)
        answer: NDArray[np.float32] = head(state[0]).numpy()
        return answer

    def reset() -> None:
        nonlocal state
        state = zeros

    return Contestant(step, reset)
