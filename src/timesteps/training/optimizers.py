"""One step over all parameters: dense ones by torch's optimizers, sparse tables by lazy Adam, clipped together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from timesteps.errors import ModelError
from timesteps.nn.bags import BagEmbedding
from timesteps.training.lazy import LazyAdam, distinct_rows
from timesteps.training.schedules import factor
from timesteps.training.settings import Settings

__all__ = ["Optimizers", "table_names"]


def table_names(network: nn.Module) -> set[str]:
    """Names of the parameters whose gradients are sparse: bags of features and embeddings made with `sparse=True`.

    >>> table_names(nn.Sequential(nn.Embedding(9, 2, sparse=True), nn.Linear(2, 1)))
    {'0.weight'}
    """
    names: set[str] = set()
    for prefix, module in network.named_modules():
        if isinstance(module, BagEmbedding) or getattr(module, "sparse", False) is True:
            names.update(f"{prefix}.{name}" if prefix else name for name, _ in module.named_parameters(recurse=False))
    return names


class Optimizers:
    """Steps the dense parameters and the sparse tables of a network together.

    Args:
        network: parameters that require no gradient are left alone.
        settings: optimizer, rates, decay, clipping and schedule.
        steps: of the whole run; the schedule needs to know.

    `learning_rate` is the rate of the dense parameters before the schedule. Assigning to it scales the tables' rate
    too. Weight decay acts on dense parameters of two or more dimensions.

    >>> layer = nn.Linear(2, 1)
    >>> optimizers = Optimizers(layer, Settings(optimizer="sgd", learning_rate=0.1, clip_norm=None), steps=1)
    >>> layer(torch.ones(1, 2)).sum().backward()
    >>> norm = optimizers.gradient_norm()
    >>> round(norm.item(), 4)
    1.7321
    >>> optimizers.step(0, norm.item())
    """

    def __init__(self, network: nn.Module, settings: Settings, steps: int) -> None:
        tables = table_names(network)
        trained = [(name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad]
        self.dense = {name: parameter for name, parameter in trained if name not in tables}
        self.tables = {name: parameter for name, parameter in trained if name in tables}
        self.learning_rate = settings.learning_rate
        table_rate = settings.table_learning_rate or settings.learning_rate
        wide_rate = settings.wide_learning_rate or table_rate
        self._settings, self._steps = settings, steps
        self._optimizers: dict[str, Optimizer] = {}
        if self.dense:
            self._optimizers["dense"] = _dense_optimizer(list(self.dense.values()), settings)
        if self.tables:
            vectors = [parameter for name, parameter in self.tables.items() if not _is_wide(name)]
            wide = [parameter for name, parameter in self.tables.items() if _is_wide(name)]
            groups = [{"params": vectors, "lr": table_rate}, {"params": wide, "lr": wide_rate}]
            self._optimizers["tables"] = LazyAdam([group for group in groups if group["params"]], betas=settings.betas)
        # What each group's rate is to the dense parameters'; the schedule moves them all.
        self._ratios = {
            kind: [group["lr"] / settings.learning_rate for group in optimizer.param_groups]
            for kind, optimizer in self._optimizers.items()
        }

    def rate(self, step: int) -> float:
        """The rate of the dense parameters in a step, schedule included."""
        return self.learning_rate * factor(self._settings.schedule, self._settings.warmup, step, self._steps)

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameters in (self.dense, self.tables):
            for parameter in parameters.values():
                parameter.grad = None

    def gradient_norm(self) -> Tensor:
        """() Euclidean norm of all gradients as one vector. Sparse gradients are coalesced on the way if need be."""
        for parameter in self.tables.values():
            if parameter.grad is not None and parameter.grad.is_sparse:
                parameter.grad = distinct_rows(parameter.grad)
        return torch.nn.utils.get_total_norm(list(self._gradients()))

    def step(self, step: int, norm: float) -> None:
        """Clip by `norm`, what `gradient_norm` gave, and step all parameters at the rates of this step (from 0)."""
        limit = self._settings.clip_norm
        if limit is not None and (scale := limit / (norm + 1e-6)) < 1.0:
            torch._foreach_mul_(list(self._gradients()), scale)
        rate = self.rate(step)
        for kind, optimizer in self._optimizers.items():
            for group, ratio in zip(optimizer.param_groups, self._ratios[kind], strict=True):
                group["lr"] = rate * ratio
            optimizer.step()

    def state(self) -> dict[str, Tensor]:
        """All that `load_state` needs to continue with the same bits; the tensors are not copies."""
        state = {"learning_rate": torch.tensor(self.learning_rate, dtype=torch.float64)}
        for kind, name, parameter in self._named():
            for key, value in self._optimizers[kind].state[parameter].items():
                if value is not None:  # a momentum that no step has started
                    state[f"{name}.{key}"] = value
        return state

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a state. `ModelError` if it holds entries for parameters that the network does not have."""
        left = dict(state)
        self.learning_rate = float(left.pop("learning_rate"))
        for kind, name, parameter in self._named():
            optimizer = self._optimizers[kind]
            fused = bool(optimizer.param_groups[0].get("fused"))
            for entry in [entry for entry in left if entry.rpartition(".")[0] == name]:
                key, value = entry.rpartition(".")[2], left.pop(entry)
                # Unfused optimizers of torch count their steps on the CPU. Not `load_state_dict`, which casts.
                optimizer.state[parameter][key] = value if key == "step" and not fused else value.to(parameter.device)
        if left:
            raise ModelError(f"the optimizer's state has {next(iter(left))!r}, which the network has not")

    def _named(self) -> Iterator[tuple[str, str, nn.Parameter]]:
        for kind, parameters in (("dense", self.dense), ("tables", self.tables)):
            for name, parameter in parameters.items():
                yield kind, name, parameter

    def _gradients(self) -> Iterator[Tensor]:
        for parameter in self.tables.values():
            if parameter.grad is not None:
                yield parameter.grad.values() if parameter.grad.is_sparse else parameter.grad
        for name, parameter in self.dense.items():
            if parameter.grad is not None:
                if parameter.grad.is_sparse:
                    raise ModelError(f"{name} has a sparse gradient", mend="give its module the attribute sparse=True")
                yield parameter.grad


def _is_wide(name: str) -> bool:
    """Whether a table is the scalar weights of a wide term, which want a rate of their own."""
    return name.rpartition(".")[2] == "wide"


def _dense_optimizer(parameters: list[nn.Parameter], settings: Settings) -> Optimizer:
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    rate = settings.learning_rate
    # One fused kernel over all parameters: a tenth of the Python of the plain loop, which small networks would notice.
    match settings.optimizer:
        case "adam":
            return Adam(groups, lr=rate, betas=settings.betas, fused=True)
        case "adamw":
            return AdamW(groups, lr=rate, betas=settings.betas, fused=True)
        case "rmsprop":
            return RMSprop(groups, lr=rate, momentum=settings.momentum, foreach=True)
        case "sgd":
            return SGD(groups, lr=rate, momentum=settings.momentum, nesterov=settings.nesterov, fused=True)
