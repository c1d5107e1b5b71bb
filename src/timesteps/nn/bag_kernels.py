"""The compiled kernels behind `BagEmbedding`: sums of table rows over bags, and their gradient by rows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from timesteps.runtime import native

__all__ = ["BagSums", "why_not_native"]


def why_not_native(*tables: Tensor | None) -> str | None:
    """Why the compiled kernels cannot work on these tables; None if they can."""
    if native.core is None:
        return native.explain()
    if torch.compiler.is_compiling():
        return "torch.compile traces torch's own operators"
    for table in tables:
        if table is None:
            continue
        if type(table) not in (Tensor, nn.Parameter):
            return f"the table is a {type(table).__name__}"
        if table.device.type != "cpu" or table.dtype != torch.float32 or not table.is_contiguous():
            return f"the table is {table.dtype} on {table.device}, not contiguous float32 on the CPU"
    return None


class BagSums(torch.autograd.Function):
    """Unit vectors and wide terms as `BagEmbedding` defines them, from checked ids and offsets.

    `kept` (N,) bool leaves ids out; None keeps all. Without `wide` the second output (U, outputs) is zero. The
    gradients have each touched row once, in rising order. The same bits on any number of threads.
    """

    @staticmethod
    def forward(
        ctx: Any,
        weight: Tensor,
        wide: Tensor | None,
        ids: Tensor,
        offsets: Tensor,
        kept: Tensor | None,
        wide_scale: float,
        outputs: int,
    ) -> tuple[Tensor, Tensor]:
        """Unit vectors (U, D) and wide terms (U, outputs)."""
        core = native.core
        assert core is not None
        ids, offsets = ids.contiguous(), offsets.contiguous()
        bags = len(offsets) - 1
        units, scales = weight.new_empty(bags, weight.shape[1]), weight.new_empty(bags)
        linear = weight.new_empty(bags, outputs) if wide is not None else weight.new_zeros(bags, outputs)
        core.bag_forward(
            *_addresses(ids, offsets, kept), bags, weight.data_ptr(), weight.shape[1], *_addresses(wide), outputs,
            wide_scale, *_addresses(units, linear, scales), torch.get_num_threads(),
        )  # fmt: skip
        ctx.save_for_backward(ids, offsets, kept, scales)
        ctx.wide_scale = wide_scale
        ctx.weight_shape, ctx.wide_shape = weight.shape, None if wide is None else wide.shape
        return units, linear

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_units: Tensor, grad_linear: Tensor) -> tuple[Tensor | None, ...]:
        """Sparse gradients of both tables."""
        core = native.core
        assert core is not None
        ids, offsets, kept, scales = ctx.saved_tensors
        transpose = core.BagTranspose(*_addresses(ids, offsets, kept), len(offsets) - 1, ctx.weight_shape[0])
        rows = ids.new_empty(1, len(transpose))
        transpose.rows(rows.data_ptr())

        def sparse(grad: Tensor, shape: torch.Size, scales: Tensor | None, scale: float) -> Tensor:
            grad = grad.contiguous()
            values = grad.new_empty(len(transpose), shape[1])
            transpose.gradient(
                grad.data_ptr(), shape[1], *_addresses(scales), scale, values.data_ptr(), torch.get_num_threads()
            )
            # The rows are sorted and distinct by construction; checking it again would cost a pass.
            return torch.sparse_coo_tensor(rows, values, shape, is_coalesced=True, check_invariants=False)

        grad_weight = sparse(grad_units, ctx.weight_shape, scales, 1.0) if ctx.needs_input_grad[0] else None
        grad_wide = sparse(grad_linear, ctx.wide_shape, None, ctx.wide_scale) if ctx.needs_input_grad[1] else None
        return grad_weight, grad_wide, None, None, None, None, None


def _addresses(*tensors: Tensor | None) -> tuple[int, ...]:
    """Where the core finds their data; 0 for none."""
    return tuple(0 if tensor is None else tensor.data_ptr() for tensor in tensors)
