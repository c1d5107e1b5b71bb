"""What torch minimises: cross-entropy from logits, with weights and soft targets, and the losses of numbers."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from timesteps.runtime.losses import MAX_LOG_MEAN, MIN_DF, MIN_SCALE, Loss

__all__ = ["correct", "cross_entropies", "disagreement", "loss", "number_losses", "score", "total_weight"]

_CROSS_ENTROPY = Loss("cross_entropy")


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


def number_losses(outputs: Tensor, targets: Tensor, criterion: Loss) -> Tensor:
    """The loss of every number, as `timesteps.runtime.losses.Loss` says it; 0 where the target is NaN.

    Args:
        outputs: (U, D · P), the parameters of each number, one number after the other.
        targets: (U, D), NaN where there is nothing to learn.
        criterion: any but cross-entropy.

    Returns:
        (U, D).

    >>> number_losses(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, torch.nan]]), Loss("mse"))
    tensor([[4., 0.]])
    """
    there = ~targets.isnan()
    target = targets.nan_to_num(0.0).to(outputs.dtype)  # what is not there must not reach a gradient
    parts = outputs.view(*targets.shape, len(criterion.parameters))
    if criterion.name == "quantile":
        levels = outputs.new_tensor(criterion.quantiles)
        errors = target.unsqueeze(2) - parts
        found = torch.where(errors >= 0, levels * errors, (levels - 1) * errors).mean(2)
    elif criterion.name == "mse":
        found = (target - parts[..., 0]) ** 2
    elif criterion.name == "mae":
        found = (target - parts[..., 0]).abs()
    elif criterion.name == "negative_binomial":
        found = _count_losses(parts[..., 0], _softplus(parts[..., 1]) + MIN_SCALE, target)
    else:
        scale = _softplus(parts[..., 1]) + MIN_SCALE
        scaled = ((target - parts[..., 0]) / scale) ** 2
        if criterion.name == "gaussian":
            found = scale.log() + scaled / 2 + 0.5 * math.log(2 * math.pi)
        else:
            df = _softplus(parts[..., 2]) + MIN_DF
            found = _student_constant(df) + scale.log() + (df + 1) / 2 * torch.log1p(scaled / df)
    return torch.where(there, found, torch.zeros_like(found))


def _count_losses(z: Tensor, dispersion: Tensor, counts: Tensor) -> Tensor:
    """Of the negative binomial; the gammas in double precision, for they are small differences of large numbers."""
    log_mean, rate = z.clamp(max=MAX_LOG_MEAN), 1 / dispersion.double()
    gammas = torch.lgamma(rate) + torch.lgamma(counts.double() + 1) - torch.lgamma(counts.double() + rate)
    product = dispersion * log_mean.exp()
    found = gammas + (counts + rate) * torch.log1p(product.double()) - counts * (dispersion.log() + log_mean)
    return found.to(z.dtype)


def _softplus(x: Tensor) -> Tensor:
    return F.softplus(x, threshold=50.0)  # from there on the two are equal in double precision, too


def _student_constant(df: Tensor) -> Tensor:
    """In double precision: it is a small difference of large numbers."""
    df64 = df.double()
    return (torch.lgamma(df64 / 2) - torch.lgamma((df64 + 1) / 2) + 0.5 * torch.log(df64 * math.pi)).to(df.dtype)


def loss(
    logits: Tensor,
    targets: Tensor,
    weights: Tensor,
    label_smoothing: float = 0.0,
    criterion: Loss = _CROSS_ENTROPY,
) -> Tensor:
    """Mean loss of a batch, each row counting by its weight, so that weight 2 equals the row given twice.

    Args:
        logits, targets, label_smoothing: as for `cross_entropies` or `number_losses`. Of several numbers in a row, each
            counts by the row's weight, and NaN does not count.
        weights: (B,), at least one of them above 0.
        criterion: what is minimised; label smoothing is of cross-entropy only.

    >>> logits, targets = torch.tensor([[0.0], [2.0]]), torch.tensor([1, 1])
    >>> loss(logits, targets, torch.tensor([2.0, 1.0]))
    tensor(0.5044)
    """
    shares = weights.to(logits.dtype)
    if criterion.is_classification:
        return torch.dot(cross_entropies(logits, targets, label_smoothing), shares) / weights.sum()
    found = number_losses(logits, targets, criterion)
    return torch.dot(found.sum(1), shares) / total_weight(targets, shares, criterion)


def total_weight(targets: Tensor, weights: Tensor, criterion: Loss) -> Tensor:
    """The weight of all targets that are there."""
    if criterion.is_classification:
        return weights.sum()
    return torch.dot((~targets.isnan()).sum(1).to(weights.dtype), weights)


def score(logits: Tensor, targets: Tensor, weights: Tensor, criterion: Loss) -> Tensor:
    """The weighted sum of what is measured beside the loss: right classes, or absolute errors of the predictions."""
    if criterion.is_classification:
        return torch.dot(correct(logits, targets).to(weights.dtype), weights)
    centres = logits.view(*targets.shape, -1)[..., criterion.centre]
    if criterion.name == "negative_binomial":
        centres = centres.clamp(max=MAX_LOG_MEAN).exp()
    return torch.dot((targets - centres).abs().nan_to_num(0.0).sum(1).to(weights.dtype), weights)


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
