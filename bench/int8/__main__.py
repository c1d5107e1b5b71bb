"""`python -m bench.int8 [--run NAME=FOLDER]…`: weights in int8 beside float: time of a step, bytes, accuracy.

A step is measured from Python and inside the core, float and int8 in turn, on one thread. Runs that are named are
written in int8 and judged on their own validation rows.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

HIDDEN = (64, 128, 256, 512)
CELLS = ("lstm", "gru", "rnn")
STEPS = 50


def main() -> None:
    """Measure every size and write bench/results/int8.json; what was measured of runs before stays."""
    parser = argparse.ArgumentParser(prog="python -m bench.int8", description=__doc__)
    parser.add_argument("--hidden", default=",".join(map(str, HIDDEN)), help="%(default)s")
    parser.add_argument("--rounds", type=int, default=11, help="%(default)s")
    parser.add_argument("--run", action="append", default=[], metavar="NAME=FOLDER", help="a trained run to judge")
    parser.add_argument("--only-runs", action="store_true", help="leave the steps as they were measured before")
    asked = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

    from bench.record import read, write

    before = (read("int8") or {}).get("results", {})
    steps = before.get("steps", {})
    if not asked.only_runs:
        for cell in CELLS:
            for hidden in map(int, asked.hidden.split(",")):
                steps.setdefault(cell, {})[str(hidden)] = found = measure(cell, hidden, asked.rounds)
                print(f"{cell} H={hidden}: int8 {found['ratio']['median']:.2f} times as fast", flush=True)
    runs = before.get("runs", {}) | {
        name: judge(folder) for name, _, folder in (run.partition("=") for run in asked.run)
    }
    write("int8", {"steps": steps, "runs": runs})


def measure(cell: str, hidden: int, rounds: int) -> dict[str, Any]:
    """Seconds a step of float and int8, in turn."""
    import numpy as np

    from bench.streaming.problem import session_of
    from timesteps.inspect.timing import Spread, clock_for, interleave, ratios
    from timesteps.interchange.int8_out import quantized

    plain = session_of(hidden, cell)
    sessions = {"float": plain, "int8": quantized(plain)}
    x = np.random.default_rng(0).normal(size=(STEPS, hidden))
    row = x[0].astype(np.float32)
    for session in sessions.values():
        session.step(row)
    calls = {name: (lambda step=session.step: step(row)) for name, session in sessions.items()}
    seconds = interleave(calls, rounds=rounds, clock=clock_for(1))
    streams = {name: session.stream() for name, session in sessions.items()}
    whole = interleave(
        {name: (lambda run=stream.run: run(x)) for name, stream in streams.items()}, rounds=rounds, clock=clock_for(1)
    )
    inside = {name: [each / STEPS for each in found] for name, found in whole.items()}
    return {
        "seconds": {name: vars(Spread.of(each)) for name, each in seconds.items()},
        "seconds inside the core": {name: vars(Spread.of(each)) for name, each in inside.items()},
        "ratio": vars(ratios(seconds["float"], seconds["int8"])),
        "ratio inside the core": vars(ratios(inside["float"], inside["int8"])),
        "bytes": {name: sum(each.nbytes for each in session.tensors.values()) for name, session in sessions.items()},
    }


def judge(folder: str) -> dict[str, Any]:
    """Size and accuracy of a trained run, before and after."""
    from timesteps.interchange import to_int8
    from timesteps.runtime.session import load
    from timesteps.tasks.classify.validation import rows_to_judge

    rows = rows_to_judge(folder, None, load(folder).classes, print)
    assert rows is not None, f"{folder} is no run of `timesteps train classify`"
    with tempfile.TemporaryDirectory() as place:
        exported = to_int8(folder, Path(place, "model.safetensors"), rows.texts, rows.labels, rows.source)
    found = exported.to_dict()
    del found["file"]
    return found


if __name__ == "__main__":
    main()
