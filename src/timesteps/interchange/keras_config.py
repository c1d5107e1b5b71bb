"""The configuration of a Keras model, read as data: no name in it is ever looked up in a module.

Keras makes objects of the classes and functions that a configuration names, which has run strangers' code more than once
(CVE-2024-3660, CVE-2025-1550, CVE-2025-8747, CVE-2025-9906). Here each name is looked up in the tables below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from timesteps.errors import ModelError
from timesteps.interchange.files import shown
from timesteps.interchange.keras_layers import CELLS, KerasLayer

__all__ = ["read_config"]

_MODELS = {"Sequential", "Functional"}
#: Where Keras itself says that its classes are; a model's class also says the file that defines it.
_MODULES = frozenset(
    f"keras{each}"
    for each in (
        *("", ".layers", ".models", ".initializers", ".regularizers", ".constraints", ".optimizers", ".losses"),
        *(".metrics", ".src.models.functional", ".src.models.sequential", ".optimizers.schedules"),
    )
)
_UNSAFE = {"Lambda", "__lambda__", "function", "lambda", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFSMLayer"}
_FIELDS = {"module", "class_name", "config", "registered_name", "build_config", "name", "inbound_nodes"} | {
    "shared_object_id",
    "compile_config",
}

#: Options that have no part in the answers of a trained layer.
_IGNORED = frozenset(
    ("name", "trainable", "dtype", "seed", "noise_shape", "rate", "dropout", "recurrent_dropout", "unroll")
    + ("unit_forget_bias", "zero_output_for_mask", "implementation", "sparse", "optional", "batch_shape")
    + tuple(
        f"{of}_{what}"
        for of in ("kernel", "recurrent", "bias", "embeddings", "activity")
        for what in ("initializer", "regularizer", "constraint")
    )
)
_RECURRENT = {
    "units",
    "activation",
    "recurrent_activation",
    "use_bias",
    "return_sequences",
    "go_backwards",
    "reset_after",
}
_KEPT = {
    "InputLayer": set(),
    "Dropout": set(),
    "SpatialDropout1D": set(),
    "Activation": {"activation"},
    "Embedding": {"input_dim", "output_dim", "mask_zero"},
    "Masking": {"mask_value"},
    "Normalization": {"axis", "mean", "variance"},
    **dict.fromkeys(CELLS, _RECURRENT),
    "GlobalAveragePooling1D": {"data_format"},
    "GlobalMaxPooling1D": {"data_format"},
    "Concatenate": {"axis"},
    "Dense": {"units", "activation", "use_bias"},
}


def read_config(config: dict[str, Any]) -> list[KerasLayer]:
    """The layers of a Sequential or Functional model, in order, without their weights.

    Raises:
        ModelError: a class, module, function or option that is not in the tables here, by name.
    """
    _check(config, "the model")
    kind, inner = config.get("class_name"), config.get("config")
    if kind not in _MODELS or not isinstance(inner, dict) or not isinstance(inner.get("layers"), list):
        raise ModelError(f"the model is a {shown(kind)}", mend="only Sequential and Functional models can be converted")
    serialized = inner["layers"]
    if not serialized or not all(isinstance(each, dict) for each in serialized):
        raise ModelError("the model's layers are not a list of objects")
    if kind == "Sequential":
        return [_layer(each) for each in serialized]
    return _chain(serialized, inner)


def _check(value: Any, where: str) -> None:
    """Refuse, anywhere in the configuration, a name of something that is not Keras' own and harmless."""
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
    if kind != "__keras_tensor__" and "module" in each and (not isinstance(module, str) or module not in _MODULES):
        raise ModelError(f"{here} is of the module {shown(module)}, which is not Keras' own")
    if registered is not None and registered not in _MODELS:
        raise ModelError(f"{here} is a custom object, registered as {shown(registered)}")
    return here if len(here) < 200 else where


def _layer(each: dict[str, Any]) -> KerasLayer:
    kind, options = each.get("class_name"), each.get("config")
    if not isinstance(kind, str) or not isinstance(options, dict):
        raise ModelError("a layer has no class_name or no config")
    name = options.get("name", each.get("name", kind))
    where = f"the layer {shown(name)} ({shown(kind)})"
    if not isinstance(name, str):
        raise ModelError(f"{where} has no name")
    if extra := sorted(each.keys() - _FIELDS):
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
    if kind in CELLS:
        kept = {"return_sequences": False, **kept}
    return KerasLayer(kind, name, kept)


def _whole(kind: str, value: Any) -> bool:
    return type(value) is int and 1 <= value < 2**31


def _truth(kind: str, value: Any) -> bool:
    return isinstance(value, bool)


