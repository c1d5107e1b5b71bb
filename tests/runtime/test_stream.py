"""One step at a time: the same answers as of whole sequences, whatever way they are cut, in every engine."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import random_models as models
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_models import ENGINES, REPLACE, ids, needs_core, numbers, rows, stream_of

from timesteps.errors import DataError, UsageError
from timesteps.runtime import modelfile
from timesteps.runtime.engine import NativeEngine
from timesteps.runtime.native_scan import native_scan
from timesteps.runtime.session import Session, load
from timesteps.runtime.spec import ModelSpec, TextSpec
from timesteps.runtime.stepping import NumpyEngine
from timesteps.runtime.stream import Stream
from timesteps.runtime.text.processor import TextProcessor

LAYERS = [
    ("rnn", {}),
    ("rnn", {"nonlinearity": "relu"}),
    ("rnn", {"nonlinearity": "linear"}),
    ("lstm", {}),
    ("gru", {}),
    ("gru", {"reset_after": False}),
]
OPTIONS = [
    ("mingru", {}),
    ("minlstm", {}),
    ("rnn", {"layer_norm": True, "zoneout": 0.3}),
    ("lstm", {"peephole": True, "zoneout": 0.2, "zoneout_cell": 0.4}),
    ("lstm", {"layer_norm": True, "peephole": True}),
    ("gru", {"layer_norm": True}),
    ("gru", {"layer_norm": True, "reset_after": False, "zoneout": 0.3}),
    ("minlstm", {"zoneout": 0.3}),
]
ENGINE_LAYERS = [
    pytest.param(engine, *layer, marks=needs_core if engine is NativeEngine else ())
    for engine in (NativeEngine, NumpyEngine)
    for layer in LAYERS + OPTIONS
]
POOLS = ["last", "mean", "max", "mean+max", "attention"]


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize(("engine", "cell", "option"), ENGINE_LAYERS)
def test_a_stream_answers_as_the_session_does_for_the_steps_so_far(engine, cell, option, pool):
    for hidden_sizes, members, outputs, initial in (((1,), 1, 1, "zero"), ((17, 9), 3, 4, "learned")):
        spec, tensors = numbers(
            cell, hidden_sizes, members=members, pool=pool, outputs=outputs, initial_state=initial, **option
        )
        x = rows(2, 7, 3)
        found = stream_of(engine, spec, tensors).run(x)
        expected = np.stack([Session(spec, tensors).logits(list(x[:, :t])) for t in range(1, 8)], axis=1)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("input", ["one_hot", "ids"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("cell", "option"), LAYERS + OPTIONS)
def test_whole_sequences_in_float32_are_those_in_double(cell, option, bidirectional, input):
    spec, tensors = ids(input, cell, bidirectional=bidirectional, initial_state="learned", **option)
    rows = [[1, 2, 3, 4, 10], [5], [7, 7]]
    single, double = (Session(spec, tensors, dtype).logits(rows) for dtype in (np.float32, np.float64))
    np.testing.assert_allclose(single, double, rtol=2e-6, atol=2e-6)


@needs_core
@pytest.mark.parametrize("input", ["one_hot", "ids"])
@pytest.mark.parametrize(("cell", "option"), LAYERS + OPTIONS)
def test_streams_of_ids_in_the_core_are_those_of_numpy(cell, option, input):
    spec, tensors = ids(input, cell, hidden_sizes=(20, 3), initial_state="learned", **option)
    found, expected = (stream_of(engine, spec, tensors).run([1, 2, 3, 10, 1]) for engine in (NativeEngine, NumpyEngine))
    np.testing.assert_allclose(found, expected, rtol=5e-6, atol=5e-6)


@needs_core
def test_what_runs_in_the_core_says_so():
    session = Session(*numbers("lstm"), np.float32)
    assert session.explain().splitlines() == ["whole sequences: native", "one step at a time: native"]
    assert "double precision" in Session(*numbers("lstm")).explain()
    both = Session(*numbers("lstm", bidirectional=True)).explain()
    assert "one step at a time: not at all: layer rnn.l0 is bidirectional" in both


@needs_core
@pytest.mark.parametrize("hidden", [1, 8, 16, 33, 64, 128, 200])
@pytest.mark.parametrize(
    ("cell", "option"), LAYERS + [layer for layer in OPTIONS if layer != ("minlstm", {"zoneout": 0.3})]
)
def test_the_bits_are_those_of_the_kernels_of_whole_sequences(cell, option, hidden):
    spec, tensors = numbers(cell, (hidden,), features=5, **option)
    weights = {name[4:-3]: part for name, part in tensors.items() if name.endswith("_l0")}
    x = rows(9, 2, 5).astype(np.float32)
    scaled = ((x - tensors["scaler.mean"]) / tensors["scaler.scale"]).astype(np.float32)
    y = native_scan(spec.network.layers[0], [weights], scaled, np.array([9, 9]))
    stream = Stream(spec, tensors)
    for t in range(9):
        stream.step(x[t])
        np.testing.assert_array_equal(stream.state["h_l0"], y[t])


@pytest.mark.parametrize("engine", ENGINES)
@given(cuts=st.lists(st.integers(0, 5), min_size=1, max_size=6), seed=st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_however_a_sequence_is_cut_the_bits_are_the_same(engine, cuts, seed):
    cell, option = LAYERS[2 + seed % 3]
    spec, tensors = numbers(cell, (6, 20), pool=POOLS[1 + seed], **option)
    x = rows(sum(cuts), 3, seed=seed)
    whole = stream_of(engine, spec, tensors).run(x)
    stream, place, parts = stream_of(engine, spec, tensors), 0, []
    for cut in cuts:
        parts.append(stream.run(x[place : place + cut]))
        place += cut
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    alone = stream_of(engine, spec, tensors)
    np.testing.assert_array_equal(np.array([alone.step(step) for step in x]).reshape(whole.shape), whole)


@pytest.mark.parametrize(("engine", "cell", "option"), ENGINE_LAYERS)
def test_a_stream_does_not_know_of_those_beside_it(engine, cell, option):
    spec, tensors = numbers(cell, (40,), pool="mean", **option)
    x = rows(29, 4, 3)
    together = stream_of(engine, spec, tensors)
    found = np.stack([together.step(x[:, t]) for t in range(4)], axis=1)
    alone = np.stack([stream_of(engine, spec, tensors).run(row) for row in x])
    np.testing.assert_array_equal(found, alone)
    np.testing.assert_array_equal(stream_of(engine, spec, tensors).run(x), alone)


@pytest.mark.parametrize("engine", ENGINES)
def test_rows_of_different_lengths_repeat_their_last_answer(engine):
    spec, tensors = numbers(pool="mean+max")
    x, lengths = rows(3, 6, 3), [4, 6, 0]
    x[0, 4:] = np.nan  # padding is not read
    stream = stream_of(engine, spec, tensors)
    found = stream.run(x, lengths)
    assert stream.state["steps"].tolist() == lengths
    np.testing.assert_allclose(
        found[:, -1], Session(spec, tensors).logits([row[:n] for row, n in zip(x, lengths, strict=True)]), atol=1e-6
    )
    np.testing.assert_array_equal(found[0, 3:], np.repeat(found[:1, 3], 3, axis=0))
    again = stream_of(engine, spec, tensors)
    np.testing.assert_array_equal(again.run([row[:n] for row, n in zip(x, lengths, strict=True)]), found)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("input", ["ids", "one_hot"])
def test_token_ids(engine, input):
    spec, tensors = ids(input, pool="attention", hidden_sizes=(4, 3))
    stream = stream_of(engine, spec, tensors)
    row = [3, 0, 10, 7, 400]
    found = np.stack([stream.step(step) for step in row])
    expected = np.concatenate([Session(spec, tensors).logits([row[:t]]) for t in range(1, 6)])
    np.testing.assert_allclose(found, expected, atol=2e-6, rtol=1e-6)
    for same in (row, np.array(row, np.int32), np.array(row)):
        stream.reset()
        np.testing.assert_array_equal(stream.run(same), found)
    stream.reset()
    batch = np.array([row, row[::-1]], np.int32)
    np.testing.assert_array_equal(stream.run(batch)[0], found)
    for wrong in (-1, 0.5, "word", [[1]], None):
        with pytest.raises(DataError):
            stream.step(wrong)


@pytest.mark.parametrize("tokenizer", ["word", "char", "syllable", "jamo", "byte"])
def test_pieces_of_a_text_are_further_steps(tokenizer):
    text = TextSpec(tokenizer=tokenizer, max_length=6 if tokenizer == "word" else None, start=True)
    processor = TextProcessor.fit(models.TEXTS, text)
    shape = models.network("lstm", input="ids", input_size=processor.input_size, pool="mean")
    spec = ModelSpec(task="classify", classes=("no", "yes"), text=processor.spec, network=shape)
    session = Session(spec, models.weights(shape))
    for text in ("good film !!\n", "재미있는 영화\n", "", "bad\n"):
        session.step(text)
    endless = Session(REPLACE(spec, text=REPLACE(processor.spec, max_length=None)), session.tensors)
    whole = "good film !!\n재미있는 영화\nbad\n"
    np.testing.assert_allclose(session._stream.logits(), endless.logits([whole])[0], atol=1e-6)
    session.reset()
    assert session.run(whole).shape[1] == 1
    np.testing.assert_allclose(session._stream.logits(), endless.logits([whole])[0], atol=1e-6)
    session.reset()
    np.testing.assert_allclose(session._stream.logits(), endless.logits([""])[0], atol=1e-6)
    with pytest.raises(DataError, match="this model reads texts"):
        session.step(3)


@pytest.mark.parametrize("engine", ENGINES)
def test_before_the_first_step_the_answer_is_that_of_an_empty_sequence(engine):
    for pool in POOLS:
        spec, tensors = numbers(pool=pool, initial_state="learned")
        np.testing.assert_allclose(
            stream_of(engine, spec, tensors).logits(), Session(spec, tensors).logits([np.zeros((0, 3))])[0], rtol=1e-6
        )


@pytest.mark.parametrize("engine", ENGINES)
def test_a_state_is_a_value(engine, tmp_path: Path):
    spec, tensors = numbers("lstm", (9, 4), members=2, pool="attention")
    x = rows(8, 3)
    stream = stream_of(engine, spec, tensors)
    first = stream.run(x[:5])
    kept = stream.state
    before = {name: part.copy() for name, part in kept.items()}
    rest = stream.run(x[5:])
    assert all((kept[name] == before[name]).all() for name in kept)  # not a view of what went on
    stream.state = kept
    np.testing.assert_array_equal(stream.run(x[5:]), rest)
    other = stream_of(engine, spec, tensors)
    buffer = io.BytesIO()
    np.savez(buffer, **kept)
    buffer.seek(0)
    other.state = dict(np.load(buffer))
    np.testing.assert_array_equal(other.run(x[5:]), rest)
    other.state = kept
    copied = other.copy()
    np.testing.assert_array_equal(copied.run(x[5:]), rest)
    assert other.state["steps"] == 5 and copied.state["steps"] == 8
    other.reset()
    assert other.state == {}
    np.testing.assert_array_equal(other.run(x[:5]), first)
    other.state = {}
    np.testing.assert_array_equal(other.run(x[:5]), first)


@needs_core
def test_a_state_goes_on_in_the_other_engine_and_in_another_process(tmp_path: Path):
    spec, tensors = numbers("gru", (9,), pool="mean+max", members=2)
    x = rows(2, 8, 3)
    ours, numpy = stream_of(NativeEngine, spec, tensors), stream_of(NumpyEngine, spec, tensors)
    ours.run(x[:, :5])
    numpy.state = ours.state
    rest = ours.run(x[:, 5:])
    np.testing.assert_allclose(numpy.run(x[:, 5:]), rest, atol=1e-6)
    modelfile.save(tmp_path / "m", spec, tensors)
    session = load(tmp_path / "m")
    session.run(x[:, :5])
    np.savez(tmp_path / "state.npz", **session.state)
    np.save(tmp_path / "x.npy", x[:, 5:])
    program = (
        "import sys, numpy as np, timesteps\n"
        f"session = timesteps.load({str(tmp_path / 'm')!r})\n"
        f"session.state = dict(np.load({str(tmp_path / 'state.npz')!r}))\n"
        f"print(session.run(np.load({str(tmp_path / 'x.npy')!r})).tolist())\n"
        "assert 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    np.testing.assert_array_equal(np.array(json.loads(out.stdout), np.float32), rest)


@pytest.mark.parametrize("engine", ENGINES)
def test_single_streams_are_reset_alone(engine):
    spec, tensors = numbers()
    x = rows(3, 4, 3)
    stream = stream_of(engine, spec, tensors)
    stream.run(x[:, :2])
    stream.reset([1])
    found = stream.run(x[:, 2:])
    np.testing.assert_array_equal(found[1], stream_of(engine, spec, tensors).run(x[1, 2:]))
    np.testing.assert_array_equal(found[0], stream_of(engine, spec, tensors).run(x[0])[2:])
    with pytest.raises(UsageError, match="no stream 3; there are 3"):
        stream.reset(3)
    with pytest.raises(DataError, match="2 streams, there are 3"):
        stream.step(x[:2, 0])


def test_a_step_takes_any_array_of_numbers():
    spec, tensors = numbers(features=4)
    expected = Session(spec, tensors).step([1.0, 2.0, 3.0, 4.0])
    row = np.array([1.0, 9.0, 2.0, 9.0, 3.0, 9.0, 4.0, 9.0])
    for same in (
        row[::2],
        np.arange(1, 5),
        np.arange(1, 5, dtype=np.float32),
        np.arange(1, 5, dtype=np.float16),
        np.arange(1, 5, dtype=">f8"),
        (1, 2, 3, 4),
        np.arange(1, 5, dtype=np.float32)[None][0],
    ):
        np.testing.assert_array_equal(Session(spec, tensors).step(same), expected)


def test_answers_are_not_overwritten():
    session = Session(*numbers())
    first = session.step([1, 2, 3])
    kept = first.copy()
    session.step([3, 2, 1])
    np.testing.assert_array_equal(first, kept)


def test_streams_of_one_session_are_independent():
    session = Session(*numbers())
    x = rows(4, 3)
    first, second = session.stream(), session.stream()
    found = first.run(x)
    np.testing.assert_array_equal(second.run(x), found)
    np.testing.assert_array_equal(session.run(x), found)
    session.predict([x])
    assert session.state["steps"] == 4
