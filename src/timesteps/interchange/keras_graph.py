"""The layers of a Sequential or Functional Keras model, in order, from its configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from timesteps.errors import ModelError
from timesteps.interchange.files import shown
from timesteps.interchange.keras_config import check_names, read_layer
from timesteps.interchange.keras_layers import CELLS, KerasLayer

__all__ = ["read_config"]

_MASKED = (*CELLS, "GlobalAveragePooling1D")  # layers whose answers a mask changes


def read_config(config: dict[str, Any]) -> list[KerasLayer]:
    """The layers of a model, without their weights. How it was compiled is not looked at.

    Raises:
        ModelError: a class, module, function or option that is not known, by name; or a graph that is no chain.
    """
    kind, inner = config.get("class_name"), config.get("config")
    if kind not in ("Sequential", "Functional"):
        raise ModelError(f"the model is a {shown(kind)}", mend="only Sequential and Functional models can be converted")
    check_names({name: value for name, value in config.items() if name != "compile_config"}, "the model")
    if not isinstance(inner, dict):
        raise ModelError("the model has no config")
    serialized = inner.get("layers")
    if not isinstance(serialized, list) or not serialized or not all(isinstance(each, dict) for each in serialized):
        raise ModelError("the model's layers are not a list of objects")
    if kind == "Sequential":
        return [read_layer(each) for each in serialized]
    return _chain(serialized, inner)


@dataclass(frozen=True)
class _Call:
    """How a layer is called: on the outputs of which others, and with whose output as its mask."""

    inputs: tuple[str, ...]
    mask: str | None


def _chain(serialized: list[dict[str, Any]], inner: dict[str, Any]) -> list[KerasLayer]:
    """The layers of a Functional model from its input to its output; only mean and maximum may stand side by side."""
    layers: dict[str, KerasLayer] = {}
    calls: dict[str, _Call] = {}
    masks: set[str] = set()
    for each in serialized:
        name = each.get("name")
        if not isinstance(name, str) or name in calls:
            raise ModelError(f"a layer has no name, or that of another: {shown(name)}")
        if each.get("class_name") in ("NotEqual", "Any"):
            calls[name] = _mask(each, name, masks)
            masks.add(name)
        else:
            layers[name], calls[name] = read_layer(each), _call(each, name)
    ends = [_single(inner.get(key)) for key in ("input_layers", "output_layers")]
    if any(end not in layers for end in ends):
        raise ModelError("the model has not exactly one input and one output")
    found: list[KerasLayer] = []
    name, met = ends[1], {ends[1]}
    while True:
        layer, under = layers[name], calls[name].inputs
        if layer.kind == "Concatenate":
            kinds = [layers[each].kind for each in under if each in layers]
            shared = {calls[each].inputs for each in under if each in layers}
            if kinds != ["GlobalAveragePooling1D", "GlobalMaxPooling1D"] or len(shared) != 1:
                raise ModelError(f"the layer {shown(name)} joins something else than a mean and a maximum")
            met.update(under)
            layer, under = KerasLayer("MeanMax", name), shared.pop()
        found.append(layer)
        if not under:
            break
        if len(under) != 1 or under[0] in met or under[0] not in layers:
            raise ModelError(f"the layer {shown(name)} reads {len(under)} others, or one twice", mend="convert a chain")
        name = under[0]
        met.add(name)
    if name != ends[0] or len(met) != len(layers):
        extra = sorted(layers.keys() - met)
        raise ModelError(f"the layer {shown(extra[0] if extra else name)} is not on the way from input to output")
    _check_masks(layers, calls, masks, ends[0])
    return found[::-1]


def _check_masks(layers: dict[str, KerasLayer], calls: dict[str, _Call], masks: set[str], first: str) -> None:
    """Where padding is masked, it is so in every layer, by what is 0 in the input."""
    wanted = any(each.options.get("mask_zero", False) for each in layers.values())
    for name, layer in layers.items():
        mask = calls[name].mask
        if mask is not None and mask not in masks:
            raise ModelError(f"the layer {shown(name)} has a mask that is not made of the input")
        if layer.kind in _MASKED and (mask is not None) != wanted:
            raise ModelError(f"the layer {shown(name)} is called {'without the' if wanted else 'with a'} mask")
    for name in masks:
        if not set(calls[name].inputs) <= {first, *masks}:
            raise ModelError(f"the mask {shown(name)} is not made of the input")


def _mask(each: dict[str, Any], name: str, masks: set[str]) -> _Call:
    """`input != 0`, or whether any feature of it is."""
    node = _node(each, name)
    args, kwargs = node.get("args"), node.get("kwargs", {})
    inputs = _tensors(args[0], name) if isinstance(args, list) and args else ()
    if each["class_name"] == "NotEqual":
        right = isinstance(args, list) and len(args) == 2 and args[1] == 0 and args[1] is not False and kwargs == {}
    else:
        options = each.get("config")
        axis = options.get("axis") if isinstance(options, dict) else None
        right = axis in (-1, [-1]) and kwargs == {} and set(inputs) <= masks
    if not right or len(inputs) != 1:
        raise ModelError(f"the mask {shown(name)} is not that of zeros")
    return _Call(inputs, None)


def _single(value: Any) -> str:
    """The layer's name in `["dense", 0, 0]` or `[["dense", 0, 0]]`; nothing if there are more."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str) and value[1:] == [0, 0]:
        return value[0]
    return ""


def _wrong(name: str) -> ModelError:
    return ModelError(f"the layer {shown(name)} is used twice, or reads more than the layer below it")


def _node(each: dict[str, Any], name: str) -> dict[str, Any]:
    nodes = each.get("inbound_nodes")
    if not isinstance(nodes, list) or len(nodes) != 1 or not isinstance(nodes[0], dict):
        raise _wrong(name)
    return nodes[0]


def _call(each: dict[str, Any], name: str) -> _Call:
    if each.get("inbound_nodes", []) == []:
        return _Call((), None)
    node = _node(each, name)
    args, kwargs = node.get("args"), node.get("kwargs", {})
    if not isinstance(args, list) or len(args) != 1 or not isinstance(kwargs, dict):
        raise _wrong(name)
    if any(kwargs[key] for key in kwargs.keys() - {"mask"}):  # an initial state, or training=True
        raise _wrong(name)
    mask = kwargs.get("mask")
    return _Call(_tensors(args[0], name), None if mask is None else _tensors(mask, name)[0])


def _tensors(value: Any, name: str) -> tuple[str, ...]:
    """The names of the layers whose outputs these tensors are."""
    found = []
    for tensor in value if isinstance(value, list) and value else [value]:
        config = tensor.get("config") if isinstance(tensor, dict) else None
        layer = _single(config.get("keras_history")) if isinstance(config, dict) else ""
        if not layer:
            raise _wrong(name)
        found.append(layer)
    return tuple(found)
