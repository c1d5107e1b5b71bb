"""`python -m bench.layers.peers.contest PEER THREADS OPTIONS`: one peer in a process that has only so many cores."""

from __future__ import annotations

import importlib
import json
import os
import sys
from dataclasses import asdict
from typing import Any

PEER_TOLERANCE = 2e-5
"""Outputs, absolute, and gradients, relative: other approximations of tanh, but no other layer."""


def confine(threads: int) -> None:
    """So many cores for whatever is imported from here on: pools of threads are as large as what they find."""
    os.environ |= {"OMP_NUM_THREADS": str(threads), "TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"}
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def main() -> None:
    """Measure the peer in every case; leave at once, saying why, where it is not installed."""
    name, threads, options = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
    confine(threads)
    try:
        peer = importlib.import_module(f"bench.layers.peers.{name}")
    except ImportError as error:
        print(f"{name}: skipped, {error}")
        return

    from bench.layers import store
    from timesteps.inspect.speed import grid

    cases = grid(options["cells"], options["hidden"], options["batch"], options["work"], [threads])
    wrong = 0
    for case in sorted(cases, key=lambda case: case.operations):
        measured = measure(peer, name, case, options["rounds"])
        if measured is None:
            continue
        store.add(options["to"], "peer", {"peer": name, **asdict(case)}, measured, peer.PACKAGES)
        off = any(not error <= PEER_TOLERANCE for error in measured["errors"].values())
        wrong += off
        times = ", ".join(f"{who} {1e6 * seconds:,.0f} us" for who, seconds in measured["seconds"].items())
        print(f"{name} {' '.join(map(str, asdict(case).values()))}: {times}{'; results differ' * off}", flush=True)
    if wrong:
        sys.exit(f"{name}: {wrong} cases give other results")


def measure(peer: Any, name: str, case: Any, rounds: int) -> dict[str, Any] | None:
    """Ours and the peer's in turn; None where the peer cannot do this work."""
    import torch

    from bench.layers.peers.contestant import Problem
    from timesteps.inspect import speed
    from timesteps.inspect.timing import Spread, clock_for, interleave, ratios

    with speed.on_threads(case.threads):
        layer = speed.pair(case.cell, case.hidden, case.hidden)["timesteps"]
        x, dy = speed.data(case.steps, case.batch, case.hidden, case.work)
        weights = {key.removesuffix("_l0"): value.detach().numpy() for key, value in layer.named_parameters()}
        contestant = peer.build(
            Problem(case.cell, weights, x.numpy(), None if dy is None else dy.numpy(), case.threads)
        )
        if contestant is None:
            return None
        mine = speed.results(layer, x, dy)
        y, dx = contestant.results()
        theirs = {"output y": torch.tensor(y)}
        if dx is not None:
            theirs["gradient x"] = torch.tensor(dx)
        errors = speed.differences(theirs, {key: mine[key] for key in theirs})
        calls = {"timesteps": speed.worker(layer, x, dy), name: contestant.call}
        seconds = interleave(calls, rounds=rounds, clock=clock_for(case.threads))
    return {
        "seconds": {who: Spread.of(each).median for who, each in seconds.items()},
        "ratio": asdict(ratios(seconds[name], seconds["timesteps"])),
        "errors": errors,
        "rounds": len(seconds[name]),
    }


if __name__ == "__main__":
    main()
