"""BagEmbedding against a plain loop, finite differences, and the promises of its docstring."""

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from timesteps.nn.bags import BagEmbedding
from timesteps.nn.dropout import draw_keys, kept_features

IDS = torch.tensor([3, 1, 4, 1, 5, 9, 2, 6])
OFFSETS = torch.tensor([0, 3, 3, 4, 8])  # a bag of three, an empty one, one of one, one of four


def loop(bags: BagEmbedding, ids: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """The docstring's equation, a bag and a feature at a time (evaluation mode)."""
    # Summed from a graph node of each table, so that both have a gradient even if every bag is empty.
    units, wide = [], []
    for start, stop in zip(offsets.tolist(), offsets.tolist()[1:], strict=False):
        unit = bags.weight[0] * 0
        linear = unit.new_zeros(bags.num_outputs) if bags.wide is None else bags.wide[0] * 0
        for i in ids[start:stop].tolist():
            unit = unit + bags.weight[i]
            if bags.wide is not None:
                linear = linear + bags.wide[i]
        units.append(unit / max(1, stop - start) ** 0.5)
        wide.append(linear)
    return torch.stack(units), torch.stack(wide)


def filled(**options: object) -> BagEmbedding:
    """A small module whose wide term is not zero, in float64."""
    torch.manual_seed(0)
    bags = BagEmbedding(10, 4, **{"num_outputs": 2, **options}).double()  # type: ignore[arg-type]
    if bags.wide is not None:
        torch.nn.init.normal_(bags.wide)
    return bags


class _Dense(torch.autograd.Function):
    """Identity whose gradient is dense, since gradcheck compares dense gradients."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad.to_dense()


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize(
    ("ids", "offsets"),
    [
        (IDS, OFFSETS),
        (IDS[:0], torch.tensor([0])),  # no unit at all
        (IDS[:0], torch.tensor([0, 0, 0])),  # nothing but empty bags
        (torch.tensor([7, 7, 7, 0]), torch.tensor([0, 4])),  # the same feature three times
    ],
)
def test_agrees_with_the_plain_loop(wide: bool, ids: Tensor, offsets: Tensor) -> None:
    bags = filled(wide=wide).eval()
    got = bags(ids, offsets)
    assert got[0].shape == (len(offsets) - 1, 4)
    assert got[1].shape == (len(offsets) - 1, 2)
    if len(offsets) == 1:
        return
    want = loop(bags, ids, offsets)
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    weights = [torch.randn_like(a) for a in got]
    sum((a * w).sum() for a, w in zip(got, weights, strict=True)).backward()
    grads = [p.grad for p in bags.parameters()]
    for p in bags.parameters():
        p.grad = None
    sum((a * w).sum() for a, w in zip(want, weights, strict=True)).backward()
    for p, grad in zip(bags.parameters(), grads, strict=True):
        assert grad is not None
        assert grad.is_sparse
        assert p.grad is not None
        torch.testing.assert_close(grad.to_dense(), p.grad, rtol=1e-12, atol=1e-12)
        assert torch.equal(grad._indices()[0], ids.unique())  # each touched row once, in order, and no others


@pytest.mark.parametrize("training", [False, True])
def test_gradcheck(training: bool) -> None:
    bags = filled().train(training)

    def run(weight: Tensor, wide: Tensor) -> tuple[Tensor, Tensor]:
        torch.manual_seed(1)  # the same features are dropped in every evaluation
        tables = {"weight": _Dense.apply(weight), "wide": _Dense.apply(wide)}
        return functional_call(bags, tables, (IDS, OFFSETS))

    assert torch.autograd.gradcheck(run, (bags.weight, bags.wide))


def test_dropout_removes_the_same_features_from_both_terms_and_rescales_as_said() -> None:
    bags = filled(feature_dropout=0.5)
    torch.manual_seed(5)
    kept = kept_features(draw_keys(1), OFFSETS[[0, -1]], 0.5, 0)
    assert 0 < kept.sum() < len(IDS)
    bag_of = torch.repeat_interleave(torch.arange(4), OFFSETS.diff())
    counts = torch.bincount(bag_of[kept], minlength=4)
    torch.manual_seed(5)
    units, wide = bags(IDS, OFFSETS)
    want_units, want_wide = loop(bags, IDS[kept], torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)]))
    torch.testing.assert_close(units, want_units)
    torch.testing.assert_close(wide, 2 * want_wide)


def test_dropout_keeps_the_expected_wide_term_and_the_size_of_the_units() -> None:
    torch.manual_seed(0)
    bags = BagEmbedding(100, 64, feature_dropout=0.3)
    assert bags.wide is not None
    torch.nn.init.normal_(bags.wide)
    ids, offsets = torch.arange(100), torch.tensor([0, 100])
    with torch.no_grad():
        many = [bags(ids, offsets) for _ in range(400)]
        units, wide = bags.eval()(ids, offsets)
    mean = torch.stack([w for _, w in many]).mean()
    spread = torch.stack([w for _, w in many]).std()
    assert abs(float(mean - wide)) < 4 * float(spread) / 20
    size = torch.stack([u.norm() for u, _ in many]).mean()
    assert 0.7 < float(size / units.norm()) < 1.3


def test_reseeding_repeats_dropout_and_evaluation_draws_nothing() -> None:
    bags = filled()
    torch.manual_seed(3)
    first = bags(IDS, OFFSETS)
    torch.manual_seed(3)
    second = bags(IDS, OFFSETS)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    state = torch.get_rng_state()
    bags.eval()(IDS, OFFSETS)
    assert torch.equal(state, torch.get_rng_state())


def test_a_row_loses_the_same_features_whatever_the_batch() -> None:
    bags = filled(feature_dropout=0.5)
    rows, keys = torch.tensor([0, 2, 2, 4]), torch.tensor([7, 8, 9])  # two bags each, and a row of none
    together = bags(IDS, OFFSETS, rows, keys)
    alone = bags(IDS[3:], OFFSETS[2:] - 3, torch.tensor([0, 2]), keys[2:])
    swapped = bags(IDS[[3, 4, 5, 6, 7, 0, 1, 2]], torch.tensor([0, 1, 5, 8, 8]), torch.tensor([0, 2, 4]), keys[[2, 0]])
    for all_, last, other in zip(together, alone, swapped, strict=True):
        assert torch.equal(all_[2:], last)
        assert torch.equal(other, all_[[2, 3, 0, 1]])
    for key in (10, 11, 12):  # other keys, other features
        if not torch.equal(bags(IDS, OFFSETS, rows, torch.tensor([7, 8, key]))[0], together[0]):
            break
    else:
        pytest.fail("the key changes nothing")


@pytest.mark.parametrize(
    ("rows", "keys", "match"),
    [
        ([0, 3], [1], "rows must rise"),
        ([1, 4], [1], "rows must rise"),
        ([0, 3, 2, 4], [1, 2, 3], "rows must rise"),
        ([0, 4], [1, 2], "keys must be"),
        ([0, 4], [0.5], "keys must be"),
    ],
)
def test_rows_and_keys_that_do_not_fit_are_refused(rows: list[int], keys: list[float], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        filled()(IDS, OFFSETS, torch.tensor(rows), torch.tensor(keys))


def test_initial_parameters() -> None:
    torch.manual_seed(0)
    bags = BagEmbedding(4000, 64)
    assert bags.weight.shape == (4000, 64)
    assert abs(float(bags.weight.detach().std()) / (0.5 / 64**0.5) - 1) < 0.01
    assert bags.wide is not None
    assert bags.wide.shape == (4000, 1)
    assert not bags.wide.any()
    assert [name for name, _ in BagEmbedding(5, 3, wide=False).named_parameters()] == ["weight"]


def test_units_do_not_depend_on_their_neighbours() -> None:
    bags = filled().eval()
    alone = bags(IDS[4:], torch.tensor([0, 4]))
    together = bags(IDS, OFFSETS)
    assert all(torch.equal(a[0], b[3]) for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize(
    ("ids", "offsets", "error"),
    [
        ([[1]], [0, 1], ValueError),
        ([1], [], ValueError),
        ([1.0], [0, 1], ValueError),
        ([1, 2], [0, 1], ValueError),
        ([1, 2], [1, 2], ValueError),
        ([1, 2], [0, 2, 1, 2], ValueError),
        ([10], [0, 1], IndexError),
        ([-1], [0, 1], IndexError),
    ],
)
@pytest.mark.parametrize("training", [False, True])
def test_bad_input_is_refused(ids: list[int], offsets: list[int], error: type[Exception], training: bool) -> None:
    with pytest.raises(error):
        filled().train(training)(torch.tensor(ids), torch.tensor(offsets, dtype=torch.int64))


@pytest.mark.parametrize(
    "options",
    [
        {"num_features": 0},
        {"embedding_dim": 0},
        {"num_outputs": 0},
        {"feature_dropout": 1.0},
        {"feature_dropout": -0.1},
    ],
)
def test_bad_settings_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        BagEmbedding(**{"num_features": 3, "embedding_dim": 2, **options})  # type: ignore[arg-type]
