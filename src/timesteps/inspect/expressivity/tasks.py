"""Tasks with an exact answer at every step of a sequence of any length, drawn at random."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import UsageError, option
from timesteps.runtime.sequences import Sequences
from timesteps.training.examples import Examples

__all__ = ["TASKS", "Task", "task"]

Steps = NDArray[np.float64]
Answers = NDArray[np.int64]


@dataclass(frozen=True)
class Task:
    """A rule that says for every step of a sequence which class it is of.

    Args:
        name: parity, count, copy or add.
        what: the rule, in a line.
        inputs: numbers a step.
        classes: the answers.
        draw: a random sequence of a length, (T, inputs), and its answers (T,).
        handset: name of the hand-set network that computes it, if there is one; it reads the same steps.
    """

    name: str
    what: str
    inputs: int
    classes: tuple[str | int, ...]
    draw: Callable[[np.random.Generator, int], tuple[Steps, Answers]]
    handset: str | None = None

    @property
    def outputs(self) -> int:
        """Of a network that answers: one logit for two classes."""
        return 1 if len(self.classes) == 2 else len(self.classes)

    def examples(self, rng: np.random.Generator, rows: int, shortest: int, longest: int) -> Examples:
        """Random sequences of random lengths, every step with its answer."""
        drawn = [self.draw(rng, int(length)) for length in rng.integers(shortest, longest + 1, rows)]
        steps, answers = zip(*drawn, strict=True)
        return Examples(Sequences.of(list(steps), np.float32), np.concatenate(answers), per_step=True)


def parity(rng: np.random.Generator, length: int) -> tuple[Steps, Answers]:
    """Bits; whether the number of ones so far is odd."""
    bits = rng.integers(0, 2, length)
    return bits[:, None].astype(np.float64), np.cumsum(bits) % 2


def count(rng: np.random.Generator, length: int) -> tuple[Steps, Answers]:
    """Runs of n equal bits, followed by n of the other; whether ones so far are fewer, as many or more.

    Random bits would nearly always have many more of one of them, and a rough guess would do.
    """
    changes: list[int] = []
    while len(changes) < length:
        size = int(rng.integers(1, max(2, (length - len(changes)) // 2 + 1)))
        sign = int(rng.choice([-1, 1]))
        changes += [sign] * size + [-sign] * size
    moves = np.array(changes[:length])
    return (moves[:, None] > 0).astype(np.float64), np.sign(np.cumsum(moves)) + 1


def copy(rng: np.random.Generator, length: int) -> tuple[Steps, Answers]:
    """A bit at the first step and at few others, no bit elsewhere; the last bit that was given."""
    given = rng.random(length) < 2 / length
    given[0] = True
    bits = rng.integers(0, 2, length)
    steps = np.zeros((length, 2))
    steps[given, bits[given]] = 1
    last = np.maximum.accumulate(np.where(given, np.arange(length), 0))
    return steps, bits[last]


def add(rng: np.random.Generator, length: int) -> tuple[Steps, Answers]:
    """Two binary numbers, the lowest bits first; the bits of their sum.

    Half of the pairs in half of the sequences are such that the carry goes on, so that it has a long way to go.
    """
    pairs = rng.integers(0, 2, (length, 2))
    if rng.random() < 0.5:
        going = rng.random(length) < 0.5
        pairs[going, 1] = 1 - pairs[going, 0]
    answers, carry = np.zeros(length, np.int64), 0
    for place, total in enumerate(pairs.sum(axis=1).tolist()):
        answers[place], carry = (total + carry) % 2, (total + carry) // 2
    return pairs.astype(np.float64), answers


TASKS: dict[str, Task] = {
    each.name: each
    for each in (
        Task("parity", "is the number of ones so far odd?", 1, (0, 1), parity, "parity"),
        Task("count", "fewer, as many, or more ones than zeros so far?", 1, ("fewer", "equal", "more"), count, "count"),
        Task("copy", "the last bit given, however long ago", 2, (0, 1), copy, "copy"),
        Task("add", "the sum of two binary numbers, lowest bits first", 2, (0, 1), add),
    )
}
"""By name."""


def task(name: str) -> Task:
    """The task of that name. `UsageError` if there is none."""
    if name not in TASKS:
        near = difflib.get_close_matches(name, TASKS, 1)
        mend = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(TASKS)}"
        raise UsageError(f"{option('task')} is {name!r}", mend=mend)
    return TASKS[name]
