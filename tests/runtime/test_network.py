"""The numpy network against torch's own layers, Keras' GRU, and itself in other batches."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

from itertools import pairwise

import numpy as np
import pytest
import random_models as models
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from papers import by_steps

from timesteps.errors import DataError
from timesteps.nn.models import Batch, build
from timesteps.runtime import embedding, scan
from timesteps.runtime import network as network_module
from timesteps.runtime.cells import sigmoid
from timesteps.runtime.embedding import bag_sums
from timesteps.runtime.network import Network
from timesteps.runtime.sequences import Bags, Sequences
from timesteps.runtime.spec import LayerSpec, NetworkSpec

torch.set_num_threads(1)
LENGTHS = [5, 0, 1, 7, 3, 7, 2]
CELLS = [
    ("rnn", {}),
    ("rnn", {"nonlinearity": "relu"}),
    ("rnn", {"nonlinearity": "linear"}),
    ("lstm", {}),
    ("gru", {}),
    ("gru", {"reset_after": False}),
    ("mingru", {}),
    ("minlstm", {}),
    ("rnn", {"layer_norm": True, "zoneout": 0.3}),
    ("lstm", {"layer_norm": True}),
    ("lstm", {"peephole": True, "zoneout": 0.2, "zoneout_cell": 0.4}),
    ("lstm", {"layer_norm": True, "peephole": True, "zoneout_cell": 0.4}),
    ("gru", {"layer_norm": True}),
    ("gru", {"layer_norm": True, "reset_after": False, "zoneout": 0.3}),
]
OPTIONS = ("nonlinearity", "reset_after", "layer_norm", "peephole", "zoneout", "zoneout_cell")
POOLS = ["last", "mean", "max", "mean+max", "attention", "none"]
# Every pool over the cells, and one over their options, which no pool can tell apart.
POOLED = pytest.mark.parametrize(
    ("cell", "options", "pool"), [(*each, pool) for k, each in enumerate(CELLS) for pool in POOLS[: 6 if k < 6 else 1]]
)
INPUTS = [("ids", False), ("one_hot", False), ("bag", False), ("bag", True), ("numeric", False)]


def torch_layer(layer: LayerSpec, weights: dict, number: int, x: torch.Tensor):
    """One layer on one row (T, I) by torch.nn: outputs (T, H * directions) and final h of each direction."""
    own = {name.removeprefix("rnn."): w for name, w in weights.items() if f"_l{number}" in name}
    suffixes = ["", "_reverse"] if layer.bidirectional else [""]
    zeros = torch.zeros(layer.hidden_size, dtype=torch.float64)
    h0 = torch.stack([own.get(f"h0_l{number}{s}", zeros) for s in suffixes])
    c0 = torch.stack([own.get(f"c0_l{number}{s}", zeros) for s in suffixes])
    strange = (layer.cell == "gru" and not layer.reset_after) or layer.nonlinearity == "linear"
    if strange or layer.layer_norm or layer.peephole or layer.zoneout:
        options = {name: getattr(layer, name) for name in OPTIONS}
        runs = []
        for k, suffix in enumerate(suffixes):
            end = f"_l{number}{suffix}"
            one = {name.removesuffix(end): weight for name, weight in own.items() if name.endswith(end)}
            state = (h0[k], c0[k]) if layer.cell == "lstm" else (h0[k],)
            run, _ = by_steps(layer.cell, one, state, x if k == 0 else x.flip(0), **options)
            runs.append(run)
        return torch.cat([run if k == 0 else run.flip(0) for k, run in enumerate(runs)], 1), [run[-1] for run in runs]
    if layer.cell in ("mingru", "minlstm"):
        runs = [minimal(own, f"_l{number}{s}", h0[k], x if k == 0 else x.flip(0)) for k, s in enumerate(suffixes)]
        return torch.cat([run if k == 0 else run.flip(0) for k, run in enumerate(runs)], 1), [run[-1] for run in runs]
    kind = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[layer.cell]
    options = {"nonlinearity": layer.nonlinearity} if layer.cell == "rnn" else {}
    module = kind(
        layer.input_size, layer.hidden_size, bidirectional=layer.bidirectional, dtype=torch.float64, **options
    )
    module.load_state_dict({n.replace(f"_l{number}", "_l0"): w for n, w in own.items() if n[1:3] != "0_"})
    y, final = module(x, (h0, c0) if layer.cell == "lstm" else h0)
    return y, list(final[0] if layer.cell == "lstm" else final)


def minimal(own: dict, end: str, h: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """minGRU and minLSTM (Feng et al. 2024) as the paper writes them, step by step; two gates are minGRU's."""
    weight, bias = own["weight_ih" + end], own["bias_ih" + end]
    outputs = []
    for step in x:
        *gates, candidate = (weight @ step + bias).view(-1, len(h))
        z = [torch.sigmoid(gate) for gate in gates]
        forget, write = (1 - z[0], z[0]) if len(z) == 1 else (z[0] / (z[0] + z[1]), z[1] / (z[0] + z[1]))
        h = forget * h + write * candidate
        outputs.append(h)
    return torch.stack(outputs)


