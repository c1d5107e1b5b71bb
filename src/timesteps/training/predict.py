"""What a network answers, and how good the answers are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from timesteps.runtime.sequences import Sequences
from timesteps.training.batches import evaluation_batches
from timesteps.training.collate import collate
from timesteps.training.examples import Examples
from timesteps.training.losses import correct, cross_entropies

__all__ = ["device_of", "evaluate", "logits"]


def logits(network: nn.Module, sequences: Sequences, batch_size: int = 256) -> NDArray[np.float32]:
    """The network's answer to every row, in evaluation mode and without gradients; its mode is the same afterwards.

    Args:
        network: takes a `Batch`, gives (B, outputs).
        sequences: R rows.
        batch_size: rows of a batch, at most; rows of similar length share one.

    Returns:
        (R, outputs) in the order of the rows.
    """
    device = device_of(network)
    with torch.inference_mode(), _evaluating(network):
        if len(sequences) == 0:  # a row without steps tells how wide the answer is
            return _numpy(network(collate(_stepless(sequences), np.zeros(1, np.int64), device)))[:0]
        batches = evaluation_batches(sequences.lengths, batch_size)
        answers = [_numpy(network(collate(sequences, rows, device))) for rows in batches]
    joined = np.empty((len(sequences), answers[0].shape[1]), np.float32)
    joined[np.concatenate(batches)] = np.concatenate(answers)
    return joined


def evaluate(network: nn.Module, examples: Examples, batch_size: int = 256) -> dict[str, float]:
    """`loss` (cross-entropy in nats, without label smoothing) and `accuracy`, each row counting by its weight."""
    answer = torch.from_numpy(logits(network, examples.sequences, batch_size)).double()
    examples.check(answer.shape[1])
    targets, weights = torch.from_numpy(examples.targets), torch.from_numpy(examples.weights).double()
    total = weights.sum()
    return {
        "loss": float(torch.dot(cross_entropies(answer, targets), weights) / total),
        "accuracy": float(torch.dot(correct(answer, targets).double(), weights) / total),
    }


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
