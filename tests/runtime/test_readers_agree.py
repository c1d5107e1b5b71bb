"""Ten thousand structured mutations of model files: Python's reader and C's take the same ones, and mean the same."""

from __future__ import annotations

import json
import random
import resource
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import random_models as models
from test_modelfile_mutations import mutate, mutate_json

from timesteps.errors import ModelError
from timesteps.runtime import modelfile, native
from timesteps.runtime.session import Session, with_golden

pytestmark = pytest.mark.skipif(native.core is None, reason=native.explain())
ROUNDS = 10_000
MODELS: dict[str, Callable[[], Any]] = {
    "numeric": lambda: models.numeric_model(steps=2),
    "ensemble": lambda: models.numeric_model(members=3),
    "ids": lambda: models.ids_model("ids"),
    "text": models.text_model,
    "linear": lambda: models.numeric_model(steps=2, cell="minlstm"),
    "options": models.model_of_options,
    "int8": lambda: models.in_int8(models.numeric_model(members=2, cell="lstm")),
    "int8 ids": lambda: models.in_int8(models.ids_model("ids")),
    "tagger": models.tagger_model,
    "tokens": models.token_model,
    "numbers": lambda: models.regression_model("quantile"),
    "forecast": models.forecast_model,
    "stepped forecast": lambda: models.forecast_model("autoregressive"),
    "guided": lambda: models.guided_model(members=2, outputs=3),
}
_NUMERIC = ("numeric", "ensemble", "linear", "options", "int8", "tagger", "numbers", "forecast", "stepped forecast")
INPUTS: dict[str, Any] = {name: [np.ones((2, 3))] for name in _NUMERIC} | {
    "ids": [[1, 5, 400]],
    "int8 ids": [[1, 5, 400]],
    "tokens": [text.split() for text in models.TEXTS],
}


def built(header: dict[str, Any], spec: dict[str, Any] | str, data: bytes, right: bool = True) -> bytes:
    """A file with these parts and, if that is possible, the checksum that belongs to them."""
    text = spec if isinstance(spec, str) else json.dumps(spec)
    crc = header["__metadata__"]["crc32"]
    if right:
        with suppress(ValueError, KeyError, TypeError, OverflowError, MemoryError):  # it may have no checksum
            crc = modelfile._checksum(text, arrays(header, data))
    encoded = json.dumps({**header, "__metadata__": {"timesteps": text, "crc32": crc}}).encode()
    encoded += b" " * (-len(encoded) % 8)
    return struct.pack("<Q", len(encoded)) + encoded + data


def arrays(header: dict[str, Any], data: bytes) -> dict[str, np.ndarray]:
    found = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            dtype = np.dtype(modelfile._DTYPES[entry["dtype"]])
            found[name] = np.frombuffer(data[begin:end], dtype).reshape(entry["shape"])
    return found


def change_tensors(header: dict[str, Any], rng: random.Random) -> None:
    """One thing about the tensors that no longer is what the specification calls for."""
    names = [name for name in header if name != "__metadata__"]
    name, other = rng.sample(names, 2)
    entry = header[name]
    action = rng.randrange(8)
    if action == 0:
        del header[name]
    elif action == 1:
        header[rng.choice(["rnn.weight_ih_l7", "x", name + "_reverse", "members.9." + name])] = header.pop(name)
    elif action == 2:
        header[name], header[other] = header[other], header[name]
    elif action == 3:
        entry["shape"] = entry["shape"][::-1]
    elif action == 4:
        entry["shape"] = rng.choice([[1, *entry["shape"]], [*entry["shape"], 1], [int(np.prod(entry["shape"]))], []])
    elif action == 5:
        entry["dtype"] = rng.choice(["F64", "F32", "I64", "U8", "I8", "F16", "BF16", "f32"])
    elif action == 6:
        entry["data_offsets"] = rng.choice([header[other]["data_offsets"], [0, 8], [8, 0], entry["data_offsets"][::-1]])
    else:
        entry["shape"] = [2 ** rng.randint(20, 62) for _ in range(rng.randint(1, 9))]