def torch_logits(spec: NetworkSpec, tensors: dict, rows: Sequences) -> np.ndarray:
    """Each row alone through torch's layers, in float64."""
    weights = {name: torch.from_numpy(np.asarray(tensor, np.float64)) for name, tensor in tensors.items()}
    found = []
    for row in range(len(rows)):
        begin, end = rows.offsets[row : row + 2]
        values = torch.from_numpy(rows.values[begin:end])
        features = [torch.zeros(0, dtype=torch.int64)] * len(values)
        if spec.input == "numeric":
            x = values.double()
        elif spec.input == "one_hot":
            x = torch.nn.functional.one_hot(values.long(), spec.input_size).double()
        elif spec.input == "ids":
            x = torch.nn.functional.embedding(values.long(), weights["embedding.weight"])
        else:
            features = [features_of(rows, step) for step in range(begin, end)]
            vectors = [weights["embedding.weight"][f].sum(0) / max(1, len(f)) ** 0.5 for f in features]
            x = torch.stack(vectors) if vectors else torch.zeros(0, spec.embedding_size)
        pooled = torch.zeros(*([0] if spec.pool == "none" else []), spec.width, dtype=torch.float64)
        if len(x):
            for number, layer in enumerate(spec.layers):
                x, final = torch_layer(layer, weights, number, x)
            mean, largest = x.mean(0), x.max(0).values
            pooled = {
                "none": lambda: x,  # noqa: B023
                "last": lambda: torch.cat(final),  # noqa: B023
                "mean": lambda: mean,  # noqa: B023
                "max": lambda: largest,  # noqa: B023
                "mean+max": lambda: torch.cat([mean, largest]),  # noqa: B023
                "attention": lambda: torch.softmax(x @ weights["attention.weight"][0], 0) @ x,  # noqa: B023
            }[spec.pool]()
        logits = torch.nn.functional.linear(pooled, weights["head.weight"], weights["head.bias"])
        if spec.wide:
            every = torch.cat([torch.zeros(0).long(), *features])
            logits = logits + weights["embedding.wide"][every].sum(0) / max(1, len(every)) ** 0.5
        found.append(logits.detach().numpy())
    return np.concatenate(found) if spec.pool == "none" else np.array(found)


def features_of(rows: Sequences, step: int) -> torch.Tensor:
    bag = rows.values[step]
    ids = list(rows.bags.ids[rows.bags.offsets[bag] : rows.bags.offsets[bag + 1]])
    if rows.phrases is not None:
        ids += list(rows.phrases.ids[rows.phrases.offsets[step] : rows.phrases.offsets[step + 1]])
    return torch.tensor(ids, dtype=torch.int64)


