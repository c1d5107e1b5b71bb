"""Lazy Adam in the compiled core against its torch code."""

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from timesteps.runtime import native
from timesteps.training.lazy import LazyAdam

pytestmark = pytest.mark.skipif(native.core is None, reason=native.explain())


def sparse(rows, shape, seed):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(len(rows), *shape[1:], generator=generator)
    return torch.sparse_coo_tensor(torch.tensor([rows]), values, shape, check_invariants=True)


def trained(grads, shape, use_core, **options):
    parameter = torch.nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(0)))
    optimizer = LazyAdam([parameter], **options)
    with pytest.MonkeyPatch.context() as patch:
        if not use_core:
            patch.setattr(native, "core", None)
        for grad in grads:
            parameter.grad = grad.clone()
            optimizer.step()
    return [parameter.detach(), *(optimizer.state[parameter][key] for key in sorted(optimizer.state[parameter]))]


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(0, 11), min_size=1, max_size=12), min_size=1, max_size=6),
    width=st.sampled_from([(), (1,), (3,), (8,), (64,), (65,), (2, 5)]),
    betas=st.sampled_from([(0.9, 0.999), (0.0, 0.99), (0.9, 0.0), (0.0, 0.0)]),
    weight_decay=st.sampled_from([0.0, 0.1]),
    dense=st.booleans(),
)
def test_same_numbers_as_torch(rows, width, betas, weight_decay, dense):
    shape = (12, *width)
    grads = [sparse(row, shape, seed) for seed, row in enumerate(rows)]
    if dense:
        grads = [grad.to_dense() for grad in grads]
    options = {"lr": 0.05, "betas": betas, "weight_decay": weight_decay}
    ours, theirs = trained(grads, shape, True, **options), trained(grads, shape, False, **options)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=2e-5, atol=2e-6)


def test_many_steps_of_a_row():
    """Past the corrections that are remembered."""
    shape = (2, 3)
    grads = [sparse([1], shape, seed) for seed in range(300)]
    ours, theirs = trained(grads, shape, True, lr=0.01), trained(grads, shape, False, lr=0.01)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert ours[-1].tolist() == [0.0, 300.0]


def test_threads_change_no_bit():
    shape = (60_000, 64)  # enough rows that the work is shared
    grads = [sparse(list(range(seed, 60_000, 2)), shape, seed) for seed in range(3)]
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            results.append(trained(grads, shape, True, lr=0.1, weight_decay=0.1))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("rows", [[0, 9], [-1, 2]])
def test_rows_outside_the_table_are_refused(rows):
    parameter = torch.nn.Parameter(torch.zeros(5, 2))
    values = torch.ones(2, 2)
    grad = torch.sparse_coo_tensor(torch.tensor([rows]), values, (10, 2), is_coalesced=True, check_invariants=False)
    optimizer = LazyAdam([parameter])
    with pytest.raises((IndexError, RuntimeError)):
        parameter.grad = grad
        optimizer.step()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_types_are_left_to_torch(dtype):
    parameter = torch.nn.Parameter(torch.ones(4, 2, dtype=dtype))
    optimizer = LazyAdam([parameter], lr=0.1)
    parameter.grad = torch.ones(4, 2, dtype=dtype)
    optimizer.step()
    torch.testing.assert_close(parameter.detach(), torch.full((4, 2), 0.9, dtype=dtype))


FORKED = """
import os, sys, torch
from timesteps.runtime import native
torch.set_num_threads(1)
tables = [torch.ones(20_000, 64) for _ in range(4)]
steps, rows = torch.zeros(20_000), torch.arange(20_000)
def step():
    addresses = [array.data_ptr() for array in (*tables[:3], steps, rows, tables[3])]
    native.core.lazy_adam(*addresses, 20_000, 64, 0.1, 0.9, 0.999, 1e-8, 0.0, 3)
step()
child = os.fork()
step()
if child == 0:
    os._exit(int(steps[-1]))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), int(steps[-1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_does_without_its_parents_threads():
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["2", "2"]
