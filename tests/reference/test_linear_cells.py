"""minGRU, minLSTM and a user's linear cells against the closed form of a linear recurrence, and against scipy's filter.

    h_t = exp(S_t) h_0 + Σ_{k ≤ t} exp(S_t - S_k) b_k    with S_t = Σ_{k ≤ t} log a_k

All steps at once, with gates written down from the paper (Feng et al. 2024, arXiv:2410.01201): no step follows another.
"""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.signal import lfilter
from tolerances import CLOSE
from torch import Tensor
from torch.testing import assert_close

from timesteps.nn import Cell, LinearCell, MinGRUCell, MinLSTMCell, scan
from timesteps.runtime import native

IMPLEMENTATIONS = [
    pytest.param("native", marks=pytest.mark.skipif(native.core is None, reason=native.explain())),
    "loop",
]


def logistic(x: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-x))


def gates_of(kind: str, x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """log a and b of all steps of one row: x (T, I) -> (T, H), (T, H)."""
    first, *others = (x @ weight.T + bias).chunk(2 if kind == "mingru" else 3, 1)
    if kind == "mingru":
        z = logistic(first)
        return torch.log(1 - z), z * others[0]
    f, i = logistic(first), logistic(others[0])
    return torch.log(f) - torch.log(f + i), i / (f + i) * others[1]


def closed_form(log_a: Tensor, b: Tensor, h0: Tensor) -> Tensor:
    """The states of one row: (T, H), (T, H), (H,) -> (T, H)."""
    sums = log_a.cumsum(0)
    later = torch.ones(len(b), len(b), dtype=torch.bool).tril().unsqueeze(2)
    factors = (sums.unsqueeze(1) - sums.unsqueeze(0)).masked_fill(~later, -torch.inf).exp()
    return sums.exp() * h0 + torch.einsum("tkh,kh->th", factors, b)


def whole(kind: str, x: Tensor, lengths: list[int], resets: Tensor, start: Tensor, fresh: Tensor,
          weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Outputs (B, T, H) and final states, each sequence between two resets by its closed form."""
    outputs, finals = [], []
    for row, (length, h0) in enumerate(zip(lengths, start, strict=True)):
        parts, begin = [], 0
        cuts = [t for t in range(length) if resets[row, t]] + [length]
        for cut in cuts:
            if cut > begin:
                parts.append(closed_form(*gates_of(kind, x[row, begin:cut], weight, bias), h0))
                h0 = parts[-1][-1]
            if cut < length:
                h0 = fresh[row]
            begin = cut
        states = torch.cat([*parts, x.new_zeros(x.shape[1] - length, len(h0))])
        outputs.append(states)
        after = bool(resets[row, length:].any())  # begun on padding: the row ends afresh
        finals.append(fresh[row] if after else h0)
    return torch.stack(outputs), torch.stack(finals)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize(("cell", "kind"), [(MinGRUCell, "mingru"), (MinLSTMCell, "minlstm")])
@pytest.mark.parametrize("seed", range(4))
def test_random_configurations_are_the_closed_form(cell: type[Cell], kind: str, implementation: str, seed: int) -> None:
    """400 of them for the kernels, as many for the loop: outputs, final states, and every gradient."""
    draw = random.Random(seed)
    torch.manual_seed(seed)
    for number in range(50):
        dtype = torch.float64 if number % 2 else torch.float32
        rows, steps, inputs, hidden = draw.randint(1, 7), draw.randint(1, 12), draw.randint(1, 9), draw.randint(1, 40)
        equation = cell(inputs, hidden, dtype=torch.float64)
        x = torch.randn(rows, steps, inputs, dtype=torch.float64)
        state, fresh = torch.randn(2, rows, hidden, dtype=torch.float64)
        lengths = [draw.randint(1, steps), *(draw.randint(0, steps) for _ in range(rows - 1))]
        resets = torch.rand(rows, steps) < draw.choice([0.0, 0.3])
        upstream = torch.randn(rows, steps, hidden, dtype=torch.float64), torch.randn(rows, hidden, dtype=torch.float64)

        leaves = [t.detach().clone().requires_grad_() for t in (x, state, fresh, *equation.parameters())]
        expected = whole(kind, leaves[0], lengths, resets, leaves[1], leaves[2], leaves[3], leaves[4])
        theirs = torch.autograd.grad(expected, leaves, upstream, allow_unused=True)

        mine = [t.detach().to(dtype).requires_grad_() for t in (x, state, fresh)]
        equation = equation.to(dtype)
        got = scan(equation, mine[0], torch.tensor(lengths), mine[1], reset=resets, initial=mine[2],
                   implementation=implementation)  # fmt: skip
        ours = torch.autograd.grad(got, [*mine, *equation.parameters()], [u.to(dtype) for u in upstream],
                                   allow_unused=True)  # fmt: skip
        assert_close(list(got), [part.to(dtype) for part in expected], **CLOSE[dtype])
        for a, b, leaf in zip(ours, theirs, leaves, strict=True):
            a, b = (torch.zeros_like(leaf) if grad is None else grad.double() for grad in (a, b))
            assert_close(a, b, **CLOSE[dtype])


class FilterCell(LinearCell):
    """A first-order filter with a factor of its own for each unit: h' = a ∘ h + x."""

    gates = ("x",)
    factors: Tensor

    def coefficients(self, gx: Tensor) -> tuple[Tensor, Tensor]:
        return self.factors.expand_as(gx), gx


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("reverse", [False, True])
def test_constant_factors_are_scipys_filter(implementation: str, reverse: bool) -> None:
    rng = np.random.default_rng(0)
    cell = FilterCell(5, 5, bias=False, dtype=torch.float64)
    cell.factors = torch.tensor([0.9, -0.5, 0.0, 1.0, 1.1], dtype=torch.float64)
    with torch.no_grad():
        cell.weight_ih.copy_(torch.eye(5))
    x, state = rng.normal(size=(3, 40, 5)), rng.normal(size=(3, 5))
    y, final = scan(cell, torch.tensor(x), state=torch.tensor(state), reverse=reverse, implementation=implementation)
    expected: NDArray[np.float64] = np.empty_like(x)
    for unit, a in enumerate(cell.factors.tolist()):
        signal = x[:, ::-1, unit] if reverse else x[:, :, unit]
        filtered, _ = lfilter([1.0], [1.0, -a], signal, zi=a * state[:, unit : unit + 1])
        expected[:, :, unit] = filtered[:, ::-1] if reverse else filtered
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(final.detach().numpy(), y.detach().numpy()[:, 0 if reverse else -1])


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_shares_of_gates_that_are_lost_in_floats(implementation: str, dtype: torch.dtype) -> None:
    """σ(f) and σ(i) are zero as floats from some -100 (float32) or -750 on; f / (f + i) is then that of e^f and e^i."""
    cell = MinLSTMCell(2, 1, bias=False, dtype=dtype)
    with torch.no_grad():
        cell.weight_ih.copy_(torch.tensor([[1.0, 0], [0, 1], [0, 0]]))
    gates = torch.tensor([[-900.0, -900], [-900, -901], [-120, -119], [-87.5, -86], [-95, 0], [3, 40], [200, 300],
                          [500, -500], [-500, 500], [90, 70]], dtype=dtype)  # fmt: skip
    h, _ = scan(cell, gates.unsqueeze(1), state=torch.ones(len(gates), 1, dtype=dtype), implementation=implementation)
    log_f, log_i = -torch.logaddexp(torch.zeros(()), -gates.double()).T
    expected = torch.sigmoid(log_f - log_i)
    assert_close(h.flatten().double(), expected, rtol=1e-6 if dtype == torch.float32 else 1e-14, atol=1e-30)
