"""What was asked of the layers' speed, and whether the figures reach it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.layers.entries import Entry, entries, find, name_of, ratio_of, times_plain
from bench.layers.plan import (
    ALL_REGULARISERS,
    BATCH,
    CELLS,
    HIDDEN,
    PEER_RESULTS,
    REGULARISED_HIDDEN,
    RESULTS,
    WORKS,
    regularisers,
)
from bench.markdown import UNMEASURED, Read, table

Figures = list[tuple[str, float]]
"""Where, and how much."""


@dataclass(frozen=True)
class Asked:
    """A bound for every one of some figures."""

    what: str
    words: str
    figures: Callable[[Read], Figures]
    count: int  # figures when all are measured
    least: float | None = None
    most: float | None = None
    unit: str = ""

    def holds(self, value: float) -> bool:
        """Whether one figure is within the bound; NaN never is."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


def _large(entry: Entry, hidden: int) -> bool:
    return bool(entry["case"]["hidden"] >= hidden and entry["case"]["batch"] >= 32)


def ahead(read: Read) -> Figures:
    """Of torch.nn, one thread."""
    return [(name_of(each), ratio_of(each)) for each in entries(read, RESULTS, "grid", threads=1)]


def peak_of(work: str) -> Callable[[Read], Figures]:
    """Per cent of the peak where products rule."""

    def figures(read: Read) -> Figures:
        found = entries(read, RESULTS, "grid", work=work, threads=1)
        large = [each for each in found if _large(each, 128) and each["measured"]["peak_share"] is not None]
        return [(name_of(each), 100 * each["measured"]["peak_share"]["median"]) for each in large]

    return figures


def gains(read: Read) -> Figures:
    """One thread's time to two threads'."""
    found = entries(read, RESULTS, "grid")
    figures = []
    for two in found:
        one = find(found, **{**two["case"], "threads": 1})
        if two["case"]["threads"] == 2 and one is not None and _large(two, 64):
            times = [each["measured"]["seconds"]["timesteps"] for each in (one, two)]
            figures.append((name_of(two), times[0] / times[1]))
    return figures


def arithmetic(read: Read) -> Figures:
    """Our time for training to that of the real tokens' products at the peak."""
    found = entries(read, RESULTS, "lengths", work="training")
    return [(name_of(each), each["measured"]["times_arithmetic"]["timesteps"]) for each in found]


def packed(read: Read) -> Figures:
    """Torch's time for training on packed sequences to ours."""
    found = entries(read, RESULTS, "lengths", work="training")
    return [(name_of(each), each["measured"]["ratio"]["torch packed"]["median"]) for each in found]


def regularised(together: bool) -> Callable[[Read], Figures]:
    """The regularised layers' time to the plain layer's."""

    def figures(read: Read) -> Figures:
        return [
            (f"{name_of(each)}, {name}", spread["median"])
            for each in entries(read, RESULTS, "regularisers")
            for name, spread in times_plain(each).items()
            if (name == ALL_REGULARISERS) == together
        ]

    return figures


def step_of(cell: str) -> Callable[[Read], Figures]:
    """Torch's time for a training step to ours."""
    return lambda read: [(cell, ratio_of(each)) for each in entries(read, RESULTS, "step", cell=cell)]


def peer(name: str) -> Callable[[Read], Figures]:
    """A peer's time for inference to ours, one thread."""
    return lambda read: [
        (name_of(each), ratio_of(each))
        for each in entries(read, PEER_RESULTS, "peer", peer=name, work="forward", threads=1)
    ]


_CELLS, _BATCHES = len(CELLS), len(BATCH)
_GRID = _CELLS * len(HIDDEN) * _BATCHES * len(WORKS)
_LARGE = _CELLS * sum(h >= 128 for h in HIDDEN) * sum(b >= 32 for b in BATCH)
_SCALED = _CELLS * sum(h >= 64 for h in HIDDEN) * sum(b >= 32 for b in BATCH) * len(WORKS)
_REGULARISED = _CELLS * len(REGULARISED_HIDDEN)
_REGULARISERS = sum(len(regularisers(cell)) - 1 for cell in CELLS) * len(REGULARISED_HIDDEN)
ALL: tuple[Asked, ...] = (
    Asked("torch.nn ÷ ours, one thread", "≥ 1 everywhere", ahead, _GRID, least=1.0),
    Asked("forward, H ≥ 128, B ≥ 32", "≥ 85 % of the peak", peak_of("forward"), _LARGE, least=85.0, unit=" %"),
    Asked("training, H ≥ 128, B ≥ 32", "≥ 80 % of the peak", peak_of("training"), _LARGE, least=80.0, unit=" %"),
    Asked("one ÷ two threads, H ≥ 64, B ≥ 32", "≥ 1.8", gains, _SCALED, least=1.8),
    Asked("training, lengths: ours ÷ arithmetic of the real tokens", "≤ 1.5", arithmetic, _CELLS, most=1.5),
    Asked("training, lengths: torch packed ÷ ours", "≥ 10", packed, _CELLS, least=10.0),
    Asked("one regulariser ÷ plain", "≤ 1.3", regularised(False), _REGULARISERS, most=1.3),
    Asked("all regularisers ÷ plain", "≤ 1.6", regularised(True), _REGULARISED, most=1.6),
    Asked("training step, LSTM: torch ÷ ours", "≥ 2", step_of("LSTM"), 1, least=2.0),
    Asked("training step, GRU: torch ÷ ours", "≥ 9", step_of("GRU"), 1, least=9.0),
    Asked("JAX ÷ ours, inference", "≥ 1 everywhere", peer("jax"), _GRID // 2, least=1.0),
    Asked("ONNX Runtime ÷ ours, inference", "≥ 1 everywhere", peer("onnxruntime"), _GRID // 2, least=1.0),
)


def asked(read: Read) -> str:
    """A row for each bound: the worst figure, where it is, and whether all reach it."""
    rows = []
    for each in ALL:
        figures = each.figures(read)
        if not figures:
            rows.append([each.what, each.words, UNMEASURED, "", ""])
            continue
        where, worst = (min if each.most is None else max)(figures, key=lambda figure: figure[1])
        rows.append([each.what, each.words, f"{worst:.3g}{each.unit}", where, verdict(each, figures)])
    return table(["what", "asked", "worst", "where", ""], rows)


def verdict(bound: Asked, figures: Figures) -> str:
    """Reached, or by how many not; and how many are not measured yet."""
    missed = sum(not bound.holds(value) for _, value in figures)
    said = f"**not reached** by {missed} of {len(figures)}" if missed else f"reached by {len(figures)}"
    owed = bound.count - len(figures)
    return said + (f"; {owed} {UNMEASURED}" if owed > 0 else "")
