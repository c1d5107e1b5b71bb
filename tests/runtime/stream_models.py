"""Models that stream, and their streams in a chosen engine."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import random_models as models

from timesteps.runtime import native
from timesteps.runtime.engine import NativeEngine
from timesteps.runtime.spec import ModelSpec, NumericSpec, TextSpec
from timesteps.runtime.stepping import NumpyEngine
from timesteps.runtime.stream import Stream

REPLACE = msgspec.structs.replace
needs_core = pytest.mark.skipif(native.core is None, reason=native.explain())
ENGINES = [pytest.param(NativeEngine, marks=needs_core), NumpyEngine]


def numbers(
    cell: str = "lstm", hidden_sizes: tuple[int, ...] = (5,), features: int = 3, members: int = 1, **more: object
) -> tuple[ModelSpec, dict[str, np.ndarray]]:
    """A model of numbers with weights as training leaves them: small."""
    shape = models.network(cell, input="numeric", input_size=features, hidden_sizes=hidden_sizes, **more)
    classes = (False, True) if shape.outputs == 1 else tuple(range(shape.outputs))
    spec = ModelSpec(
        task="classify", classes=classes, numeric=NumericSpec(features=features), network=shape, members=members
    )
    scaler = {"scaler.mean": np.arange(1.0, features + 1), "scaler.scale": np.full(features, 2.0)}
    scale = float(0.5 / np.sqrt(max(hidden_sizes) / 4))
    return spec, {**scaler, **{name: part * scale for name, part in models._members(shape, members, 0).items()}}


def ids(input: str, cell: str = "gru", **more: object) -> tuple[ModelSpec, dict[str, np.ndarray]]:
    shape = models.network(cell, input=input, input_size=11, outputs=3, **more)
    text = TextSpec(tokenizer="ids", num_words=11)
    tensors = models.weights(shape)
    if more.get("nonlinearity") == "linear":  # nothing else holds its states back
        tensors = {name: part * np.float32(0.3) for name, part in tensors.items()}
    return ModelSpec(task="classify", classes=(0, 1, 2), text=text, network=shape), tensors


def rows(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(1, 2, shape)


def stream_of(engine: type, spec: ModelSpec, tensors: dict[str, np.ndarray]) -> Stream:
    stream = Stream(spec, tensors)
    stream._engine = engine(spec, tensors)
    return stream
