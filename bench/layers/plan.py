"""What is measured: the grid, its quick part, and the parts beside it."""

from __future__ import annotations

from typing import Any

CELLS = ("RNN", "LSTM", "GRU")
WORKS = ("forward", "training")
HIDDEN = (8, 16, 32, 64, 128, 256, 512)
BATCH = (1, 32, 128)
THREADS = (1, 2)
PARTS = ("call", "grid", "lengths", "memory", "overhead", "regularisers", "step")
QUICK = {
    "hidden": (8, 64, 128),
    "batch": (1, 32),
    "threads": (1,),
    "parts": ("call", "grid", "overhead", "regularisers", "step"),
}
PEERS = ("jax", "keras", "onnxruntime")

#: Options of a layer, one regulariser each; and the sizes of the layers in which they are measured.
REGULARISERS: dict[str, dict[str, Any]] = {
    "input dropout": {"input_dropout": 0.2},
    "recurrent dropout": {"recurrent_dropout": 0.2},
}
ALL_REGULARISERS = "all together"
REGULARISED_HIDDEN = (64, 128)

RESULTS, PEER_RESULTS = "layers", "layers-peers"
"""Files in bench/results."""
