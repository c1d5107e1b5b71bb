"""Cross-entropy from logits, for two classes (one logit) and more, with weights and soft targets."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["correct", "cross_entropies", "disagreement", "loss"]


def cross_entropies(logits: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
    r"""Cross-entropy of every row, in nats.

    With one logit `z` and target `y` the probability of class 1, :math:`-y \log\sigma(z) - (1 - y) \log\sigma(-z)`;
    with K logits and target distribution `y`, :math:`-\sum_k y_k \log\mathrm{softmax}(z)_k`. Label smoothing
    :math:`\epsilon` replaces `y` by :math:`(1 - \epsilon) y + \epsilon / K` (K = 2 for one logit), as torch and Keras
    do (Szegedy et al. 2016, arXiv 1512.00567).

    Args:
        logits: (B, outputs).
        targets: (B,) int64 class numbers, or (B, outputs) soft targets.
        label_smoothing: in [0, 1).

    Returns:
        (B,).

    >>> cross_entropies(torch.tensor([[0.0], [2.0]]), torch.tensor([1, 1]))
    tensor([0.6931, 0.1269])
    """
    if logits.shape[1] > 1:
        soft = targets if targets.dim() == 1 else targets.to(logits.dtype)
        return F.cross_entropy(logits, soft, reduction="none", label_smoothing=label_smoothing)
    share = targets.reshape(-1).to(logits.dtype)
    if label_smoothing:
        share = share * (1 - label_smoothing) + 0.5 * label_smoothing
    return F.binary_cross_entropy_with_logits(logits.squeeze(1), share, reduction="none")


def loss(logits: Tensor, targets: Tensor, weights: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy of a batch, each row counting by its weight, so that weight 2 equals the row given twice.

    Args:
        logits, targets, label_smoothing: as for `cross_entropies`.
        weights: (B,), at least one of them above 0.

    >>> logits, targets = torch.tensor([[0.0], [2.0]]), torch.tensor([1, 1])
    >>> loss(logits, targets, torch.tensor([2.0, 1.0]))
    tensor(0.5044)
    """
    return torch.dot(cross_entropies(logits, targets, label_smoothing), weights.to(logits.dtype)) / weights.sum()


def disagreement(logits: Tensor, weights: Tensor) -> Tensor:
    r"""How far two answers to the same rows are apart: mean of :math:`\frac12 (KL(p \| q) + KL(q \| p))`, in nats.

    The regulariser of R-Drop (Wu et al. 2021, arXiv 2106.14448), whose two answers differ by dropout.

    Args:
        logits: (2B, outputs), the first answer to all rows, then the second.
        weights: (2B,) of the rows, twice.

    >>> disagreement(torch.tensor([[1.0], [2.0], [1.0], [0.0]]), torch.ones(4))
    tensor(0.1904)
    """
    first, second = logits.chunk(2)
    if logits.shape[1] == 1:
        apart = (torch.sigmoid(first) - torch.sigmoid(second)) * (first - second)
    else:
        apart = (first.softmax(1) - second.softmax(1)) * (first.log_softmax(1) - second.log_softmax(1))
    share = weights[: len(first)].to(logits.dtype)
    return 0.5 * torch.dot(apart.sum(1), share) / share.sum()


def correct(logits: Tensor, targets: Tensor) -> Tensor:
    """(B,) bool: whether the class of the largest logit (one logit: above 0) is the target's.

    >>> correct(torch.tensor([[0.3], [-1.0]]), torch.tensor([1, 1]))
    tensor([ True, False])
    """
    if logits.shape[1] == 1:
        answer = logits.squeeze(1) > 0
        return answer == (targets.reshape(-1) > 0.5)
    return logits.argmax(dim=1) == (targets if targets.dim() == 1 else targets.argmax(dim=1))
