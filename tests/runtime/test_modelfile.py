"""The model file: what is written is what is read, and nothing else is read."""

from __future__ import annotations

import json
import os
import struct
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
import random_models as models
from damaged_files import parts, put, refused
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from timesteps.errors import ModelError
from timesteps.runtime import modelfile
from timesteps.runtime.session import with_golden

REPLACE = msgspec.structs.replace
MODELS = {
    "text": models.text_model(),
    "members": models.text_model(members=3),
    "classes": models.text_model(outputs=3),
    "guided": models.guided_model(),
    "words": models.ids_model(),
    "ids": models.ids_model("ids"),
    "numeric": models.numeric_model(),
}


@pytest.fixture
def written(tmp_path) -> Path:
    path = tmp_path / "model.safetensors"
    modelfile.save(path, *MODELS["text"])
    return path


@pytest.mark.parametrize("name", MODELS)
def test_saved_is_loaded(tmp_path, name):
    spec, tensors = MODELS[name]
    if name != "ids":
        spec = with_golden(spec, tensors, [np.ones((2, 3))] if name == "numeric" else models.TEXTS)
    path = tmp_path / "model.safetensors"
    modelfile.save(path, spec, dict(reversed(tensors.items())))
    found, read = modelfile.load(path)
    assert found == spec
    assert read.keys() == tensors.keys()
    for key, tensor in tensors.items():
        assert read[key].dtype == tensor.dtype
        np.testing.assert_array_equal(read[key], tensor)
        assert not read[key].flags.writeable and read[key].flags.aligned and read[key].flags.c_contiguous
    again = tmp_path / "again"
    modelfile.save(again, found, read)
    assert again.read_bytes() == path.read_bytes()


def test_safetensors_reads_what_we_write_and_we_what_it_writes(written, tmp_path):
    spec, tensors = MODELS["text"]
    read = load_file(written)
    assert all((read[name] == tensor).all() for name, tensor in tensors.items()) and read.keys() == tensors.keys()
    with safe_open(written, "numpy") as file:
        metadata = file.metadata()
    save_file(dict(tensors), tmp_path / "theirs", metadata)
    found, back = modelfile.load(tmp_path / "theirs")
    assert found == spec and all((back[name] == tensor).all() for name, tensor in tensors.items())


def test_non_contiguous_and_big_endian_tensors_are_written_as_they_mean(tmp_path):
    spec, tensors = models.ids_model()
    odd = {name: np.asfortranarray(tensor).astype(tensor.dtype.newbyteorder(">")) for name, tensor in tensors.items()}
    modelfile.save(tmp_path / "m", spec, odd)
    read = modelfile.load(tmp_path / "m")[1]
    assert all((read[name] == tensor).all() for name, tensor in tensors.items())


def test_a_large_table_is_mapped_not_read(tmp_path):
    spec, tensors = models.ids_model("ids")
    size = 500_000
    text, network = REPLACE(spec.text, num_words=size), REPLACE(spec.network, input_size=size, embedding_size=64)
    network = REPLACE(network, layers=(REPLACE(network.layers[0], input_size=64),))
    table = np.ones((size, 64), np.float32)
    tensors |= {"embedding.weight": table, "rnn.weight_ih_l0": np.ones((12, 64), np.float32)}
    modelfile.save(tmp_path / "m", REPLACE(spec, text=text, network=network), tensors)
    resident = _resident()
    begin = time.perf_counter()
    read = modelfile.load(tmp_path / "m")[1]
    assert time.perf_counter() - begin < 2  # 25 ms on the machine of 2026; the rest is for a busy one
    anonymous = _resident() - resident
    assert read["embedding.weight"].shape == table.shape
    assert anonymous < 20e6, f"{anonymous / 1e6:.0f} MB of memory of its own"


def _resident() -> float:
    """Bytes of this process' memory that no file backs."""
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("no /proc")
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("RssAnon")]
    return int(line.split()[1]) * 1024


def test_find(written, tmp_path):
    assert modelfile.find(tmp_path) == written
    assert modelfile.find(str(written)) == written
    for run, what in ((tmp_path / "nothing", "no such run folder"), (tmp_path / "empty", "no model.safetensors")):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(ModelError, match=f"{run}: {what}.*timesteps train") as caught:
            modelfile.find(run)
        assert caught.value.exit_code == 4
    with pytest.raises(ModelError):
        modelfile.find("a\0b")


def test_files_that_are_no_model(tmp_path):
    path = tmp_path / "m"
    for content, match in [
        (b"", "no model file"),
        (b"1234567", "no model file"),
        (b"PK\x03\x04" + bytes(100), "header would be"),
        (struct.pack("<Q", 2**63) + b"{}", "header would be"),
        (struct.pack("<Q", 100) + b"{}", "truncated"),
        (struct.pack("<Q", 2) + b"\xff\xfe", "not valid JSON"),
        (struct.pack("<Q", 2) + b"[]", "not a JSON object"),
        (struct.pack("<Q", 2) + b"{}", "without a timesteps specification"),
        (struct.pack("<Q", 200_000) + b"[" * 200_000, "nested too deeply|not valid JSON"),
    ]:
        path.write_bytes(content)
        refused(path, match)
    save_file({"x": np.zeros(3, np.float32)}, path, {"format": "pt"})
    refused(path, "without a timesteps specification")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "not a file")
    refused(tmp_path, "not a file")
    refused(tmp_path / "missing", "no such file")


