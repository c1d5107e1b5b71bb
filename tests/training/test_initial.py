"""The weights that a run without torch starts from are torch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from engine_problems import CELLS, INPUTS, spec_of

from timesteps.errors import UsageError
from timesteps.nn.models import build
from timesteps.runtime.spec import LayerSpec, NetworkSpec
from timesteps.training.engines.plain import PlainNetwork
from timesteps.training.initial import initial_weights

SIZES: list[dict[str, Any]] = [
    {"hidden": 5, "bidirectional": True, "layers": 2, "learned": True},
    {"hidden": 1},
    {"hidden": 3, "outputs": 3},
    {"hidden": 40, "pool": "attention"},
]


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("cell", CELLS)
def test_the_same_seed_gives_torchs_weights(kind: str, cell: str) -> None:
    for sizes in SIZES:
        spec = spec_of(kind, cell, **sizes)
        for seed in (0, 3000):
            expected = build(spec, seed=seed).state_dict()
            found = initial_weights(spec, seed)
            assert found.keys() == expected.keys()
            for name, weight in found.items():
                assert weight.dtype == np.float32 and weight.flags.c_contiguous
                np.testing.assert_allclose(weight, expected[name].numpy(), rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("cell", ["lstm", "gru", "mingru", "minlstm"])
def test_time_scales_are_torchs_too_and_fill_their_range(cell: str) -> None:
    """Tallec and Ollivier's biases: log U(1, T - 1) on the gate that keeps, its opposite on the gate that writes."""
    spec, longest = spec_of("numeric", cell, hidden=400, bidirectional=True), 50
    expected, found = build(spec, seed=3, chrono=longest).state_dict(), initial_weights(spec, 3, longest)
    plain = initial_weights(spec, 3)
    for name, weight in found.items():
        np.testing.assert_allclose(weight, expected[name].numpy(), rtol=1e-4, atol=1e-5, err_msg=name)
        if "weight" in name and name.endswith("l0"):
            np.testing.assert_array_equal(weight, plain[name])  # drawn behind the weights
    gate, sign = {"lstm": (1, 1), "gru": (1, 1), "mingru": (0, -1), "minlstm": (0, 1)}[cell]
    for end in ("l0", "l0_reverse"):
        biases = found[f"rnn.bias_ih_{end}"]
        scales = np.exp(sign * biases[gate * 400 : (gate + 1) * 400].astype(np.float64))
        assert 1 <= scales.min() < 2 and 48 < scales.max() <= 49 and abs(scales.mean() - 25) < 3
        if cell in ("lstm", "minlstm"):
            other = 1 - gate
            np.testing.assert_allclose(biases[other * 400 : (other + 1) * 400], -np.log(scales), rtol=1e-4, atol=1e-6)
        if cell in ("lstm", "gru"):
            assert not found[f"rnn.bias_hh_{end}"].any()


@pytest.mark.parametrize(("cell", "chrono"), [("rnn", 10), ("lstm", 2), ("lstm", True), ("lstm", 10.0)])
def test_time_scales_of_nothing_are_refused(cell: str, chrono: Any) -> None:
    spec = spec_of("numeric", cell)
    for make in (lambda: build(spec, chrono=chrono), lambda: initial_weights(spec, 0, chrono)):
        with pytest.raises(UsageError, match="chrono"):
            make()


def test_vectors_are_taken_but_where_they_are_nan() -> None:
    spec = spec_of("ids")
    network, module = PlainNetwork.untrained(spec), build(spec)
    vectors = np.random.default_rng(0).normal(size=(12, 6))
    vectors[3, 1] = np.nan
    assert network.set_vectors(vectors) == module.set_vectors(vectors) == 11
    table = module.state_dict()["embedding.weight"].numpy()
    np.testing.assert_allclose(network.weights["embedding.weight"], table, rtol=1e-6)
    with pytest.raises(UsageError, match="vectors have shape"):
        network.set_vectors(vectors[:5])
    with pytest.raises(UsageError, match="has no embedding"):
        PlainNetwork.untrained(spec_of("numeric")).set_vectors(vectors)


@pytest.mark.parametrize("kind", ["bag", "ids"])
def test_numbers_are_drawn_alike_in_blocks(kind: str, monkeypatch) -> None:
    layer = LayerSpec(cell="lstm", input_size=7, hidden_size=3)
    spec = NetworkSpec(input=kind, input_size=31, embedding_size=7, layers=(layer,), outputs=1)
    whole = initial_weights(spec, 5)
    monkeypatch.setattr("timesteps.training.initial._BLOCK", 48)
    for name, weight in initial_weights(spec, 5).items():
        np.testing.assert_array_equal(weight, whole[name])
