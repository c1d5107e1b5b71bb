"""Thousands of damaged model files: each is refused with a ModelError, or means exactly what the undamaged one does."""

from __future__ import annotations

import copy
import json
import random
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import random_models as models

from timesteps.errors import ModelError
from timesteps.runtime import modelfile
from timesteps.runtime.session import Session, load, with_golden

ROUNDS = 2400
ODD = [
    None, True, False, 0, 1, -1, 2, 3, 7, 255, 2**31, 2**63, -(2**63), 10**30, 0.5, 1e308, "", "F32", "a",
    "\0", "\ud800", [], {}, [[]], [0], [1, 2, 3], {"a": 1}, "9" * 50, "한", 1.0, [None], "members.0.head.bias",
]  # fmt: skip


def places(value: Any, at: tuple = ()) -> list[tuple]:
    """The path of every value inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in items for place in [(*at, key), *places(inner, (*at, key))]]


def mutate_json(value: Any, rng: random.Random) -> None:
    """One to three changes in place: replace, remove, repeat, rename, swap."""
    for _ in range(rng.randint(1, 3)):
        found = places(value)
        if not found:
            return
        place = rng.choice(found)
        holder = value
        for key in place[:-1]:
            holder = holder[key]
        key, action = place[-1], rng.randrange(6)
        if action == 0:
            holder[key] = copy.deepcopy(rng.choice(ODD))
        elif action == 1:
            del holder[key]
        elif action == 2 and isinstance(holder, list):
            holder.insert(rng.randint(0, len(holder)), copy.deepcopy(rng.choice([holder[key], *ODD])))
        elif action == 2:
            holder[rng.choice(["x", "shape", "head.bias", "version", "__metadata__"])] = holder[key]
        elif action == 3 and isinstance(holder[key], (int, float)) and not isinstance(holder[key], bool):
            holder[key] += rng.choice([-8, -4, -1, 1, 4, 8, 1000])
        elif action == 4:
            other = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
            holder[key], holder[other] = holder[other], holder[key]
        elif isinstance(holder[key], str) and holder[key]:
            cut = rng.randrange(len(holder[key]))
            holder[key] = holder[key][:cut] + rng.choice(["", "x", "\n", "\x00"]) + holder[key][cut + 1 :]


def mutate(content: bytes, rng: random.Random) -> bytes:
    (length,) = struct.unpack("<Q", content[:8])
    head, data = content[8 : 8 + length], content[8 + length :]
    action = rng.randrange(8)
    if action < 4:  # JSON that parses and lies
        header = json.loads(head)
        if rng.random() < 0.5:
            spec = json.loads(header["__metadata__"]["timesteps"])
            mutate_json(spec, rng)
            header["__metadata__"]["timesteps"] = json.dumps(spec, ensure_ascii=rng.random() < 0.5)
        else:
            mutate_json(header, rng)
        encoded = json.dumps(header).encode()
        encoded += b" " * (-len(encoded) % 8)
        return struct.pack("<Q", len(encoded)) + encoded + data
    if action == 4:  # the length of the header
        wrong = rng.choice([length + rng.randint(-16, 16), rng.getrandbits(64), rng.getrandbits(20), 0])
        return struct.pack("<Q", wrong % 2**64) + content[8:]
    if action == 5:  # bytes anywhere
        flipped = bytearray(content)
        for _ in range(rng.randint(1, 8)):
            flipped[rng.randrange(8 + length if rng.random() < 0.7 else len(content))] = rng.randrange(256)
        return bytes(flipped)
    begin, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    if action == 6:  # cut out, or repeated
        return content[:begin] + content[end:] if rng.random() < 0.5 else content[:end] + content[begin:]
    return content[:begin] + rng.randbytes(end - begin) + content[end:]


@pytest.mark.parametrize("name", ["text", "members", "numeric", "ids", "int8"])
def test_mutations(tmp_path: Path, name: str):
    spec, tensors = {
        "text": models.text_model,
        "members": lambda: models.text_model(members=2, outputs=3),
        "guided": lambda: models.guided_model(members=2, outputs=3),
        "numeric": lambda: models.numeric_model(steps=2),
        "ids": lambda: models.ids_model("ids"),
        "int8": lambda: models.in_int8(models.text_model()),
        "linear": lambda: models.numeric_model(steps=2, cell="minlstm"),
    }[name]()
    inputs = {"numeric": [np.ones((2, 3))], "linear": [np.ones((2, 3))], "ids": [[1, 5, 400]]}.get(name, models.TEXTS)
    spec = with_golden(spec, tensors, inputs)
    expected = Session(spec, tensors).logits(inputs)
    path = tmp_path / "model.safetensors"
    modelfile.save(path, spec, tensors)
    content = path.read_bytes()
    rng = random.Random(f"mutations of {name}")
    refused = 0
    tracemalloc.start()
    try:
        for number in range(ROUNDS // 4):
            mutant = mutate(content, rng)
            path.write_bytes(mutant)
            tracemalloc.reset_peak()
            try:
                found, read = modelfile.load(path)
            except ModelError as error:
                refused += 1
                message = str(error)
                assert message.isprintable() and len(message) < 600, (number, message)
            else:
                assert found == spec, number
                assert read.keys() == tensors.keys() and all((read[key] == tensors[key]).all() for key in tensors), (
                    number
                )
                np.testing.assert_array_equal(Session(found, read).logits(inputs), expected)
            assert tracemalloc.get_traced_memory()[1] < 20 * len(content) + 10e6, number
    finally:
        tracemalloc.stop()
    assert refused > 0.8 * ROUNDS / 4  # most mutations must be real ones


def test_mutated_specifications_with_a_right_checksum(tmp_path: Path):
    """A file made to deceive: whatever gets past the checksum is refused in words, or answers finite numbers."""
    spec, tensors = models.text_model()
    spec = with_golden(spec, tensors, models.TEXTS[:2])
    path = tmp_path / "model.safetensors"
    modelfile.save(path, spec, tensors)
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    rng = random.Random("a right checksum")
    answered = 0
    for number in range(1000):
        header = json.loads(content[8 : 8 + length])
        fields = json.loads(header["__metadata__"]["timesteps"])
        mutate_json(fields, rng)
        text = json.dumps(fields)
        header["__metadata__"] = {"timesteps": text, "crc32": modelfile._checksum(text, tensors)}
        encoded = json.dumps(header).encode()
        encoded += b" " * (-len(encoded) % 8)
        path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + content[8 + length :])
        try:
            session = load(path)
        except ModelError as error:
            assert str(error).isprintable() and str(error).startswith(str(path)), (number, str(error))
            continue
        answered += 1
        assert np.isfinite(session.logits(models.TEXTS)).all(), number
        assert all(label in session.classes for label in session.predict(models.TEXTS)), number
    assert 50 < answered < 900
