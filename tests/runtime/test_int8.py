"""Weights in int8: what they are rounded to, and the same bits in numpy and on every processor."""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec
import numpy as np
import pytest
import random_models as models
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from test_stream import LAYERS, ids, needs_core, numbers, rows, stream_of

from timesteps.errors import ModelError, UsageError
from timesteps.runtime import modelfile, native
from timesteps.runtime.engine import NativeEngine
from timesteps.runtime.int8 import QuantizedTable, quantize, quantize_rows, sigmoid, tanh
from timesteps.runtime.session import Session, with_golden
from timesteps.runtime.stepping import NumpyEngine

REPLACE = msgspec.structs.replace
FLOATS = st.floats(-1e6, 1e6, width=32)


@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 9)), elements=FLOATS))
def test_rows_are_rounded_to_the_nearest_and_the_largest_is_127(weight):
    q, scale = quantize_rows(weight)
    assert q.dtype == np.int8 and scale.dtype == np.float32 and q.min() >= -127
    assert (np.abs(q * scale[:, None].astype(np.float64) - weight) <= 0.501 * scale[:, None] + 1e-30).all()
    large = np.abs(weight).max(axis=1) > 1e-30
    np.testing.assert_array_equal(np.abs(q).max(axis=1), np.where(large, 127, 0))


@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 9)), elements=FLOATS))
def test_quantized_rows_are_quantized_to_themselves(weight):
    q, scale = quantize_rows(weight)
    again, other = quantize(QuantizedTable(q, scale)[np.arange(len(q))])
    np.testing.assert_array_equal(again, q)
    np.testing.assert_allclose(other, scale, rtol=3e-7, atol=1e-30)


def test_numbers_that_are_not_finite_have_no_scale():
    whole, scale = quantize(np.array([[np.inf, 1], [np.nan, 1], [0, 0], [-254, 1]], np.float32))
    np.testing.assert_array_equal(whole, [[0, 0], [0, 0], [0, 0], [-127, 0]])
    np.testing.assert_array_equal(scale, np.array([np.nan, np.nan, 0, 2], np.float32))


def test_activations_are_those_of_the_books():
    x = np.concatenate([np.linspace(-100, 100, 20001), [-np.inf, np.inf, 0.0, -0.0, 1e-30]]).astype(np.float32)
    exact = torch.from_numpy(x).double()
    with np.errstate(over="ignore", invalid="ignore"):
        np.testing.assert_allclose(sigmoid(x), torch.sigmoid(exact).numpy(), rtol=1e-6, atol=1e-37)
        np.testing.assert_allclose(tanh(x), torch.tanh(exact).numpy(), rtol=1e-6, atol=0)
        assert np.isnan(sigmoid(np.float32([np.nan]))).all() and np.isnan(tanh(np.float32([np.nan]))).all()


def rounded(x: torch.Tensor) -> torch.Tensor:
    """x as a step quantises it, in double precision."""
    scale = x.abs().max(dim=1, keepdim=True).values / 127
    return torch.where(scale > 0, torch.round(x / scale) * scale, 0.0)


class LinearRNNCell(torch.nn.RNNCell):
    """What torch does not have."""

    def __init__(self, inputs: int, hidden: int, nonlinearity: str) -> None:
        super().__init__(inputs, hidden)

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        linear = torch.nn.functional.linear
        return linear(x, self.weight_ih, self.bias_ih) + linear(h, self.weight_hh, self.bias_hh)


@pytest.mark.parametrize(("cell", "option"), [layer for layer in LAYERS if layer != ("gru", {"reset_after": False})])
def test_a_step_is_that_of_torch_with_rounded_weights_inputs_and_states(cell, option):
    spec, tensors = models.in_int8(numbers(cell, (13,), features=7, **option))
    rnn = LinearRNNCell if option.get("nonlinearity") == "linear" else torch.nn.RNNCell
    theirs = {"rnn": rnn, "lstm": torch.nn.LSTMCell, "gru": torch.nn.GRUCell}[cell](7, 13, **option).double()
    weights = {}
    for side in ("ih", "hh"):
        whole, scale = tensors[f"rnn.weight_{side}_l0"], tensors[f"rnn.scale_{side}_l0"]
        weights[f"weight_{side}"] = torch.from_numpy(whole * scale[:, None].astype(np.float64))
        weights[f"bias_{side}"] = torch.from_numpy(tensors[f"rnn.bias_{side}_l0"].astype(np.float64))
    theirs.load_state_dict(weights)
    stream = Session(spec, tensors).stream()
    rng = np.random.default_rng(3)
    h, c = torch.zeros(1, 13, dtype=torch.float64), torch.zeros(1, 13, dtype=torch.float64)
    for _ in range(5):
        x = rng.normal(1, 2, 7)
        stream.step(x)
        scaled = rounded(torch.from_numpy((x - tensors["scaler.mean"]) / tensors["scaler.scale"])[None])
        before = (rounded(h), c) if cell == "lstm" else rounded(h)
        with torch.no_grad():
            after = theirs(scaled, before)
            if cell == "gru":  # h itself is not rounded where it is not multiplied
                kept = torch.nn.functional.linear
                r_z = torch.sigmoid(
                    kept(scaled, weights["weight_ih"], weights["bias_ih"])[:, 13:26]
                    + kept(before, weights["weight_hh"], weights["bias_hh"])[:, 13:26]
                )
                after = after + r_z * (h - before)
        found = stream.state["h_l0"].astype(np.float64)
        np.testing.assert_allclose(found, (after[0] if cell == "lstm" else after).numpy(), rtol=2e-7, atol=2e-6)
        h = torch.from_numpy(found)
        c = torch.from_numpy(stream.state["c_l0"].astype(np.float64)) if cell == "lstm" else c


