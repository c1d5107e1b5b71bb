"""The kernels on PyTorch's threads: the same bits on any number of them, whoever else calls, and after a fork."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import torch
from tolerances import EXACT
from torch import Tensor
from torch.testing import assert_close

from timesteps import nn
from timesteps.nn import pool
from timesteps.runtime import native

pytestmark = pytest.mark.skipif(native.core is None, reason=native.explain())

LAYERS = (nn.RNN, nn.LSTM, nn.GRU)
every_layer = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
#: steps, rows, features, units: cut by rows; by hidden units; by units where one block is not full; too little to share
SHAPES = [(60, 37, 33, 70), (50, 1, 40, 320), (40, 3, 20, 200), (3, 2, 4, 5)]


@contextmanager
def on_threads(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def results(layer: type[torch.nn.Module], shape: tuple[int, int, int, int], threads: int, ragged: bool) -> list[Tensor]:
    """Outputs, the final state and all gradients."""
    steps, rows, inputs, hidden = shape
    generator = torch.Generator().manual_seed(rows)
    made = layer(inputs, hidden)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.uniform_(-0.1, 0.1, generator=generator)
    x = torch.randn(steps, rows, inputs, generator=generator).requires_grad_()
    dy = torch.randn(steps, rows, hidden, generator=generator)
    lengths = torch.randint(0, steps + 1, (rows,), generator=generator) if ragged else None
    with on_threads(threads):
        y, state = made(x) if lengths is None else made(x, lengths=lengths)
        states = state if isinstance(state, tuple) else (state,)
        loss = (y * dy).sum() + sum(part.square().sum() for part in states)
        grads = torch.autograd.grad(loss, [x, *made.parameters()])
    return [y.detach(), *(part.detach() for part in states), *grads]


def test_pytorchs_pool_is_lent_where_it_is_known() -> None:
    if not sys.platform.startswith("linux") or not torch.backends.openmp.is_available():
        pytest.skip("this PyTorch has no pool that is known")
    assert pool.team() != 0
    assert pool.lend()


def test_without_an_openmp_library_nothing_is_lent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "ENTRY", "GOMP_parallel_of_no_library")
    assert pool.team() == 0
    assert not pool.lend()


@every_layer
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("ragged", [False, True])
def test_bits_do_not_know_the_number_of_threads(
    layer: type[torch.nn.Module], shape: tuple[int, int, int, int], ragged: bool
) -> None:
    one = results(layer, shape, 1, ragged)
    for threads in (2, 3, 4, 7):
        assert_close(results(layer, shape, threads, ragged), one, **EXACT)


@every_layer
def test_several_callers_at_once(layer: type[torch.nn.Module]) -> None:
    one = [results(layer, shape, 1, True) for shape in SHAPES]
    with on_threads(2), ThreadPoolExecutor(4) as callers:
        for _ in range(3):
            # torch.set_num_threads is the process's, so what is asked for here changes under the others' feet.
            found = callers.map(lambda shape: results(layer, shape, 2, True), SHAPES)
            assert_close(list(found), one, **EXACT)


def test_while_pytorchs_operators_run_on_the_same_pool() -> None:
    one = [results(nn.LSTM, shape, 1, False) for shape in SHAPES]
    stop = threading.Event()

    def multiply() -> None:
        a = torch.randn(300, 300)
        while not stop.is_set():
            torch.mm(a, a).add_(1).tanh_()

    other = threading.Thread(target=multiply)
    other.start()
    try:
        for _ in range(3):
            assert_close([results(nn.LSTM, shape, 2, False) for shape in SHAPES], one, **EXACT)
    finally:
        stop.set()
        other.join()


FORKED = """
import os, torch
from timesteps import nn
layer, x = nn.LSTM(16, 160), torch.randn(30, 1, 16)
torch.set_num_threads(3)
torch.ones(1_000_000).add_(1)  # now PyTorch has its threads
threads = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else None
def run():
    with torch.inference_mode():
        return layer(x)[0].contiguous().numpy().tobytes()
before = run()
print(threads is None or len(os.listdir("/proc/self/task")) == threads, flush=True)
child = os.fork()
if child == 0:  # has PyTorch's library, and none of its threads
    os._exit(17 if run() == before else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), run() == before)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_no_thread_beside_pytorchs_and_a_forked_process_does_without_them() -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True, timeout=60)
    none_of_our_own, *forked = done.stdout.split()
    assert none_of_our_own == "True" or not pool.team()
    assert forked == ["17", "True"]
