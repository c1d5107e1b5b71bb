"""The configuration of a Keras model, read as data: no name in it is ever looked up in a module.

Keras makes objects of the classes and functions that a configuration names, which has run strangers' code more than
once (CVE-2024-3660, CVE-2025-1550, CVE-2025-8747, CVE-2025-9906). Here each name is looked up in the tables below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from timesteps.errors import ModelError
from timesteps.interchange.files import shown
from timesteps.interchange.keras_layers import CELLS, KerasLayer

__all__ = ["check_names", "read_layer"]

_MODELS = ("Sequential", "Functional")
#: Where Keras itself says that its classes are; a model's class also says the file that defines it.
_MODULES = frozenset(
    f"keras{each}"
    for each in (
        *("", ".layers", ".models", ".initializers", ".regularizers", ".constraints", ".optimizers", ".losses"),
        *(".metrics", ".src.models.functional", ".src.models.sequential", ".optimizers.schedules"),
    )
)
_UNSAFE = {"Lambda", "__lambda__", "function", "lambda", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFSMLayer"}
_MASKS = (("keras.src.ops.numpy", "NotEqual"), ("keras.src.ops.numpy", "Any"))  # how masks stand in a graph
_FIELDS = {"module", "class_name", "config", "registered_name", "build_config", "name", "inbound_nodes"}

#: Options that have no part in the answers of a trained layer.
_IGNORED = frozenset(
    [
        *("name", "trainable", "dtype", "seed", "noise_shape", "rate", "dropout", "recurrent_dropout", "unroll"),
        *("unit_forget_bias", "zero_output_for_mask", "implementation", "sparse", "optional", "batch_shape"),
        *(
            f"{of}_{what}"
            for of in ("kernel", "recurrent", "bias", "embeddings", "activity")
            for what in ("initializer", "regularizer", "constraint")
        ),
    ]
)
_GATED = {"units", "activation", "recurrent_activation", "use_bias", "return_sequences", "go_backwards", "reset_after"}
_KEPT = {
    "InputLayer": set(),
    "Dropout": set(),
    "SpatialDropout1D": set(),
    "Activation": {"activation"},
    "Embedding": {"input_dim", "output_dim", "mask_zero"},
    "Masking": {"mask_value"},
    "Normalization": {"axis", "mean", "variance"},
    **dict.fromkeys(CELLS, _GATED),
    "GlobalAveragePooling1D": {"data_format"},
    "GlobalMaxPooling1D": {"data_format"},
    "Concatenate": {"axis"},
    "Dense": {"units", "activation", "use_bias"},
}

_NEEDED = {
    "Embedding": ("input_dim", "output_dim"),
    "Activation": ("activation",),
    "Dense": ("units",),
    **dict.fromkeys(CELLS, ("units",)),
}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "Embedding": {"mask_zero": False},
    "Masking": {"mask_zero": True},
    **{kind: {"return_sequences": False} for kind in CELLS},
}


def check_names(value: Any, where: str) -> None:
    """Refuse, anywhere in a configuration, a name of something that is not Keras' own and harmless.

    Raises:
        ModelError: the class, its module or the name under which it is registered.
    """
    waiting = [(value, where)]
    while waiting:
        each, where = waiting.pop()
        if isinstance(each, list):
            waiting += [(part, where) for part in each]
        elif isinstance(each, dict):
            if {"module", "class_name", "registered_name"} & each.keys():
                where = _check_object(each, where)
            waiting += [(part, where) for part in each.values()]


def _check_object(each: dict[str, Any], where: str) -> str:
    kind, module, registered = (each.get(key) for key in ("class_name", "module", "registered_name"))
    if not isinstance(kind, str):
        raise ModelError(f"{where} names no class but {shown(kind)}")
    here = f"{where}, {shown(kind)}"
    if kind in _UNSAFE:
        raise ModelError(f"{here} holds a function or code of its own", mend="convert a model without it")
    if (module, kind) in _MASKS:
        return here
    if kind != "__keras_tensor__" and "module" in each and (not isinstance(module, str) or module not in _MODULES):
        raise ModelError(f"{here} is of the module {shown(module)}, which is not Keras' own")
    if registered is not None and registered not in _MODELS:
        raise ModelError(f"{here} is a custom object, registered as {shown(registered)}")
    return here if len(here) < 200 else where


def read_layer(each: dict[str, Any]) -> KerasLayer:
    """A layer without its weights.

    Raises:
        ModelError: a class or an option that is not in the tables here, by name.
    """
    kind, options = each.get("class_name"), each.get("config")
    if not isinstance(kind, str) or not isinstance(options, dict):
        raise ModelError("a layer has no class_name or no config")
    name = options.get("name", each.get("name", kind))
    where = f"the layer {shown(name)} ({shown(kind)})"
    if not isinstance(name, str):
        raise ModelError(f"{where} has no name")
    if extra := sorted(each.keys() - _FIELDS - {"shared_object_id"}):
        raise ModelError(f"{where} has the unknown field {shown(extra[0])}")
    if kind == "Bidirectional":
        return _bidirectional(name, where, options)
    if kind not in _KEPT:
        raise ModelError(
            f"{where} cannot be converted",
            mend="convert a model of an embedding, SimpleRNN, LSTM or GRU layers, pooling and one Dense layer",
        )
    kept = {key: value for key, value in options.items() if key in _KEPT[kind]}
    for key, value in options.items():
        if key not in _KEPT[kind] and key not in _IGNORED and value not in (None, False, 0):
            raise ModelError(f"{where} has {shown(key)}={shown(value)}, which changes its answers")
    for key, right in _RIGHT.items():
        if key in kept and not right(kind, kept[key]):
            raise ModelError(f"{where} has {shown(key)}={shown(kept[key])}, which cannot be converted")
    if missing := [key for key in _NEEDED.get(kind, ()) if key not in kept]:
        raise ModelError(f"{where} has no {missing[0]}")
    return KerasLayer(kind, name, {**_DEFAULTS.get(kind, {}), **kept})


def _whole(kind: str, value: Any) -> bool:
    return type(value) is int and 1 <= value < 2**31


def _truth(kind: str, value: Any) -> bool:
    return isinstance(value, bool)


def _activation(kind: str, value: Any) -> bool:
    if kind in ("Dense", "Activation"):
        return value in ("linear", "sigmoid", "softmax")
    return value == "tanh" or (kind == "SimpleRNN" and value in ("relu", "linear"))


def _statistic(kind: str, value: Any) -> bool:
    """A number, or numbers in lists of equal lengths."""
    try:
        return value is None or np.asarray(value, np.float64).size > 0
    except (ValueError, TypeError, OverflowError):
        return False


_RIGHT: dict[str, Callable[[str, Any], bool]] = {
    "units": _whole,
    "input_dim": _whole,
    "output_dim": _whole,
    "mask_zero": _truth,
    "use_bias": _truth,
    "return_sequences": _truth,
    "reset_after": _truth,
    "go_backwards": lambda kind, value: value is False,
    "activation": _activation,
    "recurrent_activation": lambda kind, value: value == "sigmoid",
    "data_format": lambda kind, value: value == "channels_last",
    "mask_value": lambda kind, value: value == 0,
    "mean": _statistic,
    "variance": _statistic,
    "axis": lambda kind, value: value in (-1, [-1]) or (kind == "Concatenate" and value == 1),
}


def _bidirectional(name: str, where: str, options: dict[str, Any]) -> KerasLayer:
    if options.get("merge_mode", "concat") != "concat":
        raise ModelError(f"{where} has merge_mode {shown(options['merge_mode'])}, only concat can be converted")
    forward, backward = options.get("layer"), options.get("backward_layer")
    if not isinstance(forward, dict) or not isinstance(backward, dict | None):
        raise ModelError(f"{where} has no layer in it")
    for key, value in options.items():
        known = key in _IGNORED or key in ("merge_mode", "layer", "backward_layer")
        if not known and value not in (None, False, 0):
            raise ModelError(f"{where} has {shown(key)}={shown(value)}, which changes its answers")
    first = read_layer(forward)
    if first.kind not in CELLS:
        raise ModelError(f"{where} reads both ways with a {shown(first.kind)}, which is no recurrent layer")
    if backward is not None:
        inner = backward.get("config")
        if not isinstance(inner, dict) or inner.get("go_backwards") is not True:
            raise ModelError(f"{where} has a backward layer that reads forwards")
        second = read_layer({**backward, "config": {**inner, "go_backwards": False}})
        if (second.kind, second.options) != (first.kind, first.options):
            raise ModelError(f"{where} has two different layers in it")
    return KerasLayer(first.kind, name, {**first.options, "bidirectional": True})
