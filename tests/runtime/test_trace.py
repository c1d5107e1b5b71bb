"""Gates and states of every step: whether the equations of the papers hold between them, in every implementation."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import random_models as models
from hypothesis import given, settings
from hypothesis import strategies as st

from timesteps.errors import UsageError
from timesteps.runtime import native
from timesteps.runtime.network import Network
from timesteps.runtime.session import Session
from timesteps.runtime.trace import LayerTrace

LENGTHS = [5, 0, 1, 7, 3, 7, 2]
CELLS = [
    ("rnn", {}),
    ("rnn", {"nonlinearity": "relu"}),
    ("lstm", {}),
    ("lstm", {"initial_state": "learned"}),
    ("gru", {}),
    ("gru", {"reset_after": False}),
    ("gru", {"initial_state": "learned", "reset_after": False}),
    ("mingru", {"initial_state": "learned"}),
    ("minlstm", {}),
    ("rnn", {"layer_norm": True, "zoneout": 0.3}),
    ("lstm", {"layer_norm": True}),
    ("lstm", {"peephole": True, "zoneout": 0.2, "zoneout_cell": 0.4}),
    ("lstm", {"layer_norm": True, "peephole": True, "zoneout_cell": 0.4}),
    ("gru", {"layer_norm": True}),
    ("gru", {"layer_norm": True, "reset_after": False, "zoneout": 0.3}),
]
INPUTS = ["ids", "one_hot", "bag", "numeric"]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def normal(a, gain):
    return gain * (a - a.mean()) / np.sqrt(a.var() + 1e-5)


def expected(layer, weights, x, h, c):
    """The gates, ĥ' and ĉ' of one step from the state before it and x, by the equation; c' where o sees it."""
    size = layer.hidden_size

    def product(side, v, first, last):
        rows = slice(first * size, last * size)
        a = weights[f"weight_{side}"][rows] @ v
        if layer.layer_norm:
            a = normal(a, weights[f"norm_{side}"][rows])
        return a + weights[f"bias_{side}"][rows]

    if layer.cell == "rnn":
        a = product("ih", x, 0, 1) + product("hh", h, 0, 1)
        return {}, np.maximum(a, 0) if layer.nonlinearity == "relu" else np.tanh(a), None
    if layer.cell == "lstm":
        i, f, g, o = np.split(product("ih", x, 0, 4) + product("hh", h, 0, 4), 4)
        p_i, p_f, p_o = np.split(weights["weight_ch"], 3) if layer.peephole else (0, 0, 0)
        i, f, g = sigmoid(i + p_i * c), sigmoid(f + p_f * c), np.tanh(g)
        new = f * c + i * g
        o = sigmoid(o + p_o * new)
        seen = normal(new, weights["norm_c"]) + weights["norm_c_bias"] if layer.layer_norm else new
        return {"i": i, "f": f, "g": g, "o": o}, o * np.tanh(seen), new
    if layer.cell == "gru":
        r, z = np.split(sigmoid(product("ih", x, 0, 2) + product("hh", h, 0, 2)), 2)
        past = r * product("hh", h, 2, 3) if layer.reset_after else product("hh", r * h, 2, 3)
        n = np.tanh(product("ih", x, 2, 3) + past)
        return {"r": r, "z": z, "n": n}, (1 - z) * n + z * h, None
    if layer.cell == "mingru":
        z, candidate = sigmoid(product("ih", x, 0, 1)), product("ih", x, 1, 2)
        return {"z": z, "candidate": candidate}, (1 - z) * h + z * candidate, None
    f, i, candidate = sigmoid(product("ih", x, 0, 1)), sigmoid(product("ih", x, 1, 2)), product("ih", x, 2, 3)
    return {"f": f, "i": i, "candidate": candidate}, (f * h + i * candidate) / (f + i), None


def same(given, wanted, tolerance, name):
    np.testing.assert_allclose(given, wanted, rtol=tolerance, atol=tolerance, err_msg=name)


