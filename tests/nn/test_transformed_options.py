"""The cells' options under torch.compile, torch.export and torch.func."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tolerances import CLOSE
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.testing import assert_close

from timesteps.nn import GRU, LSTM, RNN

F32 = CLOSE[torch.float32]
LAYERS: list[tuple[type[nn.Module], dict[str, Any]]] = [
    (LSTM, {"layer_norm": True, "peephole": True, "zoneout": 0.1, "zoneout_cell": 0.2, "weight_drop": 0.3}),
    (GRU, {"layer_norm": True, "zoneout": 0.1}),
    (RNN, {"weight_drop": 0.2}),
]
every_layer = pytest.mark.parametrize(("layer", "options"), LAYERS, ids=lambda v: getattr(v, "__name__", ""))


def make(layer: type[nn.Module], options: dict[str, Any]) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    return layer(3, 4, batch_first=True, bidirectional=True, **options), torch.randn(2, 5, 3)


@every_layer
@pytest.mark.parametrize("training", [False, True])
def test_compiles_whole_and_draws_the_same(layer: type[nn.Module], options: dict[str, Any], training: bool) -> None:
    torch._dynamo.reset()
    model, x = make(layer, options)
    model.train(training)
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend="aot_eager")
    outputs = []
    for run in (compiled, model):
        torch.manual_seed(1)
        y, _ = run(x)
        outputs.append([y, *torch.autograd.grad(y.square().sum(), list(model.parameters()))])
    assert_close(outputs[0], outputs[1], **F32)


@every_layer
def test_exports_and_transforms(layer: type[nn.Module], options: dict[str, Any]) -> None:
    model, x = make(layer, options)
    model.eval()
    assert_close(torch.export.export(model, (x,)).module()(x)[0], model(x)[0], **F32)
    parameters = dict(model.named_parameters())

    def loss(parameters: dict[str, Tensor], row: Tensor) -> Tensor:
        total: Tensor = functional_call(model, parameters, (row.unsqueeze(0),))[0].square().sum()
        return total

    rows = vmap(grad(loss), (None, 0))(parameters, x)
    for b in range(len(x)):
        alone = torch.autograd.grad(loss(parameters, x[b]), list(parameters.values()))
        assert_close([rows[name][b] for name in parameters], list(alone), **F32)
