"""`python -m bench.layers.peers`: the grid against other libraries, each in a process of its own, one thread.

Run it by `make bench-peers`, which installs what there is. A peer that is not installed is skipped by name. Cases are
merged into bench/results/layers-peers.json as they are done.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

from bench.layers.options import numbers, some_of
from bench.layers.plan import BATCH, CELLS, HIDDEN, PEER_RESULTS, PEERS, QUICK, WORKS


def main() -> None:
    """A process for each peer and number of threads."""
    parser = argparse.ArgumentParser(prog="python -m bench.layers.peers", description=__doc__)
    parser.add_argument("--peers", type=some_of(PEERS), default=PEERS, help=",".join(PEERS))
    parser.add_argument("--cells", type=some_of(CELLS), default=CELLS, help=",".join(CELLS))
    parser.add_argument("--hidden", type=numbers, help=",".join(map(str, HIDDEN)))
    parser.add_argument("--batch", type=numbers, help=",".join(map(str, BATCH)))
    parser.add_argument("--work", type=some_of(WORKS), default=("forward",), help="forward unless said otherwise")
    parser.add_argument("--threads", type=numbers, default=(1,), help="1 unless said otherwise")
    parser.add_argument("--quick", action="store_true", help="the cells that take little")
    parser.add_argument("--rounds", type=int, default=9, help="at least so many, %(default)s without")
    parser.add_argument("--to", default=PEER_RESULTS, metavar="NAME", help="bench/results/NAME.json")
    asked = parser.parse_args()
    options = {
        "cells": asked.cells,
        "hidden": asked.hidden or (QUICK["hidden"] if asked.quick else HIDDEN),
        "batch": asked.batch or (QUICK["batch"] if asked.quick else BATCH),
        "work": asked.work,
        "rounds": asked.rounds,
        "to": asked.to,
    }
    codes = []
    for peer in asked.peers:
        for threads in asked.threads:
            command = [sys.executable, "-m", "bench.layers.peers.contest", peer, str(threads), json.dumps(options)]
            codes.append(subprocess.run(command, check=False).returncode)
    sys.exit(max(codes, key=abs))


if __name__ == "__main__":
    main()