def check(spec, weights, trace, tolerance=1e-5):
    """Every number of a trace against the equation, given the numbers before it, and the inputs of the first layer."""
    weights = {name: w.astype(np.float64) for name, w in weights.items()}
    ends = np.cumsum(trace.lengths)
    for number, layer in enumerate(spec.layers):
        ways = [part for part in trace if part.layer == number]
        if number:
            x = np.concatenate([part.states["h"] for part in trace if part.layer == number - 1], axis=1)
        else:
            x = trace.inputs
        for part in ways:
            end = f"_l{number}" + ("_reverse" if part.reverse else "")
            own = {n.removeprefix("rnn.").removesuffix(end): w for n, w in weights.items() if n.endswith(end)}
            zeros = np.zeros(layer.hidden_size)
            for first, last in pairwise([0, *ends.tolist()]):
                h, c = own.get("h0", zeros), own.get("c0", zeros)
                order = range(first, last)
                for step in reversed(order) if part.reverse else order:
                    gates, made, cell = expected(layer, own, x[step], h, c)
                    for name, values in gates.items():
                        np.testing.assert_allclose(
                            part.gates[name][step], values, rtol=tolerance, atol=tolerance, err_msg=name
                        )
                    h = layer.zoneout * h + (1 - layer.zoneout) * made
                    same(part.states["h"][step], h, tolerance, "h")
                    h = part.states["h"][step].astype(np.float64)
                    if cell is not None:
                        c = layer.zoneout_cell * c + (1 - layer.zoneout_cell) * cell
                        same(part.states["c"][step], c, tolerance, "c")
                        c = part.states["c"][step].astype(np.float64)


def one_hot(spec, sequences):
    return np.eye(spec.input_size)[sequences.values]


@pytest.mark.parametrize("implementation", ["native", "numpy", "double"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("cell", "options"), CELLS, ids=str)
def test_the_equation_holds_at_every_step(cell, options, bidirectional, implementation) -> None:
    if implementation == "native" and native.core is None:
        pytest.skip("no core")
    spec = models.network(cell, input="numeric", hidden_sizes=(4, 19), bidirectional=bidirectional, **options)
    weights, sequences = models.weights(spec), models.sequences(spec, LENGTHS)
    dtype = np.float64 if implementation == "double" else np.float32
    if implementation == "numpy":
        with native.without_core():
            network = Network(spec, weights, dtype)
            trace = network.trace(sequences)
    else:
        network = Network(spec, weights, dtype)
        assert (network.why_not_native() is None) == (implementation == "native")
        trace = network.trace(sequences)
    check(spec, weights, trace, 1e-12 if implementation == "double" else 1e-4 if "layer_norm" in options else 2e-5)
    np.testing.assert_allclose(trace.inputs, sequences.values, rtol=1e-6)


@pytest.mark.parametrize("input", INPUTS)
@pytest.mark.parametrize("cell", ["lstm", "gru", "minlstm"])
def test_of_every_kind_of_input_with_the_logits_of_a_plain_call(cell, input) -> None:
    spec = models.network(cell, input=input, hidden_sizes=(5, 3), bidirectional=True, pool="mean+max", outputs=3)
    weights, sequences = models.weights(spec), models.sequences(spec, LENGTHS)
    network = Network(spec, weights)
    trace = network.trace(sequences)
    assert trace.logits.tobytes() == network.logits(sequences).tobytes()
    if input == "one_hot":
        assert trace.inputs is None
        trace = type(trace)(trace.layers, trace.lengths, one_hot(spec, sequences), trace.logits, trace.pool)
    elif input == "ids":
        np.testing.assert_array_equal(trace.inputs, weights["embedding.weight"][sequences.values])
    check(spec, weights, trace)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.sampled_from([("lstm", 16), ("gru", 7), ("mingru", 33)]))
def test_of_any_lengths(lengths, form) -> None:
    cell, size = form
    spec = models.network(cell, input="numeric", hidden_sizes=(size,), bidirectional=True)
    weights, sequences = models.weights(spec), models.sequences(spec, lengths)
    check(spec, weights, Network(spec, weights).trace(sequences), 2e-5)


