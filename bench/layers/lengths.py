"""Rows of different lengths: ours by `lengths`, torch packed and padded, beside the arithmetic of the real tokens."""

from __future__ import annotations

import math
import random
import statistics
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from timesteps.inspect.peak import peak
from timesteps.inspect.speed import Case, data, differences, on_threads, pair, results, worker
from timesteps.inspect.timing import Spread, clock_for, interleave, ratios

ROWS, HIDDEN = 64, 128
MEDIAN, MEAN, CAP = 178, 239, 400


def lengths() -> list[int]:
    """Log-normal of median 178 and mean 239, cut at 400, in a mixed order.

    Row i has the quantile (i + 1/2) / 64, so that no luck is in it; median and mean are those before the cut.
    """
    spread = math.sqrt(2 * math.log(MEAN / MEDIAN))
    normal = statistics.NormalDist(math.log(MEDIAN), spread)
    drawn = [min(CAP, round(math.exp(normal.inv_cdf((i + 0.5) / ROWS)))) for i in range(ROWS)]
    random.Random(0).shuffle(drawn)
    return drawn


def measure(cell: str, work: str, rounds: int) -> dict[str, Any]:
    """One thread. The arithmetic is the matrix products of the real tokens at the peak; times are multiples of it."""
    counts = torch.tensor(lengths())
    steps, tokens = int(counts.max()), int(counts.sum())
    with on_threads(1):
        x, dy = data(steps, ROWS, HIDDEN, work)
        if dy is not None:  # what is wanted of outputs on padding is nothing
            dy = dy * (torch.arange(steps).unsqueeze(1) < counts).unsqueeze(2)
        layers = pair(cell, HIDDEN, HIDDEN)
        mine, theirs = layers["timesteps"], layers["torch"]

        def with_lengths(x: Tensor) -> Any:
            return mine(x, lengths=counts)

        def packed(x: Tensor) -> Any:
            y, state = theirs(pack_padded_sequence(x, counts, enforce_sorted=False))
            return pad_packed_sequence(y)[0], state

        found = results(mine, x, dy, with_lengths)
        expected = results(theirs, x, dy, packed)
        summit = peak()
        calls = {
            "timesteps": worker(mine, x, dy, with_lengths),
            "torch packed": worker(theirs, x, dy, packed),
            "torch padded": worker(theirs, x, dy),
        }
        seconds = interleave(calls | {"peak": summit.call}, rounds=rounds, clock=clock_for(1))
    operations = Case(cell, HIDDEN, 1, work, steps=tokens).operations
    arithmetic = [s / summit.operations * operations for s in seconds["peak"]]
    return {
        "seconds": {name: Spread.of(seconds[name]).median for name in calls},
        "times_arithmetic": {name: ratios(seconds[name], arithmetic).median for name in calls},
        "ratio": {name: asdict(ratios(seconds[name], seconds["timesteps"])) for name in calls if name != "timesteps"},
        "tokens": tokens,
        "padded_tokens": steps * ROWS,
        "peak": summit.how,
        "errors": differences(found, expected),
        "rounds": len(seconds["peak"]),
    }