@pytest.mark.parametrize(("input", "phrases"), INPUTS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("hidden_sizes", [(4,), (3, 5)])
@POOLED
def test_equals_torch(cell, options, hidden_sizes, bidirectional, input, phrases, pool):
    spec = models.network(
        cell,
        input=input,
        hidden_sizes=hidden_sizes,
        bidirectional=bidirectional,
        pool=pool,
        outputs=3,
        wide=input == "bag" and pool != "none",
        initial_state="learned" if len(hidden_sizes) == 2 else "zero",
        **options,
    )
    tensors, rows = models.weights(spec), models.sequences(spec, LENGTHS, phrases=phrases)
    if options.get("nonlinearity") == "linear":  # nothing else holds its states back
        tensors = {name: 0.3 * part if name.startswith("rnn.") else part for name, part in tensors.items()}
    expected = torch_logits(spec, tensors, rows)
    np.testing.assert_allclose(Network(spec, tensors, np.float64).logits(rows), expected, rtol=0, atol=1e-12)
    single = Network(spec, tensors).logits(rows)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("reset_after", [False, True])
def test_gru_equals_keras(reset_after):
    import keras

    spec = models.network("gru", input="numeric", input_size=3, reset_after=reset_after)
    tensors = models.weights(spec)
    layer = keras.layers.GRU(4, reset_after=reset_after)
    layer.build((1, None, 3))

    def keras_order(name):  # Keras' gates lie z, r, h
        r, z, n = np.split(tensors[name], 3)
        return np.concatenate([z, r, n])

    biases = np.stack([keras_order("rnn.bias_ih_l0"), keras_order("rnn.bias_hh_l0")])
    layer.set_weights(
        [keras_order("rnn.weight_ih_l0").T, keras_order("rnn.weight_hh_l0").T, biases if reset_after else biases.sum(0)]
    )
    rows = models.sequences(spec, [6])
    h = keras.ops.convert_to_numpy(layer(rows.values[None].astype(np.float32)))
    expected = h @ tensors["head.weight"].T + tensors["head.bias"]
    np.testing.assert_allclose(Network(spec, tensors).logits(rows), expected, rtol=1e-5, atol=1e-5)


def batch_of(spec: NetworkSpec, rows: Sequences) -> Batch:
    """What the torch twin reads."""
    lengths = torch.from_numpy(rows.lengths)
    if spec.input == "bag":
        features = [features_of(rows, step) for step in range(len(rows.values))]
        offsets = torch.tensor([0, *np.cumsum([len(f) for f in features])])
        return Batch(lengths, bag_ids=torch.cat(features), bag_offsets=offsets)
    parts = [torch.from_numpy(rows.values[a:b]) for a, b in pairwise(rows.offsets)]
    padded = torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)
    return Batch(lengths, padded if spec.input == "numeric" else padded.long())


@pytest.mark.parametrize("input", ["ids", "one_hot", "bag", "numeric"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2])
@POOLED
def test_equals_its_torch_twin(cell, options, bidirectional, pool, input, num_layers):
    spec = models.network(
        cell,
        input=input,
        hidden_sizes=(4, 3)[:num_layers],
        bidirectional=bidirectional,
        pool=pool,
        outputs=2,
        wide=input == "bag" and pool != "none",
        initial_state="learned",
        **options,
    )
    tensors, rows = models.weights(spec), models.sequences(spec, LENGTHS, phrases=input == "bag")
    built = build(spec)
    assert {name: tuple(t.shape) for name, t in built.state_dict().items()} == {n: t.shape for n, t in tensors.items()}
    built.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in tensors.items()})
    with torch.no_grad():
        expected = built.eval()(batch_of(spec, rows)).numpy()
    np.testing.assert_allclose(Network(spec, tensors).logits(rows), expected, rtol=2e-5, atol=2e-5)