@needs_core
@pytest.mark.parametrize("hidden_sizes", [(1,), (8, 3), (33,), (130, 64)])
@pytest.mark.parametrize(("cell", "option"), LAYERS)
def test_the_core_gives_the_bits_of_numpy(cell, option, hidden_sizes):
    spec, tensors = models.in_int8(numbers(cell, hidden_sizes, initial_state="learned", pool="mean", **option))
    x = rows(5, 9, 3)
    states = []
    for engine in (NativeEngine, NumpyEngine):
        stream = stream_of(engine, spec, tensors)
        stream.run(x, [9, 1, 4, 0, 9])
        states.append(stream.state)
    assert states[0].keys() == states[1].keys()
    for name in states[0]:
        np.testing.assert_array_equal(states[0][name], states[1][name], err_msg=name)


@needs_core
@pytest.mark.parametrize("input", ["numeric", "ids", "one_hot", "bag", "guided"])
@pytest.mark.parametrize(("cell", "option"), LAYERS)
def test_whole_sequences_are_those_of_numpy_and_of_each_row_alone(cell, option, input):
    if input == "bag":
        spec, tensors = models.in_int8(models.text_model(members=2))
        inputs = models.TEXTS
    elif input == "guided":
        spec, tensors = models.in_int8(models.guided_model(members=2))
        inputs = models.TEXTS
    elif input == "numeric":
        spec, tensors = models.in_int8(numbers(cell, (20, 9), bidirectional=True, **option))
        inputs = [rows(n, 3, seed=n) for n in (4, 0, 1, *range(5, 20))]
    else:
        spec, tensors = models.in_int8(ids(input, cell, bidirectional=True, **option))
        inputs = [[1, 2, 3, 4, 10], [5], [], [7, 7]]
    session = Session(spec, tensors)
    assert session.why_not_native() is None
    found = session.logits(inputs)
    with native.without_core():
        plain = Session(spec, tensors)
        np.testing.assert_allclose(found, plain.logits(inputs), rtol=1e-6, atol=1e-6)
    alone = np.concatenate([session.logits([row]) for row in inputs])
    np.testing.assert_allclose(found, alone, rtol=1e-6, atol=1e-6)


@needs_core
@pytest.mark.parametrize(("cell", "option"), LAYERS)
def test_a_stream_ends_where_the_whole_sequence_does(cell, option):
    spec, tensors = models.in_int8(numbers(cell, (17, 5), pool="mean+max", members=2, **option))
    x = rows(11, 3)
    session = Session(spec, tensors)
    np.testing.assert_allclose(session.run(x)[-1], session.logits([x])[0], rtol=1e-6, atol=1e-6)


@needs_core
def test_every_processor_gives_the_same_bits():
    code = """if True:
        import sys; sys.path.insert(0, "tests/runtime")
        import zlib, numpy as np, random_models as models
        from test_stream import LAYERS, numbers, rows
        from timesteps.runtime.session import Session
        for cell, option in LAYERS:
            for sizes in ((9,), (40, 16)):
                session = Session(*models.in_int8(numbers(cell, sizes, features=5, **option)))
                session.run(rows(6, 30, 5))
                print(cell, option, [zlib.crc32(part.tobytes()) for part in session.state.values()])
    """
    found = set()
    for instructions in ("baseline", "avx2", "avx512"):
        environment = os.environ | {"TIMESTEPS_INSTRUCTIONS": instructions}
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
        found.add(run.stdout)
    assert len(found) == 1 and found.pop().count("\n") == 2 * len(LAYERS)


