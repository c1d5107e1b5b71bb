"""`python -m bench.training.peers PEER`: whole training steps of our native engine beside another library's.

In an interpreter that has both; `make bench-peers` makes one. Cases are merged into bench/results/training.json as they
are done; rows of different lengths are left out.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from dataclasses import asdict

from bench.layers.options import some_of
from bench.layers.peers.contest import confine

PEER_TOLERANCE = 2e-4
"""Of a loss, over 20 steps: other approximations of tanh, and Keras adds Adam's epsilon at another place."""


def main() -> None:
    """Measure one peer on one thread."""
    parser = argparse.ArgumentParser(prog="python -m bench.training.peers", description=__doc__)
    parser.add_argument("peer", choices=("keras", "jax"))
    parts = ("small", "forecaster")
    parser.add_argument("--parts", type=some_of(parts), default=parts, help=",".join(parts))
    parser.add_argument("--rounds", type=int, default=9, help="at least so many, %(default)s without")
    parser.add_argument("--to", default="training", metavar="NAME", help="bench/results/NAME.json")
    asked = parser.parse_args()
    confine(1)
    try:
        peer = importlib.import_module(f"bench.training.peers.{asked.peer}")
    except ImportError as error:
        print(f"{asked.peer}: skipped, {error}")
        return
    from bench.layers import store
    from bench.training.plan import GROUPS
    from bench.training.steps import by_engine, compared

    wrong = 0
    for part in asked.parts:
        for model in GROUPS[part]:
            calls = {"native": by_engine(model, 1, "native"), **peer.contestants(model, 1)}
            measured = compared(calls, "native", 1, asked.rounds, peer.same_steps(model))
            store.add(asked.to, part, {**asdict(model), "threads": 1, "peer": asked.peer}, measured, peer.PACKAGES)
            off = {name: error for name, error in measured["errors"].items() if not error <= PEER_TOLERANCE}
            wrong += bool(off)
            times = ", ".join(f"{name} {1e3 * seconds:,.3f} ms" for name, seconds in measured["seconds"].items())
            print(f"{part} {model.cell} B={model.batch}: {times}{f'; off by {off}' if off else ''}", flush=True)
    if wrong:
        sys.exit(f"{asked.peer}: {wrong} cases give other losses")


if __name__ == "__main__":
    main()
