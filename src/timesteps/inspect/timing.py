"""Timing calls against each other: in turn, in one process, so that a change of the clock meets them all alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

ROUNDS = 9
MOST_ROUNDS = 41


@dataclass(frozen=True)
class Spread:
    """A median and the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of two values at least; quartiles by linear interpolation between the ordered values.

        >>> Spread.of([4.0, 1.0, 3.0, 2.0, 5.0])
        Spread(median=3.0, low=2.0, high=4.0)
        """
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)

    @property
    def noisy(self) -> bool:
        """Whether the quartiles are further apart than a fifth of the median: the machine was not quiet."""
        return self.high - self.low > 0.2 * self.median


def ratios(over: Sequence[float], under: Sequence[float]) -> Spread:
    """Of one call's seconds to another's, round by round: what slows the machine down for a while slows both.

    >>> ratios([2.0, 4.0, 6.0], [1.0, 2.0, 2.0]).median
    2.0
    """
    return Spread.of([a / b for a, b in zip(over, under, strict=True)])


def clock_for(threads: int) -> Callable[[], float]:
    """One thread: the processor's seconds of this process, which leave out what other processes take from its core
    (on a free core they are the wall clock's). More threads: the wall clock."""
    return time.process_time if threads == 1 else time.perf_counter


def interleave(
    calls: Mapping[str, Callable[[], object]],
    *,
    rounds: int = ROUNDS,
    least: float = 2e-3,
    total: float = 0.2,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds that one call takes, for each of `calls` and each round.

    A call is repeated until a sample takes `least` seconds, and its time divided by the repetitions. In each round
    every call has its turn, and each round begins with another one. The garbage collector rests.

    Args:
        calls: what is compared, by name.
        rounds: how many rounds at least.
        least: seconds of a sample.
        total: rounds go on until they have taken so many seconds, or there are 41.
        clock: gives seconds, see `clock_for`.
    """
    if rounds < 2:
        raise ValueError(f"rounds is {rounds}: quartiles need two")
    was_collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        repeats = {name: _repeats(call, least, clock) for name, call in calls.items()}
        samples: dict[str, list[float]] = {name: [] for name in calls}
        names, begin = list(calls), clock()
        for done in range(max(rounds, MOST_ROUNDS)):
            if done >= rounds and clock() - begin >= total:
                break
            first = done % len(names)
            for name in names[first:] + names[:first]:
                samples[name].append(_seconds(calls[name], repeats[name], clock))
    finally:
        if was_collecting:
            gc.enable()
    return samples


def _seconds(call: Callable[[], object], repeats: int, clock: Callable[[], float]) -> float:
    begin = clock()
    for _ in range(repeats):
        call()
    return (clock() - begin) / repeats


def _repeats(call: Callable[[], object], least: float, clock: Callable[[], float]) -> int:
    """How often to call it, so that a sample is long enough; the first call, which may prepare things, not counted."""
    call()
    repeats = 1
    while (sample := _seconds(call, repeats, clock) * repeats) < least:
        # A sample of a few calls says little about many: at most ten times as many at once.
        repeats = max(repeats + 1, min(10 * repeats, int(1.2 * repeats * least / max(sample, 1e-9))))
    return repeats
