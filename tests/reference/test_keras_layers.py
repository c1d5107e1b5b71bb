"""Law 7: our layers are Keras', with its weights turned into torch's layout."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

from typing import Any

import keras
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tolerances import CLOSE
from torch.testing import assert_close

from timesteps import nn as ours
from timesteps.nn import dropout
from timesteps.nn.cells.cell import as_tuple

torch.set_num_threads(1)

B, T, I, H = 4, 7, 3, 5  # noqa: E741
FORMS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("RNN", "SimpleRNN", {}, {}),
    ("RNN", "SimpleRNN", {"nonlinearity": "relu"}, {"activation": "relu"}),
    ("RNN", "SimpleRNN", {"nonlinearity": "linear"}, {"activation": None}),
    ("LSTM", "LSTM", {}, {}),
    ("GRU", "GRU", {}, {}),
    ("GRU", "GRU", {"reset_after": False}, {"reset_after": False}),
]
every_form = pytest.mark.parametrize(("name", "keras_name", "options", "keras_options"), FORMS, ids=str)
F32 = CLOSE[torch.float32]


def by_gates(array: NDArray[Any], name: str) -> torch.Tensor:
    """Keras' (..., G*H) as torch's (G*H, ...): z and r change places in a GRU."""
    parts = np.split(array, {"RNN": 1, "LSTM": 4, "GRU": 3}[name], axis=-1)
    if name == "GRU":
        parts = [parts[1], parts[0], parts[2]]
    return torch.from_numpy(np.concatenate(parts, -1).T.copy())


def give_weights(layer: Any, keras_layer: Any, name: str, suffix: str = "") -> None:
    """Random weights for Keras, and the same for our layer."""
    rng = np.random.default_rng(len(suffix))
    keras_layer.set_weights([rng.normal(0, 0.5, w.shape).astype(np.float32) for w in keras_layer.get_weights()])
    kernel, recurrent, bias = keras_layer.get_weights()
    first, second = bias if bias.ndim == 2 else (bias, np.zeros_like(bias))
    tensors = {"weight_ih": kernel, "weight_hh": recurrent, "bias_ih": first, "bias_hh": second}
    with torch.no_grad():
        for key, array in tensors.items():
            getattr(layer, f"{key}_l0{suffix}").copy_(by_gates(array, name))


def pair(form: tuple[str, str, dict[str, Any], dict[str, Any]], **more: Any) -> tuple[Any, Any]:
    name, keras_name, options, keras_options = form
    keras_layer = getattr(keras.layers, keras_name)(
        H, return_sequences=True, return_state=True, **keras_options, **more
    )
    keras_layer.build((B, T, I))
    layer = getattr(ours, name)(I, H, batch_first=True, **options)
    give_weights(layer, keras_layer, name)
    return layer, keras_layer


def tensor(value: Any) -> torch.Tensor:
    return torch.from_numpy(keras.ops.convert_to_numpy(value).copy())


def random(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(9).normal(size=shape).astype(np.float32))


MASKS = {
    "right": np.arange(T) < np.array([[7], [3], [1], [5]]),
    "left": np.arange(T) >= np.array([[0], [3], [6], [2]]),
    "holes": np.random.default_rng(0).random((B, T)) < 0.6,
    "empty row": np.array([[True] * T, [False] * T, [True] * T, [True, False] * 3 + [True]]),
}


@every_form
@pytest.mark.parametrize("pattern", [None, *MASKS])
@pytest.mark.parametrize("backwards", [False, True])
def test_layers_with_masks_and_backwards(
    name: str,
    keras_name: str,
    options: dict[str, Any],
    keras_options: dict[str, Any],
    pattern: str | None,
    backwards: bool,
) -> None:
    layer, keras_layer = pair((name, keras_name, options, keras_options), go_backwards=backwards)
    x = random(B, T, I)
    mask = None if pattern is None else torch.from_numpy(MASKS[pattern])
    y, *states = (tensor(v) for v in keras_layer(x.numpy(), mask=None if mask is None else mask.numpy()))
    got, final = ours.scan(layer.cell(), x, mask=mask, reverse=backwards)
    expected = y.flip(1) if backwards else y
    valid = torch.ones(B, T, dtype=torch.bool) if mask is None else mask
    assert_close(got[valid], expected[valid], **F32)  # on padding Keras repeats the output before, we give zeros
    assert_close(list(as_tuple(final)), states, **F32)


@every_form
def test_gradients(name: str, keras_name: str, options: dict[str, Any], keras_options: dict[str, Any]) -> None:
    layer, keras_layer = pair((name, keras_name, options, keras_options))
    x, mask = random(B, T, I), torch.from_numpy(MASKS["holes"])
    expected, *_ = keras_layer(x.clone().requires_grad_(), mask=mask)
    y, _ = layer(x, mask=mask)
    weights = torch.linspace(-1, 1, y.numel()).view(y.shape) * mask.unsqueeze(2)
    kernels = [variable.value for variable in keras_layer.trainable_variables[:2]]
    theirs = torch.autograd.grad((expected * weights).sum(), kernels)
    mine = torch.autograd.grad((y * weights).sum(), [layer.weight_ih_l0, layer.weight_hh_l0])
    assert_close(list(mine), [by_gates(grad.detach().numpy(), name) for grad in theirs], **F32)


@every_form
def test_initial_state(name: str, keras_name: str, options: dict[str, Any], keras_options: dict[str, Any]) -> None:
    layer, keras_layer = pair((name, keras_name, options, keras_options))
    x = random(B, T, I)
    state = [random(B, H), 0.5 * random(B, H)][: 2 if name == "LSTM" else 1]
    y, *finals = (tensor(v) for v in keras_layer(x.numpy(), initial_state=[part.numpy() for part in state]))
    hx = [part.unsqueeze(0) for part in state]
    got, end = layer(x, tuple(hx) if len(hx) == 2 else hx[0])
    assert_close(got, y, **F32)
    assert_close([part[0] for part in as_tuple(end)], finals, **F32)


@every_form
@pytest.mark.parametrize("pattern", ["right", "left", "holes"])
def test_bidirectional(
    name: str, keras_name: str, options: dict[str, Any], keras_options: dict[str, Any], pattern: str
) -> None:
    wrapped = getattr(keras.layers, keras_name)(H, return_sequences=True, **keras_options)
    keras_layer = keras.layers.Bidirectional(wrapped)
    keras_layer.build((B, T, I))
    layer = getattr(ours, name)(I, H, batch_first=True, bidirectional=True, **options)
    give_weights(layer, keras_layer.forward_layer, name)
    give_weights(layer, keras_layer.backward_layer, name, "_reverse")
    x, mask = random(B, T, I), MASKS[pattern]
    y, _ = layer(x, mask=torch.from_numpy(mask))
    expected = tensor(keras_layer(x.numpy(), mask=mask))
    assert_close(y[mask], expected[mask], **F32)


@every_form
@pytest.mark.parametrize("pattern", ["right", "left"])
def test_last_output_of_keras_is_the_last_pool(
    name: str, keras_name: str, options: dict[str, Any], keras_options: dict[str, Any], pattern: str
) -> None:
    wrapped = getattr(keras.layers, keras_name)(H, **keras_options)  # return_sequences=False
    keras_layer = keras.layers.Bidirectional(wrapped)
    keras_layer.build((B, T, I))
    layer = getattr(ours, name)(I, H, batch_first=True, bidirectional=True, **options)
    give_weights(layer, keras_layer.forward_layer, name)
    give_weights(layer, keras_layer.backward_layer, name, "_reverse")
    x, mask = random(B, T, I), MASKS[pattern]
    y, _ = layer(x, mask=torch.from_numpy(mask))
    expected = tensor(keras_layer(x.numpy(), mask=mask))
    assert_close(ours.last_pool(y, torch.from_numpy(mask), bidirectional=True), expected, **F32)


@every_form
@pytest.mark.parametrize(("p", "q"), [(0.4, 0.0), (0.0, 0.4), (0.4, 0.3)])
def test_dropout_in_time(
    name: str, keras_name: str, options: dict[str, Any], keras_options: dict[str, Any], p: float, q: float
) -> None:
    """Keras runs with the masks that we drew: then everything else about them must agree."""
    layer, keras_layer = pair((name, keras_name, options, keras_options), dropout=p, recurrent_dropout=q)
    x, mask = random(B, T, I), torch.from_numpy(MASKS["right"])
    keys = dropout.draw_keys(B, generator=torch.Generator().manual_seed(4))
    input_mask = dropout.dropout_mask(keys, I, p, 0) if p else torch.ones(B, I)
    recurrent_mask = dropout.dropout_mask(keys, H, q, 1) if q else torch.ones(B, H)
    assert p == 0 or input_mask.unique().tolist() == pytest.approx([0, 1 / (1 - p)])
    count = getattr(keras_layer.cell, "dropout_mask_count", None)  # Keras has a mask a gate: the same for each here
    keras_layer.cell._dropout_mask = input_mask if count is None else [input_mask] * count
    keras_layer.cell._recurrent_dropout_mask = recurrent_mask if count is None else [recurrent_mask] * count
    expected, *states = keras_layer(x, mask=mask, training=True)
    y, final = ours.scan(
        layer.cell(),
        x,
        mask=mask,
        input_dropout=p,
        recurrent_dropout=q,
        generator=torch.Generator().manual_seed(4),
    )
    assert_close(y[mask], expected[mask], **F32)
    assert_close(list(as_tuple(final)), list(states), **F32)
    plain, _ = ours.scan(layer.cell(), x, mask=mask)
    assert not torch.allclose(y, plain, atol=1e-2)


@pytest.mark.parametrize("p", [0.2, 0.5])
def test_masks_have_keras_rates_and_scale(p: float) -> None:
    layer = keras.layers.LSTM(H, dropout=p)
    layer.build((2000, T, I))
    theirs = torch.as_tensor(layer.cell.get_dropout_mask(keras.ops.ones((2000, I))))
    mine = dropout.dropout_mask(dropout.draw_keys(2000), I, p, 0)
    assert mine.unique().tolist() == pytest.approx(theirs.unique().tolist())
    assert float((mine == 0).float().mean()) == pytest.approx(float((theirs == 0).float().mean()), abs=0.03)


def test_keras_layers_start_as_the_keras_scheme_says() -> None:
    torch.manual_seed(0)
    keras.utils.set_random_seed(0)
    theirs = keras.layers.LSTM(40)
    theirs.build((1, 1, 30))
    kernel, recurrent, bias = theirs.get_weights()
    mine = ours.LSTM(30, 40)
    ours.initialize(mine, "keras")
    assert_close(mine.bias_ih_l0 + mine.bias_hh_l0, by_gates(bias, "LSTM"), rtol=0, atol=0)
    limit = float(np.sqrt(6 / (30 + 160)))
    for array in (kernel, mine.weight_ih_l0.detach().numpy()):
        assert np.abs(array).max() == pytest.approx(limit, rel=0.01)
        assert array.std() == pytest.approx(limit / np.sqrt(3), rel=0.05)
    for array in (recurrent, mine.weight_hh_l0.detach().numpy().T):  # (H, 4H): orthonormal rows
        np.testing.assert_allclose(array @ array.T, np.eye(40), atol=1e-5)


@pytest.mark.parametrize(
    ("layers", "module"),
    [
        ([keras.layers.Embedding(500, 16)], lambda: ours.Embedding(500, 16)),
        ([keras.layers.SimpleRNN(8)], lambda: ours.RNN(16, 8)),
        ([keras.layers.LSTM(8)], lambda: ours.LSTM(16, 8)),
        ([keras.layers.GRU(8)], lambda: ours.GRU(16, 8)),
        ([keras.layers.GRU(8, reset_after=False)], lambda: ours.GRU(16, 8, reset_after=False)),
        ([keras.layers.Bidirectional(keras.layers.LSTM(8))], lambda: ours.LSTM(16, 8, bidirectional=True)),
        (
            [keras.layers.LSTM(8, return_sequences=True), keras.layers.LSTM(8)],
            lambda: ours.LSTM(16, 8, 2),
        ),
        ([keras.layers.Dense(1)], lambda: torch.nn.Linear(16, 1)),
    ],
    ids=str,
)
def test_counts_are_keras(layers: list[Any], module: Any) -> None:
    width = 16
    shape = (None, 10) if isinstance(layers[0], keras.layers.Embedding) else (None, 10, width)
    if isinstance(layers[0], keras.layers.Dense):
        shape = (None, width)
    model = keras.Sequential([keras.Input(shape[1:]), *layers])
    assert ours.count_parameters(module(), biases="keras") == model.count_params()
