"""Hand-set networks compute what they say, on every input: plain Python is the judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import accumulate
from operator import xor
from typing import Any

import numpy as np
import pytest

from timesteps.errors import UsageError
from timesteps.inspect.handset import HANDSETS, handset

INPUTS = 10_000

Row = list[tuple[float, ...]]


def totals(row: Row) -> list[float]:
    return [float(total) for total in accumulate(Fraction(x) for (x,) in row)]


def larger(row: Row) -> list[str]:
    return ["yes" if lead > 0 else "no" for lead in accumulate(Fraction(a) - Fraction(b) for a, b in row)]


def odd(row: Row) -> list[int]:
    return list(accumulate((int(x) for (x,) in row), xor))


def majority(row: Row) -> list[str]:
    answers, ones, zeros = [], 0, 0
    for (x,) in row:
        ones, zeros = ones + (x == 1), zeros + (x == 0)
        answers.append("equal" if ones == zeros else "more" if ones > zeros else "fewer")
    return answers


def depth(row: Row) -> list[float]:
    stack: list[str] = []
    answers = []
    for (x,) in row:
        if x == 1:
            stack.append("(")
        elif x == -1 and stack:
            stack.pop()
        answers.append(float(len(stack)))
    return answers


def last_bit(row: Row) -> list[int]:
    answers, last = [], 0
    for zero, one in row:
        last = 0 if zero else 1 if one else last
        answers.append(last)
    return answers


def eighths(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers whose sums are exact in binary."""
    return rng.integers(-(2**20), 2**20, shape) / 8


def ties(rng: np.random.Generator, steps: int) -> np.ndarray:
    """Two inputs whose totals are often equal, and always near each other."""
    return rng.integers(0, 3, (steps, 2)).astype(float)


def marks(rng: np.random.Generator, steps: int) -> np.ndarray:
    signs = rng.choice(3, steps, p=[0.1, 0.1, 0.8])
    signs[0] = rng.integers(0, 2)
    return np.eye(3)[signs][:, :2]


CASES: dict[str, tuple[Callable[[Row], list[Any]], Callable[[np.random.Generator, int], np.ndarray]]] = {
    "sum": (totals, lambda rng, steps: eighths(rng, (steps, 1))),
    "compare": (larger, ties),
    "parity": (odd, lambda rng, steps: rng.integers(0, 2, (steps, 1)).astype(float)),
    "count": (majority, lambda rng, steps: rng.integers(0, 2, (steps, 1)).astype(float)),
    "brackets": (depth, lambda rng, steps: rng.integers(-1, 2, (steps, 1)).astype(float)),
    "copy": (last_bit, marks),
}


def rows(name: str, count: int, longest: int, seed: int = 0) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    for length in rng.integers(1, longest + 1, count).tolist():
        yield CASES[name][1](rng, length)


def test_every_network_is_judged() -> None:
    assert CASES.keys() == HANDSETS.keys()


@pytest.mark.parametrize("name", CASES)
def test_exact_on_ten_thousand_random_inputs(name: str) -> None:
    rule, given = CASES[name][0], list(rows(name, INPUTS, 40))
    answers = handset(name).session(per_step=True).predict(given)
    wanted = [rule([tuple(step) for step in row.tolist()]) for row in given]
    assert [list(answer) for answer in answers] == wanted
    once = handset(name).session().predict(given)
    assert list(once) == [answer[-1] for answer in wanted]


@pytest.mark.parametrize("name", CASES)
def test_exact_over_ten_thousand_steps_in_single_precision(name: str) -> None:
    """The stream computes in float32: sums stay exact while they are below 2^24 of the last place."""
    rng = np.random.default_rng(1)
    row = rng.integers(-9, 10, (10_000, 1)) / 8 if name == "sum" else CASES[name][1](rng, 10_000)
    network = handset(name)
    logits = network.session().run(row)
    wanted = CASES[name][0]([tuple(step) for step in row.tolist()])
    if not network.classes:
        assert logits[:, 0].tolist() == wanted
    else:
        best = logits[:, 0] > 0 if logits.shape[1] == 1 else logits.argmax(axis=1)
        assert [network.classes[int(k)] for k in best] == wanted


def test_the_textbook_parity() -> None:
    parity = handset("parity")
    assert parity.session(per_step=True).predict([parity.read("0101101011")]) == [[0, 1, 1, 0, 1, 1, 0, 0, 1, 0]]


def test_weights_are_those_of_the_textbook() -> None:
    total, compare = handset("sum").session().tensors, handset("compare").session().tensors
    assert all(
        total[name].ravel().tolist() == [1.0] for name in ("rnn.weight_ih_l0", "rnn.weight_hh_l0", "head.weight")
    )
    assert compare["rnn.weight_ih_l0"].tolist() == [[1, -1]] and compare["head.weight"].tolist() == [[5]]
    session = handset("compare").session()
    assert session.predict_proba([[[1, 0]], [[0, 1]], [[2, 2]]])[:, 1] == pytest.approx(
        [0.993307, 0.006693, 0.5], abs=1e-6
    )


def test_a_bit_is_copied_over_a_thousand_steps_without_change() -> None:
    copy = handset("copy")
    for bit in "01":
        session = copy.session()
        session.run(copy.read(bit + 1000 * "."))
        assert session.state["c_l0"].item() == (1.0 if bit == "1" else -1.0)
        assert session.predict([copy.read(bit + 1000 * ".")]) == [int(bit)]


def test_threshold_units_are_on_or_off_to_the_last_bit() -> None:
    parity = handset("parity")
    h = parity.session(per_step=True).trace(list(rows("parity", 50, 60)))["l0"].states["h"]
    assert set(np.unique(h).tolist()) == {-1.0, 1.0}
    c = handset("copy").session(per_step=True).trace(list(rows("copy", 50, 60)))["l0"].states["c"]
    assert set(np.unique(c).tolist()) == {-1.0, 1.0}
    count = handset("count").session(per_step=True).trace(list(rows("count", 50, 60)))["l0"]
    assert all(np.unique(count.gates[gate]).tolist() == [1.0] for gate in "ifo")
    assert np.array_equal(count.states["c"], np.round(count.states["c"]))


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match="'brakets'; did you mean brackets\\?"):
        handset("brakets")
    with pytest.raises(UsageError, match="choose one of sum, compare"):
        handset("xyzzy")
