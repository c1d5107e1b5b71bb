"""The laws of `scan`, over every cell × implementation × direction."""

from __future__ import annotations

import pytest
import torch
from cases import IDS, RUNS, Form, I, can_run, flags, fold, lengths_of, random_input, random_state
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import CLOSE, EXACT, close
from torch import Tensor
from torch.testing import assert_close

from timesteps.nn import scan
from timesteps.nn.cells.cell import as_state, as_tuple

every_run = pytest.mark.parametrize(("form", "implementation", "reverse"), RUNS, ids=IDS)
F64 = CLOSE[torch.float64]


@every_run
@settings(max_examples=12)
@given(mask=flags(), data=st.data())
def test_law_1_folding_step_is_scan(
    form: Form, implementation: str, reverse: bool, mask: Tensor, data: st.DataObject
) -> None:
    cell = form.make()
    rows, steps = mask.shape
    x, state, fresh = random_input(rows, steps), random_state(cell, rows), random_state(cell, rows, seed=3)
    reset = torch.zeros_like(mask)
    if implementation != "torch":
        bits = data.draw(st.lists(st.booleans(), min_size=rows * steps, max_size=rows * steps), label="reset")
        reset = torch.tensor(bits).view(rows, steps)
    y, final = scan(
        cell,
        x,
        state=as_state(state),
        mask=mask,
        reset=reset if bool(reset.any()) else None,
        reverse=reverse,
        initial=as_state(fresh),
        implementation=implementation,
    )
    expected, final_expected = fold(cell, x, state, mask, reset, fresh, reverse)
    assert_close(y, expected, **F64)
    assert_close(as_tuple(final), final_expected, **F64)


@every_run
@settings(max_examples=12)
@given(case=lengths_of())
def test_law_1_lengths_are_masks(form: Form, implementation: str, reverse: bool, case: tuple[Tensor, int]) -> None:
    cell, (lengths, steps) = form.make(), case
    x, state = random_input(len(lengths), steps), random_state(cell, len(lengths))
    mask = torch.arange(steps) < lengths.unsqueeze(1)
    y, final = scan(cell, x, lengths, as_state(state), reverse=reverse, implementation=implementation)
    expected, final_expected = fold(cell, x, state, mask, torch.zeros_like(mask), state, reverse)
    assert_close(y, expected, **F64)
    assert_close(as_tuple(final), final_expected, **F64)


def test_lengths_and_mask_must_both_hold() -> None:
    cell, x = RUNS[0][0].make(), random_input(2, 4)
    mask = torch.tensor([[True, False, True, True], [False, True, True, True]])
    y, _ = scan(cell, x, torch.tensor([3, 4]), mask=mask)
    both = mask & torch.tensor([[True, True, True, False], [True] * 4])
    assert_close(y, scan(cell, x, mask=both)[0], **EXACT)
    assert bool((y[0, 3] == 0).all())


@every_run
@settings(max_examples=12)
@given(mask=flags(max_steps=7), data=st.data())
def test_law_2_stopping_and_resuming_changes_nothing(
    form: Form, implementation: str, reverse: bool, mask: Tensor, data: st.DataObject
) -> None:
    cell = form.make()
    rows, steps = mask.shape
    k = data.draw(st.integers(0, steps), label="k")
    reset = torch.zeros_like(mask)
    if implementation != "torch":
        bits = data.draw(st.lists(st.booleans(), min_size=rows * steps, max_size=rows * steps), label="reset")
        reset = torch.tensor(bits).view(rows, steps)
    x, state = random_input(rows, steps), as_state(random_state(cell, rows))

    def run(part: slice, begin: object) -> tuple[Tensor, object]:
        some = reset[:, part] if implementation != "torch" else None
        return scan(  # type: ignore[return-value]
            cell,
            x[:, part],
            state=begin,
            mask=mask[:, part],
            reset=some,
            reverse=reverse,
            implementation=implementation,
        )

    whole, final = run(slice(steps), state)
    parts = [slice(k), slice(k, steps)]
    outputs, now = {}, state
    for n in (1, 0) if reverse else (0, 1):
        outputs[n], now = run(parts[n], now)
    assert_close(torch.cat([outputs[0], outputs[1]], 1), whole, **F64)
    assert_close(now, final, **F64)


@every_run
@settings(max_examples=12)
@given(mask=flags())
def test_law_3_padding_changes_nothing(form: Form, implementation: str, reverse: bool, mask: Tensor) -> None:
    cell = form.make()
    rows, steps = mask.shape
    state = random_state(cell, rows)
    x = random_input(rows, steps)
    poisoned = x.masked_fill(~mask.unsqueeze(2), float("nan")).requires_grad_()
    y, final = scan(cell, poisoned, state=as_state(state), mask=mask, reverse=reverse, implementation=implementation)
    assert bool((y[~mask] == 0).all())
    sum(part.sum() for part in (y, *as_tuple(final))).backward()
    assert poisoned.grad is not None and bool((poisoned.grad[~mask] == 0).all())
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in cell.parameters())
    for b in range(rows):  # a row alone, its padding cut out, is the row in the batch
        alone, end = scan(
            cell,
            x[b : b + 1, mask[b]],
            state=as_state(tuple(part[b : b + 1] for part in state)),
            reverse=reverse,
            implementation=implementation,
        )
        assert_close(y[b, mask[b]], alone[0], **F64)
        assert_close([part[b] for part in as_tuple(final)], [part[0] for part in as_tuple(end)], **F64)