@pytest.mark.parametrize("engine", [pytest.param(NativeEngine, marks=needs_core), NumpyEngine])
@pytest.mark.parametrize("features", [5, 1041, 4100])
def test_sums_of_the_largest_numbers_are_exact(engine, features):
    spec, tensors = models.in_int8(numbers("rnn", (3,), features=features, nonlinearity="relu"))
    tensors = {name: np.zeros_like(part) for name, part in tensors.items()}
    tensors |= {"scaler.scale": np.ones(features), "rnn.scale_ih_l0": np.ones(3, np.float32)}
    tensors["rnn.weight_ih_l0"] = np.array([[127], [-127], [1]], np.int8) * np.ones(features, np.int8)
    stream = stream_of(engine, spec, tensors)
    stream.step(np.full(features, 127.0))
    largest = float(np.float32(127 * 127 * features))
    assert stream.state["h_l0"].tolist() == [[largest, 0.0, 127.0 * features]]
    stream.reset()
    stream.step(np.full(features, -127.0))
    assert stream.state["h_l0"].tolist() == [[0.0, largest, 0.0]]


@pytest.mark.parametrize("engine", [pytest.param(NativeEngine, marks=needs_core), NumpyEngine])
def test_zeros_tiny_huge_and_overflowing_numbers(engine):
    spec, tensors = models.in_int8(numbers("rnn", (5,), nonlinearity="relu"))
    tensors |= {"scaler.mean": np.zeros(3), "scaler.scale": np.ones(3)}
    stream = stream_of(engine, spec, tensors)
    states = []
    for x in ([0.0, 0, 0], [1e-40, 0, 0], [3e38, -3e38, 1], [3e38, 3e38, 3e38], [1.0, 2, 3]):
        with np.errstate(all="ignore"):
            stream.run(np.array([x]))
        states.append(stream.state["h_l0"])
    np.testing.assert_array_equal(np.isfinite(np.concatenate(states)).all(axis=1)[:2], [True, True])
    other = stream_of(NumpyEngine, spec, tensors)
    for x, state in zip(([0.0, 0, 0], [1e-40, 0, 0], [3e38, -3e38, 1]), states, strict=False):
        with np.errstate(all="ignore"):
            other.run(np.array([x]))
        np.testing.assert_array_equal(other.state["h_l0"], state)


@settings(max_examples=20)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=4))
def test_any_cut_gives_the_same_bits(cuts):
    session = Session(*models.in_int8(numbers("gru", (9, 4), pool="attention")))
    x = rows(sum(cuts) + 1, 3)
    whole = session.run(x)
    session.reset()
    parts, begin = [], 0
    for length in [*cuts, 1]:
        if length:
            parts.append(session.run(x[begin : begin + length]))
        begin += length
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_its_golden_vectors_are_its_own_and_the_file_is_read_again(tmp_path):
    spec, tensors = models.in_int8(models.text_model())
    spec = with_golden(spec, tensors, models.TEXTS)
    modelfile.save(tmp_path / "it", spec, tensors)
    read, again = modelfile.load(tmp_path / "it")
    assert read == spec and again["embedding.weight"].dtype == np.int8
    assert Session(read, again).verify() < 1e-6
    with native.without_core():
        assert Session(read, again).verify() < 1e-6


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cell": "mingru"}, "no plain rnn, lstm or gru"),
        ({"layer_norm": True}, "no plain rnn, lstm or gru"),
        ({"zoneout": 0.5}, "no plain rnn, lstm or gru"),
        ({"hidden_size": 2**16 + 1}, "int8 sums too long"),
    ],
)
def test_what_int8_does_not_do_is_refused_by_the_reader(change, said):
    spec, tensors = models.in_int8(numbers("gru"))
    layer = REPLACE(spec.network.layers[0], **change)
    with pytest.raises(ModelError, match=said):
        modelfile.check_model(REPLACE(spec, network=REPLACE(spec.network, layers=(layer,))), tensors)


def test_bad_weights_and_types_are_refused():
    spec, tensors = models.in_int8(numbers("gru"))
    for name, wrong, said in (
        ("rnn.weight_ih_l0", np.full_like(tensors["rnn.weight_ih_l0"], -128), "holds -128"),
        ("rnn.weight_hh_l0", tensors["rnn.weight_hh_l0"].astype(np.float32), "is float32, not int8"),
        ("rnn.scale_hh_l0", np.full_like(tensors["rnn.scale_hh_l0"], np.nan), "NaN"),
        ("rnn.scale_ih_l0", tensors["rnn.scale_ih_l0"].astype(np.float64), "is float64, not float32"),
    ):
        with pytest.raises(ModelError, match=said):
            modelfile.check_model(spec, tensors | {name: wrong})
    with pytest.raises(UsageError, match="float32"):
        Session(spec, tensors, np.float64)
