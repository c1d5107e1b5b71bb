"""From the outputs of all steps of a row to one vector. Rows without steps give zeros."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from timesteps.errors import UsageError

POOLS = ("last", "mean", "max", "mean+max", "attention")


def last_pool(y: Tensor, mask: Tensor, bidirectional: bool = False) -> Tensor:
    """The outputs where each direction ends: y (B, T, F), mask (B, T) True = real -> (B, F).

    The forward direction (the first half of F, if `bidirectional`) ends at a row's last real step, the reverse one at
    its first.

    Example:
        >>> import torch
        >>> from timesteps.nn import last_pool
        >>> y = torch.arange(6.0).view(1, 3, 2)
        >>> last_pool(y, torch.tensor([[True, True, False]]), bidirectional=True)
        tensor([[2., 1.]])
    """
    if y.shape[1] == 0:
        return y.new_zeros(len(y), y.shape[2])
    time, rows = torch.arange(y.shape[1], device=y.device), torch.arange(len(y), device=y.device)
    last = torch.where(mask, time, -1).max(1).values
    pooled = y[rows, last.clamp(min=0)]
    if bidirectional:
        half = y.shape[2] // 2
        first = torch.where(mask, time, y.shape[1] - 1).min(1).values
        pooled = torch.cat([pooled[:, :half], y[rows, first, half:]], 1)
    return pooled.masked_fill((last < 0).unsqueeze(1), 0)


def mean_pool(y: Tensor, mask: Tensor) -> Tensor:
    """The mean over real steps: y (B, T, F), mask (B, T) -> (B, F).

    Example:
        >>> import torch
        >>> from timesteps.nn import mean_pool
        >>> mean_pool(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[True, True, False]]))
        tensor([[2.]])
    """
    total = y.masked_fill(~mask.unsqueeze(2), 0).sum(1)
    return total / mask.sum(1, keepdim=True).clamp(min=1)


def max_pool(y: Tensor, mask: Tensor) -> Tensor:
    """The largest value of each feature over real steps: y (B, T, F), mask (B, T) -> (B, F).

    Example:
        >>> import torch
        >>> from timesteps.nn import max_pool
        >>> max_pool(torch.tensor([[[-1.0], [-3.0], [9.0]]]), torch.tensor([[True, True, False]]))
        tensor([[-1.]])
    """
    if y.shape[1] == 0:
        return y.new_zeros(len(y), y.shape[2])
    largest = y.masked_fill(~mask.unsqueeze(2), -math.inf).max(1).values
    return largest.masked_fill(~mask.any(1, keepdim=True), 0)


class AttentionPool(nn.Module):
    """A weighted mean over real steps, the weights learned: a = softmax_t(w · y_t), Σ_t a_t y_t.

    `weight` is w, (1, features), zeros at first: it begins as the mean. The simplest form of Yang et al. (2016),
    Hierarchical attention networks for document classification, NAACL. Deviation: no hidden layer in the score.

    Raises:
        UsageError: features below 1.

    Example:
        >>> import torch
        >>> from timesteps.nn import AttentionPool
        >>> AttentionPool(1)(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[True, True, False]])).tolist()
        [[2.0]]
    """

    def __init__(
        self, features: int, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        if features < 1:
            raise UsageError(f"features is {features}", mend="give a positive whole number")
        self.weight = nn.Parameter(torch.zeros(1, features, device=device, dtype=dtype))

    def forward(self, y: Tensor, mask: Tensor) -> Tensor:
        """Y (B, T, F), mask (B, T) True = real -> (B, F)."""
        y = y.masked_fill(~mask.unsqueeze(2), 0)
        return (self.weights(y, mask).unsqueeze(1) @ y).squeeze(1)

    def weights(self, y: Tensor, mask: Tensor) -> Tensor:
        """What each step counts for, (B, T): sums to 1 over real steps, 0 on padding."""
        scores = (y @ self.weight[0]).masked_fill(~mask, torch.finfo(y.dtype).min)
        return scores.softmax(1) * mask
