"""LazyAdam against torch's dense AdamW, a plain loop over rows, and its own saved state."""

import io
import math

import pytest
import torch
from torch import Tensor, nn

from timesteps.training.lazy import LazyAdam


def sparse(rows: list[int], values: Tensor, size: int, *, coalesced: bool = True) -> Tensor:
    grad = torch.sparse_coo_tensor(torch.tensor([rows]), values, (size, *values.shape[1:]), check_invariants=True)
    return grad.coalesce() if coalesced else grad


def random_grads(steps: int, rows: int, dim: int, seed: int = 0) -> list[Tensor]:
    """Sparse gradients that touch random rows; row 0 early and then never again, the last row never."""
    torch.manual_seed(seed)
    grads = []
    for step in range(steps):
        touched = [i for i in range(1, rows - 1) if torch.rand(()) < 0.5] + ([0] if step < 2 else [])
        grads.append(sparse(sorted(touched), torch.randn(len(touched), dim), rows))
    return grads


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("kind", ["sparse", "dense"])
def test_equals_dense_adamw_where_every_row_is_touched(kind: str, weight_decay: float) -> None:
    torch.manual_seed(0)
    start = torch.randn(6, 3, dtype=torch.float64)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    settings = {"lr": 0.03, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": weight_decay}
    lazy, dense = LazyAdam([ours], **settings), torch.optim.AdamW([theirs], **settings)
    for _ in range(20):
        grad = torch.randn(6, 3, dtype=torch.float64)
        ours.grad = sparse(list(range(6)), grad, 6) if kind == "sparse" else grad.clone()
        theirs.grad = grad
        lazy.step()
        dense.step()
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_agrees_with_a_loop_over_touched_rows() -> None:
    size, dim, lr, b1, b2, eps, decay = 8, 3, 0.01, 0.9, 0.999, 1e-8, 0.05
    torch.manual_seed(1)
    start = torch.randn(size, dim)
    weight = nn.Parameter(start.clone())
    optimizer = LazyAdam([weight], lr=lr, betas=(b1, b2), eps=eps, weight_decay=decay)
    want, m, v, t = (
        start.double(),
        torch.zeros(size, dim).double(),
        torch.zeros(size, dim).double(),
        [0] * size,
    )
    for grad in random_grads(30, size, dim):
        weight.grad = grad
        optimizer.step()
        for i, g in zip(grad.indices()[0].tolist(), grad.values().double(), strict=True):
            t[i] += 1
            m[i] = b1 * m[i] + (1 - b1) * g
            v[i] = b2 * v[i] + (1 - b2) * g * g
            update = (m[i] / (1 - b1 ** t[i])) / (torch.sqrt(v[i] / (1 - b2 ** t[i])) + eps)
            want[i] -= lr * (update + decay * want[i])
    torch.testing.assert_close(weight.detach().double(), want, rtol=1e-5, atol=1e-6)
    assert torch.equal(weight[-1], start[-1])  # never touched: same bits
    assert optimizer.state[weight]["row_steps"].tolist() == t


def test_first_update_of_a_late_row_is_one_learning_rate() -> None:
    weight = nn.Parameter(torch.zeros(2, 1))
    optimizer = LazyAdam([weight], lr=0.1)
    for _ in range(500):
        weight.grad = sparse([0], torch.ones(1, 1), 2)
        optimizer.step()
    weight.grad = sparse([1], torch.full((1, 1), 7.0), 2)
    optimizer.step()
    assert math.isclose(weight[1].item(), -0.1, rel_tol=1e-4)


def test_duplicate_rows_are_summed_before_the_step() -> None:
    a, b = nn.Parameter(torch.zeros(4, 2)), nn.Parameter(torch.zeros(4, 2))
    values = torch.tensor([[1.0, 2.0], [3.0, -1.0], [0.5, 0.5]])
    a.grad = sparse([2, 0, 2], values, 4, coalesced=False)
    b.grad = sparse([0, 2], torch.stack([values[1], values[0] + values[2]]), 4)
    for p in (a, b):
        LazyAdam([p]).step()
    assert torch.equal(a, b)


@pytest.mark.parametrize("shape", [(5,), (5, 2), (5, 2, 3)])
def test_any_shape_of_row(shape: tuple[int, ...]) -> None:
    weight = nn.Parameter(torch.zeros(shape))
    weight.grad = sparse([1, 4], torch.ones(2, *shape[1:]), 5)
    LazyAdam([weight], lr=0.1, weight_decay=0.1).step()
    touched = weight.detach().view(5, -1).ne(0).any(1)
    assert touched.tolist() == [False, True, False, False, True]
    torch.testing.assert_close(weight.detach()[1], torch.full(shape[1:], -0.1))


def test_empty_and_missing_gradients_change_nothing() -> None:
    weight, other = nn.Parameter(torch.ones(3, 2)), nn.Parameter(torch.ones(3, 2))
    weight.grad = sparse([], torch.zeros(0, 2), 3)
    LazyAdam([weight, other]).step()
    assert torch.equal(weight, torch.ones(3, 2))
    assert torch.equal(other, torch.ones(3, 2))


def test_restart_from_state_dict_has_the_same_bits() -> None:
    grads = random_grads(24, 50, 4, seed=2)
    straight = nn.Parameter(torch.ones(50, 4))
    optimizer = LazyAdam([straight], lr=0.02, weight_decay=0.01)
    for step, grad in enumerate(grads):
        for group in optimizer.param_groups:
            group["lr"] = 0.02 * (1 - step / len(grads))
        straight.grad = grad
        optimizer.step()
        if step == 11:
            file = io.BytesIO()
            torch.save({"weight": straight.detach().clone(), "optimizer": optimizer.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    resumed = nn.Parameter(saved["weight"])
    again = LazyAdam([resumed])
    again.load_state_dict(saved["optimizer"])
    for step, grad in list(enumerate(grads))[12:]:
        for group in again.param_groups:
            group["lr"] = 0.02 * (1 - step / len(grads))
        resumed.grad = grad
        again.step()
    assert torch.equal(straight, resumed)
    assert all(torch.equal(optimizer.state[straight][k], again.state[resumed][k]) for k in again.state[resumed])


def test_thread_count_does_not_change_a_bit() -> None:
    def train(threads: int) -> Tensor:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            torch.manual_seed(0)
            table = nn.EmbeddingBag(5000, 32, mode="sum", sparse=True)
            optimizer = LazyAdam(table.parameters(), lr=0.01)
            for _ in range(5):
                optimizer.zero_grad()
                table(torch.randint(5000, (400, 20))).square().sum().backward()
                optimizer.step()
            return table.weight.detach()
        finally:
            torch.set_num_threads(before)

    assert torch.equal(train(1), train(2))


def test_groups_and_closure() -> None:
    a, b = nn.Parameter(torch.zeros(2, 1)), nn.Parameter(torch.zeros(2, 1))
    optimizer = LazyAdam([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1)

    def closure() -> float:
        for p in (a, b):
            p.grad = sparse([0], torch.ones(1, 1), 2)
        return 3.0

    assert optimizer.step(closure) == 3.0
    assert math.isclose(a[0].item(), -0.1, rel_tol=1e-5)
    assert math.isclose(b[0].item(), -0.5, rel_tol=1e-5)


@pytest.mark.parametrize(
    "options", [{"lr": -1.0}, {"lr": math.nan}, {"eps": -1e-8}, {"weight_decay": -0.1}, {"betas": (0.9, 1.0)}]
)
def test_bad_settings_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        LazyAdam([nn.Parameter(torch.zeros(2, 2))], **options)  # type: ignore[arg-type]


def test_gradient_sparse_in_two_dimensions_is_refused() -> None:
    weight = nn.Parameter(torch.zeros(3, 3))
    weight.grad = torch.zeros(3, 3).to_sparse()
    with pytest.raises(ValueError, match="first dimension"):
        LazyAdam([weight]).step()
