"""Specifications with random weights and random inputs, for the tests of the runtime."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.int8 import quantize_rows
from timesteps.runtime.layout import forecast_tensors, int8_scales, member_network, member_prefix, network_tensors
from timesteps.runtime.losses import Loss
from timesteps.runtime.sequences import Bags, Sequences
from timesteps.runtime.spec import (
    BagSpec,
    ForecastSpec,
    GuideSpec,
    InputKind,
    LayerSpec,
    LossName,
    ModelSpec,
    NetworkSpec,
    NumericSpec,
    PoolName,
    TargetSpec,
    TextSpec,
)
from timesteps.runtime.text.grams import GramCounter
from timesteps.runtime.text.guide import Guide
from timesteps.runtime.text.processor import TextProcessor

TEXTS = ["정말 재미있는 영화", "너무 지루했다", "", "good film !!", "the film was bad , so bad", "재미 재미 재미"]


def network(
    cell: str = "lstm",
    *,
    input: InputKind = "ids",
    input_size: int = 11,
    embedding_size: int = 5,
    hidden_sizes: tuple[int, ...] = (4,),
    bidirectional: bool = False,
    pool: PoolName = "last",
    outputs: int = 1,
    wide: bool = False,
    **layer: Any,
) -> NetworkSpec:
    embedding_size = embedding_size if input in ("ids", "bag") else 0
    layers, size = [], embedding_size or input_size
    for hidden_size in hidden_sizes:
        layers.append(
            LayerSpec(cell=cell, input_size=size, hidden_size=hidden_size, bidirectional=bidirectional, **layer)
        )
        size = hidden_size * (2 if bidirectional else 1)
    return NetworkSpec(
        input=input,
        input_size=input_size,
        embedding_size=embedding_size,
        layers=tuple(layers),
        pool=pool,
        outputs=outputs,
        wide=wide,
    )


def weights(spec: NetworkSpec, seed: int = 0, dtype: type = np.float32) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(0, 0.7, shape).astype(dtype) for name, shape in network_tensors(spec).items()}


def bags(rng: np.random.Generator, count: int, features: int, largest: int = 6) -> Bags:
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(rng.integers(0, largest + 1, count), out=offsets[1:])
    return Bags(rng.integers(0, features, offsets[-1]).astype(np.int32), offsets)


def sequences(spec: NetworkSpec, lengths: list[int], seed: int = 1, phrases: bool = False) -> Sequences:
    rng = np.random.default_rng(seed)
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    steps = int(offsets[-1])
    if spec.input == "numeric":
        return Sequences(rng.normal(size=(steps, spec.input_size)), offsets)
    if spec.input != "bag":
        return Sequences(rng.integers(0, spec.input_size, steps).astype(np.int32), offsets)
    values = rng.integers(0, 9, steps).astype(np.int32)
    extra = bags(rng, steps, spec.input_size, 3) if phrases else None
    return Sequences(values, offsets, bags(rng, 9, spec.input_size), extra)


def text_model(
    members: int = 1, outputs: int = 1, seed: int = 0, hidden_size: int = 4
) -> tuple[ModelSpec, dict[str, NDArray[Any]]]:
    """A small model of bags of n-grams, as `train classify` makes it."""
    text = TextSpec(squeeze=2, max_length=20, bag=BagSpec(min_count=1, syllable=(1, 2), jamo=(4, 4)))
    processor = TextProcessor.fit(TEXTS, text)
    shape = network(
        input="bag",
        input_size=processor.input_size,
        hidden_sizes=(hidden_size,),
        bidirectional=True,
        pool="mean+max",
        outputs=outputs,
        wide=True,
    )
    classes = ("negative", "positive") if outputs == 1 else tuple(f"class {k}" for k in range(outputs))
    spec = ModelSpec(task="classify", classes=classes, text=processor.spec, network=shape, members=members)
    return spec, {**processor.tensors(), **_members(shape, members, seed)}


def guided_model(
    members: int = 3, outputs: int = 1, unguided: int = 1, unit: str = "character", layer_norm: bool = False
) -> tuple[ModelSpec, dict[str, NDArray[Any]]]:
    """The same with a guide, and members that do without its channels."""
    spec, tensors = text_model(1, outputs)
    guide = GuideSpec(unit=unit, longest=2, min_count=1)
    counter = GramCounter(guide)
    counter.add(TextProcessor.load(spec.text, tensors).units(TEXTS, guide))
    rng, features = np.random.default_rng(7), counter.features()
    numbers = [rng.normal(0, 0.5, (len(features), outputs)).astype(np.float32) for _ in range(2)]
    fixed = {
        "text.features": tensors["text.features"],
        **Guide(guide, features, *numbers, np.ones(outputs, np.float32)).tensors(),
    }
    channels = 2 * outputs
    size = spec.network.embedding_size + channels
    layer = msgspec.structs.replace(spec.network.layers[0], input_size=size, layer_norm=layer_norm)
    shape = msgspec.structs.replace(spec.network, channels=channels, share=0.25, wide=False, layers=(layer,))
    text = msgspec.structs.replace(spec.text, guide=guide)
    spec = msgspec.structs.replace(spec, text=text, network=shape, members=members, unguided=unguided)
    for member in range(members):
        own = weights(member_network(spec, member), member)
        fixed |= {member_prefix(spec, member) + name: tensor for name, tensor in own.items()}
    return spec, fixed


def ids_model(tokenizer: str = "word") -> tuple[ModelSpec, dict[str, NDArray[Any]]]:
    """A small model of token ids: from texts, or given as they are with the tokenizer "ids"."""
    text = TextSpec(tokenizer="ids", num_words=11, max_length=8)
    if tokenizer != "ids":
        text = TextProcessor.fit(TEXTS, TextSpec(tokenizer="word", num_words=11)).spec
    shape = network("gru", input="ids", input_size=11, pool="attention", outputs=3)
    return ModelSpec(task="classify", classes=(0, 1, 2), text=text, network=shape), weights(shape)


def numeric_model(
    features: int = 3, steps: int | None = None, members: int = 1, cell: str = "gru"
) -> tuple[ModelSpec, dict[str, NDArray[Any]]]:
    shape = network(cell, input="numeric", input_size=features, hidden_sizes=(4, 3), pool="mean+max")
    spec = ModelSpec(
        task="classify",
        classes=(False, True),
        numeric=NumericSpec(features=features, steps=steps),
        network=shape,
        members=members,
    )
    scaler = {"scaler.mean": np.arange(1.0, features + 1), "scaler.scale": np.full(features, 2.0)}
    return spec, {**scaler, **_members(shape, members, 0)}


def in_int8(model: tuple[ModelSpec, dict[str, NDArray[Any]]]) -> tuple[ModelSpec, dict[str, NDArray[Any]]]:
    """A model with its weights in int8."""
    spec, tensors = model
    network = msgspec.structs.replace(spec.network, weights="int8")
    spec, tensors = msgspec.structs.replace(spec, network=network), dict(tensors)
    for member in range(spec.members):
        prefix = member_prefix(spec, member)
        for name, scale in int8_scales(network).items():
            tensors[prefix + name], tensors[prefix + scale] = quantize_rows(tensors[prefix + name])
    return spec, tensors


def tagger_model(bidirectional: bool = False) -> tuple[ModelSpec, dict[str, NDArray[Any]]]:
    """Labels at every step of numbers."""
    shape = network("lstm", input="numeric", input_size=3, bidirectional=bidirectional, pool="none", outputs=3)
    spec = ModelSpec(task="tag", classes=("A", "B", "C"), numeric=NumericSpec(features=3), network=shape)
    return spec, {"scaler.mean": np.arange(1.0, 4), "scaler.scale": np.full(3, 2.0), **weights(shape)}


def token_model(bags: bool = True) -> tuple[ModelSpec, dict[str, NDArray[Any]]]:
    """Labels at every token, of bags of n-grams or of ids."""
    bag = BagSpec(min_count=1, syllable=(1, 2), jamo=None) if bags else None
    processor = TextProcessor.fit([text.split() for text in TEXTS], TextSpec(tokenizer="tokens", bag=bag))
    kind: InputKind = "bag" if bags else "ids"
    shape = network(
        "gru",
        input=kind,
        input_size=processor.input_size,
        pool="none",
        outputs=3,
        bidirectional=bags,
    )
    spec = ModelSpec(task="tag", classes=(0, 1, 2), text=processor.spec, network=shape)
    return spec, {**processor.tensors(), **weights(shape)}


def regression_model(
    loss: LossName = "gaussian", shape: tuple[int, ...] = (2, 3), pool: PoolName = "mean", members: int = 1
) -> tuple[ModelSpec, dict[str, NDArray[Any]]]:
    """Numbers from numbers."""
    targets = TargetSpec(loss=loss, quantiles=(0.1, 0.5, 0.9) if loss == "quantile" else (), shape=shape)
    outputs = Loss(targets.loss, targets.quantiles).outputs(targets.size)
    net = network("gru", input="numeric", input_size=3, hidden_sizes=(4, 3), pool=pool, outputs=outputs)
    spec = ModelSpec(
        task="regress", classes=(), targets=targets, numeric=NumericSpec(features=3), network=net, members=members
    )
    width = targets.width
    scales = {"target.mean": np.arange(width) + 5.0, "target.scale": np.arange(width) + 0.5}
    scaler = {"scaler.mean": np.zeros(3), "scaler.scale": np.ones(3)}
    return spec, {**scaler, **scales, **_members(net, members, 0)}


def forecast_model(model: str = "direct") -> tuple[ModelSpec, dict[str, NDArray[Any]]]:
    """A forecaster of two targets together."""
    direct = model == "direct"
    forecast = ForecastSpec(
        model="direct" if direct else "autoregressive",
        horizon=2,
        context=4,
        segment=2 if direct else 1,
        season=2,
        time="day",
        targets=("a", "b"),
        future=("c",),
        static=("d",),
        vocabularies=(("x", "y"),),
        unit="business day",
        independent=False,
        calendar=("year",),
        missing=True,
        means=(0.5,),
        rates=(0.1, 0.2, 0.3),
        scaling="series",
        series=("one", "two"),
        levels=(80.0, 95.0),
        until="2024-01-02",
    )
    targets = TargetSpec(loss="gaussian", shape=(2, 2) if direct else (2,))
    outputs = 8 if direct else 4
    pool: PoolName = "last" if direct else "none"
    net = network("lstm", input="numeric", input_size=3, pool=pool, outputs=outputs)
    spec = ModelSpec(
        task="forecast", classes=(), targets=targets, forecast=forecast, numeric=NumericSpec(features=3), network=net
    )
    around = {name: np.full(shape, 0.5) for name, shape in forecast_tensors(forecast).items()}
    around |= {"target.mean": np.zeros(2), "target.scale": np.ones(2)}
    return spec, {**around, "scaler.mean": np.zeros(3), "scaler.scale": np.ones(3), **_members(net, 1, 0)}


def model_of_options() -> tuple[ModelSpec, dict[str, NDArray[Any]]]:
    """A model of numbers with every option of a cell in it."""
    shape = network(
        "lstm", input="numeric", input_size=3, hidden_sizes=(4, 3), bidirectional=True, initial_state="learned",
        layer_norm=True, peephole=True, zoneout=0.25, zoneout_cell=0.5,
    )  # fmt: skip
    spec = ModelSpec(task="classify", classes=(False, True), numeric=NumericSpec(features=3), network=shape)
    return spec, {"scaler.mean": np.zeros(3), "scaler.scale": np.ones(3), **weights(shape)}


def _members(shape: NetworkSpec, members: int, seed: int) -> dict[str, NDArray[Any]]:
    if members == 1:
        return weights(shape, seed)
    return {
        f"members.{member}.{name}": tensor
        for member in range(members)
        for name, tensor in weights(shape, seed + member).items()
    }
