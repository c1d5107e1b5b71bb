"""How fast this library's recurrent layers are beside torch.nn's on this machine, and whether they agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from timesteps import nn as ours
from timesteps.errors import UsageError
from timesteps.inspect.peak import peak
from timesteps.inspect.timing import ROUNDS, Spread, clock_for, interleave, ratios

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
WORKS = ("forward", "training")
OUTPUT_TOLERANCE = 2e-6
"""Largest absolute difference of outputs and states: float32 sums of some hundred products in another order."""
GRADIENT_TOLERANCE = 1e-5
"""Largest difference of a gradient, relative to its largest entry."""


@dataclass(frozen=True)
class Case:
    """One cell of the grid: T steps of I = H features, as torch lays them out by default, (T, B, I), float32."""

    cell: str
    hidden: int
    batch: int
    work: str = "forward"
    threads: int = 1
    steps: int = 100

    def __post_init__(self) -> None:
        if self.cell not in GATES:
            raise UsageError(f"there is no layer {self.cell!r}", mend=f"use one of {', '.join(GATES)}")
        if self.work not in WORKS:
            raise UsageError(f"there is no work {self.work!r}", mend=f"use one of {', '.join(WORKS)}")
        if min(self.hidden, self.batch, self.threads, self.steps) < 1:
            raise UsageError("hidden, batch, threads and steps are counts", mend="give positive whole numbers")

    @property
    def operations(self) -> float:
        """Of the matrix products alone, gates' functions not counted; training has three times as many.

        >>> Case("LSTM", 8, 32).operations
        3276800.0
        """
        forward = 2.0 * self.steps * self.batch * GATES[self.cell] * self.hidden * 2 * self.hidden
        return forward * (3 if self.work == "training" else 1)


@dataclass(frozen=True)
class Measured:
    """What came out: seconds of a call by contestant, torch's to ours, the share of the peak, the disagreement."""

    seconds: dict[str, float]
    ratio: Spread
    peak_share: Spread | None
    peak: str | None
    errors: dict[str, float]
    rounds: int

    @property
    def equal(self) -> bool:
        """Whether both gave the same numbers, up to rounding."""
        return agree(self.errors)

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)


def grid(
    cells: Sequence[str], hidden: Sequence[int], batch: Sequence[int], works: Sequence[str], threads: Sequence[int]
) -> list[Case]:
    """All combinations; threads change fastest, so that what is compared is measured close together."""
    return [Case(c, h, b, w, t) for c in cells for h in hidden for b in batch for w in works for t in threads]


def measure(case: Case, rounds: int = ROUNDS) -> Measured:
    """Ours against torch.nn's layer of the same weights on the same input, in turn; the peak with them, on one thread.

    Forward is inference: evaluation mode, `torch.inference_mode`. Training is forward and backward through autograd, for
    the gradients of the input and of all weights, from a random gradient of the outputs.
    """
    with on_threads(case.threads):
        layers = pair(case.cell, case.hidden, case.hidden)
        generator = torch.Generator().manual_seed(1)
        x = torch.randn(case.steps, case.batch, case.hidden, generator=generator)
        dy = torch.randn(x.shape, generator=generator)
        found = {name: results(layer, x, dy if case.work == "training" else None) for name, layer in layers.items()}
        calls = {name: worker(layer, x, dy if case.work == "training" else None) for name, layer in layers.items()}
        summit = peak() if case.threads == 1 else None
        if summit is not None:
            calls["peak"] = summit.call
        seconds = interleave(calls, rounds=rounds, clock=clock_for(case.threads))
    share = None
    if summit is not None:
        share = ratios([s / summit.operations * case.operations for s in seconds["peak"]], seconds["timesteps"])
    return Measured(
        seconds={name: Spread.of(seconds[name]).median for name in layers},
        ratio=ratios(seconds["torch"], seconds["timesteps"]),
        peak_share=share,
        peak=None if summit is None else summit.how,
        errors=differences(found["timesteps"], found["torch"]),
        rounds=len(seconds["torch"]),
    )


def pair(cell: str, input_size: int, hidden_size: int, **options: Any) -> dict[str, nn.Module]:
    """Our layer and torch's, with the same weights; `options` are for ours only."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        theirs = getattr(nn, cell)(input_size, hidden_size)
        mine = getattr(ours, cell)(input_size, hidden_size, **options)
    mine.load_state_dict(theirs.state_dict())
    return {"timesteps": mine, "torch": theirs}


def worker(layer: nn.Module, x: Tensor, dy: Tensor | None) -> Callable[[], object]:
    """The call that is timed: inference, or a training step's forward and backward where there is a gradient dy."""
    if dy is None:
        layer.eval()

        def infer() -> object:
            with torch.inference_mode():
                return layer(x)

        return infer
    layer.train()
    leaves = [x.detach().clone().requires_grad_(), *layer.parameters()]

    def train() -> object:
        for leaf in leaves:
            leaf.grad = None
        y, _ = layer(leaves[0])
        return y.backward(dy)

    return train


def results(layer: nn.Module, x: Tensor, dy: Tensor | None) -> dict[str, Tensor]:
    """Outputs and final states of a layer, and with dy its gradients, by name."""
    x = x.detach().clone().requires_grad_(dy is not None)
    with torch.set_grad_enabled(dy is not None):
        y, state = layer(x)
    states = state if isinstance(state, tuple) else (state,)
    found = {"output y": y.detach()} | {f"output state {n}": part.detach() for n, part in enumerate(states)}
    if dy is not None:
        names, parameters = zip(*layer.named_parameters(), strict=True)
        grads = torch.autograd.grad(y, [x, *parameters], dy)
        found |= {f"gradient {name}": grad for name, grad in zip(("x", *names), grads, strict=True)}
    return found


def differences(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, float]:
    """The largest: of outputs, absolute; of gradients, relative to the largest entry of each. NaN stays NaN."""
    worst: dict[str, list[Tensor]] = {}
    for name, want in expected.items():
        kind = name.split()[0]
        gap = (found[name] - want).abs().max()
        worst.setdefault(kind, []).append(gap / want.abs().max() if kind == "gradient" else gap)
    return {kind: float(torch.stack(gaps).max()) for kind, gaps in worst.items()}


def agree(errors: Mapping[str, float]) -> bool:
    """Whether differences are those of rounding."""
    limits = {"output": OUTPUT_TOLERANCE, "gradient": GRADIENT_TOLERANCE}
    return all(error <= limits[kind] for kind, error in errors.items())


@contextmanager
def on_threads(threads: int) -> Iterator[None]:
    """So many threads for torch, and for our kernels, which ask torch."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
