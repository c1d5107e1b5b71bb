"""The tasks' answers, by plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timesteps.errors import UsageError
from timesteps.inspect.expressivity import TASKS, task
from timesteps.inspect.handset import HANDSETS, handset

SEEDS = st.integers(0, 2**32 - 1)
LENGTHS = st.integers(1, 300)


@given(SEEDS, LENGTHS)
@settings(deadline=None)
def test_sums_of_binary_numbers(seed: int, length: int) -> None:
    steps, answers = TASKS["add"].draw(np.random.default_rng(seed), length)
    first, second, total = (sum(int(bit) << k for k, bit in enumerate(bits)) for bits in (*steps.T, answers))
    assert total == (first + second) % 2**length


@given(SEEDS, LENGTHS, st.sampled_from(["parity", "count", "copy"]))
@settings(deadline=None)
def test_the_hand_set_network_agrees(seed: int, length: int, name: str) -> None:
    wanted = TASKS[name]
    steps, answers = wanted.draw(np.random.default_rng(seed), length)
    assert steps.shape == (length, wanted.inputs) and wanted.classes == handset(name).classes
    assert handset(name).session(per_step=True).predict([steps]) == [[wanted.classes[k] for k in answers]]


def test_counting_is_not_guessed() -> None:
    answers = TASKS["count"].examples(np.random.default_rng(0), 1000, 1000, 1000).targets
    assert (np.bincount(answers) > 0).all() and np.bincount(answers).max() < 0.6 * len(answers)
    ends = [TASKS["count"].draw(np.random.default_rng(seed), 1000)[0] for seed in range(50)]
    assert max(abs(np.cumsum(2 * steps[:, 0] - 1)).max() for steps in ends) > 300  # far beyond what training sees


def test_a_bit_is_given_rarely() -> None:
    steps, _ = TASKS["copy"].draw(np.random.default_rng(0), 1000)
    assert steps[0].sum() == 1 and steps.sum() < 15


def test_examples_have_an_answer_a_step() -> None:
    examples = TASKS["count"].examples(np.random.default_rng(0), 7, 2, 9)
    assert len(examples) == 7 and len(examples.targets) == examples.sequences.lengths.sum()
    assert examples.per_step and examples.sequences.lengths.min() >= 2 and examples.sequences.lengths.max() <= 9


def test_tasks_by_name() -> None:
    assert task("add").name == "add"
    assert set(TASKS) - {"add"} <= set(HANDSETS)
    with pytest.raises(UsageError, match="task is 'pairty'; did you mean parity"):
        task("pairty")
    with pytest.raises(UsageError, match="choose one of parity, count, copy, add"):
        task("xyz")
