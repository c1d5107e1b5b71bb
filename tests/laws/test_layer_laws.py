"""The laws of whole layers: stacks, two directions, copies, dropout."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from cases import flags
from hypothesis import given, settings
from tolerances import CLOSE, EXACT
from torch import Tensor, nn
from torch.testing import assert_close

from timesteps.nn import GRU, LSTM, RNN, Network, Regularization, build
from timesteps.nn.cells.cell import as_tuple
from timesteps.nn.models import Batch
from timesteps.runtime.spec import LayerSpec, NetworkSpec

F64 = CLOSE[torch.float64]
LAYERS: list[tuple[type[nn.Module], dict[str, Any]]] = [
    (RNN, {}),
    (LSTM, {}),
    (LSTM, {"proj_size": 2}),
    (GRU, {}),
    (GRU, {"reset_after": False}),
    (RNN, {"layer_norm": True}),
    (LSTM, {"layer_norm": True, "peephole": True, "proj_size": 2}),
    (GRU, {"layer_norm": True}),
]
every_layer = pytest.mark.parametrize(("layer", "options"), LAYERS, ids=lambda v: getattr(v, "__name__", str(v)))


def make(layer: type[nn.Module], options: dict[str, Any], **more: Any) -> nn.Module:
    torch.manual_seed(0)
    return layer(3, 4, 2, batch_first=True, bidirectional=True, dtype=torch.float64, **options, **more)


@every_layer
@settings(max_examples=12)
@given(mask=flags())
def test_law_3_a_row_alone_is_the_row_in_a_batch(layer: type[nn.Module], options: dict[str, Any], mask: Tensor) -> None:
    rnn = make(layer, options, initial_state="learned")
    with torch.no_grad():
        for name, parameter in rnn.named_parameters():
            if name[1:3] == "0_":
                parameter.normal_()
    x = torch.randn(*mask.shape, 3, dtype=torch.float64)
    y, state = rnn(x.masked_fill(~mask.unsqueeze(2), float("nan")), mask=mask)
    assert bool((y[~mask] == 0).all())
    for b in range(len(mask)):
        if bool(mask[b].any()):
            alone, end = rnn(x[b, mask[b]])
            assert_close(y[b, mask[b]], alone, **F64)
            assert_close([part[:, b] for part in as_tuple(state)], list(as_tuple(end)), **F64)
        else:
            initial = [rnn.learned_state(k, r) for k in range(2) for r in (False, True)]
            expected = [torch.stack(parts) for parts in zip(*initial, strict=True)]
            assert_close([part[:, b] for part in as_tuple(state)], expected, **EXACT)


@every_layer
def test_resets_part_a_row_into_rows(layer: type[nn.Module], options: dict[str, Any]) -> None:
    rnn = make(layer, options, initial_state="learned")
    x = torch.randn(2, 7, 3, dtype=torch.float64)
    reset = torch.zeros(2, 7, dtype=torch.bool)
    reset[0, 3] = reset[1, 5] = True
    y, state = rnn(x, reset=reset)
    for b, k in ((0, 3), (1, 5)):
        before, first = rnn(x[b, :k])
        after, second = rnn(x[b, k:])
        assert_close(y[b], torch.cat([before, after]), **F64)
        for part, left, right in zip(as_tuple(state), as_tuple(first), as_tuple(second), strict=True):
            assert_close(part[0::2, b], right[0::2], **F64)  # the forward direction ends in the last sequence
            assert_close(part[1::2, b], left[1::2], **F64)  # the reverse one in the first


@every_layer
@pytest.mark.parametrize("time_first", [False, True])
def test_masks_and_resets_lie_as_the_input_does(
    layer: type[nn.Module], options: dict[str, Any], time_first: bool
) -> None:
    batch_first = make(layer, options)
    rnn = layer(3, 4, 2, batch_first=not time_first, bidirectional=True, dtype=torch.float64, **options)
    rnn.load_state_dict(batch_first.state_dict())
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    mask, reset = torch.rand(2, 5) < 0.7, torch.rand(2, 5) < 0.3
    expected, state = batch_first(x, mask=mask, reset=reset)
    if time_first:
        y, end = rnn(x.transpose(0, 1), mask=mask.t(), reset=reset.t())
        y = y.transpose(0, 1)
    else:
        y, end = rnn(x, mask=mask, reset=reset)
    assert_close(y, expected, **F64)
    assert_close(end, state, **F64)


@every_layer
def test_law_11_a_copy_behaves_like_the_original(layer: type[nn.Module], options: dict[str, Any]) -> None:
    rnn = make(layer, options)
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    expected, _ = rnn(x)
    twin = copy.deepcopy(rnn)
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.zero_()
    assert_close(twin(x)[0], expected, **EXACT)
    assert bool((rnn(x)[0] == 0).all())
    rnn.load_state_dict(twin.state_dict(), strict=True)
    assert_close(rnn(x)[0], expected, **EXACT)
    rnn.load_state_dict({name: 2 * value for name, value in twin.state_dict().items()}, assign=True)
    assert not torch.allclose(rnn(x)[0], expected)
    parameters = dict(twin.named_parameters())
    assert_close(torch.func.functional_call(rnn, parameters, (x,))[0], expected, **EXACT)
    half = copy.deepcopy(twin).to(torch.float32)
    assert half(x.float())[0].dtype == torch.float32


@every_layer
@pytest.mark.parametrize("threads", [1, 2])
def test_law_12_dropout_does_not_know_the_batch(layer: type[nn.Module], options: dict[str, Any], threads: int) -> None:
    rnn = make(layer, options, dropout=0.4, input_dropout=0.3, recurrent_dropout=0.2, initial_state="random")
    x, lengths = torch.randn(5, 6, 3, dtype=torch.float64), torch.tensor([6, 2, 5, 1, 3])
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        whole, state = rnn(x, lengths=lengths, generator=torch.Generator().manual_seed(3))
        generator = torch.Generator().manual_seed(3)
        first, _ = rnn(x[:2], lengths=lengths[:2], generator=generator)
        second, end = rnn(x[2:, :5], lengths=lengths[2:], generator=generator)
    finally:
        torch.set_num_threads(before)
    assert_close(whole[:2], first, **F64)
    assert_close(whole[2:, :5], second, **F64)
    assert_close([part[:, 2:] for part in as_tuple(state)], list(as_tuple(end)), **F64)
    assert not torch.allclose(whole, rnn.eval()(x, lengths=lengths)[0], atol=1e-2)


def network(pool: str = "mean+max", seed: int = 0) -> Network:
    layers = (
        LayerSpec(cell="lstm", input_size=5, hidden_size=4, bidirectional=True, initial_state="learned"),
        LayerSpec(cell="lstm", input_size=8, hidden_size=3, bidirectional=True),
    )
    spec = NetworkSpec(input="ids", input_size=20, embedding_size=5, layers=layers, outputs=2, pool=pool)
    rates = Regularization(0.3, 0.3, 0.3, 0.0, 0.2, 0.3, 0.1)
    return build(spec, rates, seed=seed, initialization="torch").double()


def test_law_12_holds_for_the_features_of_bags() -> None:
    """The same key of a row, the same features: however rows are split into batches, and whatever lies around them."""
    layer = LayerSpec(cell="gru", input_size=5, hidden_size=4)
    spec = NetworkSpec(input="bag", input_size=30, embedding_size=5, layers=(layer,), outputs=2, wide=True)
    model = build(spec, Regularization(feature_dropout=0.5), seed=0).double()
    torch.nn.init.normal_(model.embedding.wide)
    rows = [[[3, 1, 4], [1, 5]], [], [[9, 2, 6, 5], [], [3, 5, 8]], [[9, 7]]]

    def batch(part: slice) -> Batch:
        bags = [bag for row in rows[part] for bag in row]
        ids = torch.tensor([feature for bag in bags for feature in bag], dtype=torch.int64)
        offsets = torch.tensor([0, *(len(bag) for bag in bags)]).cumsum(0)
        return Batch(torch.tensor([len(row) for row in rows[part]]), bag_ids=ids, bag_offsets=offsets)

    assert model.draws
    whole = model(batch(slice(4)), torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(1)
    parts = [model(batch(part), generator) for part in (slice(1), slice(1, 3), slice(3, 4))]
    assert_close(whole, torch.cat(parts), **F64)
    other = model(batch(slice(4)), torch.Generator().manual_seed(2))
    assert not torch.allclose(whole, other) and not torch.allclose(whole, model.eval()(batch(slice(4))))
    assert not model.draws


@pytest.mark.parametrize("pool", ["last", "mean", "max", "mean+max", "attention"])
def test_network_laws_3_11_and_12(pool: str) -> None:
    model = network(pool)
    ids, lengths = torch.randint(1, 20, (4, 6)), torch.tensor([6, 0, 2, 4])
    whole = model(Batch(lengths, ids), torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(1)
    parts = [model(Batch(lengths[part], ids[part]), generator) for part in (slice(0, 3), slice(3, 4))]
    assert_close(whole, torch.cat(parts), **F64)
    model.eval()
    logits = model(Batch(lengths, ids))
    assert not torch.allclose(logits, whole, atol=1e-3)
    for b, length in enumerate(lengths.tolist()):
        assert_close(model(Batch(lengths[b : b + 1], ids[b : b + 1, :length]))[0], logits[b], **F64)
    assert_close(copy.deepcopy(model)(Batch(lengths, ids)), logits, **EXACT)
    other = network(pool, seed=1).eval()
    assert not torch.allclose(other(Batch(lengths, ids)), logits)
    other.load_state_dict(model.state_dict(), strict=True)
    assert_close(other(Batch(lengths, ids)), logits, **EXACT)