def test_every_truncation_is_refused(written):
    content = written.read_bytes()
    for length in [*range(64), *range(64, len(content), max(1, len(content) // 150))]:
        written.write_bytes(content[:length])
        refused(written)
    written.write_bytes(content + b"\0")
    refused(written, "bytes behind the last tensor")


def test_damaged_bytes_of_a_weight_are_noticed(written):
    content = bytearray(written.read_bytes())
    content[-5] ^= 1
    written.write_bytes(content)
    refused(written, "checksum")


def test_the_checksum_knows_names_dtypes_shapes_and_bytes():
    zeros = np.zeros((2, 4), np.float32)
    others = [
        {"b": zeros},
        {"a": zeros.reshape(4, 2)},
        {"a": np.zeros((2, 2))},
        {"a": zeros + 1},
        {"a": zeros, "b": zeros},
        {},
    ]
    found = {modelfile._checksum(text, tensors) for text in ("", "x") for tensors in ({"a": zeros}, *others)}
    assert len(found) == 2 * (1 + len(others))


def test_tensor_entries(written):
    header, data = parts(written)
    name = "rnn.weight_ih_l0"
    entry = header[name]
    begin, end = entry["data_offsets"]
    for change, match in [
        ({"dtype": "F16"}, "unknown dtype F16"),
        ({"dtype": "BF16"}, "unknown dtype"),
        ({"dtype": 3}, "unknown dtype"),
        ({"dtype": "F64"}, "does not fill its offsets"),
        ({"dtype": "I64"}, "does not fill its offsets"),
        ({"shape": [16, 4]}, "does not fill"),
        ({"shape": [5, 16]}, "has shape"),
        ({"shape": [80]}, "has shape"),
        ({"shape": [1] * 7 + [80]}, "has shape"),
        ({"shape": [1] * 8 + [80]}, "has shape"),
        ({"shape": [-16, -5]}, "has shape"),
        ({"shape": [16.0, 5]}, "has shape"),
        ({"shape": [True, 80]}, "has shape"),
        ({"shape": "80"}, "has shape"),
        ({"shape": [0, 10**30]}, "has shape"),
        ({"shape": [10**30]}, "does not fill"),
        ({"data_offsets": [begin + 4, end + 4]}, "gap|overlaps"),
        ({"data_offsets": [begin - 4, end - 4]}, "gap|overlaps"),
        ({"data_offsets": [end, begin]}, "does not fill"),
        ({"data_offsets": [begin]}, "has offsets"),
        ({"data_offsets": [begin, end, end]}, "has offsets"),
        ({"data_offsets": [-1, end]}, "has offsets"),
        ({"data_offsets": [begin + 10**20, end + 10**20]}, "gap|overlaps"),
        ({"more": 1}, "does not have exactly"),
    ]:
        refused(put(written, {**header, name: {**entry, **change}}, data), match)
    refused(put(written, {**header, name: None}, data), "does not have exactly")
    refused(put(written, {key: value for key, value in header.items() if key != name}, data), "gap")
    last = max((key for key in header if key != "__metadata__"), key=lambda key: header[key]["data_offsets"][1])
    refused(put(written, {key: value for key, value in header.items() if key != last}, data), "behind the last tensor")
    swapped = {**header, name: header[name + "_reverse"], name + "_reverse": header[name]}
    refused(put(written, swapped, data), "checksum")


def test_unaligned_tensors_are_refused(written):
    header, data = parts(written)
    encoded = json.dumps(header).encode()
    encoded += b" " * (5 - len(encoded) % 8)
    written.write_bytes(struct.pack("<Q", len(encoded)) + encoded + data)
    refused(written, "not aligned")


def test_repeated_names_and_words_that_are_no_json(written):
    header, data = parts(written)
    text = json.dumps(header)
    refused(put(written, text[:-1] + ', "head.bias": ' + json.dumps(header["head.bias"]) + "}", data), "occurs twice")
    metadata = header["__metadata__"]
    twice = {**metadata, "timesteps": metadata["timesteps"].replace('"members":1', '"members":1,"members":1')}
    refused(put(written, {**header, "__metadata__": twice}, data), "occurs twice")
    refused(put(written, text.replace('"shape": [1]', '"shape": [NaN]'), data), "NaN is not a JSON number")
    refused(put(written, text.replace('"shape": [1]', f'"shape": [{"9" * 5000}]'), data), "not valid JSON")


def test_metadata(written):
    header, data = parts(written)
    metadata = header["__metadata__"]
    for other, match in [
        (None, "without a timesteps specification"),
        ({}, "without a timesteps specification"),
        ({**metadata, "timesteps": 1}, "without a timesteps specification"),
        ({**metadata, "author": "x"}, "unknown metadata author"),
        ({"timesteps": metadata["timesteps"]}, "checksum"),
        ({**metadata, "crc32": "00000000"}, "checksum"),
        ({**metadata, "timesteps": "{"}, "specification is not valid JSON"),
        ({**metadata, "timesteps": "[1]"}, "specification is not a JSON object"),
        ({**metadata, "timesteps": "{}"}, "no format"),
        ({**metadata, "timesteps": metadata["timesteps"].replace("negative", "\ud800")}, "surrogate"),
    ]:
        refused(put(written, {**header, "__metadata__": other}, data), match)
    refused(
        put(written, {key: value for key, value in header.items() if key != "__metadata__"}, data),
        "without a timesteps",
    )
