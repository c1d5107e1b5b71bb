"""Networks built from specifications."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tolerances import CLOSE, EXACT
from torch.testing import assert_close

from timesteps.errors import UsageError
from timesteps.nn import LSTM, Batch, Regularization, build, dropout, scan
from timesteps.nn.models import Network
from timesteps.runtime.spec import LayerSpec, NetworkSpec

torch.set_num_threads(1)
F64 = CLOSE[torch.float64]


def spec(input: str = "ids", cell: str = "lstm", sizes: tuple[int, ...] = (4,), **more: Any) -> NetworkSpec:
    embedding = 3 if input in ("ids", "bag") else 0
    layers, size = [], embedding or 9
    for hidden in sizes:
        layers.append(LayerSpec(cell=cell, input_size=size, hidden_size=hidden, bidirectional=True))  # type: ignore[arg-type]
        size = 2 * hidden
    return NetworkSpec(
        input=input,  # type: ignore[arg-type]
        input_size=9,
        embedding_size=embedding,
        layers=tuple(layers),
        outputs=2,
        **more,
    )


LENGTHS = torch.tensor([3, 0, 5])
IDS = torch.tensor([[1, 8, 3, 0, 0], [0] * 5, [2, 2, 7, 0, 5]])


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize(
    "rates", [Regularization(), Regularization(0.4, 0.3, 0.3, 0.0, 0.3, 0.2, 0.1)], ids=["plain", "noisy"]
)
def test_one_hot_is_looked_up_and_equals_the_vectors(cell: str, rates: Regularization) -> None:
    looked_up = build(spec("one_hot", cell), rates).double()
    numeric = build(spec("numeric", cell), rates).double()
    numeric.load_state_dict(looked_up.state_dict())
    vectors = F.one_hot(IDS, 9).double()
    results = []
    for network, values in ((looked_up, IDS), (numeric, vectors)):
        logits = network(Batch(LENGTHS, values), torch.Generator().manual_seed(3))
        grads = torch.autograd.grad(logits.square().sum(), [p for p in network.parameters() if p.requires_grad])
        results.append([logits, *grads])
    assert_close(results[0], results[1], **F64)


def test_one_hot_layers_and_scans() -> None:
    lstm = LSTM(9, 4, 2, batch_first=True, bidirectional=True)
    vectors = F.one_hot(IDS, 9).float()
    assert_close(lstm(IDS, lengths=LENGTHS)[0], lstm(vectors, lengths=LENGTHS)[0], **CLOSE[torch.float32])
    assert_close(lstm(IDS[0])[0], lstm(vectors[0])[0], **CLOSE[torch.float32])
    time_first = LSTM(9, 4)
    assert time_first(IDS.t())[0].shape == (5, 3, 4)
    with pytest.raises(UsageError):
        scan(lstm.cell(), IDS.bool())


def bags() -> Batch:
    ids = torch.tensor([0, 1, 2, 3, 3, 8, 7, 1, 5, 6])
    offsets = torch.tensor([0, 2, 2, 3, 5, 6, 8, 9, 10])  # 8 bags: 3 + 0 + 5 steps; the second is empty
    return Batch(LENGTHS, bag_ids=ids, bag_offsets=offsets)


@pytest.mark.parametrize("wide", [False, True])
def test_bags_are_laid_out_row_by_row(wide: bool) -> None:
    network = build(spec("bag", wide=wide))
    if wide:
        torch.nn.init.normal_(network.embedding.wide)
    numeric = build(
        spec("numeric").__class__(**{**_fields(spec("numeric")), "input_size": 3, "layers": network.spec.layers})
    )
    numeric.load_state_dict({n: t for n, t in network.state_dict().items() if not n.startswith("embedding")})
    batch = bags()
    units, scalars = network.embedding(batch.bag_ids, batch.bag_offsets)
    x = torch.zeros(3, 5, 3)
    x[0, :3], x[2] = units[:3], units[3:]
    expected = numeric(Batch(LENGTHS, x))
    expected[0] += scalars[:3].sum(0) / 3**0.5  # by the root of the number of features
    expected[2] += scalars[3:].sum(0) / 7**0.5
    got = network(batch)
    assert_close(got, expected)
    got.sum().backward()
    assert network.embedding.weight.grad is not None


def _fields(of: NetworkSpec) -> dict[str, Any]:
    return {name: getattr(of, name) for name in of.__struct_fields__}


@pytest.mark.parametrize("input", ["ids", "one_hot", "bag", "numeric"])
def test_building_is_seeded_and_leaves_torchs_random_state_alone(input: str) -> None:
    state = torch.get_rng_state()
    first, again, other = build(spec(input), seed=5), build(spec(input), seed=5), build(spec(input), seed=6)
    assert torch.equal(torch.get_rng_state(), state)
    assert_close(dict(first.state_dict()), dict(again.state_dict()), **EXACT)
    assert not torch.equal(first.rnn.weight_ih_l0, other.rnn.weight_ih_l0)
    assert not torch.equal(first.head.weight, other.head.weight)


def test_layers_may_differ_in_size_and_cell() -> None:
    layers = (
        LayerSpec(cell="gru", input_size=3, hidden_size=4, bidirectional=True, initial_state="learned"),
        LayerSpec(cell="lstm", input_size=8, hidden_size=2),
    )
    network = build(NetworkSpec(input="ids", input_size=9, embedding_size=3, layers=layers, outputs=1))
    names = list(network.state_dict())
    assert "rnn.h0_l0_reverse" in names and "rnn.weight_hh_l1" in names and "rnn.c0_l1" not in names
    assert network.rnn.weight_ih_l1.shape == (8, 8)
    logits = network(Batch(LENGTHS, IDS))
    logits.sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    assert network.rnn.h0_l0.grad is not None and bool((network.rnn.h0_l0.grad != 0).any())


@pytest.mark.parametrize(
    "rates",
    [{name: 0.5} for name in ("input_dropout", "dropout", "recurrent_dropout", "word_dropout", "head_dropout")]
    + [{"initial_state_noise": 0.5}, {"feature_dropout": 0.5}, {"weight_drop": 0.5}],
    ids=lambda rates: next(iter(rates)),
)
@pytest.mark.parametrize("input", ["ids", "one_hot", "bag", "numeric"])
def test_every_regularization_acts_in_training_only(rates: dict[str, float], input: str) -> None:
    network = build(spec(input, sizes=(4, 3)), Regularization(**rates), initialization="torch")
    values = {"ids": IDS, "one_hot": IDS, "numeric": torch.randn(3, 5, 9), "bag": None}[input]
    batch = bags() if input == "bag" else Batch(LENGTHS, values)
    plain = build(spec(input, sizes=(4, 3)), initialization="torch")(batch)
    torch.manual_seed(1)
    noisy = network(batch)
    if "feature_dropout" in rates and input != "bag":
        assert_close(noisy, plain)
    else:
        assert not torch.allclose(noisy, plain, atol=1e-4)
        torch.manual_seed(1)
        assert_close(network(batch), noisy, **EXACT)
        assert not torch.allclose(network(batch), noisy, atol=1e-5)
    assert_close(network.eval()(batch), plain, **EXACT)


def test_word_dropout_of_one_hot_is_the_zero_vector() -> None:
    network = build(spec("one_hot"), Regularization(word_dropout=1.0))
    zeros = build(spec("numeric"))
    assert_close(network(Batch(LENGTHS, IDS)), zeros(Batch(LENGTHS, torch.zeros(3, 5, 9))))


def test_pretrained_vectors() -> None:
    network = build(spec())
    vectors = np.full((9, 3), np.nan, np.float32)
    vectors[4] = 7
    before = network.embedding.weight.detach().clone()
    assert network.set_vectors(vectors) == 1
    assert network.embedding.weight[4].tolist() == [7, 7, 7]
    assert torch.equal(network.embedding.weight[:4], before[:4])
    with pytest.raises(UsageError, match="no embedding"):
        build(spec("numeric")).set_vectors(vectors)


@pytest.mark.parametrize(
    ("input", "batch"),
    [
        ("ids", Batch(LENGTHS, IDS.float().unsqueeze(2))),
        ("ids", bags()),
        ("bag", Batch(LENGTHS, IDS)),
        ("bag", bags()._replace(lengths=torch.tensor([3, 1, 5]))),
        ("numeric", Batch(LENGTHS, IDS)),
        ("numeric", Batch(LENGTHS, torch.zeros(3, 5, 8))),
        ("numeric", Batch(torch.tensor([6, 1, 1]), torch.zeros(3, 5, 9))),
    ],
)
def test_other_batches_are_refused(input: str, batch: Batch) -> None:
    with pytest.raises(UsageError):
        build(spec(input))(batch)


def test_contradictions_are_refused() -> None:
    good = spec()
    layer = good.layers[0]
    for wrong in (
        {"layers": ()},
        {"wide": True},
        {"embedding_size": 4},
        {"layers": (layer, layer)},
    ):
        with pytest.raises(UsageError):
            Network(NetworkSpec(**{**_fields(good), **wrong}))
    with pytest.raises(UsageError, match="word_dropout"):
        Regularization(word_dropout=2.0)
    with pytest.raises(UsageError, match="initial_state_noise"):
        build(good, Regularization(initial_state_noise=-1.0))
    with pytest.raises(UsageError, match="initialization"):
        build(good, initialization="he")


def test_no_two_masks_share_random_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    streams: list[int] = []
    original = dropout.random_bits

    def spy(keys: torch.Tensor, stream: int, counters: torch.Tensor) -> torch.Tensor:
        streams.append(stream)
        return original(keys, stream, counters)

    monkeypatch.setattr(dropout, "random_bits", spy)
    build(spec(sizes=(4, 3)), Regularization(0.4, 0.3, 0.3, 0.0, 0.3, 0.2, 0.1))(Batch(LENGTHS, IDS))
    inputs = 2  # layers; both directions of one share the mask
    assert len(streams) == 2 * inputs + 2 * 2 + 1 + 2 * 2 * 2 + 2  # recurrent, between, noise of h and c, word and head
    assert len(set(streams)) == len(streams) - inputs
