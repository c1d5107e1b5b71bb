"""The compiled kernels against the torch code they stand in for: outputs, gradients, bits, and when they step aside."""

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from timesteps.nn.bag_kernels import why_not_native
from timesteps.nn.bags import BagEmbedding
from timesteps.runtime import native

pytestmark = pytest.mark.skipif(native.core is None, reason=native.explain())


def batch(sizes, features, seed):
    torch.manual_seed(seed)
    offsets = torch.tensor([0, *sizes]).cumsum(0)
    return torch.randint(0, features, (int(offsets[-1]),)), offsets


def ran(bags, ids, offsets, seed=3):
    """Outputs, and dense gradients of both tables for random gradients of the outputs."""
    torch.manual_seed(seed)
    units, wide = bags(ids, offsets)
    generator = torch.Generator().manual_seed(9)
    weights = [torch.randn(part.shape, generator=generator) for part in (units, wide)]
    bags.zero_grad()
    loss = (units * weights[0]).sum()
    if bags.wide is not None:
        loss = loss + (wide * weights[1]).sum()
    loss.backward()
    return [units.detach(), wide.detach(), *(parameter.grad for parameter in bags.parameters())]


def plainly(bags, ids, offsets):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "core", None)
        return ran(bags, ids, offsets)


@settings(max_examples=150, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=30),
    features=st.sampled_from([1, 7, 1024, 1025, 3000]),
    width=st.sampled_from([1, 3, 7, 8, 9, 16, 31, 64, 65, 72, 130]),
    outputs=st.integers(1, 9),
    wide=st.booleans(),
    training=st.booleans(),
    dropout=st.sampled_from([0.0, 0.3, 0.9]),
    seed=st.integers(0, 99),
)
def test_same_numbers_as_torch(sizes, features, width, outputs, wide, training, dropout, seed):
    ids, offsets = batch(sizes, features, seed)
    bags = BagEmbedding(features, width, num_outputs=outputs, wide=wide, feature_dropout=dropout).train(training)
    if bags.wide is not None:
        torch.nn.init.normal_(bags.wide)
    for ours, theirs in zip(ran(bags, ids, offsets), plainly(bags, ids, offsets), strict=True):
        assert ours.shape == theirs.shape
        if theirs.is_sparse:
            assert torch.equal(ours._indices(), theirs._indices())
            assert ours._values().dtype == theirs._values().dtype
            ours, theirs = ours.to_dense(), theirs.to_dense()
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("core", [native.core, None])
def test_the_gradient_of_a_single_row_is_laid_out_as_a_row(core, monkeypatch):
    """torch's to_dense takes stride(0) of the values for a row's length, and would write behind the row."""
    monkeypatch.setattr(native, "core", core)
    bags = BagEmbedding(7, 3, num_outputs=2)
    units, wide = bags.eval()(torch.tensor([4]), torch.tensor([0, 1]))
    (units.sum() + wide.sum()).backward()
    assert [parameter.grad._values().stride() for parameter in bags.parameters()] == [(3, 1), (2, 1)]


def test_the_kernels_run_at_all(monkeypatch):
    """Else the comparison above compares torch with itself."""
    bags = BagEmbedding(9, 4)
    assert why_not_native(bags.weight, bags.wide) is None
    names = []
    units, _ = bags(torch.tensor([1, 2]), torch.tensor([0, 2]))
    names.append(type(units.grad_fn).__name__)
    monkeypatch.setattr(native, "core", None)
    assert why_not_native(bags.weight) is not None
    units, _ = bags(torch.tensor([1, 2]), torch.tensor([0, 2]))
    names.append(type(units.grad_fn).__name__)
    assert names == ["BagSumsBackward", "MulBackward0"]


def test_threads_change_no_bit():
    """Enough bags that the work is shared."""
    ids, offsets = batch([13] * 20_000, 50_000, 1)
    bags = BagEmbedding(50_000, 64, num_outputs=2)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            results.append(ran(bags, ids, offsets))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            a, b = (part._values() if part.is_sparse else part for part in (a, b))
            assert torch.equal(a, b)


BITS = """
import hashlib, torch
from timesteps.nn.bags import BagEmbedding
from timesteps.runtime import native
from timesteps.training.lazy import LazyAdam
torch.manual_seed(0)
bags = BagEmbedding(50, 75, num_outputs=3)
optimizer = LazyAdam(bags.parameters(), lr=0.1, weight_decay=0.01)
for _ in range(3):
    units, wide = bags(torch.randint(0, 50, (90,)), torch.arange(0, 91, 9))
    torch.autograd.backward([units, wide], [torch.randn(10, 75), torch.randn(10, 3)])
    optimizer.step()
    optimizer.zero_grad()
parts = (units, wide, bags.weight, bags.wide)
print(native.core.instructions)
print(hashlib.sha256(b"".join(part.detach().numpy().tobytes() for part in parts)).hexdigest())
"""


def test_instruction_sets_change_no_bit():
    def run(**environment):
        done = subprocess.run([sys.executable, "-c", BITS], capture_output=True, text=True, check=True, env=environment)
        return done.stdout.split()

    name, baseline = run(**os.environ, TIMESTEPS_INSTRUCTIONS="baseline")
    assert name == "baseline"
    assert run(**os.environ)[1] == baseline


@pytest.mark.parametrize("layout", ["transposed", "expanded", "one only"])
def test_gradients_in_any_layout(layout):
    ids, offsets = batch([3, 0, 5], 20, 0)
    bags = BagEmbedding(20, 6, num_outputs=2)
    grad = {
        "transposed": torch.randn(6, 3).t(),
        "expanded": torch.ones(1, 1).expand(3, 6),
        "one only": torch.randn(3, 6),
    }[layout]
    grads = []
    for core in (native.core, None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(native, "core", core)
            torch.manual_seed(0)
            bags.zero_grad()
            bags(ids, offsets)[0].backward(grad)
            grads.append([parameter.grad.to_dense() for parameter in bags.parameters()])
    for ours, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_ids_in_any_layout():
    bags = BagEmbedding(20, 6).eval()
    ids = torch.tensor([[1, 9], [2, 9], [3, 9]])[:, 0]
    offsets = torch.tensor([[0, 0], [3, 0]])[:, 0]
    assert torch.equal(bags(ids, offsets)[0], bags(ids.contiguous(), offsets.contiguous())[0])


@pytest.mark.parametrize("make", [lambda bags: bags.double(), lambda bags: bags.half(), lambda bags: bags.to("meta")])
def test_tables_of_another_kind_are_left_to_torch(make):
    bags = make(BagEmbedding(9, 4))
    assert "not contiguous float32" in why_not_native(bags.weight, bags.wide)


def test_frozen_tables_get_no_gradient():
    ids, offsets = batch([3, 4], 20, 0)
    bags = BagEmbedding(20, 6)
    bags.weight.requires_grad_(False)
    units, wide = bags(ids, offsets)
    (units.sum() + wide.sum()).backward()
    assert bags.weight.grad is None
    assert bags.wide.grad is not None


def test_second_derivatives_are_refused():
    ids, offsets = batch([3], 20, 0)
    bags = BagEmbedding(20, 6)
    scale = torch.tensor(2.0, requires_grad=True)
    (first,) = torch.autograd.grad((bags(ids, offsets)[0] * scale).sum(), bags.weight, create_graph=True)
    with pytest.raises(RuntimeError):
        torch.autograd.grad(first.to_dense().sum(), scale)
