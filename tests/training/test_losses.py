"""Cross-entropies against torch's own and against Keras."""

from __future__ import annotations

import os

import pytest
import torch
import torch.nn.functional as F

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras

from timesteps.training.losses import correct, cross_entropies, disagreement, loss


def drawn(outputs: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(outputs)
    logits = torch.randn(7, outputs, generator=generator) * 3
    targets = torch.randint(0, max(2, outputs), (7,), generator=generator)
    return logits, targets, torch.rand(7, generator=generator)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("outputs", [2, 5])
def test_softmax(outputs: int, smoothing: float) -> None:
    logits, targets, weights = drawn(outputs)
    expected = F.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="none")
    torch.testing.assert_close(cross_entropies(logits, targets, smoothing), expected)
    torch.testing.assert_close(loss(logits, targets, weights, smoothing), (expected * weights).sum() / weights.sum())
    judge = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing, reduction="none")
    torch.testing.assert_close(expected, judge(F.one_hot(targets, outputs).float(), logits).cpu())


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_one_logit(smoothing: float) -> None:
    logits, targets, weights = drawn(1)
    judge = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=smoothing, reduction="none")
    expected = judge(targets.float()[:, None], logits).cpu()
    torch.testing.assert_close(cross_entropies(logits, targets, smoothing), expected)
    torch.testing.assert_close(loss(logits, targets, weights, smoothing), (expected * weights).sum() / weights.sum())
    # Two classes as one logit or as two are the same loss.
    pair = torch.cat([torch.zeros_like(logits), logits], dim=1)
    torch.testing.assert_close(expected, F.cross_entropy(pair, targets, label_smoothing=smoothing, reduction="none"))


def test_soft_targets() -> None:
    logits, _, weights = drawn(4)
    soft = torch.softmax(torch.randn(7, 4, generator=torch.Generator().manual_seed(9)), dim=1)
    expected = -(soft * F.log_softmax(logits, dim=1)).sum(dim=1)
    torch.testing.assert_close(cross_entropies(logits, soft), expected)
    torch.testing.assert_close(loss(logits, soft, weights), (expected * weights).sum() / weights.sum())
    share = soft[:, :1]
    expected = -(share * F.logsigmoid(logits[:, :1]) + (1 - share) * F.logsigmoid(-logits[:, :1])).squeeze(1)
    torch.testing.assert_close(cross_entropies(logits[:, :1], share), expected)


@pytest.mark.parametrize("outputs", [1, 3])
def test_weight_two_is_the_row_twice(outputs: int) -> None:
    logits, targets, _ = drawn(outputs)
    weights = torch.tensor([1.0, 2, 0, 1, 3, 1, 1])
    rows = torch.arange(7).repeat_interleave(weights.long())
    torch.testing.assert_close(loss(logits, targets, weights), loss(logits[rows], targets[rows], torch.ones(len(rows))))


@pytest.mark.parametrize("outputs", [1, 4])
def test_disagreement_is_the_mean_of_both_divergences(outputs: int) -> None:
    logits, weights = torch.cat([drawn(outputs)[0], drawn(outputs + 4)[0][:, :outputs]]), drawn(1)[2]
    full = logits if outputs > 1 else torch.cat([torch.zeros_like(logits), logits], dim=1)
    first, second = full.log_softmax(1).chunk(2)
    both = [F.kl_div(p, q, log_target=True, reduction="none").sum(1) for p, q in ((first, second), (second, first))]
    expected = ((both[0] + both[1]) / 2 * weights).sum() / weights.sum()
    torch.testing.assert_close(disagreement(logits, weights.repeat(2)), expected)


def test_correct() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0]])
    assert correct(logits, torch.tensor([0, 2])).tolist() == [True, False]
    assert correct(logits, torch.tensor([[0.6, 0.2, 0.2], [0.1, 0.8, 0.1]])).tolist() == [True, True]
    assert correct(torch.tensor([[2.0], [-1.0], [1.0]]), torch.tensor([1, 0, 0])).tolist() == [True, True, False]
    assert correct(torch.tensor([[2.0], [-1.0]]), torch.tensor([[0.9], [0.8]])).tolist() == [True, False]