def change_numbers(header: dict[str, Any], data: bytes, rng: random.Random) -> bytes:
    """A weight that is NaN, infinite or huge."""
    name = rng.choice([name for name in header if name != "__metadata__"])
    begin, end = header[name]["data_offsets"]
    wide = header[name]["dtype"] in ("F64", "I64")
    value = rng.choice([float("nan"), float("inf"), -float("inf"), 0.0, -1.0, 3e38])
    code, size = ("<d", 8) if wide else ("<f", 4)
    place = begin + size * rng.randrange(max(1, (end - begin) // size))
    return data[:place] + struct.pack(code, value) + data[place + size :]


def overlapped(header: dict[str, Any], data: bytes, rng: random.Random) -> bytes:
    """Some bytes read by two tensors, and as many fewer in the file."""
    entries = [entry for name, entry in header.items() if name != "__metadata__"]
    last = max(entries, key=lambda entry: entry["data_offsets"])
    begin, end = last["data_offsets"]
    shared = rng.choice([end - begin, rng.randrange(1, end - begin + 1)])
    last["data_offsets"] = [begin - shared, end - shared]
    return data[: end - shared]


def change_forecast(forecast: dict[str, Any], rng: random.Random) -> None:
    """One field of a forecast part, of the right kind or the wrong one."""
    values: dict[str, list[Any]] = {
        "model": ["direct", "autoregressive", "both"],
        "segment": [1, 2, 3, 4, 0, -1],
        "horizon": [1, 2, 3, 0, 10**7],
        "context": [4, 5, 6, 8, 0],
        "season": [1, 12, 0, 10**7],
        "every": [1, 30, 0],
        "time": ["t", None, 3],
        "targets": [["a"], ["a", "b"], [], ["a", 1]],
        "past": [[], ["z"], "z"],
        "static": [[], ["d"], ["d", "e"]],
        "vocabularies": [[[]], [["x"]], [], [["x", 1]], [None]],
        "unit": ["hour", "business day", "fortnight", None],
        "independent": [True, False, None],
        "base": ["drift", "none", "best"],
        "transform": ["log", "return", "root"],
        "scaling": ["window", "series", "all", "none", "some"],
        "calendar": [[], ["hour", "day"], ["moon"], "hour"],
        "missing": [True, False],
        "means": [[], [0.0], [1e400], [0.0, 1.0]],
        "rates": [[], [0.1, 0.2, 0.3], [0.1, 0.0, 0.3], [-1.0, 1.0, 1.0]],
        "series": [[], ["one", "two"], ["one", "one"], ["one"]],
        "levels": [[80, 95], [80.0], [], [95, 80], [0, 50], [50, 100], [80.0, 80.0]],
        "until": ["", "2024", None],
    }
    name = rng.choice(sorted(values))
    forecast[name] = rng.choice(values[name])
    if rng.random() < 0.1:
        del forecast[name]


def damaged(content: bytes, rng: random.Random) -> bytes:
    (length,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    spec = json.loads(header["__metadata__"]["timesteps"])
    action = rng.randrange(9)
    if action < 3:
        mutate_json(spec, rng)
        return built(header, spec, data)
    if action == 3:
        change_tensors(header, rng)
        return built(header, spec, data)
    if action == 4:
        return built(header, spec, change_numbers(header, data, rng))
    if action == 5:  # what no decoder of JSON would write
        text = json.dumps(spec)
        place = rng.randrange(len(text))
        odd = rng.choice([
            "NaN", "-Infinity", "[" * 5000, '{"a":' * 70, "\\ud800", "\\u0000", "01", "1.", "1e999", "-", "\t", "'",
            ",", '"', '"version":1,', '"members":1,', "1" * 5000, "\ufeff", "\x7f", "한", "/**/", "1e5", "true", "null",
        ])  # fmt: skip
        return built(header, text[:place] + odd + text[place + rng.choice([0, 0, 1, 4]) :], data)
    if action == 6:
        layers = spec["network"]["layers"]
        change = rng.choice([*range(10), 9, 9, 10])
        if change == 0 and len(layers) > 1:
            del layers[rng.randrange(len(layers))]
        elif change == 1:
            layers.append(dict(layers[-1]))
        elif change == 2:
            spec["version"] = rng.choice([0, 2, 99, True, "1", 1.0])
        elif change == 3:
            rng.choice(layers)["bidirectional"] = rng.choice([True, False])
        elif change == 4:
            rng.choice(layers)[rng.choice(["layer_norm", "peephole"])] = rng.choice([True, False, False, 0, None])
        elif change == 5:
            rates = [0, 0.0, 0.5, 1, 1.0, 1.5, -0.0, -1e-9, True, None, "0"]
            rng.choice(layers)[rng.choice(["zoneout", "zoneout_cell"])] = rng.choice(rates)
        elif change == 6:
            spec["network"]["pool"] = rng.choice(["none", "last", "attention"])
            spec["task"] = rng.choice(["tag", "classify", "regress", "forecast", "sort"])
        elif change == 7:
            targets = {"loss": rng.choice(["mse", "gaussian", "student_t", "quantile", "cross_entropy", "huber"])}
            if rng.random() < 0.7:
                targets["quantiles"] = rng.choice([[], [0.1, 0.5, 0.9], [0.5], [1], [0], [0.5, 0.1], ["0.5"], 0.5])
            if rng.random() < 0.7:
                targets["shape"] = rng.choice(
                    [[], [2], [2, 3], [3, 2], [1, 2, 3], [0], [-1, -6], [2**40, 2**40], [2.0]]
                )
            spec["targets"] = rng.choice([targets, {**(spec.get("targets") or {}), **targets}, None, []])
        elif change == 8:
            spec["network"]["weights"] = rng.choice(["int8", "float", "int4", None])
        elif change == 9 and spec.get("forecast"):
            change_forecast(spec["forecast"], rng)
        else:
            spec["members"] = rng.choice([0, 1, 2, 4, 1000, 1001])
        return built(header, spec, data)
    if action == 7:
        return built(header, spec, overlapped(header, data, rng))
    return mutate(content, rng)


@pytest.mark.parametrize("name", MODELS)
def test_both_readers_take_the_same_files(tmp_path: Path, name: str) -> None:
    spec, tensors = MODELS[name]()
    inputs = INPUTS.get(name, models.TEXTS)
    spec = with_golden(spec, tensors, inputs)
    path = tmp_path / "model.safetensors"
    modelfile.save(path, spec, tensors)
    content = path.read_bytes()
    core, rng = native.core, random.Random(f"readers of {name}")
    assert core is not None
    runs_in_c = name not in ("text", "guided", "tokens", "numbers", "forecast", "stepped forecast")
    assert core.read_model(content)[1] == (0 if runs_in_c else 5)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = 0
    for number in range(ROUNDS // len(MODELS)):
        mutant = damaged(content, rng)
        path.write_bytes(mutant)
        read, python = quickly(lambda: loaded(path))
        (model, status, message), c = quickly(lambda mutant=mutant: core.read_model(mutant))
        assert (read is None) == (status == 4), (number, status, message)
        assert max(python, c) < 0.05, number
        if read is None:
            refused += 1
            assert message.isprintable() and 0 < len(message) < 400, (number, message)
        elif status == 0 and refused % 7 == 0:
            same_meaning(model, *read, inputs)
    assert 0.5 < refused / (ROUNDS // len(MODELS)) < 0.99
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def loaded(path: Path) -> Any:
    """What Python reads; None where it refuses, in a line."""
    try:
        return modelfile.load(path)
    except ModelError as error:
        assert str(error).isprintable() and len(str(error)) < 600
        return None


def quickly(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call gives, and its seconds; the best of three where one is slow, for others use the processor, too."""
    seconds = []
    while len(seconds) < 3 and min(seconds, default=1.0) >= 0.05:
        start = time.process_time()
        answer = call()
        seconds.append(time.process_time() - start)
    return answer, min(seconds)


def same_meaning(model: Any, spec: Any, tensors: dict[str, np.ndarray], inputs: list[Any]) -> None:
    """C's model answers as Python's."""
    if model.reads_ahead >= 0:
        return
    session = Session(msgspec.structs.replace(spec, golden=()), tensors)
    with np.errstate(all="ignore"):
        session.run(inputs[0])
    stream = session._stream
    found, ours = stream._streams, stream._engine
    engine = type(ours).__new__(type(ours))
    engine.__dict__.update(ours.__dict__, _model=model)
    assert (engine._model.state_bytes, engine._model.fields) == (ours.state_bytes, ours.fields)
    stream._engine = engine
    expected = {name: part.copy() for name, part in found.state.items()}
    stream.reset()
    stream.run(inputs[0])
    assert all(np.array_equal(expected[name], part, equal_nan=True) for name, part in stream.state.items())
