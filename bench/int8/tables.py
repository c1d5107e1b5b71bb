"""The tables of weights in int8 beside float, from bench/results/int8.json."""

from __future__ import annotations

from bench.int8.__main__ import CELLS, HIDDEN
from bench.markdown import UNMEASURED, Read, machine_of, table

_NAMES = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}


def int8(read: Read) -> str:
    """Microseconds a step in float and int8, and what trained runs lose."""
    content = read("int8")
    head = ["µs a step, float → int8", *(f"H = {hidden}" for hidden in HIDDEN)]
    if content is None:
        return table(head, [[UNMEASURED, *[""] * len(HIDDEN)]])
    results, rows = content["results"], []
    for cell in CELLS:
        cells = []
        for hidden in HIDDEN:
            found = results["steps"].get(cell, {}).get(str(hidden))
            if found is None:
                cells.append(UNMEASURED)
                continue
            taken = {name: 1e6 * each["median"] for name, each in found["seconds"].items()}
            cells.append(f"{taken['float']:.2f} → {taken['int8']:.2f} ({found['ratio']['median']:.1f}×)")
        rows.append([_NAMES[cell], *cells])
    judged = [
        [
            name,
            f"{run['bytes_before']:,} → {run['bytes_after']:,} ({run['bytes_after'] / run['bytes_before']:.3f}×)",
            f"{100 * run['accuracy_before']:.2f} % → {100 * run['accuracy_after']:.2f} %",
            f"{run['rows']:,}",
        ]
        for name, run in results["runs"].items()
    ]
    return (
        table(head, rows)
        + "\n"
        + table(["trained run", "bytes of the file", "accuracy", "rows"], judged or [[UNMEASURED, "", "", ""]])
        + "\nFrom Python, numpy in and numpy out, one thread; H inputs and H units, one output. "
        f"Medians of interleaved rounds on {machine_of(content)}; commit {content['commit']}.\n"
    )
