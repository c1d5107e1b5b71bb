"""From Keras 3: live models, `.keras` and `.weights.h5` files, whose configuration is read and never run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from timesteps.errors import ModelError, UsageError, option
from timesteps.interchange.checking import Check, measure, missing
from timesteps.interchange.files import parse_json
from timesteps.interchange.imported import Imported, finish
from timesteps.interchange.keras_build import build, keras_version, padding_of, run, why_not
from timesteps.interchange.keras_files import read_archive, read_weights
from timesteps.interchange.keras_graph import read_config
from timesteps.interchange.keras_layers import KerasLayer, Read, to_plain
from timesteps.interchange.plain import Label
from timesteps.runtime.spec import PoolName

__all__ = ["from_keras"]


def from_keras(source: Any, *, classes: Sequence[Label] | None = None, pool: PoolName | None = None) -> Imported:
    """A model from Keras 3: (Normalization or Embedding) → SimpleRNN, LSTM or GRU → pooling → one Dense layer.

    Read are Sequential and Functional models; layers in both directions (Bidirectional with merge_mode "concat"); both
    forms of GRU; GlobalAveragePooling1D, GlobalMaxPooling1D, or both concatenated. Dropout is left out. A live model is
    run beside ours; of a file, a Keras model is built anew from the sizes and the weights in it.

    With `mask_zero`, or a Masking layer, padding is known to Keras; our rows come without it.

    Args:
        source: a live model, a `.keras` file, or a `.weights.h5` file. The last says nothing about activations and
            pooling: Keras' defaults are assumed.
        classes: the labels, in the order of the outputs; two for one output. By default "0", "1", ….
        pool: of a `.weights.h5` file: "last", "mean", "max", "mean+max".

    Raises:
        ModelError: a layer, an option or a module that is not known, by name; or answers that differ by more than 1e-5.
        UsageError: h5py is not installed, or no file of Keras.

    >>> import keras
    >>> layers = [keras.Input((None, 3)), keras.layers.GRU(4), keras.layers.Dense(1, activation="sigmoid")]
    >>> imported = from_keras(keras.Sequential(layers), classes=("no", "yes"))
    >>> imported.check.largest < 1e-5, imported.session.predict([[[0.1, 0.2, 0.3]]])[0] in ("no", "yes")
    (True, True)
    """
    told = isinstance(source, str | os.PathLike)
    path = Path(source) if told else None
    if pool is not None and (path is None or path.suffix != ".h5"):
        raise UsageError(f"{option('pool', pool)} is for a .weights.h5 file", mend="leave it out: the model says it")
    layers = _layers_of_model(source) if path is None else _layers_of_file(path, pool)
    try:
        read = to_plain(layers, tuple(_notes(layers, path, pool)))
        check = _measured(layers, read, None if told else source)
    except ModelError as error:
        raise ModelError(error.what, path=path, mend=error.mend) from error
    origin = type(source).__name__ if path is None else path.name
    return finish(read.network, check, "keras", origin, classes, read.masks)


def _notes(layers: list[KerasLayer], path: Path | None, pool: PoolName | None) -> list[str]:
    """What the user of the new model should know."""
    notes = []
    if path is not None and path.suffix == ".h5":
        notes.append("activations are not in a .weights.h5 file: Keras' defaults and no mask are assumed")
        if pool is None:
            notes.append("nor is pooling: what fits the dense layer is assumed")
    if any(layer.kind in ("Dropout", "SpatialDropout1D") for layer in layers):
        notes.append("dropout acts in training only and was left out")
    if any(layer.options.get("mask_zero") for layer in layers):
        notes.append("give rows without their padding: what Keras masks, no row here has")
    return notes


def _layers_of_file(path: Path, pool: PoolName | None) -> list[KerasLayer]:
    if path.suffix not in (".keras", ".h5"):
        raise UsageError("is no file of Keras 3", path=path, mend="give a .keras or .weights.h5 file")
    if why := missing("h5py"):
        raise UsageError(f"{why}, and Keras' files are HDF5", path=path, mend="pip install 'timesteps[keras]'")
    return read_archive(path) if path.suffix == ".keras" else read_weights(path, pool)


def _layers_of_model(model: Any) -> list[KerasLayer]:
    """The layers of a live model, by the same reader as a file's, with the weights that they have now."""
    if not type(model).__module__.startswith("keras."):
        raise ModelError(
            f"{type(model).__name__} is no Sequential or Functional model of Keras", mend="give one, or a .keras file"
        )
    layers = read_config(parse_json(model.to_json(), type(model).__name__))
    weights = {layer.name: layer.get_weights() for layer in model.layers}
    return [
        replace(layer, weights=tuple(np.asarray(array) for array in weights.get(layer.name, ()))) for layer in layers
    ]


def _measured(layers: list[KerasLayer], read: Read, model: Any) -> Check:
    if why := why_not():
        return Check(why)
    spec = read.network.spec
    if model is None:
        model = build(layers, None if spec.input == "ids" else spec.input_size)
    shape = tuple(model.input_shape[:2])
    padding = padding_of(layers, read.masks)
    if shape != (None, None):
        padding = "none, nonzero" if read.masks else "none"
    fixed = (shape[0], shape[1])
    return measure(read.network, lambda batch: run(model, batch), keras_version(), padding, read.ending, fixed)