def test_a_row_alone_is_the_row_in_a_batch_and_slices_of_rows_count_from_their_own_beginning() -> None:
    spec = models.network("lstm", input="ids", bidirectional=True)
    weights, sequences = models.weights(spec), models.sequences(spec, LENGTHS)
    network = Network(spec, weights)
    whole = network.trace(sequences)
    ends = np.cumsum(LENGTHS)
    for row, (begin, end) in enumerate(pairwise([0, *ends.tolist()])):
        alone = network.trace(sequences.take([row]))
        for part in whole:
            for name, values in part.arrays.items():
                np.testing.assert_array_equal(values[begin:end], alone[part.name][name])
    later = type(sequences)(sequences.values, sequences.offsets[3:])  # begins in the middle of the values
    np.testing.assert_array_equal(network.trace(later)["l0"]["f"], whole["l0"]["f"][sequences.offsets[3] :])


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("input", ["ids", "one_hot", "numeric"])
def test_of_int8_the_states_are_those_of_the_kernels(cell, input) -> None:
    spec = models.network(cell, input=input, bidirectional=True, pool="none")
    whole, tensors = models.in_int8(
        (models.ModelSpec(task="classify", classes=(0, 1), network=spec), models.weights(spec))
    )
    sequences = models.sequences(spec, LENGTHS)
    if input == "numeric":
        sequences = type(sequences)(sequences.values.astype(np.float32), sequences.offsets)
    network = Network(whole.network, tensors)
    trace = network.trace(sequences)
    assert trace.logits.tobytes() == network.logits(sequences).tobytes()
    for part in trace:
        if cell == "lstm":
            c = part["c"]
            h = part["o"] * np.tanh(c)
            np.testing.assert_allclose(part["h"], h, atol=1e-5)
            assert ((part["f"] > 0) & (part["f"] < 1)).all() and (np.abs(part["g"]) <= 1).all()
        if cell == "gru":
            begin, end = sequences.offsets[3:5]
            row = part["h"][begin:end]
            before = np.concatenate([row[1:], row[:1] * 0]) if part.reverse else np.concatenate([row[:1] * 0, row[:-1]])
            z, n = part["z"][begin:end], part["n"][begin:end]
            np.testing.assert_allclose(row, n + z * (before - n), atol=1e-6)


@pytest.mark.parametrize("pool", ["last", "mean", "max", "mean+max", "attention", "none"])
def test_what_pooling_took(pool) -> None:
    spec = models.network("gru", input="ids", bidirectional=True, pool=pool)
    weights, sequences = models.weights(spec), models.sequences(spec, LENGTHS)
    trace = Network(spec, weights, np.float64).trace(sequences)
    assert (trace.weights is None) == (pool in ("last", "max", "none"))
    assert (trace.taken is None) == ("max" not in pool)
    outputs = trace.outputs
    assert outputs.shape == (sum(LENGTHS), 8)
    pooled = []
    for row, (begin, end) in enumerate(pairwise([0, *np.cumsum(LENGTHS).tolist()])):
        parts, y = [], outputs[begin:end]
        if trace.weights is not None:
            assert end == begin or trace.weights[begin:end].sum() == pytest.approx(1)
            parts.append(trace.weights[begin:end] @ y)
        if trace.taken is not None:
            best = trace.taken[row]
            assert (best == -1).all() if end == begin else (y[best, range(8)] == y.max(axis=0)).all()
            parts.append(y[best, range(8)] if end > begin else np.zeros(8))
        pooled.append(np.concatenate(parts) if parts else np.zeros(8))
    if pool not in ("last", "none"):
        logits = np.array(pooled) @ weights["head.weight"].T.astype(float) + weights["head.bias"]
        np.testing.assert_allclose(trace.logits, logits, atol=1e-12)


@pytest.mark.parametrize("make", [models.text_model, models.guided_model, models.ids_model, models.token_model])
def test_a_session_traces_all_of_its_members(make) -> None:
    session = Session(*make())
    rows = [text.split() for text in models.TEXTS] if make is models.token_model else models.TEXTS
    trace = session.trace(rows)
    assert len(trace.members) == session.spec.members
    np.testing.assert_array_equal(trace.logits, session.logits(rows))
    np.testing.assert_array_equal(trace.lengths, session.steps(rows).lengths)
    last = len(rows) - 1
    assert trace.span(last) == slice(int(trace.lengths[:-1].sum()), int(trace.lengths.sum()))
    assert [part.name for part in trace.layers] == [part.name for part in trace.members[-1]]


def test_names_that_are_not_there_are_told_apart() -> None:
    trace = Session(*models.numeric_model(cell="rnn")).trace([np.ones((3, 3))])
    with pytest.raises(UsageError, match=r"there is no layer 'l2'; did you mean l[01]\? there are l0, l1"):
        trace["l2"]
    with pytest.raises(UsageError, match=r"layer l0 \(rnn\) has no gate or state 'f'; there is h"):
        trace["l0"]["f"]
    with pytest.raises(UsageError, match="the input is one text"):
        Session(*models.text_model()).trace("text")
    part = trace["l0"]
    assert isinstance(part, LayerTrace) and part.rows(slice(1, 3))["h"].base is not None
