"""Specifications that contradict themselves, and tensors that are not what they call for."""

from __future__ import annotations

import struct
from pathlib import Path

import msgspec
import numpy as np
import pytest
import random_models as models
from damaged_files import parts, put, refused, with_spec

from timesteps.errors import ModelError, UsageError
from timesteps.runtime import modelfile
from timesteps.runtime.layout import check_spec, network_tensors
from timesteps.runtime.spec import LayerSpec, NumericSpec

REPLACE = msgspec.structs.replace


@pytest.fixture
def written(tmp_path) -> Path:
    path = tmp_path / "model.safetensors"
    modelfile.save(path, *models.text_model())
    return path


def test_specifications(written):
    content = written.read_bytes()

    def check(change, match):
        written.write_bytes(content)
        refused(with_spec(written, change), match)

    newer = r"written by a newer timesteps \(format version 2, this one reads 1\); upgrade timesteps$"
    check(lambda spec: spec.update(version=2, field_of_the_future=1), newer)
    check(lambda spec: spec.update(version=0), "format version 0")
    check(lambda spec: spec.update(version="1"), "cannot be read")
    check(lambda spec: spec.pop("version"), "no version")
    check(lambda spec: spec.update(format="other"), "cannot be read.*other")
    check(lambda spec: spec.update(more=1), "unknown field `more`")
    check(lambda spec: spec["network"].update(more=1), "unknown field `more`.*network")
    check(lambda spec: spec["network"]["layers"][0].update(cell="qrnn"), "qrnn")
    check(lambda spec: spec["network"]["layers"].append(spec["network"]["layers"][0]), "do not follow")
    check(lambda spec: spec["network"].update(layers=[]), "0 layers")
    check(lambda spec: spec["network"].update(outputs=2), "shape|missing")
    check(lambda spec: spec["network"].update(wide=False), "embedding.wide does not belong")
    check(lambda spec: spec["network"].update(pool="attention"), "attention.weight is missing")
    check(lambda spec: spec["network"].update(pool="max"), "head.weight has shape")
    check(
        lambda spec: spec["network"]["layers"][0].update(bidirectional=False, hidden_size=8),
        "does not belong|missing|shape",
    )
    check(lambda spec: spec["network"]["layers"][0].update(initial_state="learned"), "rnn.c0_l0 is missing.*3 more")
    check(lambda spec: spec["network"]["layers"][0].update(layer_norm=True), "rnn.norm_c_bias_l0 is missing.*7 more")
    check(lambda spec: spec["network"]["layers"][0].update(peephole=True), "rnn.weight_ch_l0 is missing.*1 more")
    check(lambda spec: spec["network"]["layers"][0].update(zoneout=1.5), "zoneout is 1.5")
    check(lambda spec: spec["network"]["layers"][0].update(zoneout_cell=-0.5), "zoneout_cell -0.5")
    check(lambda spec: spec["network"]["layers"][0].update(cell="gru", peephole=True), "a gru with peephole")
    check(lambda spec: spec["network"]["layers"][0].update(cell="rnn", zoneout_cell=0.1), "a rnn with peephole or")
    check(lambda spec: spec.update(members=2), "members.0.*missing")
    check(lambda spec: spec.update(members=1000), "missing")
    check(lambda spec: spec.update(members=10**9), "members is 1000000000")
    check(lambda spec: spec.update(members=0), "members is 0")
    check(lambda spec: spec.update(classes=["a"]), "fewer than two")
    check(lambda spec: spec.update(classes=["a", "a"]), "repeat")
    check(lambda spec: spec.update(classes=["a", "b", "c"]), "outputs")
    check(lambda spec: spec.update(text=None), "text part")
    check(lambda spec: spec["text"].update(bag=None), "bag part")
    check(lambda spec: spec["text"].update(tokenizer="subword"), "text.subword is missing")
    check(lambda spec: spec["text"].update(max_length=10**18), "max_length is")
    check(lambda spec: spec["text"].update(max_length=None, mask=False), "mask is false")
    check(lambda spec: spec["text"].update(squeeze=-1), "negative")
    check(lambda spec: spec.update(numeric={"features": 3}), "numeric part")
    check(lambda spec: spec["network"].update(input_size=10**40), "size|cannot be read")
    check(lambda spec: spec["network"].update(embedding_size=0), "embedding_size is 0")
    check(lambda spec: spec.update(golden=[{"input": "a", "logits": [1.0, 2.0]}]), "golden vector's logits")
    check(lambda spec: spec.update(golden=[{"input": [[1.0]], "logits": [1.0]}]), "golden vector's input")
    check(lambda spec: spec.update(training={"note": "other words"}), "checksum")


