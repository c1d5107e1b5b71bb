"""To ONNX and back, against ONNX Runtime and graphs of other exporters."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
import torch
from hypothesis import given
from numpy.typing import NDArray
from test_torch import Tagged
from torch import nn

from timesteps.errors import ModelError, UsageError
from timesteps.interchange import checking, from_onnx, onnx_in, onnx_out, to_onnx

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

CASES = [*networks.matrix(), *networks.linear()]


def feed_of(case: dict[str, Any], values: NDArray[Any], lengths: list[int]) -> dict[str, Any]:
    feed = {"ids" if case["ids"] else "x": values, "lengths": np.array(lengths, np.int64)}
    for number, units in enumerate(case["hidden"]):
        zeros = np.zeros((1 + case["bidirectional"], len(lengths), units), np.float32)
        feed |= {f"{state}_l{number}": zeros for state in ("hc" if case["form"]["cell"] == "lstm" else "h")}
    return feed


def values_of(case: dict[str, Any], rows: int, steps: int) -> NDArray[Any]:
    rng = np.random.default_rng(1)
    if case["ids"]:
        return rng.integers(0, case["ids"], (rows, steps))
    return rng.normal(size=(rows, steps, 4)).astype(np.float32)


@pytest.mark.parametrize("case", CASES, ids=networks.named)
def test_out_and_back(case: dict[str, Any], tmp_path: Path) -> None:
    model = networks.model(networks.network(**case))
    exported = to_onnx(model, tmp_path / "it.onnx")
    assert exported.check.largest is not None
    onnx.checker.check_model(onnx.load(exported.path), full_check=True)
    values = values_of(case, 3, 6)
    session = onnxruntime.InferenceSession(exported.path)
    (logits,) = session.run(["logits"], feed_of(case, values, [6, 2, 1]))
    rows = [row[:n] for row, n in zip(values, [6, 2, 1], strict=True)]
    np.testing.assert_allclose(logits, model.logits(rows), rtol=1e-5, atol=1e-5)
    assert networks.same_weights(model, from_onnx(exported.path).session)


@given(networks.sizes)
def test_any_size(tmp_path_factory: pytest.TempPathFactory, case: dict[str, Any]) -> None:
    model = networks.model(networks.network(**case))
    exported = to_onnx(model, tmp_path_factory.mktemp("any") / "it.onnx")
    assert networks.same_weights(model, from_onnx(exported.path).session)


@pytest.mark.parametrize("form", networks.FORMS, ids=str)
@pytest.mark.parametrize("cut", [1, 4, 8])
def test_a_sequence_in_pieces_is_the_sequence(form: dict[str, Any], cut: int, tmp_path: Path) -> None:
    case = {"form": form, "hidden": (5, 3), "ids": 0, "bidirectional": False}
    exported = to_onnx(networks.model(networks.network(**case)), tmp_path / "it.onnx")
    session = onnxruntime.InferenceSession(exported.path)
    values = values_of(case, 2, 9)
    names = [output.name for output in session.get_outputs()]
    whole = dict(zip(names, session.run(None, feed_of(case, values, [9, 9])), strict=True))
    first = dict(zip(names, session.run(None, feed_of(case, values[:, :cut], [cut] * 2)), strict=True))
    carried = {name.removesuffix("_out"): value for name, value in first.items() if name != "logits"}
    rest = session.run(None, feed_of(case, values[:, cut:], [9 - cut] * 2) | carried)
    for name, value in zip(names, rest, strict=True):
        np.testing.assert_allclose(value, whole[name], rtol=1e-5, atol=1e-6)


def test_the_difference_and_the_notes_are_in_the_file(tmp_path: Path) -> None:
    exported = to_onnx(networks.model(networks.network(outputs=1)), tmp_path / "it.onnx")
    (entry,) = onnx.load(exported.path).metadata_props
    record = json.loads(entry.value)
    assert record["largest_difference"] == exported.check.largest and record["notes"] == list(exported.notes)
    assert "logit of the class '1'" in record["notes"][0]


def test_without_onnx_runtime_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*names: str) -> str | None:
        return "onnxruntime is not installed" if "onnxruntime" in names else None

    monkeypatch.setattr(onnx_out, "missing", missing)
    monkeypatch.setattr(onnx_in, "missing", missing)
    exported = to_onnx(networks.model(networks.network()), tmp_path / "it.onnx")
    assert str(exported.check) == "not checked: onnxruntime is not installed"
    assert exported.to_dict()["checked"] is False
    imported = from_onnx(exported.path)
    assert imported.session.spec.training["not_checked"] == "onnxruntime is not installed"
    monkeypatch.setattr(onnx_out, "missing", lambda *names: f"{names[0]} is not installed")
    with pytest.raises(UsageError, match="onnx is not installed"):
        to_onnx(networks.model(networks.network()), tmp_path / "it.onnx")


def test_answers_that_differ_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "answers", lambda network, batch: np.zeros((len(batch.lengths), 2)))
    with pytest.raises(ModelError, match="more than 1e-05"):
        to_onnx(networks.model(networks.network()), tmp_path / "it.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "mean+max"])
@pytest.mark.parametrize("more", [{}, {"batch_first": True, "num_layers": 2, "bias": False}], ids=["plain", "deep"])
def test_graphs_that_torch_exports(
    kind: type[nn.Module], bidirectional: bool, pooling: str, more: dict[str, Any], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    embedding = nn.Embedding(11, 4) if pooling in ("last", "max") else None
    width = (10 if bidirectional else 5) * (2 if pooling == "mean+max" else 1)
    module = Tagged(kind(4, 5, bidirectional=bidirectional, **more), width, pooling, embedding).eval()
    rows, time = (0, 1) if more else (1, 0)
    x = torch.randint(0, 11, (2, 6)) if embedding is not None else torch.randn(2, 6, 4)
    x = x if more else x.transpose(0, 1).contiguous()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (x,),
            tmp_path / "it.onnx",
            input_names=["x"],
            dynamic_axes={"x": {rows: "rows", time: "time"}},
            dynamo=False,
        )
    imported = from_onnx(tmp_path / "it.onnx")
    assert imported.session.spec.network.pool == pooling
    expected = module(x).detach().numpy()
    values = (x if more else x.transpose(0, 1)).numpy()
    np.testing.assert_allclose(imported.session.logits(list(values)), expected, rtol=1e-5, atol=1e-5)


class Build:
    """A small LSTM graph, written by hand; every part can be replaced."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.attributes: dict[str, Any] = {"hidden_size": 3}
        self.inputs = ["x", "W", "R", "B"]
        self.weights = {
            "W": rng.normal(size=(1, 12, 2)).astype(np.float32),
            "R": rng.normal(size=(1, 12, 3)).astype(np.float32),
            "B": rng.normal(size=(1, 24)).astype(np.float32),
            "K": rng.normal(size=(3, 2)).astype(np.float32),
            "b": rng.normal(size=2).astype(np.float32),
            "axis": np.array([0], np.int64),
        }
        self.graph_inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["T", "B", 2])]
        self.op = "LSTM"
        self.between: list[Any] = [helper.make_node("Squeeze", ["h", "axis"], ["last"])]
        self.after: list[Any] = []
        self.output = "logits"

    def model(self) -> Any:
        nodes = [
            helper.make_node(self.op, self.inputs, ["", "h"], name="rnn_1", **self.attributes),
            *self.between,
            helper.make_node("MatMul", ["last", "K"], ["product"]),
            helper.make_node("Add", ["b", "product"], ["logits"]),
            *self.after,
        ]
        outputs = [helper.make_tensor_value_info(self.output, TensorProto.FLOAT, ["B", 2])]
        tensors = [numpy_helper.from_array(value, name) for name, value in self.weights.items()]
        graph = helper.make_graph(nodes, "g", self.graph_inputs, outputs, tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    def save(self, folder: Path) -> Path:
        (folder / "it.onnx").write_bytes(self.model().SerializeToString())
        return folder / "it.onnx"


def test_a_graph_written_by_hand(tmp_path: Path) -> None:
    build = Build()
    build.attributes["activations"] = ["Sigmoid", "Tanh", "Tanh"]
    build.after = [helper.make_node("Softmax", ["logits"], ["p"], axis=1)]
    build.output = "p"
    imported = from_onnx(build.save(tmp_path))
    assert imported.check.largest is not None and "softmax" in imported.notes[0]
    assert imported.session.predict_proba([np.ones((4, 2))]).shape == (1, 2)


def test_reversed_activations_of_a_bidirectional_rnn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    build = Build()
    build.op, build.attributes = "RNN", {"hidden_size": 3, "direction": "bidirectional", "activations": ["Relu"] * 2}
    shapes = {"W": (2, 3, 2), "R": (2, 3, 3), "B": (2, 6), "K": (6, 2)}
    build.weights |= {name: rng.normal(size=shape).astype(np.float32) * 0.3 for name, shape in shapes.items()}
    build.weights["joined"] = np.array([0, -1], np.int64)
    build.between = [
        helper.make_node("Transpose", ["h"], ["turned"], perm=[1, 0, 2]),
        helper.make_node("Reshape", ["turned", "joined"], ["last"]),
    ]
    layer = from_onnx(build.save(tmp_path)).session.spec.network.layers[0]
    assert layer.nonlinearity == "relu" and layer.bidirectional


def test_affine_activations_other_than_the_identity_are_refused(tmp_path: Path) -> None:
    model = networks.model(networks.network(**next(networks.linear())))
    graph = onnx.load(to_onnx(model, tmp_path / "it.onnx").path)
    node = next(node for node in graph.graph.node if node.op_type == "RNN")
    next(found for found in node.attribute if found.name == "activation_alpha").floats[:] = [2.0]
    onnx.save(graph, tmp_path / "other.onnx")
    with pytest.raises(ModelError, match="has activations"):
        from_onnx(tmp_path / "other.onnx")


def change(**parts: Any) -> Callable[[Build], None]:
    return lambda build: [setattr(build, name, value) for name, value in parts.items()] and None


def attribute(**parts: Any) -> Callable[[Build], None]:
    return lambda build: build.attributes.update(parts)


def weight(**parts: Any) -> Callable[[Build], None]:
    return lambda build: build.weights.update(parts)


REFUSED: list[tuple[str, Callable[[Build], None]]] = [
    ("node LSTM rnn_1 has activations", attribute(activations=["Sigmoid", "Relu", "Tanh"])),
    ("node LSTM rnn_1 has activations", attribute(activation_alpha=[1.0, 1.0, 1.0])),
    ("node LSTM rnn_1 has the attribute clip", attribute(clip=3.0)),
    ("node LSTM rnn_1 couples", attribute(input_forget=1)),
    ("node LSTM rnn_1 reads in direction reverse", attribute(direction="reverse")),
    ("node LSTM rnn_1 reads in direction sideways", attribute(direction="sideways")),
    ("node LSTM rnn_1 has hidden_size 4", attribute(hidden_size=4)),
    ("node LSTM rnn_1 has weights of shapes", weight(R=np.ones((1, 8, 3), np.float32))),
    ("node LSTM rnn_1 has weights of shapes", weight(B=np.ones((1, 12), np.float32))),
    ("node LSTM rnn_1 has peepholes", change(inputs=["x", "W", "R", "B", "", "", "", "W"])),
    ("node LSTM rnn_1 begins with a state", change(inputs=["x", "W", "R", "B", "", "W"])),
    ("node LSTM rnn_1 has weights that are no constants", change(inputs=["x", "x", "R"])),
    ("node Conv", change(between=[helper.make_node("Conv", ["h", "K"], ["last"])])),
    ("node Relu", change(after=[helper.make_node("Relu", ["logits"], ["r"])], output="r")),
    ("node Tanh", change(between=[helper.make_node("Tanh", ["h"], ["last"])])),
    ("node Squeeze", change(between=[helper.make_node("Squeeze", ["h", "axis"], ["last"], axes=[2])])),
    ("node ReduceMean", change(between=[helper.make_node("ReduceMean", ["h"], ["last"], axes=[0], keepdims=0)])),
    ("a sigmoid of 2 outputs", change(after=[helper.make_node("Sigmoid", ["logits"], ["p"])], output="p")),
    ("node Cast", change(between=[helper.make_node("Cast", ["h"], ["last"], to=TensorProto.INT64)])),
    ("is of the domain evil", change(after=[helper.make_node("Evil", ["logits"], ["e"], domain="evil")])),
    ("dense layer's bias is not finite", weight(b=np.array([np.nan, 0], np.float32))),
    ("'last' before it is defined|last before it is defined", change(between=[])),
    ("defined twice", change(after=[helper.make_node("Identity", ["logits"], ["logits"])])),
    ("no output that one dense", change(output="h")),
]


@pytest.mark.parametrize(("message", "spoil"), REFUSED, ids=[message for message, _ in REFUSED])
def test_everything_else_is_refused_by_name(message: str, spoil: Callable[[Build], None], tmp_path: Path) -> None:
    build = Build()
    spoil(build)
    with pytest.raises(ModelError, match=message) as caught:
        from_onnx(build.save(tmp_path))
    assert str(tmp_path / "it.onnx") in str(caught.value)


@pytest.mark.parametrize("axis", [0, 1])
def test_an_axis_of_rows_taken_for_time_is_measured(axis: int, tmp_path: Path) -> None:
    """Mean over the batch instead of over time has the right shape nowhere, and no meaning here."""
    build = Build()
    build.model()
    nodes = [
        helper.make_node("LSTM", build.inputs, ["y"], name="rnn_1", hidden_size=3),
        helper.make_node("Squeeze", ["y", "one"], ["flat"]),
        helper.make_node("ReduceMean", ["flat"], ["pooled"], axes=[axis], keepdims=0),
        helper.make_node("Gemm", ["pooled", "K", "b"], ["logits"]),
    ]
    build.weights["one"] = np.array([1], np.int64)
    tensors = [numpy_helper.from_array(value, name) for name, value in build.weights.items()]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "g", build.graph_inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "it.onnx").write_bytes(model.SerializeToString())
    if axis == 0:
        assert from_onnx(tmp_path / "it.onnx").session.spec.network.pool == "mean"
    else:
        with pytest.raises(ModelError, match="node ReduceMean"):
            from_onnx(tmp_path / "it.onnx")
