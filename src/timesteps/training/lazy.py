"""Adam for sparse gradients that touches only the rows a step used."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from timesteps.runtime import native

__all__ = ["LazyAdam", "distinct_rows"]


class LazyAdam(Optimizer):
    r"""Adam over the rows of a table, where a row that has no gradient in a step is left exactly as it is.

    For each touched row `i` with gradient `g`, and with :math:`t_i` the number of steps that touched *this row*:

    .. math::
        t_i &\leftarrow t_i + 1 \\
        m_i &\leftarrow \beta_1 m_i + (1 - \beta_1) g, \qquad v_i \leftarrow \beta_2 v_i + (1 - \beta_2) g^2 \\
        w_i &\leftarrow w_i - \eta \left( \frac{m_i / (1 - \beta_1^{t_i})}
               {\sqrt{v_i / (1 - \beta_2^{t_i})} + \epsilon} + \lambda w_i \right)

    where :math:`\eta` is `lr` and :math:`\lambda` is `weight_decay` (decoupled as in AdamW, and lazy too: a row decays
    only in the steps that touch it). A table whose rows are touched in every step is trained as by torch.optim.AdamW.

    Bias correction counts a row's own steps, and this is the difference from torch.optim.SparseAdam, which counts the
    optimizer's: a row first seen in step 1000 then has a factor near 1 on both moments, so its first update is
    :math:`(1 - \beta_1) / \sqrt{1 - \beta_2} \approx 3.2` times the learning rate instead of once. In n-gram bags most
    rows are rare, and that alone cost 0.6 points of accuracy on Korean reviews (NSMC: 86.7 against 87.3, one seed).

    Kingma and Ba 2015, "Adam" (arXiv 1412.6980); Loshchilov and Hutter 2019 for the decay (arXiv 1711.05101).

    The same gradients give the same bits, on any number of threads. A parameter's state is `exp_avg` and `exp_avg_sq`,
    both of its shape, and `row_steps` (number of rows,), all of its dtype; `state_dict` holds it all, and a run
    continued from it has the same bits as one never stopped. `row_steps` is exact up to 2^24 steps in float32.

    A gradient may be sparse (COO with one sparse dimension, as from `BagEmbedding` or `nn.Embedding(sparse=True)`;
    coalesced here where it is not yet) or dense, in which case every row counts as touched.

    Args:
        params: parameters, or groups of them, with at least one dimension.
        lr: learning rate, at least 0.
        betas: decay of the two moments, each in [0, 1).
        eps: added to the root of the second moment, at least 0.
        weight_decay: decoupled decay, at least 0.

    Raises:
        ValueError: a setting outside its range.

    >>> import torch
    >>> table = torch.nn.Embedding(5, 2, sparse=True)
    >>> before = table.weight.detach().clone()
    >>> optimizer = LazyAdam(table.parameters(), lr=0.1)
    >>> table(torch.tensor([1, 3, 3])).sum().backward()
    >>> optimizer.step()
    >>> (table.weight != before).any(dim=1).tolist()
    [False, True, False, True, False]
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        for name, value in (("lr", lr), ("eps", eps), ("weight_decay", weight_decay)):
            if not value >= 0.0:  # also refuses NaN
                raise ValueError(f"{name} must be at least 0, got {value}")
        if not all(0.0 <= beta < 1.0 for beta in betas):
            raise ValueError(f"betas must be in [0, 1), got {betas}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update the touched rows of every parameter that has a gradient.

        Args:
            closure: computes the loss and its gradients anew, if given.

        Returns:
            What the closure returned, or None.

        Raises:
            ValueError: a gradient that is sparse in more than its first dimension.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        rows, grad = _touched(parameter)
        if not len(rows):
            return
        state = self.state[parameter]
        if not state:
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
            state["row_steps"] = torch.zeros(len(parameter), dtype=parameter.dtype, device=parameter.device)
        if _is_native(parameter, grad, *state.values()):
            _update_natively(parameter, rows, grad, state, group)
            return
        beta1, beta2 = group["betas"]
        # Each array is read once into a compact block, worked on in place there, and written back once. The rows are
        # distinct, so the order of the writes cannot matter.
        steps = state["row_steps"].index_select(0, rows).add_(1)
        state["row_steps"].index_copy_(0, rows, steps)
        mean = state["exp_avg"].index_select(0, rows).lerp_(grad, 1 - beta1)
        state["exp_avg"].index_copy_(0, rows, mean)
        square = state["exp_avg_sq"].index_select(0, rows).mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        state["exp_avg_sq"].index_copy_(0, rows, square)
        steps = steps.view(-1, *(1 for _ in grad.shape[1:]))
        square.mul_(_correction(beta2, steps)).sqrt_().add_(group["eps"])
        mean.mul_(_correction(beta1, steps)).div_(square)
        values = parameter.index_select(0, rows)
        if group["weight_decay"]:
            values.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.index_copy_(0, rows, values.sub_(mean, alpha=group["lr"]))


def _is_native(*tensors: Tensor) -> bool:
    """Whether the compiled core can work on these."""
    return native.core is not None and all(
        tensor.device.type == "cpu" and tensor.dtype == torch.float32 and tensor.is_contiguous() for tensor in tensors
    )


def _update_natively(
    parameter: Tensor, rows: Tensor, grad: Tensor, state: dict[str, Tensor], group: dict[str, Any]
) -> None:
    """`LazyAdam._update` in one pass over the touched rows; `rows` rise."""
    core = native.core
    assert core is not None
    if int(rows[0]) < 0 or int(rows[-1]) >= len(parameter):
        raise IndexError(f"a gradient has rows {int(rows[0])} to {int(rows[-1])}, its table {len(parameter)} rows")
    arrays = (parameter, state["exp_avg"], state["exp_avg_sq"], state["row_steps"], rows.contiguous(), grad)
    core.lazy_adam(
        *(array.data_ptr() for array in arrays), len(rows), grad.numel() // len(rows), group["lr"], *group["betas"],
        group["eps"], group["weight_decay"], torch.get_num_threads(),
    )  # fmt: skip


def _correction(beta: float, steps: Tensor) -> Tensor:
    """1 / (1 - beta^t); by expm1, because 1 - 0.999 in float32 already has lost five digits."""
    if beta == 0.0:
        return torch.ones_like(steps)
    return torch.expm1(steps * math.log(beta)).reciprocal_().neg_()


def distinct_rows(grad: Tensor) -> Tensor:
    """A sparse gradient with each touched row once, in rising order, and marked as coalesced.

    Autograd drops that mark when it stores a gradient in a leaf (torch 2.13), and `coalesce` then sorts the rows and
    copies every value, though `BagEmbedding` has given distinct ones. So the rows themselves are asked, which is far
    cheaper, and the mark is set again.
    """
    if grad.is_coalesced() or grad.sparse_dim() != 1:
        return grad.coalesce()
    if bool((grad._indices().squeeze(0).diff() > 0).all()):
        return grad._coalesced_(True)
    return grad.coalesce()


def _touched(parameter: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct rows (R,) that have a gradient, and the gradient (R, ...) of each."""
    grad = parameter.grad
    assert grad is not None
    if not grad.is_sparse:
        return torch.arange(len(parameter), device=parameter.device), grad
    if grad.sparse_dim() != 1:
        raise ValueError(f"a sparse gradient must be sparse in its first dimension only, got {grad.sparse_dim()}")
    grad = distinct_rows(grad)
    return grad.indices().squeeze(0), grad.values()
