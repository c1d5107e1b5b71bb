from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timesteps.runtime.display import columns_of
from timesteps.runtime.layout import model_tensors
from timesteps.runtime.spec import BagSpec, GuideSpec, LayerSpec, ModelSpec, NetworkSpec, NumericSpec, TextSpec
from timesteps.runtime.summary import summary


def network(cell: str = "lstm", **changes: Any) -> NetworkSpec:
    layer = LayerSpec(cell=cell, input_size=16, hidden_size=8, **changes)  # type: ignore[arg-type]
    return NetworkSpec(input="ids", input_size=500, embedding_size=16, layers=(layer,), outputs=1)


def stacked() -> NetworkSpec:
    layers = (
        LayerSpec(cell="lstm", input_size=16, hidden_size=8),
        LayerSpec(cell="lstm", input_size=8, hidden_size=8),
    )
    return NetworkSpec(input="ids", input_size=500, embedding_size=16, layers=layers, outputs=1)


def model(text: TextSpec | None = None, **changes: Any) -> ModelSpec:
    given = {"network": network(), "text": text or TextSpec(num_words=500, max_length=100, truncating="post")}
    return ModelSpec(task="classify", classes=("neg", "pos"), **{**given, **changes})


def guided(unit: str, members: int = 1, unguided: int = 0) -> ModelSpec:
    layer = LayerSpec(cell="lstm", input_size=18, hidden_size=8)
    shape = NetworkSpec(
        input="ids", input_size=500, embedding_size=16, layers=(layer,), outputs=1, channels=2, share=0.2
    )
    text = TextSpec(num_words=500, guide=GuideSpec(unit=unit, longest=2))  # type: ignore[arg-type]
    return model(text=text, network=shape, members=members, unguided=unguided)


@pytest.mark.parametrize(
    ("spec", "keras", "torch"),
    [
        (network("rnn"), [0, 8000, 200, 0, 9], [0, 8000, 208, 0, 9]),
        (network("lstm"), [0, 8000, 800, 0, 9], [0, 8000, 832, 0, 9]),
        (network("gru"), [0, 8000, 624, 0, 9], [0, 8000, 624, 0, 9]),
        (network("gru", reset_after=False), [0, 8000, 600, 0, 9], [0, 8000, 624, 0, 9]),
        (network("mingru"), [0, 8000, 272, 0, 9], [0, 8000, 272, 0, 9]),
        (network("minlstm"), [0, 8000, 408, 0, 9], [0, 8000, 408, 0, 9]),
        (stacked(), [0, 8000, 800, 544, 0, 9], [0, 8000, 832, 576, 0, 9]),
    ],
)
def test_parameters_of_the_textbook(spec: NetworkSpec, keras: list[int], torch: list[int]) -> None:
    found = summary(spec)
    assert [row.keras_parameters for row in found.rows] == keras
    assert [row.torch_parameters for row in found.rows] == torch
    assert (found.keras_parameters, found.torch_parameters) == (sum(keras), sum(torch))
    assert found.bytes == 4 * sum(torch)


def test_rnn_on_one_hot_input() -> None:
    layer = LayerSpec(cell="rnn", input_size=500, hidden_size=8)
    found = summary(NetworkSpec(input="one_hot", input_size=500, layers=(layer,), outputs=1))
    assert [row.keras_parameters for row in found.rows] == [0, 4072, 0, 9]
    assert [row.output_shape for row in found.rows] == [("B", "T", 500), ("B", "T", 8), ("B", 8), ("B", 1)]


def test_counts_are_those_of_keras() -> None:
    keras = pytest.importorskip("keras")
    theirs = keras.Sequential(
        [
            keras.Input((None,)),
            keras.layers.Embedding(500, 16),
            keras.layers.Bidirectional(keras.layers.GRU(8, return_sequences=True)),
            keras.layers.LSTM(4),
            keras.layers.Dense(3),
        ]
    )
    layers = (
        LayerSpec(cell="gru", input_size=16, hidden_size=8, bidirectional=True),
        LayerSpec(cell="lstm", input_size=16, hidden_size=4),
    )
    ours = summary(NetworkSpec(input="ids", input_size=500, embedding_size=16, layers=layers, outputs=3))
    counts = [layer.count_params() for layer in theirs.layers]
    assert [row.keras_parameters for row in ours.rows if row.keras_parameters] == counts
    assert ours.keras_parameters == theirs.count_params()


@dataclass
class Loaded:
    spec: ModelSpec
    tensors: dict[str, np.ndarray]


