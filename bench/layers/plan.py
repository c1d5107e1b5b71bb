"""What is measured: the grid, its quick part, and the parts beside it."""

from __future__ import annotations

from typing import Any

CELLS = ("RNN", "LSTM", "GRU")
WORKS = ("forward", "training")
HIDDEN = (8, 16, 32, 64, 128, 256, 512)
BATCH = (1, 32, 128)
THREADS = (1, 2)
PARTS = ("call", "grid", "lengths", "linear", "memory", "overhead", "regularisers", "step")
QUICK = {
    "hidden": (8, 64, 128),
    "batch": (1, 32),
    "threads": (1,),
    "parts": ("call", "grid", "overhead", "regularisers", "step"),
}
PEERS = ("jax", "keras", "onnxruntime")

_REGULARISERS: dict[str, dict[str, Any]] = {
    "layer norm": {"layer_norm": True},
    "input dropout": {"input_dropout": 0.2},
    "recurrent dropout": {"recurrent_dropout": 0.2},
    "zoneout": {"zoneout": 0.1},
    "weight drop": {"weight_drop": 0.2},
}
_OF_LSTM: dict[str, dict[str, Any]] = {
    "zoneout": {"zoneout": 0.1, "zoneout_cell": 0.1},
    "peephole": {"peephole": True},
}
ALL_REGULARISERS = "all together"
REGULARISED_HIDDEN = (64, 128)
"""Sizes of the layers in which regularisers are measured."""

#: Layers whose recurrence is linear; torch has none, so they have a part of their own.
LINEAR_CELLS = ("MinGRU", "MinLSTM")
LINEAR_HIDDEN, LINEAR_STEPS = (64, 256), (100, 1000)

RESULTS, PEER_RESULTS = "layers", "layers-peers"
"""Files in bench/results."""


def regularisers(cell: str) -> dict[str, dict[str, Any]]:
    """Options of a layer, by name: one regulariser each, and at the end all of them."""
    each = _REGULARISERS | (_OF_LSTM if cell == "LSTM" else {})
    everything = {name: value for options in each.values() for name, value in options.items()}
    return {**each, ALL_REGULARISERS: everything}
