"""Law 7: our layers and cells are torch's."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from tolerances import CLOSE, EXACT
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence
from torch.testing import assert_close

from timesteps import nn as ours
from timesteps.errors import UsageError
from timesteps.nn import explain
from timesteps.nn.cells.cell import as_tuple

torch.set_num_threads(1)

LAYERS: list[tuple[str, dict[str, Any]]] = [
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu", "bias": False}),
    ("LSTM", {}),
    ("LSTM", {"proj_size": 3, "bias": False}),
    ("LSTM", {"proj_size": 3}),
    ("GRU", {}),
    ("GRU", {"bias": False}),
]
every_layer = pytest.mark.parametrize(("name", "options"), LAYERS, ids=str)
implementations = pytest.mark.parametrize("implementation", ["native", "torch", "loop"])


def skip_unless_it_runs(layer: Any, implementation: str) -> None:
    if implementation == "native":
        for line in explain(layer, torch.zeros(1, 1, layer.input_size)):
            if line.implementation != "native":
                pytest.skip(str(line))


def both(name: str, *args: Any, **options: Any) -> tuple[Any, Any]:
    """The same layer of torch's and of ours, from the same seed."""
    layers = []
    for module in (nn, ours):
        torch.manual_seed(11)
        layers.append(getattr(module, name)(*args, **options))
    return layers[0], layers[1]


def parts(state: Any) -> list[torch.Tensor]:
    return list(as_tuple(state))


@every_layer
def test_same_seed_gives_the_same_weights_under_the_same_names(name: str, options: dict[str, Any]) -> None:
    theirs, mine = both(name, 5, 6, 2, bidirectional=True, **options)
    assert list(theirs.state_dict()) == list(mine.state_dict())
    assert [n for n, _ in theirs.named_parameters()] == [n for n, _ in mine.named_parameters()]
    assert_close(dict(mine.state_dict()), dict(theirs.state_dict()), **EXACT)
    assert torch.equal(torch.rand(3), (both(name, 5, 6, 2, bidirectional=True, **options), torch.rand(3))[1])
    assert [len(weights) for weights in mine.all_weights] == [len(weights) for weights in theirs.all_weights]
    mine.flatten_parameters()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_()
    mine.load_state_dict(theirs.state_dict(), strict=True)
    assert_close(dict(mine.state_dict()), dict(theirs.state_dict()), **EXACT)
    theirs.load_state_dict(mine.state_dict(), strict=True)


@every_layer
@implementations
@pytest.mark.parametrize(("batch_first", "bidirectional"), list(itertools.product([False, True], repeat=2)))
def test_outputs_states_and_gradients(
    name: str, options: dict[str, Any], implementation: str, batch_first: bool, bidirectional: bool
) -> None:
    theirs, mine = both(name, 5, 6, 2, batch_first=batch_first, bidirectional=bidirectional, **options)
    skip_unless_it_runs(mine, implementation)
    torch.manual_seed(1)
    shape = (3, 8, 5) if batch_first else (8, 3, 5)
    results = []
    for layer, more in ((theirs, {}), (mine, {"implementation": implementation})):
        torch.manual_seed(1)
        x = torch.randn(shape, requires_grad=True)
        _, zero = theirs(x)
        hx = [torch.randn(part.shape, requires_grad=True) for part in parts(zero)]
        for given in (None, hx[0] if len(hx) == 1 else tuple(hx)):
            y, state = layer(x, given, **more)
            assert isinstance(state, tuple) == (name == "LSTM")
            assert y.is_contiguous() or batch_first
            loss = (y * torch.linspace(-1, 1, y.numel()).view(y.shape)).sum()
            loss = loss + sum((part * (n + 1)).sum() for n, part in enumerate(parts(state)))
            leaves = [x, *(hx if given is not None else []), *layer.parameters()]
            results.append((layer, [y, *parts(state), *torch.autograd.grad(loss, leaves)]))
    for (_, expected), (_, got) in zip(results[:2], results[2:], strict=True):
        assert_close(got, expected, **CLOSE[torch.float32])


@every_layer
@pytest.mark.parametrize("enforce_sorted", [True, False])
def test_packed_sequences_in_and_out(name: str, options: dict[str, Any], enforce_sorted: bool) -> None:
    theirs, mine = both(name, 5, 6, 2, bidirectional=True, **options)
    torch.manual_seed(1)
    lengths = [7, 4, 4, 1] if enforce_sorted else [4, 1, 7, 4]
    packed = pack_sequence([torch.randn(n, 5) for n in lengths], enforce_sorted=enforce_sorted)
    _, zero = theirs(packed)
    hx = [torch.randn(part.shape) for part in parts(zero)]
    for given in (None, hx[0] if len(hx) == 1 else tuple(hx)):
        expected, state = theirs(packed, given)
        got, end = mine(packed, given)
        assert isinstance(got, PackedSequence)
        assert_close(got.data, expected.data, **CLOSE[torch.float32])
        assert torch.equal(got.batch_sizes, expected.batch_sizes)
        for ours_, theirs_ in zip(got[2:], expected[2:], strict=True):
            assert (ours_ is None) == (theirs_ is None)
            assert ours_ is None or torch.equal(ours_, theirs_)
        assert_close(parts(end), parts(state), **CLOSE[torch.float32])


@every_layer
@implementations
def test_lengths_are_what_packing_means(name: str, options: dict[str, Any], implementation: str) -> None:
    theirs, mine = both(name, 5, 6, 2, batch_first=True, bidirectional=True, **options)
    skip_unless_it_runs(mine, implementation)
    torch.manual_seed(1)
    x, lengths = torch.randn(4, 9, 5), torch.tensor([4, 1, 7, 4])
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    expected, state = theirs(packed)
    expected, _ = nn.utils.rnn.pad_packed_sequence(expected, batch_first=True, total_length=9)
    y, end = mine(x, lengths=lengths, implementation=implementation)
    assert_close(y, expected, **CLOSE[torch.float32])
    assert_close(parts(end), parts(state), **CLOSE[torch.float32])


