"""What a network answers, and how good the answers are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from timesteps.errors import UsageError
from timesteps.runtime.losses import Loss
from timesteps.runtime.sequences import Sequences
from timesteps.training.batches import evaluation_batches
from timesteps.training.collate import collate
from timesteps.training.examples import Examples
from timesteps.training.measures import measured

__all__ = ["device_of", "evaluate", "logits"]


def logits(
    network: nn.Module, sequences: Sequences, batch_size: int = 256, *, per_step: bool = False
) -> NDArray[np.float32]:
    """The network's answer to every row, in evaluation mode and without gradients; its mode is the same afterwards.

    Args:
        network: takes a `Batch`, gives (B, outputs).
        sequences: R rows.
        batch_size: rows of a batch, at most; rows of similar length share one.
        per_step: the network answers at every step: it gives (N, outputs) for the N steps of a batch, row after row.

    Returns:
        (R, outputs) in the order of the rows, or, per step, (N, outputs) in the order of the steps.

    Raises:
        UsageError: a network that gives another number of answers.
    """
    device = device_of(network)
    with torch.inference_mode(), _evaluating(network):
        if len(sequences) == 0:  # a row without steps tells how wide the answer is
            return _numpy(network(collate(_stepless(sequences), np.zeros(1, np.int64), device)))[:0]
        batches = evaluation_batches(sequences.lengths, batch_size)
        answers = [_numpy(network(collate(sequences, rows, device))) for rows in batches]
    order = np.concatenate(batches)
    places = sequences.steps_of(order) if per_step else order
    given = np.concatenate(answers)
    if len(given) != len(places):
        steps = int(sequences.lengths.sum())
        raise UsageError(
            f"the network gives {len(given)} answers to {len(sequences)} rows with {steps} steps",
            mend="give targets of steps where the network answers at every step, else of rows",
        )
    joined = np.empty_like(given)
    joined[places] = given
    return joined


def evaluate(
    network: nn.Module, examples: Examples, batch_size: int = 256, criterion: Loss | None = None
) -> dict[str, float]:
    """`loss` (by default cross-entropy in nats), without label smoothing, and `accuracy` or, of numbers, `mae`, each
    target counting by its weight."""
    criterion = criterion or Loss("cross_entropy")
    answers = logits(network, examples.sequences, batch_size, per_step=examples.per_step).astype(np.float64)
    examples.check(answers.shape[1], criterion)
    return measured(criterion, answers, examples.targets, examples.weights)


def _stepless(empty: Sequences) -> Sequences:
    """No rows -> one row of no steps."""
    linear = None if empty.linear is None else np.zeros((1, empty.linear.shape[1]), np.float32)
    return replace(empty, offsets=np.zeros(2, np.int64), linear=linear)


def device_of(network: nn.Module) -> torch.device | None:
    """Where the batches must go; None on a CPU."""
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    return None if device.type == "cpu" else device


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _numpy(tensor: torch.Tensor) -> NDArray[np.float32]:
    return tensor.float().cpu().numpy()