def _activation(kind: str, value: Any) -> bool:
    if kind in ("Dense", "Activation"):
        return value in ("linear", "sigmoid", "softmax")
    return value == "tanh" or (kind == "SimpleRNN" and value == "relu")


def _statistic(kind: str, value: Any) -> bool:
    """A number, or numbers in lists of any depth."""
    parts = value if isinstance(value, list) else [value]
    while any(isinstance(part, list) for part in parts):
        parts = [inner for part in parts for inner in (part if isinstance(part, list) else [part])]
    return value is None or (bool(parts) and all(isinstance(part, int | float) for part in parts))


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
        if (
            key not in ("merge_mode", "layer", "backward_layer")
            and key not in _IGNORED
            and value not in (None, False, 0)
        ):
            raise ModelError(f"{where} has {shown(key)}={shown(value)}, which changes its answers")
    first = _layer(forward)
    if first.kind not in CELLS:
        raise ModelError(f"{where} reads both ways with a {shown(first.kind)}, which is no recurrent layer")
    if backward is not None:
        inner = backward.get("config")
        if not isinstance(inner, dict) or inner.get("go_backwards") is not True:
            raise ModelError(f"{where} has a backward layer that reads forwards")
        second = _layer({**backward, "config": {**inner, "go_backwards": False}})
        if (second.kind, second.options) != (first.kind, first.options):
            raise ModelError(f"{where} has two different layers in it")
    return KerasLayer(first.kind, name, {**first.options, "bidirectional": True})


def _chain(serialized: list[dict[str, Any]], inner: dict[str, Any]) -> list[KerasLayer]:
    """The layers of a Functional model from its input to its output; only mean and maximum may stand side by side."""
    layers: dict[str, KerasLayer] = {}
    below: dict[str, list[str]] = {}
    for each in serialized:
        layer = _layer(each)
        if layer.name in layers:
            raise ModelError(f"two layers have the name {shown(layer.name)}")
        layers[layer.name], below[layer.name] = layer, _inputs(each, layer.name)
    ends = [_single(inner.get(key)) for key in ("input_layers", "output_layers")]
    if any(end not in layers for end in ends):
        raise ModelError("the model has not exactly one input and one output")
    found: list[KerasLayer] = []
    name, met = ends[1], {ends[1]}
    while True:
        layer, under = layers[name], below[name]
        if layer.kind == "Concatenate":
            kinds = [layers[each].kind for each in under]
            shared = {tuple(below[each]) for each in under}
            if kinds != ["GlobalAveragePooling1D", "GlobalMaxPooling1D"] or len(shared) != 1:
                raise ModelError(f"the layer {shown(name)} joins something else than a mean and a maximum")
            met.update(under)
            layer, under = KerasLayer("MeanMax", name), list(shared.pop())
        found.append(layer)
        if not under:
            break
        if len(under) != 1 or under[0] in met:
            raise ModelError(f"the layer {shown(name)} reads {len(under)} others, or one twice", mend="convert a chain")
        name = under[0]
        met.add(name)
    if name != ends[0] or len(met) != len(layers):
        extra = sorted(layers.keys() - met)
        raise ModelError(f"the layer {shown(extra[0] if extra else name)} is not on the way from input to output")
    return found[::-1]


def _single(value: Any) -> str:
    """The layer's name in `["dense", 0, 0]` or `[["dense", 0, 0]]`; nothing if there are more."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str) and value[1:] == [0, 0]:
        return value[0]
    return ""


def _inputs(each: dict[str, Any], name: str) -> list[str]:
    """The names of the layers that a layer reads."""
    nodes = each.get("inbound_nodes", [])
    wrong = ModelError(f"the layer {shown(name)} is used twice, or reads more than the layer below it")
    if nodes == []:
        return []
    if not isinstance(nodes, list) or len(nodes) != 1 or not isinstance(nodes[0], dict):
        raise wrong
    args, kwargs = nodes[0].get("args"), nodes[0].get("kwargs", {})
    if not isinstance(kwargs, dict) or any(kwargs[key] for key in kwargs.keys() - {"mask", "training"}):
        raise wrong
    if not isinstance(args, list) or len(args) != 1:
        raise wrong
    found = []
    for tensor in args[0] if isinstance(args[0], list) else [args[0]]:
        config = tensor.get("config") if isinstance(tensor, dict) else None
        history = config.get("keras_history") if isinstance(config, dict) else None
        if (
            not isinstance(history, list)
            or len(history) != 3
            or not isinstance(history[0], str)
            or history[1:] != [0, 0]
        ):
            raise wrong
        found.append(history[0])
    return found
