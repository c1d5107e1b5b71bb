"""To Keras and back, against Keras itself: live models, .keras and .weights.h5 files."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from timesteps.errors import ModelError, UsageError
from timesteps.interchange import from_keras, keras_build, to_keras

keras = pytest.importorskip("keras", reason="keras is not installed")
pytest.importorskip("h5py", reason="h5py is not installed")
L = keras.layers

CASES = [*[case for case in networks.matrix() if case["pool"] != "attention"][::2], *networks.linear()]


@pytest.mark.parametrize("case", CASES, ids=networks.named)
def test_out_and_back(case: dict[str, Any], tmp_path: Path) -> None:
    case["biases"] = case["biases"] if case["form"] == {"cell": "gru"} else "one"  # Keras adds two into one
    case["scaled"] = False  # the scale comes back from its square
    model = networks.model(networks.network(**case))
    exported = to_keras(model, tmp_path / "it.keras")
    assert exported.check.largest is not None
    with zipfile.ZipFile(exported.path) as archive:
        assert json.loads(archive.read("timesteps.json"))["largest_difference"] == exported.check.largest
    peer = keras.saving.load_model(exported.path)
    values = ids_or_numbers(bool(case["ids"]), (3, 6))
    expected = model.logits(list(values))
    np.testing.assert_allclose(answer(peer, values), expected, rtol=1e-5, atol=1e-5)
    assert networks.same_weights(model, from_keras(exported.path).session)


def test_two_biases_become_their_sum_and_a_scaler_a_normalization(tmp_path: Path) -> None:
    model = networks.model(networks.network(scaled=True))
    back = from_keras(to_keras(model, tmp_path / "it.keras").path).session
    names = ("rnn.bias_ih_l0", "rnn.bias_hh_l0")
    first, second = (model.tensors[name] for name in names)
    assert np.array_equal(back.tensors[names[0]], first + second) and not back.tensors[names[1]].any()
    np.testing.assert_allclose(back.tensors["scaler.scale"], model.tensors["scaler.scale"], rtol=1e-12)
    assert np.array_equal(back.tensors["rnn.weight_hh_l0"], model.tensors["rnn.weight_hh_l0"])


def ids_or_numbers(ids: bool, shape: tuple[int, int], features: int = 4) -> NDArray[Any]:
    rng = np.random.default_rng(2)
    return rng.integers(1, 9, shape) if ids else rng.normal(size=(*shape, features)).astype(np.float32)


def answer(model: Any, values: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(keras.ops.convert_to_numpy(model(values, training=False)))


def randomized(model: Any) -> Any:
    """Keras' initial biases are zeros, which hide what is done with them."""
    rng = np.random.default_rng(4)
    for layer in model.layers:
        if layer.get_weights() and not isinstance(layer, L.Normalization):
            layer.set_weights([rng.normal(0, 0.6, weight.shape) for weight in layer.get_weights()])
    return model


KINDS: dict[str, Any] = {
    "SimpleRNN": lambda **more: L.SimpleRNN(5, **more),
    "relu": lambda **more: L.SimpleRNN(5, activation="relu", **more),
    "LSTM": lambda **more: L.LSTM(5, **more),
    "GRU": lambda **more: L.GRU(5, **more),
    "GRU before": lambda **more: L.GRU(5, reset_after=False, **more),
}
HEADS = {"logits": lambda: L.Dense(3), "sigmoid": lambda: L.Dense(1, activation="sigmoid"),
         "softmax": lambda: L.Dense(3, activation="softmax", use_bias=False)}  # fmt: skip


