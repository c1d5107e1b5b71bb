"""Honest files, changed at random: each is read or refused by a typed error, in little time."""

from __future__ import annotations

import copy
import json
import os
import random
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import networks
import numpy as np
import pytest

from timesteps.errors import ModelError, TimestepsError
from timesteps.interchange import from_torch, onnx_in, onnx_out, to_onnx, to_torch
from timesteps.interchange.keras_files import _with_weights
from timesteps.interchange.keras_graph import read_config
from timesteps.interchange.keras_layers import to_plain
from timesteps.interchange.onnx_in import from_onnx

STRANGE: list[Any] = [
    None,
    True,
    -1,
    0,
    2**63,
    1.5,
    "",
    "os",
    "\ud800",
    [],
    {},
    [[]],
    {"class_name": "x"},
    [None, None],
]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    found = []
    waiting = [value]
    while waiting:
        each = waiting.pop()
        keys = each.keys() if isinstance(each, dict) else range(len(each)) if isinstance(each, list) else ()
        found += [(each, key) for key in keys]
        waiting += [each[key] for key in keys]
    return found


def mutated(value: Any, choose: random.Random) -> Any:
    """One to three places of a JSON value removed, replaced, or exchanged."""
    value = copy.deepcopy(value)
    for _ in range(choose.randint(1, 3)):
        container, key = choose.choice(places(value))
        other, place = choose.choice(places(value))
        action = choose.random()
        if action < 0.3:
            del container[key]
        elif action < 0.8:
            container[key] = choose.choice(STRANGE)
        else:
            container[key] = copy.deepcopy(other[place])
    return value


def survives(read: Callable[[], object], what: object) -> bool:
    """Whether it was read. Anything but a typed error is a failure that shows what was read."""
    try:
        read()
    except TimestepsError:
        return False
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error} in {str(what)[:3000]}") from error
    return True


def keras_models() -> list[Any]:
    keras = pytest.importorskip("keras", reason="keras is not installed")
    L = keras.layers
    inputs = keras.Input((None,), dtype="int32")
    x = L.Bidirectional(L.GRU(2, return_sequences=True))(L.Embedding(5, 2, mask_zero=True)(inputs))
    x = L.Concatenate()([L.GlobalAveragePooling1D()(x), L.GlobalMaxPooling1D()(x)])
    chain = [keras.Input((None, 3)), L.Normalization(mean=[0.0] * 3, variance=[1.0] * 3), L.LSTM(2), L.Dense(2)]
    return [keras.Model(inputs, L.Dense(2)(x)), keras.Sequential(chain)]


def understood(config: Any, arrays: dict[str, Any]) -> None:
    to_plain(_with_weights(read_config(config), arrays))


def test_configurations_of_keras() -> None:
    choose = random.Random(0)
    read = 0
    for model in keras_models():
        config = json.loads(model.to_json())
        arrays: dict[str, Any] = {}
        for layer in model.layers:
            names = ["forward_layer/cell/", "backward_layer/cell/"] if "bidirectional" in layer.name else ["cell/"]
            names = names if hasattr(layer, "cell") or len(names) == 2 else [""]
            weights = layer.get_weights()
            for number, weight in enumerate(weights):
                per = len(weights) // len(names)
                place = type(layer).__name__.lower()
                arrays[f"layers/{place}/{names[number // per]}vars/{number % per}"] = weight
        understood(config, arrays)
        for _ in range(1500):
            changed = mutated(config, choose)
            read += survives(partial(understood, changed, arrays), changed)
    assert 100 < read < 2900


def flipped(data: bytes, choose: random.Random, end: int | None = None) -> bytes:
    """Some bytes changed, a piece removed, or a piece there twice."""
    changed = bytearray(data)
    action, end = choose.random(), end or len(data)
    if action < 0.6:
        for _ in range(choose.randint(1, 4)):
            changed[choose.randrange(end)] = choose.randrange(256)
    else:
        start = choose.randrange(end)
        piece = changed[start : start + choose.randint(1, 40)]
        changed[start : start + len(piece)] = piece * (0 if action < 0.8 else 2)
    return bytes(changed)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_graphs_of_onnx(cell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    for module in (onnx_in, onnx_out):
        monkeypatch.setattr(module, "missing", lambda *names: "left aside" if "onnxruntime" in names else None)
    choose = random.Random(1)
    case = {"pool": "attention" if cell == "gru" else "mean+max", "bidirectional": True, "ids": 4, "hidden": (2, 2)}
    data = to_onnx(networks.model(networks.network({"cell": cell}, **case)), tmp_path / "it.onnx").path.read_bytes()
    read = 0
    for _ in range(600):
        changed = flipped(data, choose)
        (tmp_path / "it.onnx").write_bytes(changed)
        read += survives(lambda: from_onnx(tmp_path / "it.onnx"), changed)
    assert 5 < read < 590


def test_headers_of_safetensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timesteps.interchange.torch_in.missing", lambda *names: "left aside")
    choose = random.Random(2)
    path = to_torch(networks.model(networks.network(ids=4, hidden=(2, 2))), tmp_path / "it.safetensors").path
    data = path.read_bytes()
    length = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:length])
    read = 0
    for number in range(1000):
        if number % 2:
            changed = flipped(data, choose, length)
        else:
            encoded = json.dumps(mutated(header, choose)).encode()
            changed = struct.pack("<Q", len(encoded)) + encoded + data[length:]
        path.write_bytes(changed)
        read += survives(lambda: from_torch(path), changed[:length])
    assert 5 < read < 990


def test_state_dicts_of_strange_shapes() -> None:
    """Any shapes in any of the known names."""
    rng = np.random.default_rng(0)
    names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "head.weight", "head.bias", "emb.weight",
             "attention.weight", "mean", "scale", "weight_ih_l1", "weight_hh_l0_reverse"]  # fmt: skip
    for _ in range(400):
        some = rng.choice(names, rng.integers(1, len(names)), replace=False)
        state = {str(name): np.zeros(rng.integers(0, 5, rng.integers(0, 4)), np.float32) for name in some}
        with pytest.raises(ModelError):
            from_torch(state)