def test_weights_that_are_not_finite_are_neither_read_nor_written(tmp_path):
    spec, tensors = models.text_model()
    for value in (np.nan, np.inf, -np.inf):
        for name in ("embedding.weight", "head.bias", "rnn.weight_hh_l0_reverse"):
            wrong = tensors[name].copy()
            wrong[-1] = value
            with pytest.raises(ModelError, match=f"{name} holds NaN"):
                modelfile.save(tmp_path / "m", spec, {**tensors, name: wrong})
    assert not (tmp_path / "m").exists()
    modelfile.save(tmp_path / "m", spec, tensors)
    header, data = parts(tmp_path / "m")
    begin = header["head.bias"]["data_offsets"][0]
    refused(
        put(tmp_path / "m", header, data[:begin] + struct.pack("<f", np.nan) + data[begin + 4 :]), "head.bias holds NaN"
    )


def test_save_refuses_what_load_would_refuse(tmp_path):
    spec, tensors = models.numeric_model()
    path = tmp_path / "m"
    path.write_bytes(b"old")
    cases = [
        (spec, {key: value for key, value in tensors.items() if key != "rnn.bias_ih_l1"}, "rnn.bias_ih_l1 is missing"),
        (spec, {**tensors, "more": np.zeros(1)}, "more does not belong"),
        (spec, {**tensors, "head.bias": np.zeros(2, np.float32)}, r"shape \(2,\), the specification calls for \(1,\)"),
        (spec, {**tensors, "head.bias": np.zeros(1, np.int64)}, "head.bias is int64, not float32 or float64"),
        (spec, {**tensors, "head.bias": np.zeros(1, np.float16)}, "head.bias is float16"),
        (spec, {**tensors, "scaler.mean": np.zeros(3, np.float32)}, "scaler.mean is float32, not float64"),
        (spec, {**tensors, "scaler.scale": np.array([1.0, 0.0, 1.0])}, "not positive"),
        (REPLACE(spec, numeric=NumericSpec(features=2)), tensors, "2 features, input_size 3"),
        (REPLACE(spec, numeric=NumericSpec(features=3, steps=0)), tensors, "numeric.steps is 0"),
        (REPLACE(spec, classes=("\ud800", "b")), tensors, "surrogate"),
    ]
    for wrong_spec, wrong_tensors, match in cases:
        with pytest.raises(ModelError, match=match) as caught:
            modelfile.save(path, wrong_spec, wrong_tensors)
        assert str(caught.value).startswith(f"{path}: ")
    with pytest.raises(UsageError, match="cannot be written"):
        modelfile.save(tmp_path / "no folder" / "m", spec, tensors)
    assert path.read_bytes() == b"old"


def test_a_layer_must_fit_the_one_below(tmp_path):
    spec, _ = models.numeric_model()
    layers = (LayerSpec(cell="gru", input_size=3, hidden_size=4, bidirectional=True), spec.network.layers[1])
    with pytest.raises(ModelError, match=r"\[3, 4\] do not follow"):
        check_spec(REPLACE(spec, network=REPLACE(spec.network, layers=layers)))


@pytest.mark.parametrize(
    ("layer", "parameters"),
    [
        (LayerSpec(cell="rnn", input_size=16, hidden_size=8), 208),
        (LayerSpec(cell="lstm", input_size=16, hidden_size=8), 832),
        (LayerSpec(cell="gru", input_size=16, hidden_size=8), 624),
        (LayerSpec(cell="lstm", input_size=16, hidden_size=8, initial_state="learned", bidirectional=True), 2 * 848),
    ],
)
def test_textbook_parameters_with_both_of_torch_s_biases(layer, parameters):
    spec = REPLACE(models.network(input_size=500, embedding_size=16), layers=(layer,))
    shapes = network_tensors(spec)
    assert np.prod(shapes["embedding.weight"]) == 8000
    assert sum(int(np.prod(shape)) for name, shape in shapes.items() if name.startswith("rnn.")) == parameters
