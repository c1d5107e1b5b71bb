"""The C library and its example: built as a user would, with CMake, and run beside Python's Session."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from timesteps.inspect.handset import HANDSETS
from timesteps.runtime import modelfile
from timesteps.runtime.metrics import probabilities
from timesteps.runtime.session import Session, load

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "runtime"))
import random_models as models  # noqa: E402

BUILD = ROOT / "build" / "c-library"  # kept, so that only the first run compiles everything
OK, USAGE, DATA, MODEL, UNSUPPORTED = 0, 2, 3, 4, 5
FLOATS, IDS = ctypes.POINTER(ctypes.c_float), ctypes.POINTER(ctypes.c_int32)

missing = [tool for tool in ("cmake", "cc", "c++") if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"there is no {', no '.join(missing)}")


def run(*words: object) -> None:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed() -> Path:
    """The library, compiled and installed."""
    prefix = BUILD / "installed"
    run("cmake", "-S", ROOT / "native", "-B", BUILD / "library", "-DTIMESTEPS_LIBRARY=ON")
    run("cmake", "--build", BUILD / "library", "--parallel", "2")
    run("cmake", "--install", BUILD / "library", "--prefix", prefix)
    return prefix


@pytest.fixture(scope="module")
def programs(installed: Path) -> list[Path]:
    """The example, with either kind of library, by find_package."""
    source, build = ROOT / "examples" / "c", BUILD / "example"
    run("cmake", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={installed}", "-DCMAKE_C_FLAGS=-Werror")
    run("cmake", "--build", build)
    return [build / "stream", build / "stream_static"]


@pytest.fixture(scope="module")
def library(installed: Path) -> ctypes.CDLL:
    found = ctypes.CDLL(str(next(installed.glob("lib*/libtimesteps.so"))))
    for name in ("input_size", "output_size", "label_count", "state_size", "whole_size"):
        getattr(found, f"timesteps_{name}").restype = ctypes.c_size_t
    found.timesteps_label.restype = found.timesteps_describe.restype = ctypes.c_char_p
    return found


class Model:
    """What C sees of a model file."""

    def __init__(self, library: ctypes.CDLL, content: bytes) -> None:
        self.library, self.handle = library, ctypes.c_void_p()
        message = ctypes.create_string_buffer(256)
        self.status = library.timesteps_load(
            content, ctypes.c_size_t(len(content)), ctypes.byref(self.handle), message, 256
        )
        self.message = message.value.decode()

    def call(self, name: str, *arguments: object) -> int:
        return getattr(self.library, f"timesteps_{name}")(self.handle, *arguments)

    def state(self) -> ctypes.Array:
        memory = ctypes.create_string_buffer(self.call("state_size"))
        assert self.call("reset", memory) == OK
        return memory

    def run(self, steps: np.ndarray, state: ctypes.Array) -> np.ndarray:
        """Logits of each step."""
        logits = np.empty((len(steps), self.call("output_size")), np.float32)
        name, kind = ("run_ids", IDS) if steps.ndim == 1 else ("run", FLOATS)
        status = self.call(
            name, state, steps.ctypes.data_as(kind), ctypes.c_size_t(len(steps)), logits.ctypes.data_as(FLOATS)
        )
        assert status == OK
        return logits

    def whole(self, steps: np.ndarray) -> np.ndarray:
        logits = np.empty(self.call("output_size"), np.float32)
        name, kind = ("whole_ids", IDS) if steps.ndim == 1 else ("whole", FLOATS)
        work = ctypes.create_string_buffer(self.call("whole_size", ctypes.c_size_t(len(steps))))
        status = self.call(
            name, steps.ctypes.data_as(kind), ctypes.c_size_t(len(steps)), work, logits.ctypes.data_as(FLOATS)
        )
        assert status == OK
        return logits


def content_of(spec, tensors, tmp_path: Path) -> bytes:
    modelfile.save(tmp_path / "model.safetensors", spec, tensors)
    return (tmp_path / "model.safetensors").read_bytes()


def numeric(**more: object):
    spec, tensors = models.numeric_model(members=more.pop("members", 1))
    shape = models.network(input="numeric", input_size=3, **more)
    spec = msgspec.structs.replace(spec, network=shape, classes=tuple(f"한 {k}" for k in range(max(2, shape.outputs))))
    scaler = {name: tensors[name] for name in ("scaler.mean", "scaler.scale")}
    return spec, scaler | {
        name: part * np.float32(0.5) for name, part in models._members(shape, spec.members, 0).items()
    }


STEPS = np.random.default_rng(0).normal(1, 2, (7, 3)).astype(np.float32)


@pytest.mark.parametrize("pool", ["last", "mean", "max", "mean+max", "attention"])
@pytest.mark.parametrize(
    ("cell", "option"),
    [
        ("rnn", {"nonlinearity": "relu"}),
        ("rnn", {"nonlinearity": "linear"}),
        ("lstm", {}),
        ("gru", {"reset_after": False}),
    ],
)
def test_c_answers_as_the_session_does(library, tmp_path, cell, option, pool):
    spec, tensors = numeric(
        cell=cell, hidden_sizes=(9, 5), pool=pool, outputs=3, members=2, initial_state="learned", **option
    )
    model, session = Model(library, content_of(spec, tensors, tmp_path)), Session(spec, tensors)
    assert (model.status, model.call("can_step", None, 0), model.call("reads_ids")) == (OK, OK, 0)
    labels = [model.call("label", ctypes.c_size_t(k)) for k in range(model.call("label_count"))]
    assert [label.decode() for label in labels] == list(spec.classes) and model.call(
        "label", ctypes.c_size_t(3)
    ) is None
    found = model.run(STEPS, model.state())
    np.testing.assert_array_equal(found, session.run(STEPS))  # the same kernels, the same bits
    np.testing.assert_allclose(model.whole(STEPS), session.logits([STEPS])[0], rtol=1e-6, atol=1e-6)
    model.call("free")


@pytest.mark.parametrize("name", [name for name, each in HANDSETS.items() if each.classes])
def test_c_runs_networks_set_by_hand(library, tmp_path, name):
    handset = HANDSETS[name]
    session = handset.session()
    model = Model(library, content_of(session.spec, session.tensors, tmp_path))
    steps = handset.read(handset.example).astype(np.float32)
    logits = model.run(steps, model.state())
    np.testing.assert_array_equal(logits, session.run(steps))
    answers = [session.classes[k] for k in probabilities(logits.astype(float)).argmax(axis=1)]
    assert [answers] == handset.session(per_step=True).predict([steps])
    model.call("free")


def test_both_directions_of_a_whole_sequence(library, tmp_path):
    for pool in ("last", "mean+max", "attention"):
        spec, tensors = numeric(cell="gru", hidden_sizes=(9, 17), bidirectional=True, pool=pool, outputs=3)
        model = Model(library, content_of(spec, tensors, tmp_path))
        for steps in (STEPS, STEPS[:1], STEPS[:0]):
            expected = Session(spec, tensors).logits([steps])[0]
            np.testing.assert_allclose(model.whole(steps), expected, rtol=1e-6, atol=1e-6)
        message = ctypes.create_string_buffer(200)
        assert model.call("can_step", message, 200) == UNSUPPORTED
        assert b"layer rnn.l0 is bidirectional" in message.value
        state = model.state()
        assert model.call("step", state, STEPS.ctypes.data_as(FLOATS), None) == UNSUPPORTED


@pytest.mark.parametrize("input", ["ids", "one_hot"])
def test_token_ids(library, tmp_path, input):
    spec, tensors = models.ids_model("ids")
    shape = models.network("lstm", input=input, input_size=11, hidden_sizes=(20,), pool="attention", outputs=3)
    spec, tensors = msgspec.structs.replace(spec, network=shape), models.weights(shape)
    model = Model(library, content_of(spec, tensors, tmp_path))
    ids, state = np.array([3, 0, 10, 7], np.int32), model.state()
    np.testing.assert_array_equal(model.run(ids, state), Session(spec, tensors).run(ids))
    np.testing.assert_allclose(model.whole(ids), Session(spec, tensors).logits([ids])[0], rtol=2e-6, atol=1e-6)
    kept = state.raw
    for wrong in (-1, 11):
        assert model.call("step_id", state, ctypes.c_int32(wrong), None) == DATA and state.raw == kept
    assert model.call("step", state, STEPS.ctypes.data_as(FLOATS), None) == USAGE


def test_states_are_plain_memory_and_streams_do_not_meet(library, tmp_path):
    spec, tensors = numeric(cell="lstm", hidden_sizes=(40,), pool="mean", outputs=3)
    model = Model(library, content_of(spec, tensors, tmp_path))
    state = model.state()
    whole = model.run(STEPS, state)
    state = model.state()
    np.testing.assert_array_equal(model.run(STEPS[:3], state), whole[:3])
    copied = ctypes.create_string_buffer(state.raw, len(state))
    np.testing.assert_array_equal(model.run(STEPS[3:], state), whole[3:])
    np.testing.assert_array_equal(model.run(STEPS[3:], copied), whole[3:])
    x = np.ascontiguousarray(np.random.default_rng(1).normal(size=(29, 3)), np.float32)
    states = [model.state() for _ in x]
    pointers = (ctypes.c_void_p * len(x))(*(ctypes.addressof(one) for one in states))
    logits = np.empty((len(x), 3), np.float32)
    arguments = (ctypes.c_size_t(len(x)), x.ctypes.data_as(FLOATS), logits.ctypes.data_as(FLOATS))
    assert model.call("step_streams", pointers, *arguments) == OK
    for row, step in zip(logits, x, strict=True):
        np.testing.assert_array_equal(row, model.run(step[None], model.state())[0])
    kept = [one.raw for one in states]
    x[17, 1] = np.nan
    assert model.call("step_streams", pointers, *arguments) == DATA
    now = np.empty(3, np.float32)
    assert model.call("logits", states[0], now.ctypes.data_as(FLOATS)) == OK
    np.testing.assert_array_equal(now, logits[0])
    assert len(kept) == 29


def test_what_is_no_model_is_refused_in_words(library, tmp_path):
    content = content_of(*models.numeric_model(), tmp_path)
    for wrong, said in ((b"", "0 bytes"), (content[:100], "truncated"), (content[:-1] + b"x", "checksum")):
        model = Model(library, wrong)
        assert model.status == MODEL and said in model.message and model.handle.value is None
    for sound, said in ((models.text_model(), "bags"), (models.guided_model(), "guide"), (models.ids_model(), "word")):
        model = Model(library, content_of(*sound, tmp_path))
        assert model.status == UNSUPPORTED and said in model.message
    assert b"sound model" in library.timesteps_describe(UNSUPPORTED) or library.timesteps_describe(UNSUPPORTED)


def test_the_example_streams_standard_input(programs, tmp_path):
    spec, tensors = numeric(cell="gru", hidden_sizes=(6,), pool="mean", outputs=3)
    content_of(spec, tensors, tmp_path)
    rows = [",".join(repr(float(x)) for x in step) for step in STEPS]
    p = probabilities(load(tmp_path).run(STEPS).astype(float))
    lines = [f"{spec.classes[row.argmax()]}\t{row.max():.4f}" for row in p]
    for program in programs:
        words = [str(program), str(tmp_path / "model.safetensors")]
        done = subprocess.run(words, input="\n".join([*rows, "", rows[0]]), capture_output=True, text=True)
        assert (done.returncode, done.stdout.splitlines(), done.stderr) == (0, [*lines, "", lines[0]], "")
        for wrong in ("1,2", "1,2,3,4", "x", "1,nan,2"):
            done = subprocess.run(words, input=f"{rows[0]}\n{wrong}\n", capture_output=True, text=True)
            assert (
                done.returncode == DATA
                and done.stdout == lines[0] + "\n"
                and done.stderr.startswith("stream: line 2: ")
            )
        done = subprocess.run([words[0], str(program)], capture_output=True, text=True)
        assert done.returncode == MODEL and "is no model file" in done.stderr
