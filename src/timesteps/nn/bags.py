"""Bags of features as the input of a time step: each step is a set of n-gram ids, summed into one vector."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from timesteps.nn.bag_kernels import BagSums, why_not_native
from timesteps.nn.dropout import draw_keys, kept_features

__all__ = ["BagEmbedding"]


class _BagSums(torch.autograd.Function):
    """Sums of rows over bags, for two tables at once, with one gradient row for each touched row, in rising order.

    `F.embedding_bag(sparse=True)` emits one gradient row per occurrence, which the optimizer must then sort and
    merge for each table. Sorting the ids once and reading the output gradient through the transposed bags (feature
    -> units that hold it) gives every touched row once, for both tables, without the copy per occurrence.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, wide: Tensor | None, ids: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(ids, offsets)
        ctx.weight_shape = weight.shape
        ctx.wide_shape = None if wide is None else wide.shape
        units = F.embedding_bag(ids, weight, offsets, mode="sum", include_last_offset=True)
        if wide is None:
            return units, units.new_zeros(len(units), 0)
        return units, F.embedding_bag(ids, wide, offsets, mode="sum", include_last_offset=True)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        ids, offsets = ctx.saved_tensors
        owner = torch.repeat_interleave(torch.arange(len(offsets) - 1, device=ids.device), offsets.diff())
        # A stable sort keeps the units of a feature in order, so the sums below always add in the same order.
        sorted_ids, order = torch.sort(ids, stable=True)
        rows, counts = torch.unique_consecutive(sorted_ids, return_counts=True)
        grad = grads[0] if ctx.wide_shape is None else torch.cat(grads, dim=1)
        values = F.embedding_bag(owner[order], grad, _offsets(counts), mode="sum", include_last_offset=True)
        size = ctx.weight_shape[1]

        def sparse(part: Tensor, shape: torch.Size) -> Tensor:
            # A copy, not `contiguous`, which keeps the odd stride of a single row; torch's to_dense (2.13) takes that
            # stride for the row's length and writes behind it.
            part = part.clone(memory_format=torch.contiguous_format)
            # The rows are sorted and distinct by construction; checking it again would cost a pass.
            return torch.sparse_coo_tensor(rows[None], part, shape, is_coalesced=True, check_invariants=False)

        grad_weight = sparse(values[:, :size], ctx.weight_shape) if ctx.needs_input_grad[0] else None
        grad_wide = sparse(values[:, size:], ctx.wide_shape) if ctx.needs_input_grad[1] else None
        return grad_weight, grad_wide, None, None


def _offsets(counts: Tensor) -> Tensor:
    """(U,) bag sizes -> (U + 1,) starts, the last one the total."""
    return F.pad(torch.cumsum(counts, 0), (1, 0))


