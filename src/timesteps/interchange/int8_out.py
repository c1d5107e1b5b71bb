"""To int8: a smaller model file of our own, for the same runtime, measured against the model that it was made of."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.errors import ModelError, UsageError
from timesteps.interchange.exported import checked_ending
from timesteps.runtime import modelfile
from timesteps.runtime.atomic import atomic_write
from timesteps.runtime.golden import golden_row
from timesteps.runtime.int8 import quantize_rows
from timesteps.runtime.layout import LINEAR, int8_scales, member_network, member_prefix
from timesteps.runtime.metrics import Evaluation
from timesteps.runtime.metrics_steps import TagEvaluation
from timesteps.runtime.session import Session, load, with_golden
from timesteps.runtime.spec import LayerSpec

__all__ = ["Int8Export", "quantized", "to_int8"]

CARD = "card.md"


@dataclass(frozen=True)
class Int8Export:
    """The int8 model: where it lies, its size and accuracy, and those of the model that it was made of."""

    path: Path
    bytes_before: int
    bytes_after: int
    largest_difference: float  # of logits, over the rows that were judged, or else the golden vectors
    rows: int  # judged; 0 where no labelled rows were given
    accuracy_before: float | None
    accuracy_after: float | None
    judged_on: str

    python: str | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What its user should know."""
        if self.rows:
            return ()
        return ("its accuracy was not measured: there are no labelled rows; --data FILE names some",)

    @property
    def check(self) -> str:
        """Size and accuracy, before and after, in a sentence."""
        share = self.bytes_after / self.bytes_before
        size = f"{self.bytes_before:,} bytes before, {self.bytes_after:,} after ({share:.3f}×)"
        if self.accuracy_before is None or self.accuracy_after is None:
            return f"{size}; largest difference of the golden logits {self.largest_difference:.1e}"
        points = 100 * (self.accuracy_after - self.accuracy_before)
        return (
            f"{size}; accuracy {100 * self.accuracy_before:.2f} % before, {100 * self.accuracy_after:.2f} % after "
            f"({points:+.2f} points) on {self.rows:,} rows ({self.judged_on})"
        )

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        found = {name: value for name, value in vars(self).items() if name not in ("path", "python")}
        return {"file": str(self.path), **found}

    def card(self) -> str:
        """The section that a card gets."""
        return (
            "## In int8\n\nThis file holds the model with weights in int8, a scale a row; inputs and states are "
            f"quantised anew at every step. Compared with the model that it was made of: {self.check}.\n"
        )


def to_int8(
    model: Session | str | os.PathLike[str],
    path: str | os.PathLike[str],
    rows: Sequence[Any] = (),
    labels: Sequence[Any] = (),
    judged_on: str = "rows that were given",
) -> Int8Export:
    """Write a model with weights in int8, and measure what that costs in accuracy and saves in bytes.

    The embedding and the weights of the recurrent layers are rounded, row by row, to whole numbers times a scale;
    everything else stays as it is. Golden vectors are the new model's own.

    Args:
        model: a trained model, or its run folder or file.
        path: where to write: a model file, whose name ends in `.safetensors`, with a card beside it; or, without an
            ending, a run folder.
        rows: inputs to judge both models on.
        labels: what the rows are.
        judged_on: where the rows come from, for the card.

    Raises:
        ModelError: cells that have no int8, by name; a model that is in int8 already.
        DataError: rows that the model does not read, or unknown labels.
        UsageError: another ending, a place that cannot be written to, or rows for a model without an accuracy.

    >>> import tempfile, torch
    >>> from timesteps.interchange import from_torch, to_int8
    >>> model = from_torch(torch.nn.GRU(64, 64), head=torch.nn.Linear(64, 1)).session
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     exported = to_int8(model, f"{folder}/gru.safetensors")
    >>> 0 < exported.largest_difference < 0.1, exported.accuracy_after is None
    (True, True)
    """
    place = Path(path)
    folder = place.suffix == ""
    if not folder:
        checked_ending(place, ".safetensors")
    session = model if isinstance(model, Session) else load(model)
    small = quantized(session)
    inputs = list(rows) or [golden_row(session.spec, golden) for golden in session.spec.golden]
    difference = np.abs(session.logits(inputs) - small.logits(inputs)).max(initial=0.0)
    accuracies: list[float | None] = [None, None]
    spec = small.spec
    if len(rows):
        accuracies = [_accuracy(each, rows, labels) for each in (session, small)]
        told = {"float_accuracy": accuracies[0], "int8_accuracy": accuracies[1], "judged_rows": len(rows)}
        spec = msgspec.structs.replace(spec, training=spec.training | told)
    place = modelfile.begin_folder(place) / modelfile.FILE_NAME if folder else place
    modelfile.save(place, spec, small.tensors)
    exported = Int8Export(
        path=place,
        bytes_before=_bytes(model, session),
        bytes_after=place.stat().st_size,
        largest_difference=float(difference),
        rows=len(rows),
        accuracy_before=accuracies[0],
        accuracy_after=accuracies[1],
        judged_on=judged_on if len(rows) else "",
    )
    with atomic_write(place.with_name(CARD) if folder else place.with_suffix(".md")) as file:
        file.write((_card(model) + exported.card()).encode())
    return exported


def quantized(session: Session) -> Session:
    """The same model with weights in int8, and golden vectors of its own answers.

    Raises:
        ModelError: cells that have no int8, by name; a model that is in int8 already.
    """
    spec = session.spec
    if spec.network.weights == "int8":
        raise ModelError("its weights are in int8 already", mend="give the model that it was made of")
    for number, layer in enumerate(spec.network.layers):
        if what := _without_int8(layer):
            raise ModelError(f"layer rnn.l{number} {what}: int8 is for plain RNN, LSTM and GRU layers")
    network = msgspec.structs.replace(spec.network, weights="int8")
    spec = msgspec.structs.replace(spec, network=network, golden=())
    tensors: dict[str, NDArray[Any]] = dict(session.tensors)
    for member in range(spec.members):
        prefix = member_prefix(spec, member)
        for name, scale in int8_scales(member_network(spec, member)).items():
            tensors[prefix + name], tensors[prefix + scale] = quantize_rows(session.tensors[prefix + name])
    rows = [golden_row(session.spec, golden) for golden in session.spec.golden]
    return Session(with_golden(spec, tensors, rows), tensors)


def _accuracy(session: Session, rows: Sequence[Any], labels: Sequence[Any]) -> float:
    found = session.evaluate(rows, labels)
    if isinstance(found, Evaluation):
        return found.accuracy
    if isinstance(found, TagEvaluation):
        return found.tokens.accuracy
    raise UsageError("the model predicts numbers, which have no accuracy", mend="leave rows and labels out")


def _without_int8(layer: LayerSpec) -> str | None:
    if layer.cell in LINEAR:
        return f"is a {layer.cell}"
    has = [name for name in ("layer_norm", "peephole", "zoneout", "zoneout_cell") if getattr(layer, name)]
    return f"has {has[0]}" if has else None


def _bytes(model: Session | str | os.PathLike[str], session: Session) -> int:
    """Of the model's file, or where it has none, of its tensors."""
    if isinstance(model, Session):
        return sum(tensor.nbytes for tensor in session.tensors.values())
    return modelfile.find(model).stat().st_size


def _card(model: Session | str | os.PathLike[str]) -> str:
    """The card of the run that the model is from, if it has one."""
    if isinstance(model, Session):
        return ""
    card = modelfile.find(model).with_name(CARD)
    return card.read_text("utf-8").rstrip() + "\n\n" if card.is_file() else ""
