"""What each form of dropout drops, how much, and where its random numbers come from."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from timesteps.errors import UsageError
from timesteps.nn import Dropout, EmbeddingDropout, VariationalDropout, WordDropout
from timesteps.nn.dropout import draw_keys, dropout_mask, kept_features, mask_at, random_bits, random_normal

torch.set_num_threads(1)

FORMS = [Dropout, VariationalDropout, WordDropout]


def keys(rows: int, seed: int = 0) -> torch.Tensor:
    return draw_keys(rows, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("form", FORMS)
def test_nothing_happens_in_evaluation_or_at_zero(form: type[nn.Module]) -> None:
    x = torch.randn(3, 4, 5)
    state = torch.get_rng_state()
    assert form(0.5).eval()(x) is x
    assert form(0.0)(x) is x
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("form", FORMS)
def test_all_is_dropped_at_one(form: type[nn.Module]) -> None:
    assert bool((form(1.0)(torch.randn(3, 4, 5)) == 0).all())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_rate_and_expectation_are_torchs(form: type[nn.Module], p: float) -> None:
    torch.manual_seed(0)
    y = form(p)(torch.ones(400, 30, 30))
    reference = nn.Dropout(p)(torch.ones(400, 30, 30))
    assert float((y == 0).float().mean()) == pytest.approx(p, abs=0.015)
    if form is WordDropout:
        assert set(y.unique().tolist()) == {0.0, 1.0}  # words that stay, stay as they are
    else:
        assert y.unique().tolist() == pytest.approx(reference.unique().tolist())
        assert float(y.mean()) == pytest.approx(1, abs=0.15 if p == 0.9 else 0.03)


def test_forms_drop_what_they_say() -> None:
    x = torch.ones(6, 20, 30)
    ordinary, variational, word = (form(0.5)(x, keys(6)) for form in FORMS)
    assert bool((variational == variational[:, :1]).all())
    assert not bool((variational[0] == variational[1]).all())
    assert bool((word == word[..., :1]).all())
    assert not bool((word == word[:, :1]).all())
    assert not bool((ordinary == ordinary[:, :1]).all())
    assert not bool((ordinary == ordinary[..., :1]).all())


def test_embedding_dropout_drops_words_not_places() -> None:
    ids = torch.randint(0, 10, (50, 40))
    y = EmbeddingDropout(0.4)(torch.ones(50, 40, 3), ids, keys(50))
    for b in range(50):
        for word in ids[b].unique():
            assert len(y[b][ids[b] == word].unique()) == 1
    assert y.unique().tolist() == pytest.approx([0, 1 / 0.6])
    assert float((y == 0).float().mean()) == pytest.approx(0.4, abs=0.06)
    assert EmbeddingDropout(0.4).eval()(y, ids) is y


def test_masks_are_functions_of_key_and_stream() -> None:
    first, again = (dropout_mask(keys(8), 50, 0.5, 3) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(dropout_mask(keys(8)[2:5], 50, 0.5, 3), first[2:5])
    assert torch.equal(dropout_mask(keys(8), 20, 0.5, 3), first[:, :20])
    assert torch.equal(mask_at(keys(8), torch.full((8, 1), 7), 0.5, 3, torch.float32), first[:, 7:8])
    for other in (dropout_mask(keys(8), 50, 0.5, 4), dropout_mask(keys(8, 1), 50, 0.5, 3)):
        assert 0.3 < float((first == other).float().mean()) < 0.7


def test_bits_look_random() -> None:
    bits = random_bits(keys(200), 0, torch.arange(500).unsqueeze(0))
    assert int(bits.min()) >= 0 and int(bits.max()) < 1 << 31
    for k in range(31):
        assert float((bits >> k & 1).float().mean()) == pytest.approx(0.5, abs=0.01)
    centred = bits.double() / (1 << 31) - 0.5
    for left, right in (
        (centred[:, 1:], centred[:, :-1]),  # neighbours
        (centred[1:], centred[:-1]),  # rows
        (centred, random_bits(keys(200), 1, torch.arange(500).unsqueeze(0)).double() / (1 << 31) - 0.5),  # streams
    ):
        assert abs(float((left * right).mean()) * 12) < 0.02


def test_normal_numbers_are_normal() -> None:
    z = random_normal(keys(400), 100, 0, torch.float64)
    assert float(z.mean()) == pytest.approx(0, abs=0.02)
    assert float(z.std()) == pytest.approx(1, abs=0.02)
    assert float((z.abs() < 1).double().mean()) == pytest.approx(0.6827, abs=0.01)


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan"), True, "0.5"])
def test_p_is_a_probability(p: object) -> None:
    with pytest.raises(UsageError, match="probability"):
        Dropout(p)  # type: ignore[arg-type]


@pytest.mark.parametrize("p", [0.0, 0.3, 0.999])
@pytest.mark.parametrize("stream", [0, -3, 5])
def test_kept_features_are_the_same_compiled_and_plain(p: float, stream: int, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = torch.tensor([0, 3, 500, 0, 1, 20])
    starts = nn.functional.pad(counts.cumsum(0), (1, 0))
    found = kept_features(keys(6), starts, p, stream)
    monkeypatch.setattr("timesteps.runtime.native.core", None)
    assert torch.equal(found, kept_features(keys(6), starts, p, stream))
    for row, count in enumerate(counts.tolist()):  # as every other mask of the row's key
        mask = dropout_mask(keys(6)[row : row + 1], count, p, stream).ne(0).squeeze(0)
        assert torch.equal(found[starts[row] : starts[row + 1]], mask)


def test_kept_features_are_as_many_as_said_and_independent() -> None:
    starts = torch.arange(0, 200_001, 1000)
    kept = kept_features(keys(200), starts, 0.3, 0).view(200, 1000).float()
    assert float(kept.mean()) == pytest.approx(0.7, abs=0.005)
    places, rows = (torch.corrcoef(part[:, :100].t() if part is kept else part[:100]) for part in (kept, kept.t()))
    for correlation in (places, rows):
        assert float((correlation - torch.eye(100)).abs().mean()) < 0.1
    assert torch.equal(kept_features(keys(200), starts, 0.3, 0).view(200, 1000).float(), kept)