@every_layer
def test_without_a_batch(name: str, options: dict[str, Any]) -> None:
    theirs, mine = both(name, 5, 6, 2, bidirectional=True, **options)
    x = torch.randn(7, 5)
    expected, state = theirs(x)
    y, end = mine(x)
    assert y.shape == expected.shape
    assert_close(y, expected, **CLOSE[torch.float32])
    assert_close(parts(end), parts(state), **CLOSE[torch.float32])
    again, _ = mine(x, end)
    assert_close(again, theirs(x, state)[0], **CLOSE[torch.float32])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("RNNCell", {}),
        ("RNNCell", {"nonlinearity": "relu"}),
        ("LSTMCell", {}),
        ("GRUCell", {}),
        ("GRUCell", {"bias": False}),
    ],
    ids=str,
)
def test_cells(name: str, options: dict[str, Any]) -> None:
    torch.manual_seed(3)
    theirs = getattr(nn, name)(5, 6, **options)
    torch.manual_seed(3)
    mine = getattr(ours, {"RNNCell": "ElmanCell"}.get(name, name))(5, 6, **options)
    assert_close(dict(mine.state_dict()), dict(theirs.state_dict()), **EXACT)
    x = torch.randn(4, 5)
    state, end = theirs(x), mine(x)
    for _ in range(3):
        assert_close(end, state, **CLOSE[torch.float32])
        state, end = theirs(x, state), mine(x, end)
    assert_close(mine(x[0]), theirs(x[0]), **CLOSE[torch.float32])


def test_the_shapes_of_the_textbook() -> None:
    y, h = ours.RNN(5, 8, batch_first=True)(torch.zeros(1, 10, 5))
    assert (y.shape, h.shape) == ((1, 10, 8), (1, 1, 8))
    y, h = ours.RNN(5, 8, 2, batch_first=True, bidirectional=True)(torch.zeros(1, 10, 5))
    assert (y.shape, h.shape) == ((1, 10, 16), (4, 1, 8))


@every_layer
def test_dropout_between_layers_acts_where_torch_has_it(name: str, options: dict[str, Any]) -> None:
    # All of it: the second layer sees zeros, in torch and here, and nothing else is touched.
    theirs, mine = both(name, 5, 6, 2, batch_first=True, bidirectional=True, dropout=1.0, **options)
    x = torch.randn(3, 4, 5)
    expected, state = theirs(x)
    y, end = mine(x)
    assert_close(y, expected, **CLOSE[torch.float32])
    assert_close(parts(end), parts(state), **CLOSE[torch.float32])
    assert_close(mine.eval()(x)[0], theirs.eval()(x)[0], **CLOSE[torch.float32])


def test_dropout_between_layers_is_dropout_of_the_first_layers_output() -> None:
    torch.manual_seed(0)
    stack = ours.GRU(5, 64, 2, batch_first=True, dropout=0.25)
    first, second = nn.GRU(5, 64, batch_first=True), nn.GRU(64, 64, batch_first=True)
    for k, layer in enumerate((first, second)):
        layer.load_state_dict({n.replace(f"_l{k}", "_l0"): v for n, v in stack.state_dict().items() if f"_l{k}" in n})
    x = torch.randn(8, 10, 5)
    between, _ = first(x)
    seen: list[torch.Tensor] = []
    original = ours.stack.dropout_mask

    def spy(*args: Any) -> torch.Tensor:
        seen.append(original(*args).view(8, 10, 64))
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ours.stack, "dropout_mask", spy)
        y, _ = stack(x)
    (mask,) = seen
    assert mask.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert abs(float((mask == 0).float().mean()) - 0.25) < 0.03
    assert not bool((mask == mask[:, :1]).all())  # another one at every step
    assert_close(y, second(between * mask)[0], **CLOSE[torch.float32])


def test_unlike_torch_says_so() -> None:
    with pytest.warns(UserWarning, match="only one layer"):
        ours.LSTM(2, 3, dropout=0.5)
    layer = ours.LSTM(2, 3)
    for wrong in (
        lambda: ours.RNN(0, 3),
        lambda: ours.RNN(2, 3, 0),
        lambda: ours.RNN(2, 3, nonlinearity="sine"),
        lambda: ours.LSTM(2, 3, proj_size=3),
        lambda: ours.LSTM(2, 3, initial_state="one"),
        lambda: ours.GRU(2, 3, 2, dropout=1.5),
        lambda: layer(torch.zeros(4, 2, 3)),
        lambda: layer(torch.zeros(4, 2, 2, dtype=torch.float64)),
        lambda: layer(torch.zeros(4, 2, 2), (torch.zeros(1, 2, 3), torch.zeros(1, 1, 3))),
        lambda: layer(torch.zeros(4, 2, 2), lengths=torch.tensor([5, 1])),
        lambda: layer(torch.zeros(4, 2, 2), lengths=torch.tensor([1.0, 1.0])),
        lambda: layer(torch.zeros(4, 2, 2), mask=torch.ones(2, 4, dtype=torch.bool)),
        lambda: layer(torch.zeros(4, 2, 2), reset=torch.zeros(4, 2)),
        lambda: layer(torch.zeros(4, 2, 2), implementation="magic"),
        lambda: ours.GRU(2, 3, reset_after=False)(torch.zeros(4, 2, 2), implementation="torch"),
        lambda: layer(pack_sequence([torch.zeros(2, 2)]), lengths=torch.tensor([2])),
    ):
        with pytest.raises(UsageError):
            wrong()