@pytest.mark.parametrize(("form", "implementation"), [run[:2] for run in RUNS if run[2]], ids=str)
def test_law_4_reverse_is_flip_forward_flip(form: Form, implementation: str) -> None:
    cell, x = form.make(), random_input(3, 6)
    y, final = scan(cell, x, reverse=True, implementation=implementation)
    flipped, end = scan(cell, x.flip(1), implementation=implementation)
    assert_close(y, flipped.flip(1), **F64)
    assert_close(final, end, **F64)
    forward, _ = scan(cell, x, implementation=implementation)
    assert not torch.allclose(y, forward, atol=1e-2)


@every_run
def test_law_5_outputs_never_depend_on_the_future(form: Form, implementation: str, reverse: bool) -> None:
    cell, x = form.make(), random_input(2, 7).requires_grad_()
    for t in range(7):
        y, _ = scan(cell, x, reverse=reverse, implementation=implementation)
        (grad,) = torch.autograd.grad((y[:, t] * torch.randn(2, cell.output_size)).sum(), x)
        touched = grad.abs().sum((0, 2)) > 0
        unseen = slice(0, t) if reverse else slice(t + 1, 7)
        assert not bool(touched[unseen].any())
        assert bool(touched[t])
        if "relu" not in str(form):  # whose gradients die
            assert bool(touched.sum() == (7 - t if reverse else t + 1))


@every_run
def test_law_6_gradcheck(form: Form, implementation: str, reverse: bool) -> None:
    cell = form.make()
    lengths = torch.tensor([4, 2, 0])
    x, state = random_input(3, 4).requires_grad_(), random_state(cell, 3)
    names = [name for name, _ in cell.named_parameters()]

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        bound = cell.bound_to(dict(zip(names, rest[len(state) :], strict=True)))
        begin = as_state(tuple(rest[: len(state)]))
        y, final = scan(bound, x, lengths, begin, reverse=reverse, implementation=implementation)
        return (y, *as_tuple(final))

    inputs = (x, *(part.requires_grad_() for part in state), *cell.parameters())
    assert torch.autograd.gradcheck(run, inputs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(("form", "implementation", "reverse"), [run for run in RUNS if run[1] != "loop"], ids=str)
@settings(max_examples=12)
@given(mask=st.one_of(flags(), lengths_of().map(lambda c: torch.arange(c[1]) < c[0].unsqueeze(1))))
def test_law_8_kernel_is_loop(form: Form, implementation: str, reverse: bool, dtype: torch.dtype, mask: Tensor) -> None:
    rows, steps = mask.shape
    results = []
    for name in (implementation, "loop"):
        cell = form.make(dtype)
        x, state = random_input(rows, steps, dtype).requires_grad_(), random_state(cell, rows)
        leaves = [x, *(part.requires_grad_() for part in state), *cell.parameters()]
        y, final = scan(cell, x, state=as_state(state), mask=mask, reverse=reverse, implementation=name)
        outputs = [y, *as_tuple(final)]
        torch.manual_seed(5)
        loss = sum((part * torch.randn(part.shape, dtype=dtype)).sum() for part in outputs)
        results.append([*outputs, *torch.autograd.grad(loss, leaves)])
    assert_close(results[0], results[1], **close(dtype, form.options))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("form", {run[0] for run in RUNS}, ids=str)
def test_law_12_dropout_does_not_know_the_batch(form: Form, threads: int) -> None:
    cell, x, lengths = form.make(), random_input(6, 5), torch.tensor([5, 1, 0, 3, 4, 2])
    rate = 0.3 if cell.has_recurrent_product else 0.0

    def run(rows: slice, generator: torch.Generator, padding: int = 0) -> Tensor:
        padded = torch.nn.functional.pad(x[rows], [0, 0, 0, padding], value=float("nan"))
        y, _ = scan(cell, padded, lengths[rows], input_dropout=0.5, recurrent_dropout=rate, generator=generator)
        return y[:, :5]

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        whole = run(slice(6), torch.Generator().manual_seed(7))
        generator = torch.Generator().manual_seed(7)
        parts = torch.cat([run(slice(2), generator, 3), run(slice(2, 3), generator), run(slice(3, 6), generator, 1)])
    finally:
        torch.set_num_threads(before)
    assert_close(whole, parts, **F64)
    plain, _ = scan(cell, x, lengths)
    assert not torch.allclose(whole, plain, atol=1e-2)
    assert not torch.allclose(whole, run(slice(6), torch.Generator().manual_seed(8)), atol=1e-2)


def test_empty_batches_and_sequences() -> None:
    for form, implementation, reverse in RUNS:
        cell = form.make()
        y, final = scan(cell, random_input(0, 4), reverse=reverse, implementation=implementation)
        assert y.shape == (0, 4, cell.output_size)
        state = random_state(cell, 2)
        y, final = scan(cell, x := torch.zeros(2, 0, I, dtype=torch.float64), state=as_state(state), reverse=reverse)
        assert y.shape == (2, 0, cell.output_size) and x.shape[1] == 0
        assert_close(as_tuple(final), state, **EXACT)


@pytest.mark.parametrize(
    ("name", "implementation"),
    [
        (name, way)
        for name in ("gru", "minlstm", "qrnn")
        for way in ("loop", "torch", "native")
        if can_run(Form(name), way)
    ],
)
@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_have_gradients(name: str, implementation: str, reverse: bool) -> None:
    cell, x = Form(name).make(), random_input(2, 3).requires_grad_()
    mask = torch.tensor([[False, True, True], [True, False, True]])

    def run(x: Tensor) -> Tensor:
        return scan(cell, x, mask=mask, reverse=reverse, implementation=implementation)[0]

    assert torch.autograd.gradgradcheck(run, x)
