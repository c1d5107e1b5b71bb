"""`recompute`: less is kept for backward, and not a bit changes."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from tolerances import EXACT
from torch import Tensor
from torch.testing import assert_close

from timesteps.errors import UsageError
from timesteps.nn import GRU, LSTM, RNN, ElmanCell, GRUCell, LSTMCell, explain, scan
from timesteps.nn.cells.cell import as_state, as_tuple
from timesteps.runtime import native

pytestmark = pytest.mark.skipif(native.core is None, reason=native.explain())

CELLS: list[Any] = [
    LSTMCell,
    lambda inputs, hidden: LSTMCell(inputs, hidden, proj_size=max(1, hidden // 2)),
    GRUCell,
    lambda inputs, hidden: GRUCell(inputs, hidden, reset_after=False),
    ElmanCell,
]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("make", CELLS, ids=["lstm", "projected", "gru", "gru, reset before", "elman"])
def test_the_same_bits_whatever_is_recomputed(make: Any, threads: int) -> None:
    draw = random.Random(0)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for trial in range(12):
            torch.manual_seed(trial)
            rows, steps, hidden = draw.choice([1, 2, 17, 40]), draw.choice([1, 9, 60, 300]), draw.choice([3, 8, 70])
            compare(make(draw.randint(1, 20), hidden), rows, steps, draw)
    finally:
        torch.set_num_threads(before)


def compare(cell: Any, rows: int, steps: int, draw: random.Random) -> None:
    """Of a random call, all results with nothing, some and everything recomputed."""
    x = torch.randn(rows, steps, cell.input_size, requires_grad=True)
    state, fresh = (
        tuple(torch.randn(rows, size, requires_grad=True) for size in cell.state_sizes) if draw.random() < 0.5 else None
        for _ in range(2)
    )
    options: dict[str, Any] = {
        "lengths": torch.randint(0, steps + 1, (rows,)) if draw.random() < 0.5 else None,
        "mask": torch.rand(rows, steps) < 0.7 if draw.random() < 0.3 else None,
        "reset": torch.rand(rows, steps) < 0.05 if draw.random() < 0.4 else None,
        "state": None if state is None else as_state(state),
        "initial": None if fresh is None else as_state(fresh),
        "reverse": draw.random() < 0.5,
        "recurrent_dropout": draw.choice([0.0, 0.3]),
    }
    leaves = [x, *cell.parameters(), *(state or ()), *(fresh or ())]

    def results(recompute: int | None) -> list[Tensor | None]:
        y, final = scan(cell, x, **options, generator=torch.Generator().manual_seed(5), recompute=recompute)
        outputs, weigh = [y, *as_tuple(final)], torch.Generator().manual_seed(6)
        loss = torch.stack([(out * torch.randn(out.shape, generator=weigh)).sum() for out in outputs]).sum()
        return [*outputs, *torch.autograd.grad(loss, leaves, allow_unused=True)]

    everything = results(None)
    for recompute in (1, 20, 1000):
        for kept, again in zip(everything, results(recompute), strict=True):
            assert (kept is None) == (again is None)
            assert_close(again, kept, **EXACT)


def test_who_does_not_recompute_says_so() -> None:
    x = torch.zeros(5, 2, 3)
    assert str(explain(LSTM(3, 4, recompute=2), x)) == "l0: native"
    assert str(explain(LSTM(3, 4, recompute=2), x.bfloat16())).endswith("keeps every step, and recomputes nothing")
    assert "recompute=2" in repr(GRU(3, 4, recompute=2)) and "recompute" not in repr(GRU(3, 4))
    layer = RNN(3, 4, recompute=2)
    assert_close(layer(x)[0], layer(x, implementation="loop")[0])


@pytest.mark.parametrize("wrong", [0, -1, 2.5, "all"])
def test_what_does_not_count_steps_is_refused(wrong: Any) -> None:
    with pytest.raises(UsageError, match="recompute"):
        LSTM(3, 4, recompute=wrong)
    with pytest.raises(UsageError, match="recompute"):
        scan(LSTMCell(3, 4), torch.zeros(2, 5, 3), recompute=wrong)