@given(
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=9),
    cell=st.sampled_from(CELLS),
    pool=st.sampled_from(POOLS),
    input=st.sampled_from(INPUTS),
    bidirectional=st.booleans(),
    small=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_a_row_alone_equals_the_row_in_a_batch(lengths, cell, pool, input, bidirectional, small):
    spec = models.network(
        cell[0],
        input=input[0],
        hidden_sizes=(3, 2),
        bidirectional=bidirectional,
        pool=pool,
        wide=input[0] == "bag" and pool != "none",
        **cell[1],
    )
    rows = models.sequences(spec, lengths, phrases=input[1])
    net = Network(spec, models.weights(spec), np.float64)
    alone = np.concatenate([net.logits(rows.take([row])) for row in range(len(rows))])
    with pytest.MonkeyPatch.context() as patch:
        if small:  # as if there were far more rows: several chunks, several blocks in each
            patch.setattr(network_module, "_CHUNK", 200)
            patch.setattr(scan, "_BLOCK", 4)
            patch.setattr(embedding, "_GATHER", 7)
        together = net.logits(rows)
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-12)


def test_a_large_batch_takes_several_chunks_of_bounded_size(monkeypatch):
    spec = models.network("gru", pool="mean")
    net, rows = Network(spec, models.weights(spec), np.float64), models.sequences(spec, list(range(1, 60)))
    whole = net.logits(rows)
    monkeypatch.setattr(network_module, "_CHUNK", 13 * 100)  # 5 inputs + 2 * 4 outputs a step
    chunks = list(net._chunks(rows.lengths))
    assert max(int(rows.lengths[chunk].max()) * len(chunk) for chunk in chunks) <= 100
    assert sorted(np.concatenate(chunks).tolist()) == list(range(59))
    np.testing.assert_allclose(net.logits(rows), whole, rtol=0, atol=1e-13)


def test_no_rows_and_only_empty_rows():
    spec = models.network(outputs=2)
    tensors = models.weights(spec)
    net = Network(spec, tensors)
    assert net.logits(models.sequences(spec, [])).shape == (0, 2)
    np.testing.assert_array_equal(net.logits(models.sequences(spec, [0, 0])), np.tile(tensors["head.bias"], (2, 1)))


@pytest.mark.parametrize("wrong", [-1, 11])
@pytest.mark.parametrize("input", ["ids", "one_hot", "bag"])
def test_ids_outside_the_model_are_errors(input, wrong):
    spec = models.network(input=input)
    rows = models.sequences(spec, [3, 2])
    if input == "bag":
        rows.bags.ids[rows.bags.offsets[rows.values[0]] : rows.bags.offsets[rows.values[0] + 1]] = wrong
    else:
        rows.values[3] = wrong
    with pytest.raises(DataError, match=f"{wrong}.*0 to 10"):
        Network(spec, models.weights(spec)).logits(rows)


def test_steps_of_another_kind_are_errors():
    numeric, ids = models.network(input="numeric", input_size=2), models.network()
    with pytest.raises(DataError, match="shape"):
        Network(numeric, models.weights(numeric)).logits(Sequences.of([np.zeros((3, 4))], np.float64))
    with pytest.raises(DataError, match=r"without bags|with bags"):
        Network(ids, models.weights(ids)).logits(models.sequences(models.network(input="bag"), [2]))


def test_large_gates_saturate_without_a_warning():
    x = np.array([-1e30, -100.0, 0.0, 100.0, 1e30], np.float32)
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_array_equal(sigmoid(x), [0, 0, 0.5, 1, 1])
    assert x[0] == np.float32(-1e30)  # not in place unless asked


@given(st.lists(st.lists(st.integers(0, 6), max_size=9), max_size=12), st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_bag_sums_equal_a_loop(rows, gather):
    table = np.random.default_rng(0).normal(size=(7, 3))
    offsets = np.cumsum([0, *map(len, rows)])
    ids = np.array([i for row in rows for i in row], np.int32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedding, "_GATHER", gather)
        sums = bag_sums(table, Bags(ids, offsets), np.dtype(np.float64))
    expected = np.array([table[row].sum(axis=0) for row in rows]).reshape(-1, 3)
    np.testing.assert_allclose(sums, expected, rtol=0, atol=1e-13)


def test_tables_are_read_where_they_lie():
    spec = models.network(input="bag", wide=True)
    tensors = models.weights(spec)
    net = Network(spec, tensors)
    assert all(net._tables[name] is tensors[name] for name in ("embedding.weight", "embedding.wide"))
