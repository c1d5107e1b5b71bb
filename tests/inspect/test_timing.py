"""The stopwatch itself, on a clock that only calls advance."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timesteps.inspect.timing import MOST_ROUNDS, Spread, interleave, ratios


class Machine:
    """Calls of known cost, on a processor whose pace may change."""

    def __init__(self, pace: Callable[[float], float] = lambda now: 1.0) -> None:
        self.now, self.pace = 0.0, pace
        self.log: list[str] = []

    def clock(self) -> float:
        return self.now

    def call(self, name: str, seconds: float) -> Callable[[], None]:
        def run() -> None:
            self.log.append(name)
            self.now += seconds * self.pace(self.now)

        return run


def test_every_round_has_the_cost_of_one_call() -> None:
    machine = Machine()
    samples = interleave(
        {"a": machine.call("a", 1e-5), "b": machine.call("b", 3e-3)}, rounds=9, total=0, clock=machine.clock
    )
    assert {name: len(each) for name, each in samples.items()} == {"a": 9, "b": 9}
    assert samples["a"] == pytest.approx([1e-5] * 9) and samples["b"] == pytest.approx([3e-3] * 9)


def test_short_calls_are_repeated_until_a_sample_is_long_enough_and_no_longer_than_needed() -> None:
    machine = Machine()
    interleave({"a": machine.call("a", 1e-5)}, rounds=2, least=2e-3, total=0, clock=machine.clock)
    warm_up = len(machine.log)
    machine.log.clear()
    interleave({"a": machine.call("a", 1e-5)}, rounds=12, least=2e-3, total=0, clock=machine.clock)
    repeats = (len(machine.log) - warm_up) / 10
    assert 200 <= repeats <= 300


def test_the_first_call_is_not_counted() -> None:
    costs = iter([5.0] + [1e-2] * 1000)
    machine = Machine(lambda now: next(costs))
    samples = interleave({"a": machine.call("a", 1.0)}, rounds=3, total=0, clock=machine.clock)
    assert samples["a"] == pytest.approx([1e-2] * 3)


def test_calls_take_turns_and_each_is_first_in_its_turn() -> None:
    machine = Machine()
    calls = {name: machine.call(name, 1.0) for name in "abc"}
    interleave(calls, rounds=4, total=0, clock=machine.clock)
    assert "".join(machine.log[-12:]) == "abcbcacababc"


def test_a_machine_that_slows_down_changes_times_but_not_the_ratio() -> None:
    machine = Machine(lambda now: 1.0 if now < 0.1 else 3.0)
    calls = {"a": machine.call("a", 2e-3), "b": machine.call("b", 4e-3)}
    samples = interleave(calls, rounds=31, total=0, clock=machine.clock)
    assert max(samples["a"]) > 2 * min(samples["a"])
    assert ratios(samples["b"], samples["a"]).median == pytest.approx(2.0)


def test_cheap_calls_get_more_rounds_up_to_a_bound() -> None:
    machine = Machine()
    samples = interleave({"a": machine.call("a", 2e-3)}, rounds=9, total=0.04, clock=machine.clock)
    assert 19 <= len(samples["a"]) <= 21
    samples = interleave({"a": machine.call("a", 2e-3)}, rounds=9, total=10, clock=machine.clock)
    assert len(samples["a"]) == MOST_ROUNDS
    samples = interleave({"a": machine.call("a", 2e-3)}, rounds=MOST_ROUNDS + 5, total=0, clock=machine.clock)
    assert len(samples["a"]) == MOST_ROUNDS + 5


def test_the_garbage_collector_rests_and_comes_back_even_after_an_error() -> None:
    seen = []
    machine = Machine()
    tick = machine.call("a", 1.0)

    def watch() -> None:
        tick()
        seen.append(gc.isenabled())

    interleave({"a": watch}, rounds=2, total=0, clock=machine.clock)
    assert not any(seen) and gc.isenabled()

    def fail() -> None:
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        interleave({"a": fail})
    assert gc.isenabled()


def test_one_round_has_no_quartiles() -> None:
    with pytest.raises(ValueError, match="rounds is 1"):
        interleave({"a": list}, rounds=1)


@given(st.lists(st.floats(1e-6, 1e3), min_size=2, max_size=50))
def test_spread_is_that_of_numpy(values: list[float]) -> None:
    spread = Spread.of(values)
    assert (spread.low, spread.median, spread.high) == pytest.approx(np.percentile(values, [25, 50, 75]))
    assert spread.median == pytest.approx(statistics.median(values))


def test_noise_is_a_fifth_between_the_quartiles() -> None:
    assert Spread(1.0, 0.89, 1.1).noisy and not Spread(1.0, 0.91, 1.1).noisy and not Spread(10.0, 9.5, 10.5).noisy
