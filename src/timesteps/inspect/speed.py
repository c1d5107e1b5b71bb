"""How fast this library's recurrent layers are beside torch.nn's on this machine, and whether they agree."""

from __future__ import annotations

import copy
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
TOLERANCES = {"output": 2e-6, "gradient": 1e-5}
"""Errors that float32 explains: of outputs and states, absolute; of a gradient, relative to its largest entry."""

Run = Callable[[Tensor], Any]
"""Input -> (outputs, final states)."""


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
    """What came out: seconds of a call by contestant, torch's to ours, the share of the peak, both sides' errors."""

    seconds: dict[str, float]
    ratio: Spread
    peak_share: Spread | None
    peak: str | None
    errors: dict[str, float]
    torch_errors: dict[str, float]
    rounds: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)


def grid(
    cells: Sequence[str],
    hidden: Sequence[int],
    batch: Sequence[int],
    works: Sequence[str],
    threads: Sequence[int],
    steps: int = 100,
) -> list[Case]:
    """All combinations; threads change fastest, so that what is compared is measured close together."""
    return [Case(c, h, b, w, t, steps) for c in cells for h in hidden for b in batch for w in works for t in threads]


def measure(case: Case, rounds: int = ROUNDS) -> Measured:
    """Ours against torch.nn's layer of the same weights on the same input, in turn; the peak with them, on one thread.

    Forward is inference: evaluation mode, `torch.inference_mode`. Training is forward and backward through autograd,
    for the gradients of the input and of all weights, from a random gradient of the outputs. Errors are against torch's
    layer in float64.
    """
    with on_threads(case.threads):
        layers = pair(case.cell, case.hidden, case.hidden)
        x, dy = data(case.steps, case.batch, case.hidden, case.work)
        errors = errors_of(layers, x, dy)
        calls = {name: worker(layer, x, dy) for name, layer in layers.items()}
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
        errors=errors["timesteps"],
        torch_errors=errors["torch"],
        rounds=len(seconds["torch"]),
    )


def pair(cell: str, input_size: int, hidden_size: int, **options: Any) -> dict[str, nn.Module]:
    """Our layer and torch's, with the same weights; `options` are for ours only, and so is what they add."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        theirs = getattr(nn, cell)(input_size, hidden_size)
        mine = getattr(ours, cell)(input_size, hidden_size, **options)
    mine.load_state_dict({**mine.state_dict(), **theirs.state_dict()})
    return {"timesteps": mine, "torch": theirs}


def data(steps: int, batch: int, features: int, work: str) -> tuple[Tensor, Tensor | None]:
    """A normal input (T, B, H), and for training a gradient of the outputs, of the same shape."""
    x, dy = torch.randn(2, steps, batch, features, generator=torch.Generator().manual_seed(1))
    return x, dy if work == "training" else None


def worker(layer: nn.Module, x: Tensor, dy: Tensor | None, run: Run | None = None) -> Callable[[], object]:
    """The call that is timed: inference, or a training step's forward and backward where there is a gradient dy.

    `run` calls the layer, where that takes more than the input.
    """
    run = layer if run is None else run
    if dy is None:
        layer.eval()

        def infer() -> object:
            with torch.inference_mode():
                return run(x)

        return infer
    layer.train()
    leaves = [x.detach().clone().requires_grad_(), *layer.parameters()]

    def train() -> object:
        for leaf in leaves:
            leaf.grad = None
        y, _ = run(leaves[0])
        return y.backward(dy)

    return train


def results(layer: nn.Module, x: Tensor, dy: Tensor | None, run: Run | None = None) -> dict[str, Tensor]:
    """Outputs and final states of a layer, and with dy its gradients, by name; `run` as in `worker`."""
    run = layer if run is None else run
    x = x.detach().clone().requires_grad_(dy is not None)
    with torch.set_grad_enabled(dy is not None):
        y, state = run(x)
    states = state if isinstance(state, tuple) else (state,)
    found = {"output y": y.detach()} | {f"output state {n}": part.detach() for n, part in enumerate(states)}
    if dy is not None:
        names, parameters = zip(*layer.named_parameters(), strict=True)
        grads = torch.autograd.grad(y, [x, *parameters], dy)
        found |= {f"gradient {name}": grad for name, grad in zip(("x", *names), grads, strict=True)}
    return found


def errors_of(layers: Mapping[str, nn.Module], x: Tensor, dy: Tensor | None) -> dict[str, dict[str, float]]:
    """What each layer's float32 results are off torch's in float64."""
    exact = results(copy.deepcopy(layers["torch"]).double(), x.double(), None if dy is None else dy.double())
    return {name: differences(results(layer, x, dy), exact) for name, layer in layers.items()}


def differences(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, float]:
    """The largest: of outputs, absolute; of gradients, relative to the largest entry of each, if not all are zero.

    NaN stays NaN.
    """
    worst: dict[str, list[Tensor]] = {}
    for name, want in expected.items():
        kind = name.split()[0]
        gap, scale = (found[name] - want).abs().max(), want.abs().max()
        if kind == "gradient" and scale > 0:
            gap = gap / scale
        worst.setdefault(kind, []).append(gap)
    return {kind: float(torch.stack(gaps).max()) for kind, gaps in worst.items()}


def faults(errors: Mapping[str, float], theirs: Mapping[str, float] | None = None) -> list[str]:
    """Errors that are neither rounding nor within twice torch's own, in words. NaN is one.

    >>> faults({"output": 3e-7, "gradient": float("nan")})
    ['gradient is off by nan']
    """
    limits = {kind: max(limit, 2 * (theirs or {}).get(kind, 0.0)) for kind, limit in TOLERANCES.items()}
    return [f"{kind} is off by {error:.2g}" for kind, error in errors.items() if not error <= limits[kind]]


@contextmanager
def on_threads(threads: int) -> Iterator[None]:
    """So many threads for torch, and for our kernels, which ask torch."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