def built(kind: str, both: bool, bias: bool, pool: str, head: str, ids: bool, mask: bool) -> Any:
    make = KINDS[kind]
    wrap = (lambda **more: L.Bidirectional(make(**more))) if both else make
    x = inputs = keras.Input((None,), dtype="int32") if ids else keras.Input((None, 4))
    if ids:
        x = L.Embedding(9, 4, mask_zero=mask)(x)
    x = L.Dropout(0.5, seed=1)(wrap(return_sequences=True, use_bias=bias)(x))
    x = wrap(return_sequences=pool != "last", use_bias=bias, dropout=0.1)(x)
    if pool == "mean+max":
        x = L.Concatenate()([L.GlobalAveragePooling1D()(x), L.GlobalMaxPooling1D()(x)])
    elif pool != "last":
        x = {"mean": L.GlobalAveragePooling1D, "max": L.GlobalMaxPooling1D}[pool]()(x)
    return randomized(keras.Model(inputs, HEADS[head]()(x)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("both", [False, True], ids=["uni", "bi"])
@pytest.mark.parametrize("bias", [False, True], ids=["nobias", "bias"])
@pytest.mark.parametrize(("pool", "head", "ids", "mask"), [
    ("last", "logits", True, True), ("mean", "sigmoid", True, True), ("max", "softmax", False, False),
    ("mean+max", "logits", True, False),
])  # fmt: skip
def test_models_and_their_files(
    kind: str, both: bool, bias: bool, pool: str, head: str, ids: bool, mask: bool, tmp_path: Path
) -> None:
    model = built(kind, both, bias, pool, head, ids, mask)
    live = from_keras(model)
    assert live.session.spec.network.pool == pool
    assert live.check.rows == (20 if mask else 9)
    values = ids_or_numbers(ids, (3, 6))
    found = live.session.predict_proba(list(values)) if head != "logits" else live.session.logits(list(values))
    expected = answer(model, values)
    np.testing.assert_allclose(found[:, -expected.shape[1] :], expected, rtol=1e-5, atol=1e-5)
    model.save(tmp_path / "it.keras")
    assert networks.same_weights(live.session, from_keras(tmp_path / "it.keras").session)


def test_masked_rows_are_our_rows_without_padding() -> None:
    model = built("LSTM", True, True, "last", "logits", True, True)
    session = from_keras(model).session
    padded = np.array([[3, 4, 5, 0, 0], [1, 2, 0, 0, 0]])
    np.testing.assert_allclose(session.logits([[3, 4, 5], [1, 2]]), answer(model, padded), rtol=1e-5, atol=1e-5)
    assert session.spec.training["mask_zero"] is True


@pytest.mark.parametrize("mask", [False, True])
def test_what_id_0_is_goes_there_and_back(mask: bool, tmp_path: Path) -> None:
    session = from_keras(built("GRU", False, True, "last", "logits", True, mask)).session
    peer = keras.saving.load_model(to_keras(session, tmp_path / "it.keras").path)
    assert peer.layers[1].mask_zero is mask


@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU", "GRU before"])
@pytest.mark.parametrize("both", [False, True], ids=["uni", "bi"])
def test_weights_alone(kind: str, both: bool, tmp_path: Path) -> None:
    model = built(kind, both, True, "last", "logits", True, False)
    model.save_weights(tmp_path / "it.weights.h5")
    imported = from_keras(tmp_path / "it.weights.h5")
    assert networks.same_weights(from_keras(model).session, imported.session)
    assert any("assumed" in note for note in imported.notes)


def test_pooling_of_weights_alone_is_told(tmp_path: Path) -> None:
    model = built("LSTM", False, True, "mean", "logits", False, False)
    model.save_weights(tmp_path / "it.weights.h5")
    told = from_keras(tmp_path / "it.weights.h5", pool="mean").session
    assert networks.same_weights(from_keras(model).session, told)
    with pytest.raises(UsageError, match=r"is for a \.weights\.h5 file"):
        from_keras(model, pool="mean")


def test_layers_of_several_kinds(tmp_path: Path) -> None:
    stack = [L.LSTM(6, return_sequences=True), L.GRU(5, return_sequences=True), L.LSTM(4)]
    model = randomized(keras.Sequential([keras.Input((None, 3)), *stack, L.Dense(2, activation="softmax")]))
    expected = [("lstm", 6), ("gru", 5), ("lstm", 4)]
    for name in ("it.keras", "it.weights.h5"):
        model.save(tmp_path / name) if name == "it.keras" else model.save_weights(tmp_path / name)
        layers = from_keras(tmp_path / name).session.spec.network.layers
        assert [(layer.cell, layer.hidden_size) for layer in layers] == expected


def test_an_adapted_normalization_and_fixed_shapes(tmp_path: Path) -> None:
    scaler = L.Normalization()
    scaler.adapt(np.random.default_rng(0).normal(3, 2, (50, 6, 4)))
    model = randomized(keras.Sequential([keras.Input((6, 4)), scaler, L.GRU(3), L.Dense(1)]))
    model.save(tmp_path / "it.keras")
    for source in (model, tmp_path / "it.keras"):
        imported = from_keras(source)
        assert np.allclose(imported.session.tensors["scaler.mean"], 3, atol=0.5)
        assert imported.check.largest is not None


def test_a_linear_rnn() -> None:
    """With small weights: nothing else holds its states, and so the rounding, back."""
    cell = L.Bidirectional(L.SimpleRNN(5, activation="linear"))
    model = randomized(keras.Sequential([keras.Input((None, 3)), cell, L.Dense(2)]))
    cell.set_weights([0.3 * weight for weight in cell.get_weights()])
    found = from_keras(model)
    assert found.session.spec.network.layers[0].nonlinearity == "linear"
    values = np.random.default_rng(0).normal(size=(4, 7, 3)).astype(np.float32)
    np.testing.assert_allclose(found.session.logits(values), answer(model, values), rtol=1e-5, atol=1e-5)


def test_an_activation_of_its_own_at_the_end() -> None:
    layers = [keras.Input((None, 4)), L.GRU(3), L.Dense(3), L.Activation("softmax")]
    assert from_keras(randomized(keras.Sequential(layers))).session.spec.network.outputs == 3


def test_a_compiled_and_trained_model(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((None,)), L.Embedding(9, 4), L.LSTM(5, dropout=0.2), L.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    model.fit(ids_or_numbers(True, (8, 6)), np.arange(8) % 2, verbose=0)
    model.save(tmp_path / "it.keras")
    model.save_weights(tmp_path / "it.weights.h5")
    one, other = (from_keras(tmp_path / name).session for name in ("it.keras", "it.weights.h5"))
    assert networks.same_weights(one, other)


@settings(max_examples=10)
@given(networks.sizes, st.booleans())
def test_any_size(tmp_path_factory: pytest.TempPathFactory, case: dict[str, Any], mask: bool) -> None:
    two = "two" if case["form"] == {"cell": "gru"} else "one"
    model = networks.model(networks.network(**case, biases=two))
    exported = to_keras(model, tmp_path_factory.mktemp("any") / "it.keras", mask_zero=mask)
    assert networks.same_weights(model, from_keras(exported.path).session)


REFUSED: list[tuple[str, list[Any]]] = [
    (r"lambda \(Lambda\)|Lambda holds a function", [L.LSTM(3), L.Lambda(lambda x: x * 2), L.Dense(2)]),
    ("batch_normalization", [L.LSTM(3), L.BatchNormalization(), L.Dense(2)]),
    ("conv1d", [L.Conv1D(3, 2), L.LSTM(3), L.Dense(2)]),
    ("activation=hard|activation='relu'|activation=relu", [L.LSTM(3, activation="relu"), L.Dense(2)]),
    ("recurrent_activation=hard_sigmoid", [L.LSTM(3, recurrent_activation="hard_sigmoid"), L.Dense(2)]),
    ("go_backwards=True", [L.LSTM(3, go_backwards=True), L.Dense(2)]),
    ("stateful=True", [L.LSTM(3, stateful=True), L.Dense(2)]),
    ("merge_mode sum", [L.Bidirectional(L.LSTM(3), merge_mode="sum"), L.Dense(2)]),
    ("two different layers", [L.Bidirectional(L.LSTM(3), backward_layer=L.LSTM(3, use_bias=False, go_backwards=True)),
                              L.Dense(2)]),
    ("gives all steps", [L.LSTM(3, return_sequences=True), L.Dense(2)]),
    ("there is no dense layer", [L.LSTM(3)]),
    ("dense_?[0-9]*", [L.LSTM(3), L.Dense(4), L.Dense(2)]),
    ("a sigmoid of 2 outputs", [L.LSTM(3), L.Dense(2, activation="sigmoid")]),
    (r"activation \(Activation\) has no place|activation_?[0-9]* \(Activation\)",
     [L.LSTM(3), L.Activation("sigmoid"), L.Dense(2)]),
    ("activation=tanh", [L.LSTM(3), L.Dense(2, activation="tanh")]),
    ("axis", [L.Normalization(axis=1, mean=[0.0] * 6, variance=[1.0] * 6), L.LSTM(3), L.Dense(2)]),
    ("data_format", [L.LSTM(3, return_sequences=True), L.GlobalAveragePooling1D("channels_first"), L.Dense(2)]),
]  # fmt: skip


@pytest.mark.parametrize(("message", "layers"), REFUSED, ids=[message for message, _ in REFUSED])
def test_everything_else_is_refused_by_name(message: str, layers: list[Any]) -> None:
    model = keras.Sequential([keras.Input(batch_shape=(1, 6, 4)), *layers])
    with pytest.raises(ModelError, match=message):
        from_keras(model)


def test_a_shared_layer_and_a_subclass_are_refused() -> None:
    x = inputs = keras.Input((None, 4))
    lstm = L.LSTM(4, return_sequences=True)
    x = lstm(lstm(x))
    with pytest.raises(ModelError, match="used twice"):
        from_keras(keras.Model(inputs, L.Dense(2)(L.LSTM(3)(x))))

    class Own(keras.Model):
        pass

    with pytest.raises(ModelError, match="Own is no Sequential or Functional model"):
        from_keras(Own())
    with pytest.raises(UsageError, match="is no file of Keras 3"):
        from_keras("model.pb")


def test_without_keras_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exported = to_keras(networks.model(networks.network()), tmp_path / "it.keras")
    monkeypatch.setattr(keras_build, "missing", lambda *names: f"{names[0]} is not installed")
    assert str(from_keras(exported.path).check) == "not checked: keras is not installed"
    with pytest.raises(UsageError, match="keras is not installed"):
        to_keras(networks.model(networks.network()), tmp_path / "other.keras")
    assert not (tmp_path / "other.keras").exists()


def test_attention_is_no_layer_of_keras(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="pooling by attention"):
        to_keras(networks.model(networks.network(pool="attention")), tmp_path / "it.keras")
