"""To Keras 3: a `.keras` file that `keras.saving.load_model` opens, written by Keras itself."""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path

import msgspec

from timesteps.interchange.checking import measure
from timesteps.interchange.exported import Exported, checked_ending
from timesteps.interchange.keras_build import build, keras_version, needs_keras, padding_of, quiet, run
from timesteps.interchange.keras_files import EXTRA
from timesteps.interchange.keras_layers import from_plain
from timesteps.interchange.plain import from_session
from timesteps.runtime.atomic import atomic_write
from timesteps.runtime.session import Session, load

__all__ = ["to_keras"]


def to_keras(
    model: Session | str | os.PathLike[str], path: str | os.PathLike[str], *, mask_zero: bool | None = None
) -> Exported:
    """Write a model as a `.keras` file, its outputs logits. Text processing stays behind: it reads ids or numbers.

    The file is opened again by Keras, run on random inputs, and the largest difference goes into its entry
    `timesteps.json`. Where Keras has one bias and we have two, it gets their sum.

    Args:
        model: a trained model, or its run folder.
        path: the file to write; its name ends in `.keras`.
        mask_zero: whether id 0 is padding; by default, as the model was trained or imported.

    Raises:
        ModelError: a model with parts that Keras has no layers for, or answers that differ by more than 1e-5.
        UsageError: Keras is not installed, another ending, or a place that cannot be written to.

    >>> import keras, tempfile, torch
    >>> from timesteps.interchange import from_torch, to_keras
    >>> model = from_torch(torch.nn.GRU(3, 4), head=torch.nn.Linear(4, 1)).session
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     exported = to_keras(model, f"{folder}/gru.keras")
    ...     peer = keras.saving.load_model(exported.path)
    >>> peer.output_shape, exported.check.largest < 1e-5
    ((None, 1), True)
    """
    path = checked_ending(path, ".keras")
    needs_keras()
    import keras

    session = model if isinstance(model, Session) else load(model)
    network = from_session(session)
    text = session.spec.text
    if mask_zero is None:
        mask_zero = text is not None and bool(session.spec.training.get("mask_zero", text.mask))
    layers = from_plain(network, mask_zero)
    ids = network.spec.input == "ids"
    padding = padding_of(layers, ids and mask_zero)
    notes = [*network.notes]
    notes.append("id 0 is padding (mask_zero)" if padding == "zero" else "give rows of one length: Keras reads padding")
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "model.keras"
        build(layers, None if ids else network.spec.input_size).save(whole)
        with quiet():
            again = keras.saving.load_model(whole, safe_mode=True)
        check = measure(network, lambda batch: run(again, batch), keras_version(), padding)
        with zipfile.ZipFile(whole, "a") as archive:
            archive.writestr(EXTRA, msgspec.json.encode({**check.to_dict(), "notes": notes}))
        with whole.open("rb") as source, atomic_write(path) as file:
            while part := source.read(2**20):
                file.write(part)
    return Exported(path, check, tuple(notes))
