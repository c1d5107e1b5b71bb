"""A Keras model made of a plain list of layers, by calling Keras' constructors ourselves."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import UsageError
from timesteps.interchange.checking import Batch, Padding, missing, version
from timesteps.interchange.keras_layers import CELLS, KerasLayer

__all__ = ["build", "keras_version", "needs_keras", "padding_of", "quiet", "run", "why_not"]

_BACKENDS = ("tensorflow", "jax", "torch")
_PASSED = ("units", "activation", "use_bias", "return_sequences", "reset_after")


def why_not() -> str | None:
    """Why Keras cannot run here; None if it can.

    Where nobody chose a backend and TensorFlow is not installed, the backend is torch.
    """
    if why := missing("keras"):
        return why
    if "KERAS_BACKEND" not in os.environ and "keras" not in sys.modules and missing("tensorflow"):
        os.environ["KERAS_BACKEND"] = "torch"
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    return None if "keras" in sys.modules or backend not in _BACKENDS else missing(backend)


def needs_keras() -> None:
    """`UsageError` where Keras cannot run."""
    if why := why_not():
        raise UsageError(f"{why}, and Keras writes its files itself", mend="pip install 'timesteps[keras,torch]'")


def keras_version() -> str:
    """Keras and the backend it runs on."""
    import keras

    return f"{version('keras')} on {keras.backend.backend()}"


@contextmanager
def quiet() -> Iterator[None]:
    """Without Keras' warning that its maximum drops the mask: the notes say what follows from that."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not support masking", category=UserWarning)
        yield


@quiet()
def build(layers: Sequence[KerasLayer], features: int | None) -> Any:
    """The model; `features` are the numbers of a step, None for ids. The weights are set as they are in the list."""
    import keras

    inputs = x = keras.Input((None,), dtype="int32") if features is None else keras.Input((None, features))
    made = []
    for layer in layers:
        if layer.kind in ("InputLayer", "Dropout", "SpatialDropout1D"):
            continue
        if layer.kind == "MeanMax":
            mean, largest = keras.layers.GlobalAveragePooling1D(), keras.layers.GlobalMaxPooling1D()
            x = keras.layers.Concatenate(name=layer.name)([mean(x), largest(x)])
            continue
        each = _one(layer)
        x = each(x)
        made.append((each, layer.weights))
    model = keras.Model(inputs, x)
    for each, weights in made:
        if weights and not isinstance(each, keras.layers.Normalization):
            each.set_weights([np.asarray(weight, np.float32) for weight in weights])
    return model


def _one(layer: KerasLayer) -> Any:
    import keras

    options = layer.options
    if layer.kind == "Embedding":
        sizes = {key: options[key] for key in ("input_dim", "output_dim", "mask_zero")}
        return keras.layers.Embedding(**sizes, name=layer.name)
    if layer.kind == "Masking":
        return keras.layers.Masking(0.0, name=layer.name)
    if layer.kind == "Normalization":
        known = [options.get("mean"), options.get("variance")]
        given = layer.weights[:2] if any(part is None for part in known) else known  # adapted, or told
        mean, variance = (np.asarray(part).tolist() for part in given)
        return keras.layers.Normalization(mean=mean, variance=variance, name=layer.name)
    passed = {key: options[key] for key in _PASSED if key in options}
    if layer.kind in CELLS and options.get("bidirectional"):
        inner = getattr(keras.layers, layer.kind)(**passed)
        return keras.layers.Bidirectional(inner, name=layer.name)
    if layer.kind in (*CELLS, "Dense", "Activation", "GlobalAveragePooling1D", "GlobalMaxPooling1D"):
        return getattr(keras.layers, layer.kind)(**passed, name=layer.name)
    raise AssertionError(layer.kind)


def padding_of(layers: Sequence[KerasLayer], masks: bool) -> Padding:
    """What may stand behind the ends of rows: zeros where the model masks them, and nothing at all elsewhere.

    Keras' maximum reads masked steps, too: where both directions run, these are zeros.
    """
    largest = any(layer.kind in ("GlobalMaxPooling1D", "MeanMax") for layer in layers)
    both = any(layer.options.get("bidirectional") for layer in layers)
    if not masks:
        return "none"
    return "none, nonzero" if largest and both else "zero"


@quiet()
def run(model: Any, batch: Batch) -> NDArray[Any]:
    """The model's answer in inference mode, (B, outputs)."""
    import keras

    values = batch.values.astype(np.int32) if batch.values.dtype.kind == "i" else batch.values
    answer: NDArray[Any] = np.asarray(keras.ops.convert_to_numpy(model(values, training=False)), np.float64)
    return answer
