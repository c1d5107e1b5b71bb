"""`python -m bench.trace`: what it costs to see gates and states, and to explain a review of 400 tokens.

A call and its trace run in turn, on one thread: networks of the runtime (float32 by the kernels; float64 in numpy), and
layers of `timesteps.nn` without gradients. `--run FOLDER` also times `timesteps explain` in a fresh process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CELLS = ("rnn", "lstm", "gru", "mingru", "minlstm")
STEPS, INPUTS, TOKENS, REPEATS = 100, 64, 400, 5


def main() -> None:
    """Measure and write bench/results/trace.json."""
    parser = argparse.ArgumentParser(prog="python -m bench.trace", description=__doc__)
    parser.add_argument("--hidden", default="64,128,256", help="%(default)s")
    parser.add_argument("--rows", default="1,32", help="%(default)s")
    parser.add_argument("--run", metavar="FOLDER", help="a classifier of texts, for the time of `timesteps explain`")
    asked = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

    from bench.record import read, write

    found: dict[str, Any] = dict((read("trace") or {}).get("results", {}))
    if asked.run is not None:
        found["explain"] = explained(asked.run)
        print(found["explain"])
    else:
        found["ratios"] = [
            measured
            for cell in CELLS
            for hidden in map(int, asked.hidden.split(","))
            for rows in map(int, asked.rows.split(","))
            for measured in ratios_of(cell, hidden, rows)
        ]
    write("trace", found)


def ratios_of(cell: str, hidden: int, rows: int) -> list[dict[str, Any]]:
    """Time of a trace in times of the call, for each door."""
    import numpy as np
    import torch

    from timesteps import nn
    from timesteps.inspect.timing import clock_for, interleave, ratios
    from timesteps.runtime.layout import network_tensors
    from timesteps.runtime.network import Network
    from timesteps.runtime.sequences import Sequences
    from timesteps.runtime.spec import LayerSpec, NetworkSpec

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    layer = LayerSpec(cell=cell, input_size=INPUTS, hidden_size=hidden, bidirectional=True)
    spec = NetworkSpec(input="numeric", input_size=INPUTS, layers=(layer,), outputs=1, pool="mean")
    tensors = {name: rng.normal(0, 0.1, shape) for name, shape in network_tensors(spec).items()}
    x = rng.normal(size=(rows, STEPS, INPUTS)).astype(np.float32)
    sequences = Sequences(x.reshape(-1, INPUTS), np.arange(rows + 1) * STEPS)
    kinds = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU, "mingru": nn.MinGRU, "minlstm": nn.MinLSTM}
    module = kinds[cell](INPUTS, hidden, batch_first=True, bidirectional=True)
    tensor = torch.from_numpy(x)
    doors: dict[str, tuple[Any, Any]] = {}
    for name, dtype in (("runtime, float32", np.float32), ("runtime, float64", np.float64)):
        network = Network(spec, tensors, dtype)
        doors[name] = (
            lambda network=network: network.logits(sequences),
            lambda network=network: network.trace(sequences),
        )
    doors["nn, float32"] = (lambda: module(tensor), lambda: module.trace(tensor))
    found = []
    with torch.no_grad():
        for door, (call, trace) in doors.items():
            samples = interleave({"call": call, "trace": trace}, clock=clock_for(1))
            spread = ratios(samples["trace"], samples["call"])
            print(f"{cell} H={hidden} B={rows} {door}: {spread.median:.2f}", flush=True)
            found.append({"cell": cell, "hidden": hidden, "rows": rows, "door": door, **vars(spread)})
    return found


def explained(run: str) -> dict[str, Any]:
    """Seconds of `timesteps explain` on a text of 400 tokens, loading included, and bytes of the page."""
    from timesteps.data.source import open_source
    from timesteps.runtime.session import load

    session, words = load(run), []
    for text in open_source(None).texts:
        words += text.split()
        if int(session.steps([" ".join(words)]).lengths[0]) >= TOKENS:
            break
    text = " ".join(words)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        command = [sys.executable, "-m", "timesteps", "explain", run, text, "--out", str(page)]
        seconds = []
        for _ in range(REPEATS):
            begin = time.perf_counter()
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - begin)
        network = session.spec.network
        return {
            "tokens": int(session.steps([text]).lengths[0]),
            "members": session.spec.members,
            "hidden_size": network.layers[0].hidden_size,
            "seconds": {"median": sorted(seconds)[REPEATS // 2], "slowest": max(seconds), "limit": 5.0},
            "bytes": {"page": page.stat().st_size, "limit": 3_000_000},
        }


if __name__ == "__main__":
    main()