def test_bytes_of_a_loaded_model_are_those_of_its_tensors() -> None:
    spec = model(text=TextSpec(bag=BagSpec()), members=3, network=NetworkSpec(
        input="bag", input_size=50, embedding_size=16, layers=network().layers, outputs=1, wide=True))  # fmt: skip
    tensors = {}
    for name, (dtypes, shape) in model_tensors(spec).items():
        tensors[name] = np.zeros([7 if size is None else size for size in shape], dtypes[0])
    found = summary(Loaded(spec, tensors))
    assert found.bytes == sum(tensor.nbytes for tensor in tensors.values()) == 7 * 8 + 3 * 4 * found.torch_parameters
    assert found.members == 3
    assert f"{3 * found.torch_parameters:,}" in str(found)


@pytest.mark.parametrize(
    ("spec", "streams", "because"),
    [
        (network(), True, "only the state"),
        (network(bidirectional=True), False, "bidirectional"),
        (model(), True, "only the state"),
        (model(text=TextSpec(mask=False, max_length=9, padding="pre")), False, "padding"),
        (model(text=TextSpec(mask=False, max_length=9, padding="post", truncating="post")), False, "padding behind"),
        (model(text=TextSpec(max_length=60, truncating="pre")), True, "within 60 steps"),
        (model(text=TextSpec(max_length=60, truncating="middle")), True, "within 60 steps"),
        (guided("token"), False, "n-grams of a whole text"),
        (guided("character"), False, "n-grams of a whole text"),
    ],
)
def test_says_whether_it_can_stream(spec: ModelSpec | NetworkSpec, streams: bool, because: str) -> None:
    found = summary(spec)
    assert found.streams is streams and because in found.streams_because
    assert f"Streams   {'yes' if streams else 'no'}: " in str(found)


def test_says_what_it_reads() -> None:
    assert summary(model()).reads == "texts, a step a word, at most 100 steps"
    bag = NetworkSpec(input="bag", input_size=50, embedding_size=16, layers=network().layers, outputs=1)
    assert (
        summary(model(text=TextSpec(bag=BagSpec()), network=bag)).reads == "texts, a step a word, each a bag of n-grams"
    )
    numeric = NetworkSpec(input="numeric", input_size=16, layers=network().layers, outputs=1)
    given = ModelSpec(task="classify", classes=(0, 1), numeric=NumericSpec(features=16), network=numeric)
    assert summary(given).reads == "any number of steps of 16 numbers"


def test_says_what_guides_it() -> None:
    assert summary(model()).guide == ""
    assert summary(guided("token")).guide == "n-grams of 1–2 tokens, 20% of the answer"
    found = summary(guided("character", members=3, unguided=1))
    line = "Guide     n-grams of 1–2 characters, 20% of the answer; 1 of 3 members without"
    assert line in str(found).splitlines()
    assert found.to_dict()["guide"] == found.guide


def test_as_json() -> None:
    found = json.loads(json.dumps(summary(model()).to_dict()))
    assert found["layers"][2] == {
        "name": "rnn.l0", "kind": "LSTM", "output_shape": ["B", "T", 8], "parameters": {"keras": 800, "torch": 832}
    }  # fmt: skip
    assert found["parameters"] == {"keras": 8809, "torch": 8841}
    assert (found["members"], found["streams"], found["classes"]) == (1, True, ["neg", "pos"])


@given(
    size=st.integers(1, 2**31 - 1), layers=st.integers(1, 12), hidden=st.integers(1, 10**6),
    bidirectional=st.booleans(), members=st.integers(1, 99),
    classes=st.lists(st.text(min_size=1, max_size=50), min_size=2, max_size=40, unique=True),
)  # fmt: skip
def test_at_most_80_columns(
    size: int, layers: int, hidden: int, bidirectional: bool, classes: list[str], members: int
) -> None:
    width = hidden * (1 + bidirectional)
    stack = [
        LayerSpec(cell="gru", input_size=width if k else 64, hidden_size=hidden, bidirectional=bidirectional)
        for k in range(layers)
    ]
    spec = NetworkSpec(
        input="bag",
        input_size=size,
        embedding_size=64,
        layers=tuple(stack),
        pool="mean+max",
        outputs=len(classes),
        wide=True,
    )
    given = ModelSpec(
        task="classify", classes=tuple(classes), text=TextSpec(bag=BagSpec()), network=spec, members=members
    )
    lines = str(summary(given)).splitlines()
    assert max(map(columns_of, lines)) <= 80
    assert len(lines) == len(summary(given).rows) + 10 + (members > 1)
