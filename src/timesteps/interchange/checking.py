"""Every conversion measures itself: both sides read the same random inputs, and the largest difference is kept.

A difference is |a − b| / max(1, |a|): absolute for ordinary numbers, relative for large ones.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import ModelError
from timesteps.interchange.plain import PlainNetwork
from timesteps.runtime.network import Network
from timesteps.runtime.sequences import Sequences

__all__ = [
    "TOLERANCE",
    "Batch",
    "Check",
    "Padding",
    "answers",
    "batches",
    "check_ending",
    "difference",
    "measure",
    "missing",
]

TOLERANCE = 1e-5
LENGTHS = ((1,), (7,), (5, 5, 5), (2,) * 4, (9, 4, 1), (23, 2, 17, 11, 1, 8, 3, 20))

# What stands behind the ends of rows: anything; zeros, and no real id is 0; or nothing, for all rows of a batch end
# together, and ids are any, or never 0.
Padding = Literal["noise", "zero", "none", "none, nonzero"]
Shape = tuple[int | None, int | None]  # rows and steps of a batch, where the other side has fixed them
Ending = Literal["none", "sigmoid", "softmax", "log_softmax"]  # what the other side makes of its logits


@dataclass(frozen=True)
class Batch:
    """Rows padded on the right: ids (B, T) int64 or numbers (B, T, I) float32, with the real lengths (B,)."""

    values: NDArray[Any]
    lengths: NDArray[np.int64]


@dataclass(frozen=True)
class Check:
    """What the measurement found. `largest` is None where the other side is not installed."""

    by: str  # what the file was run with, or why it was not
    largest: float | None = None
    rows: int = 0

    def __str__(self) -> str:
        if self.largest is None:
            return f"not checked: {self.by}"
        return f"largest difference {self.largest:.1e} from {self.by}, over {self.rows} random rows"

    def to_dict(self) -> dict[str, str | int | float | bool | None]:
        """As a file's metadata, the model file's `training` and `--json` have it."""
        found: dict[str, str | int | float | bool | None] = {"checked": self.largest is not None}
        if self.largest is None:
            return found | {"not_checked": self.by}
        return found | {"checked_with": self.by, "largest_difference": self.largest, "checked_rows": self.rows}


def missing(*packages: str) -> str | None:
    """Which of the packages is not installed, as a sentence; None if all are here."""
    gone = [name for name in packages if importlib.util.find_spec(name) is None]
    return f"{gone[0]} is not installed" if gone else None


def version(package: str) -> str:
    """A package's name and version."""
    return f"{package} {importlib.metadata.version(package)}"


def batches(network: PlainNetwork, padding: Padding, shape: Shape = (None, None)) -> Iterator[Batch]:
    """Random inputs of the network's kind, in batches of the given rows and steps where these are fixed."""
    rng = np.random.default_rng(0)
    spec = network.spec
    rows, steps = shape
    least = 1 if "zero" in padding and spec.input_size > 1 else 0
    fixed = [(steps or T,) * (rows or B) for B, T in ((1, 7), (3, 1), (2, 12))]
    for given in LENGTHS if shape == (None, None) else fixed:
        if padding.startswith("none") and len(set(given)) > 1:
            continue
        lengths = np.array(given, np.int64)
        size = (len(lengths), int(lengths.max()))
        behind = np.arange(size[1]) >= lengths[:, None]
        if spec.input == "ids":
            ids = rng.integers(least, spec.input_size, size)
            yield Batch(np.where(behind & (padding == "zero"), 0, ids), lengths)
            continue
        values = rng.normal(size=(*size, spec.input_size))
        if network.scaler is not None:
            values = network.scaler[0] + network.scaler[1] * values
        values[behind & (padding == "zero")] = 0
        yield Batch(values.astype(np.float32), lengths)


def answers(network: PlainNetwork, batch: Batch) -> NDArray[np.float64]:
    """Our logits (B, outputs), by the runtime in float64."""
    rows: list[NDArray[Any]] = [row[:length] for row, length in zip(batch.values, batch.lengths, strict=True)]
    if network.spec.input != "ids":
        mean, scale = network.scaler or (0.0, 1.0)
        rows = [(row.astype(np.float64) - mean) / scale for row in rows]
    sequences = Sequences.of(rows, np.int32 if network.spec.input == "ids" else np.float64)
    return Network(network.spec, network.tensors, np.float64).logits(sequences).astype(np.float64)


def finished(logits: NDArray[np.float64], ending: Ending) -> NDArray[np.float64]:
    """The logits as the other side hands them out."""
    if ending == "sigmoid":
        return np.asarray(0.5 + 0.5 * np.tanh(0.5 * logits))
    if ending in ("softmax", "log_softmax"):
        shifted = logits - logits.max(axis=1, keepdims=True)
        log = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return np.asarray(log if ending == "log_softmax" else np.exp(log))
    return logits


def check_ending(ending: Ending, outputs: int) -> Ending:
    """The ending itself. `ModelError` where it does not make probabilities of classes that exclude each other."""
    if ending != "none" and (ending == "sigmoid") != (outputs == 1):
        raise ModelError(
            f"its answer is a {ending} of {outputs} output{'s' * (outputs > 1)}, as no classifier here has",
            mend="a classifier has 1 output with sigmoid, or one a class with softmax, or no activation",
        )
    return ending


def difference(ours: NDArray[np.float64], theirs: NDArray[Any]) -> float:
    """The largest difference; infinite where shapes differ or a number is not finite."""
    if ours.shape != theirs.shape or not np.isfinite(theirs).all():
        return np.inf
    return float((np.abs(ours - theirs) / np.maximum(1, np.abs(ours))).max(initial=0))


def measure(
    network: PlainNetwork,
    run: Callable[[Batch], NDArray[Any]],
    by: str,
    padding: Padding = "noise",
    ending: Ending = "none",
    shape: Shape = (None, None),
) -> Check:
    """Run both sides on the same inputs.

    Raises:
        ModelError: they differ by more than `TOLERANCE`.
    """
    largest, rows = 0.0, 0
    for batch in batches(network, padding, shape):
        largest = max(largest, difference(finished(answers(network, batch), ending), run(batch)))
        rows += len(batch.lengths)
    return judged(Check(by, largest, rows))


def judged(check: Check) -> Check:
    """The check itself. `ModelError` if it failed."""
    if check.largest is not None and not check.largest <= TOLERANCE:
        raise ModelError(
            f"the converted network differs from {check.by} by {check.largest:.1e}, more than {TOLERANCE:.0e}",
            mend="nothing was written; report it with the model, or convert a model that does no more than this one",
        )
    return check