class BagEmbedding(nn.Module):
    r"""Embed each unit (time step) as the scaled sum of the features in its bag, with a linear "wide" term beside it.

    For the kept features :math:`S_u` of unit `u`

    .. math:: e_u = |S_u|^{-1/2} \sum_{i \in S_u} W_i, \qquad a_u = c \sum_{i \in S_u} w_i

    where `W` is `weight`, `w` is `wide` and `c` is 1, except in training, where it is `1 / (1 - feature_dropout)`.
    An empty bag gives zeros. An id that occurs twice in a bag counts twice.

    Feature dropout removes each occurrence of a feature on its own with probability `feature_dropout`, in training
    mode only. The same occurrences are missing from both terms. The vector needs no further factor, for the count
    under the root is the count of what was kept: :math:`|S_u|` independent rows then have the same variance with and
    without dropout. The wide term is a linear model, so it is rescaled like ordinary (inverted) dropout: its
    expectation is its value in evaluation mode. What is dropped is a function of the row's key and of the place of the
    feature in its row, so that a row loses the same features whatever the batch around it.

    The idea: Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information" (arXiv 1607.04606), a word as
    the sum of its character n-grams, and Cheng et al. 2016, "Wide & Deep Learning" (arXiv 1606.07792), here at every
    step of a recurrent net. Deviations: the root of the count instead of the mean (rows of a large bag are nearly
    independent, so the length of the sum grows with the root and every unit comes out at about the same scale), no
    hashing, and feature dropout.

    Gradients of both parameters are sparse, with each touched row once: train them with
    `timesteps.training.lazy.LazyAdam` (or torch.optim.SparseAdam), not with a dense optimizer. They can be
    differentiated once only.

    Args:
        num_features: ids are in [0, num_features).
        embedding_dim: D, the size of a unit vector. `weight` (num_features, D) starts as N(0, (0.5 / sqrt(D))^2), so
            that a unit vector has length about 0.5.
        num_outputs: columns of the wide term, one for each logit of the model. `wide` (num_features, num_outputs)
            starts at zero.
        wide: False leaves the wide parameter out (`self.wide` is None); its output is then zero.
        feature_dropout: probability in [0, 1) of leaving a feature occurrence out in training.
        stream: tells its random numbers from others of the same keys.

    Raises:
        ValueError: sizes that are not positive, or a probability outside [0, 1).

    >>> import torch
    >>> bags = BagEmbedding(10, 4, num_outputs=2).eval()
    >>> ids = torch.tensor([3, 1, 4, 9])            # the first unit has the features 3, 1 and 4, the third has 9
    >>> units, wide = bags(ids, torch.tensor([0, 3, 3, 4]))
    >>> units.shape, wide.shape
    (torch.Size([3, 4]), torch.Size([3, 2]))
    >>> bool(units[1].eq(0).all())                  # the second bag is empty
    True
    """

    weight: nn.Parameter
    wide: nn.Parameter | None

    def __init__(
        self,
        num_features: int,
        embedding_dim: int,
        *,
        num_outputs: int = 1,
        wide: bool = True,
        feature_dropout: float = 0.5,
        stream: int = 0,
    ) -> None:
        super().__init__()
        for name, size in (
            ("num_features", num_features),
            ("embedding_dim", embedding_dim),
            ("num_outputs", num_outputs),
        ):
            if size < 1:
                raise ValueError(f"{name} must be at least 1, got {size}")
        if not 0.0 <= feature_dropout < 1.0:
            raise ValueError(f"feature_dropout must be in [0, 1), got {feature_dropout}")
        self.num_features = num_features
        self.embedding_dim = embedding_dim
        self.num_outputs = num_outputs
        self.feature_dropout, self.stream = feature_dropout, stream
        self.weight = nn.Parameter(torch.empty(num_features, embedding_dim))
        self.register_parameter("wide", nn.Parameter(torch.empty(num_features, num_outputs)) if wide else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw `weight` anew from N(0, (0.5 / sqrt(D))^2) and set `wide` to zero."""
        nn.init.normal_(self.weight, std=0.5 / math.sqrt(self.embedding_dim))
        if self.wide is not None:
            nn.init.zeros_(self.wide)

    def forward(
        self, ids: Tensor, offsets: Tensor, rows: Tensor | None = None, keys: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Embed U bags that lie end to end in one list of ids.

        Args:
            ids: (N,) int64, the features of all bags, each in [0, num_features).
            offsets: (U + 1,) int64, bag `u` is `ids[offsets[u]:offsets[u + 1]]`; from 0 to N, never falling.
            rows: (B + 1,) int64, row `b` is the bags from `rows[b]` to `rows[b + 1]`; None: all are one row.
            keys: (B,) int64, what each row's dropout is a function of; drawn from torch's generator when None.

        Returns:
            The unit vectors (U, D) and the wide terms (U, num_outputs), in the parameters' dtype.

        Raises:
            ValueError: arrays of another shape or dtype, offsets that do not cover the ids, or rows that do not cover
                the bags.
            IndexError: an id outside [0, num_features), in evaluation and training alike.
        """
        counts = self._check(ids, offsets)
        kept, scale = None, 1.0
        if self.training and self.feature_dropout > 0.0:
            kept = self._kept(offsets, rows, keys)
            scale = 1.0 / (1.0 - self.feature_dropout)
        if why_not_native(self.weight, self.wide) is None:
            bags: tuple[Tensor, Tensor] = BagSums.apply(  # type: ignore[no-untyped-call]
                self.weight, self.wide, ids, offsets, kept, scale, self.num_outputs
            )
            return bags
        if kept is not None:
            ids = ids[kept]
            offsets = _offsets(kept)[offsets]
            counts = offsets.diff()
        units, wide = _BagSums.apply(self.weight, self.wide, ids, offsets)  # type: ignore[no-untyped-call]
        units = units * counts.clamp(min=1).to(units.dtype).rsqrt().unsqueeze(1)
        if self.wide is None:
            return units, units.new_zeros(len(units), self.num_outputs)
        return units, wide * scale

    def _kept(self, offsets: Tensor, rows: Tensor | None, keys: Tensor | None) -> Tensor:
        """Which features stay, (N,) booleans."""
        if rows is None:
            starts = offsets[[0, -1]]
        else:
            if int(rows[0]) != 0 or int(rows[-1]) != len(offsets) - 1 or bool((rows.diff() < 0).any()):
                raise ValueError(f"rows must rise from 0 to the number of bags ({len(offsets) - 1}) without falling")
            starts = offsets[rows]
        if keys is None:
            keys = draw_keys(len(starts) - 1, device=offsets.device)
        if keys.dtype != torch.int64 or keys.shape != (len(starts) - 1,):
            raise ValueError(f"keys must be ({len(starts) - 1},) int64, got {tuple(keys.shape)} {keys.dtype}")
        return kept_features(keys, starts, self.feature_dropout, self.stream)

    def _check(self, ids: Tensor, offsets: Tensor) -> Tensor:
        """Bag sizes (U,), once it is sure that ids and offsets can be read."""
        if ids.dim() != 1 or offsets.dim() != 1 or len(offsets) == 0:
            raise ValueError(
                f"ids must be (N,) and offsets (U + 1,), got {tuple(ids.shape)} and {tuple(offsets.shape)}"
            )
        if ids.dtype != torch.int64 or offsets.dtype != torch.int64:
            raise ValueError(f"ids and offsets must be int64, got {ids.dtype} and {offsets.dtype}")
        counts = offsets.diff()
        if int(offsets[0]) != 0 or int(offsets[-1]) != len(ids) or bool((counts < 0).any()):
            raise ValueError(f"offsets must rise from 0 to the number of ids ({len(ids)}) without falling")
        # Checked before dropout, which might hide a bad id; the kernels' own check is not one on every device.
        if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < self.num_features:
            raise IndexError(f"ids must be in [0, {self.num_features}), got {int(ids.min())} to {int(ids.max())}")
        return counts

    def extra_repr(self) -> str:
        """Sizes and dropout, for `repr`."""
        return (
            f"{self.num_features}, {self.embedding_dim}, num_outputs={self.num_outputs}, "
            f"wide={self.wide is not None}, feature_dropout={self.feature_dropout}"
        )
