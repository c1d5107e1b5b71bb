"""Law 7 for what torch's cells do not have: layer norm, peephole connections, zoneout's expectation, weight drop."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from papers import by_steps, normal
from tolerances import CLOSE
from torch import Tensor, nn
from torch.testing import assert_close

from timesteps import nn as ours
from timesteps.nn import CELLS, Cell, scan
from timesteps.nn.cells.cell import as_state, as_tuple
from timesteps.nn.dropout import draw_keys, random_bits

torch.set_num_threads(1)

T, I, H = 7, 3, 5  # noqa: E741
F64 = CLOSE[torch.float64]
FORMS: list[tuple[str, dict[str, Any]]] = [
    ("rnn", {"layer_norm": True}),
    ("rnn", {"layer_norm": True, "nonlinearity": "relu", "bias": False}),
    ("lstm", {"layer_norm": True}),
    ("lstm", {"layer_norm": True, "proj_size": 2}),
    ("lstm", {"peephole": True}),
    ("lstm", {"peephole": True, "proj_size": 2, "bias": False}),
    ("lstm", {"peephole": True, "layer_norm": True, "proj_size": 3}),
    ("gru", {"layer_norm": True}),
    ("gru", {"layer_norm": True, "bias": False}),
    ("gru", {"layer_norm": True, "reset_after": False}),
]
every_form = pytest.mark.parametrize(("name", "options"), FORMS, ids=str)


def make(name: str, options: dict[str, Any]) -> Cell:
    torch.manual_seed(0)
    cell = CELLS[name](I, H, dtype=torch.float64, **options)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.normal_()
    return cell


def started(cell: Cell) -> tuple[Tensor, tuple[Tensor, ...]]:
    torch.manual_seed(1)
    state = tuple(torch.randn_like(part) for part in cell.zero_state(1))
    return torch.randn(1, T, I, dtype=torch.float64), state


@every_form
@pytest.mark.parametrize("rates", [{}, {"zoneout": 0.3}, {"zoneout": 0.3, "zoneout_cell": 0.6}], ids=str)
def test_cells_are_the_papers(name: str, options: dict[str, Any], rates: dict[str, float]) -> None:
    if "zoneout_cell" in rates and name != "lstm":
        pytest.skip("no c")
    cell = make(name, options)
    x, state = started(cell)
    leaves = [x.requires_grad_(), *(part.requires_grad_() for part in state), *cell.parameters()]
    y, final = scan(cell, x, state=as_state(state), training=False, **rates)
    equation = {key: value for key, value in options.items() if key != "bias"} | rates
    expected, end = by_steps(name, dict(cell.named_parameters()), tuple(p[0] for p in state), x[0], **equation)
    assert_close(y[0], expected, **F64)
    assert_close([part[0] for part in as_tuple(final)], list(end), **F64)
    losses = [y.square().sum() + as_tuple(final)[-1].sum(), expected.square().sum() + end[-1].sum()]
    mine, theirs = (torch.autograd.grad(loss, leaves) for loss in losses)
    assert_close(mine, theirs, **F64)


def test_the_norm_is_torchs() -> None:
    torch.manual_seed(0)
    norm, a = nn.LayerNorm(H, dtype=torch.float64), torch.randn(4, H, dtype=torch.float64)
    nn.init.normal_(norm.weight)
    assert_close(norm(a), torch.stack([norm.weight * normal(row) for row in a]), **F64)


@every_form
def test_one_hot_inputs_are_normalised_too(name: str, options: dict[str, Any]) -> None:
    cell = make(name, options)
    ids = torch.tensor([[2, 0, 1, 1], [0, 2, 2, 1]])
    dense = torch.nn.functional.one_hot(ids, I).double()
    assert_close(scan(cell, ids), scan(cell, dense), **F64)
    unknown = torch.tensor([[-1]])
    assert_close(cell.project(unknown), cell.project(torch.zeros(1, 1, I, dtype=torch.float64)), **F64)


def test_normalised_products_do_not_know_their_scale_and_shift() -> None:
    """What sets layer norm apart: another scale of the weights is nothing, and a shift of all of them is nothing."""
    for name, options in FORMS:
        if "layer_norm" in options:
            cell = make(name, options)
            x, _ = started(cell)
            with torch.no_grad():
                cell.weight_ih.mul_(100)
                y, _ = scan(cell, 1e3 * x)
                cell.weight_ih.mul_(1e-2).add_(7.0)
                again, _ = scan(cell, 1e5 * x)
            assert_close(y, again, rtol=0, atol=1e-6)


def test_peepholes_are_those_of_onnx_runtime() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    cell = make("lstm", {"peephole": True}).float()
    x = started(cell)[0].float()
    order = [0, 3, 1, 2]  # ONNX has i o f c, we i f g o

    def turned(weight: Tensor) -> np.ndarray[Any, Any]:
        return np.concatenate([weight.detach().numpy().reshape(4, H, -1)[k] for k in order])[None]

    p_i, p_f, p_o = cell.weight_ch.detach().numpy().reshape(3, H)
    feeds = {
        "X": x.transpose(0, 1).numpy(),
        "W": turned(cell.weight_ih),
        "R": turned(cell.weight_hh),
        "B": np.concatenate([turned(cell.bias_ih), turned(cell.bias_hh)], 1)[..., 0],
        "P": np.concatenate([p_i, p_o, p_f])[None],
    }
    helper = onnx.helper
    inputs = [helper.make_tensor_value_info(key, onnx.TensorProto.FLOAT, value.shape) for key, value in feeds.items()]
    outputs = [helper.make_tensor_value_info(key, onnx.TensorProto.FLOAT, None) for key in ("Y", "Y_h", "Y_c")]
    node = helper.make_node("LSTM", ["X", "W", "R", "B", "", "", "", "P"], ["Y", "Y_h", "Y_c"], hidden_size=H)
    graph = helper.make_graph([node], "lstm", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    y, _, c = session.run(None, feeds)
    with torch.no_grad():
        mine, (_, final) = scan(cell, x)
    assert_close(mine[0], torch.from_numpy(y[:, 0, 0]), **CLOSE[torch.float32])
    assert_close(final[0], torch.from_numpy(c[0, 0]), **CLOSE[torch.float32])


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("implementation", ["native", "torch", "loop"])
def test_weight_drop_is_torchs_layer_with_dropped_weights(kind: str, implementation: str) -> None:
    torch.manual_seed(0)
    p, x, lengths = 0.4, torch.randn(4, 6, 3), torch.tensor([6, 2, 4, 5])
    layer = getattr(ours, kind)(3, 16, 2, batch_first=True, bidirectional=True, weight_drop=p)
    if implementation == "native" and ours.explain(layer, x)[0].implementation != "native":
        pytest.skip("no kernels here")
    reference = getattr(nn, kind)(3, 16, 2, batch_first=True, bidirectional=True)
    key = draw_keys(1, generator=torch.Generator().manual_seed(3))
    tensors, kept = dict(layer.state_dict()), []
    for k in range(2):
        for end, stream in (("", 16 * k + 12), ("_reverse", 16 * k + 13)):
            weight = tensors[f"weight_hh_l{k}{end}"]
            bits = random_bits(key, stream, torch.arange(weight.numel()).unsqueeze(0)).view(weight.shape)
            kept.append(bits >= round(p * 2**31))
            tensors[f"weight_hh_l{k}{end}"] = weight * kept[-1] / (1 - p)
    assert all(not torch.equal(a, b) for a, b in itertools.pairwise(kept))
    assert sum(float(mask.float().mean()) for mask in kept) / 4 == pytest.approx(1 - p, abs=0.05)
    reference.load_state_dict(tensors)
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = nn.utils.rnn.pad_packed_sequence(reference(packed)[0], batch_first=True)
    y, _ = layer(x, lengths=lengths, generator=torch.Generator().manual_seed(3), implementation=implementation)
    assert_close(y, expected, **CLOSE[torch.float32])
    y.square().sum().backward()
    assert not bool((layer.weight_hh_l0.grad[~kept[0]] != 0).any())
    assert bool((layer.weight_hh_l0.grad[kept[0]] != 0).all()) or kind == "GRU"
    assert not torch.allclose(layer(x)[0], layer(x)[0], atol=1e-3)  # another mask at every call
    reference.load_state_dict(layer.state_dict())
    assert_close(layer.eval()(x)[0], reference(x)[0], **CLOSE[torch.float32])


def test_without_weight_drop_nothing_is_drawn() -> None:
    layer = ours.LSTM(3, 4)
    state = torch.get_rng_state()
    layer(torch.zeros(2, 1, 3))
    assert torch.equal(torch.get_rng_state(), state)
    gone = ours.RNN(3, 4, weight_drop=1.0, nonlinearity="linear", bias=False, batch_first=True)
    x = torch.randn(2, 5, 3)
    assert_close(gone(x)[0], x @ gone.weight_ih_l0.T, **CLOSE[torch.float32])
