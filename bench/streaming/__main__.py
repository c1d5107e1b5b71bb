"""`python -m bench.streaming`: one step of an LSTM, from Python and from C, beside the other libraries that are there.

Run it by `make bench-peers` for all of them; a peer that is missing is skipped by name. All take turns in one process
on one thread, and give the same logits.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from importlib.metadata import version
from typing import Any

HIDDEN = (16, 64, 128, 256)
PEERS = ("numpy", "torch", "onnxruntime", "litert", "openvino")
ASKED = {"timesteps": (0.9, 2.0, 8.0, 30.0), "timesteps from C": (0.2, 1.5, 7.5, 30.0)}  # µs
STEPS = 200
TOLERANCE = 1e-5


def main() -> None:
    """Measure every size and write bench/results/streaming.json."""
    parser = argparse.ArgumentParser(prog="python -m bench.streaming", description=__doc__)
    parser.add_argument("--peers", default=",".join(PEERS), help="%(default)s")
    parser.add_argument("--hidden", default=",".join(map(str, HIDDEN)), help="%(default)s")
    parser.add_argument("--rounds", type=int, default=21, help="%(default)s")
    asked = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}

    from bench.record import write

    builders: dict[str, Any] = {}
    versions: dict[str, str] = {}
    for name in asked.peers.split(",") if asked.peers else []:
        try:
            builders[name] = importlib.import_module(f"bench.streaming.peers.{name}")
        except ImportError as error:
            print(f"{name}: skipped, {error}", file=sys.stderr)
            continue
        versions |= {package: version(package) for package in builders[name].PACKAGES}
    sizes = {}
    for hidden in map(int, asked.hidden.split(",")):
        sizes[str(hidden)] = measure(hidden, builders, asked.rounds)
        shown = ", ".join(f"{who} {1e6 * each['median']:.2f}" for who, each in sizes[str(hidden)]["seconds"].items())
        print(
            f"H={hidden}: {shown} us; largest difference {max(sizes[str(hidden)]['errors'].values()):.1e}", flush=True
        )
    write("streaming", {"steps": STEPS, "peers": versions, "sizes": sizes})


def measure(hidden: int, builders: dict[str, Any], rounds: int) -> dict[str, Any]:
    """Seconds a step of everyone, in turn, and how far the logits are from ours."""
    import numpy as np

    from bench.streaming.problem import Contestant, session_of, weights_of
    from timesteps.inspect.timing import Spread, clock_for, interleave, ratios

    session = session_of(hidden)
    contestants = {"timesteps": Contestant(session.step, session.reset)}
    contestants |= {name: builder.build(weights_of(session)) for name, builder in builders.items()}
    x = np.random.default_rng(0).normal(size=(STEPS, hidden)).astype(np.float32)
    logits = {}
    for name, each in contestants.items():
        each.reset()
        logits[name] = np.stack([np.array(each.step(row)).reshape(1) for row in x])
    errors = {name: float(np.abs(found - logits["timesteps"]).max()) for name, found in logits.items()}
    if wrong := [name for name, error in errors.items() if not error <= TOLERANCE]:
        raise SystemExit(f"H={hidden}: other logits from {', '.join(wrong)}: {errors}")
    row = x[0]
    calls = {name: (lambda step=each.step: step(row)) for name, each in contestants.items()}
    seconds = interleave(calls, rounds=rounds, clock=clock_for(1))
    overhead = interleave({"nothing": lambda step=len: step(row)}, rounds=5, clock=clock_for(1))["nothing"]
    many = x.astype(np.float64)
    alone = session.stream()
    alone.run(many)
    whole = interleave({"run": lambda: alone.run(many)}, rounds=rounds, clock=clock_for(1))["run"]
    seconds["timesteps from C"] = [each / STEPS for each in whole]
    return {
        "seconds": {name: vars(Spread.of(each)) for name, each in seconds.items()},
        "ratios": {
            name: vars(ratios(each, seconds["timesteps"])) for name, each in seconds.items() if name in builders
        },
        "errors": errors,
        "empty call": vars(Spread.of(overhead)),
    }


if __name__ == "__main__":
    main()
