"""The tables of whole training steps in docs/speed.md, from bench/results/training.json."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.layers.entries import Entry, entries
from bench.layers.tables import shown
from bench.markdown import UNMEASURED, Read, machine_of, table
from bench.training.plan import GROUPS, RESULTS


@dataclass(frozen=True)
class Bound:
    """What was asked of one ratio in every case of a group."""

    group: str
    cell: str
    other: str
    least: float
    batch: int | None = None

    @property
    def what(self) -> str:
        """In words."""
        batch = "" if self.batch is None else f", B={self.batch}"
        return f"{self.group}, {self.cell}{batch}: {self.other} ÷ ours"


ASKED = (
    Bound("small", "lstm", "torch", 6, 32),
    Bound("small", "gru", "torch", 30, 32),
    Bound("small", "rnn", "torch", 20, 32),
    Bound("small", "lstm", "torch", 4.8, 64),
    Bound("small", "gru", "torch", 24, 64),
    Bound("small", "rnn", "torch", 16, 64),
    Bound("small", "lstm", "keras", 20),
    Bound("small", "gru", "keras", 20),
    Bound("small", "lstm", "keras, XLA", 5),
    Bound("small", "gru", "keras, XLA", 5),
    *(Bound("small", cell, "jax", 3) for cell in ("rnn", "lstm", "gru")),
    Bound("large", "lstm", "torch", 1.5),
    Bound("lengths", "lstm", "torch", 2.5),
    Bound("lengths", "lstm", "torch packed", 10),
    Bound("forecaster", "lstm", "torch", 2.5),
    Bound("forecaster", "gru", "torch", 3),
    Bound("forecaster", "lstm", "keras, XLA", 1),
    Bound("forecaster", "gru", "keras, XLA", 1),
)


def model_of(entry: Entry) -> str:
    """'Embedding(500, 16) → LSTM(8), B=32, T=100'."""
    case = entry["case"]
    words = f"Embedding({case['words']:,}, {case['inputs']})" if case["words"] else f"{case['inputs']} numbers"
    layer = f"{'Bi' * case['bidirectional']}{case['cell'].upper()}({case['hidden']})"
    lengths = f"≤{case['steps']}" if case["ragged"] else f"={case['steps']}"
    return f"{words} → {layer}, B={case['batch']}, T{lengths}"


def training_asked(read: Read) -> str:
    """What was asked, and the worst case of it, one thread."""
    rows = []
    for bound in ASKED:
        batch = {} if bound.batch is None else {"batch": bound.batch}
        found = entries(read, RESULTS, bound.group, cell=bound.cell, threads=1, **batch)
        ratios = [each["measured"]["ratios"].get(bound.other) for each in found]
        worst = min((each["median"] for each in ratios if each is not None), default=None)
        if worst is None:
            rows.append([bound.what, f"≥ {bound.least:g}", UNMEASURED, ""])
        else:
            reached = "reached" if worst >= bound.least else "**not reached**"
            rows.append([bound.what, f"≥ {bound.least:g}", f"{worst:.3g}", reached])
    return table(["training step, one thread", "asked", "worst", ""], rows)


def training_steps(read: Read) -> str:
    """Every measured step."""
    others = ("torch", "torch, fused Adam", "torch packed", "torch engine", "keras", "keras, XLA", "jax")
    rows: dict[tuple[str, int], dict[str, str]] = {}
    for group in GROUPS:
        for entry in entries(read, RESULTS, group):
            row = rows.setdefault((model_of(entry), entry["case"]["threads"]), {})
            row.setdefault("ours, ms", f"{1e3 * entry['measured']['seconds']['native']:.3g}")
            row |= {name: shown(ratio) for name, ratio in entry["measured"]["ratios"].items()}
    head = ["model", "threads", "ours, ms", *(f"{name} ÷ ours" for name in others)]
    lines = [
        [model, str(threads), row["ours, ms"], *(row.get(name, "–") for name in others)]
        for (model, threads), row in rows.items()
    ]
    return table(head, lines or [[UNMEASURED, *[""] * (len(head) - 1)]])


def training_epochs(read: Read) -> str:
    """Epochs on real data."""
    rows = []
    for entry in entries(read, RESULTS, "epochs"):
        measured, case = entry["measured"], entry["case"]
        seconds = [f"{measured['seconds'][name]:.2f}" for name in ("native", "torch engine")]
        rows.append([case["name"], f"{measured['rows']:,}", str(case["threads"]), *seconds, shown(measured["ratio"])])
    head = ["epoch", "rows", "threads", "native, s", "torch engine, s", "torch engine ÷ native"]
    return table(head, rows or [[UNMEASURED, *[""] * (len(head) - 1)]])


def training_sources(read: Read) -> str:
    """Which machine, versions and commit gave how many of the figures."""
    content = read(RESULTS)
    head = ["commit", "cases", "machine", "versions"]
    if content is None:
        return table(head, [[UNMEASURED, "", "", ""]])
    rows = []
    for number, each in enumerate(content["provenances"]):
        cases = sum(entry["provenance"] == number for entry in content["results"])
        versions = ", ".join(f"{package} {version}" for package, version in each["versions"].items())
        rows.append([each["commit"], str(cases), machine_of(each), versions])
    return table(head, rows)


TRAINING_TABLES: dict[str, Callable[[Read], str]] = {
    "training-asked": training_asked,
    "training-steps": training_steps,
    "training-epochs": training_epochs,
    "training-sources": training_sources,
}
