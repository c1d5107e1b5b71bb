"""Which steps of a batch are real, and in which order a scan visits them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from timesteps.errors import UsageError


def mask_of(lengths: Tensor, steps: int) -> Tensor:
    """Lengths (B,) as a mask (B, steps), True where a step is real."""
    return torch.arange(steps, device=lengths.device) < lengths.unsqueeze(1)


@dataclass(frozen=True)
class Steps:
    """The real steps of a padded batch.

    A scan visits every row's real steps only, one after the other from visit 0 on: holes and padding on the left
    close up, and the reverse direction begins at each row's own end. So any mask looks like padding on the right.
    """

    batch_size: int
    steps: int  # T
    counts: Tensor | None  # (B,) real steps of each row; None: all are real
    mask: Tensor | None  # (B, T), True where real; None: all are real
    ragged: bool  # real steps are not simply the first ones: `mask` decides
    longest: int  # the most real steps of any row; 1 if all rows are empty, so that gradients (zeros) have a path

    def order(self, reverse: bool) -> Tensor | None:
        """(B, T): the step that each visit goes to, real steps first; None is 0, 1, 2, …"""
        if self.mask is None or self.counts is None or not (reverse or self.ragged):
            return None
        time = torch.arange(self.steps, device=self.mask.device)
        if self.ragged:
            return torch.where(self.mask, -time if reverse else time, self.steps + time).argsort(1)
        last = self.counts.unsqueeze(1) - 1
        return torch.where(time <= last, last - time, time)

    def visited(self) -> Tensor | None:
        """(B, longest): True where a visit goes to a real step; None: everywhere."""
        if self.counts is None or (not torch.compiler.is_compiling() and bool((self.counts == self.longest).all())):
            return None
        return mask_of(self.counts, self.longest)


def read_steps(
    batch_size: int, steps: int, lengths: Tensor | None, mask: Tensor | None, device: torch.device | str
) -> Steps:
    """What `lengths` (B,) and `mask` (B, T), True = real, say together; both may be None.

    Raises:
        UsageError: wrong shape or type, or a length outside 0 … T.
    """
    valid = None
    compiling = torch.compiler.is_compiling()  # then no decision may depend on a number in a tensor
    if lengths is not None:
        lengths = torch.as_tensor(lengths, device=device)
        if lengths.shape != (batch_size,) or lengths.is_floating_point() or lengths.dtype == torch.bool:
            raise UsageError(
                f"lengths has shape {tuple(lengths.shape)} and type {lengths.dtype}",
                mend=f"give ({batch_size},) whole numbers",
            )
        if batch_size and not compiling and not 0 <= int(lengths.min()) <= int(lengths.max()) <= steps:
            raise UsageError(f"lengths are {int(lengths.min())} to {int(lengths.max())}", mend=f"give 0 to {steps}")
        valid = mask_of(lengths, steps)
    if mask is not None:
        check_flags("mask", mask, batch_size, steps)
        mask = mask.to(device)
        valid = mask if valid is None else valid & mask
    if valid is None or (not compiling and bool(valid.all())):
        return Steps(batch_size, steps, None, None, False, steps)
    counts = valid.sum(1)
    if compiling:
        return Steps(batch_size, steps, counts, valid, mask is not None, steps)
    ragged = mask is not None and bool((valid[:, 1:] & ~valid[:, :-1]).any())
    return Steps(batch_size, steps, counts, valid, ragged, max(1, int(counts.max())))


def check_flags(name: str, flags: Tensor, batch_size: int, steps: int) -> None:
    """UsageError unless `flags` is a boolean (B, T)."""
    if flags.shape != (batch_size, steps) or flags.dtype != torch.bool:
        raise UsageError(
            f"{name} has shape {tuple(flags.shape)} and type {flags.dtype}",
            mend=f"give booleans of shape ({batch_size}, {steps})",
        )


class _Permute(torch.autograd.Function):
    """Rows of x (N, D) in another order. The gradient goes back by the inverse order: a copy, where index adds up."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(order, inverse)
        return x.index_select(0, order)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        order, inverse = ctx.saved_tensors
        return _Permute.apply(grads[0], inverse, order), None, None  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Visits:
    """The order of one scan over `Steps`: to visits, and back to time."""

    steps: Steps
    reverse: bool
    order: Tensor | None
    inverse: Tensor | None
    visited: Tensor | None

    @classmethod
    def of(cls, steps: Steps, reverse: bool) -> Visits:
        """The visits of a scan in one direction."""
        order = steps.order(reverse)
        return cls(steps, reverse, order, None if order is None else order.argsort(1), steps.visited())

    def arrange(self, x: Tensor) -> Tensor:
        """From time to visits: x (B, T, ...) -> (B, longest, ...), zero where there is no real step."""
        if self.order is not None and self.inverse is not None:
            x = self._permute(x, self.order, self.inverse)
        elif self.reverse:
            x = x.flip(1)
        return self._zero_padding(x[:, : self.steps.longest])

    def restore(self, y: Tensor) -> Tensor:
        """From visits to time: y (B, longest, ...) -> (B, T, ...), zero on padding."""
        y = self._zero_padding(y)
        if missing := self.steps.steps - y.shape[1]:
            y = F.pad(y, [0, 0] * (y.dim() - 2) + [0, missing])
        if self.order is not None and self.inverse is not None:
            return self._permute(y, self.inverse, self.order)
        return y.flip(1) if self.reverse else y

    def _zero_padding(self, x: Tensor) -> Tensor:
        if self.visited is None:
            return x
        return x.masked_fill(~self.visited.view(self.visited.shape + (1,) * (x.dim() - 2)), 0)

    def _permute(self, x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        start = torch.arange(len(x), device=x.device).unsqueeze(1) * self.steps.steps
        flat = x.reshape(-1, *x.shape[2:])
        moved: Tensor = _Permute.apply(flat, (order + start).flatten(), (inverse + start).flatten())  # type: ignore[no-untyped-call]
        return moved.view(x.shape)

    def starts(self, reset: Tensor) -> tuple[Tensor, Tensor]:
        """Where a fresh start falls among the visits: (B, longest) before each visit, and (B,) after the last one.

        `reset` (B, T) says that a new sequence begins at a step, so both directions break between it and the step
        before. Begun on a padding step, it counts from the next real one.
        """
        sequence = reset.long().cumsum(1)
        before = torch.zeros_like(sequence[:, :1])
        after = sequence[:, -1:]
        first, last = (after, before) if self.reverse else (before, after)
        order = self.order
        if order is not None:
            sequence = sequence.gather(1, order)
        elif self.reverse:
            sequence = sequence.flip(1)
        sequence = torch.cat([first, sequence[:, : self.steps.longest]], 1)
        counts = self.steps.counts
        end = sequence[:, -1:] if counts is None else sequence.gather(1, counts.unsqueeze(1))
        starts = sequence[:, 1:] != sequence[:, :-1]
        return starts if self.visited is None else starts & self.visited, (end != last).squeeze(1)
