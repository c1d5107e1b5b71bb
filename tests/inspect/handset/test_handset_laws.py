"""Hand-set networks are models like any other: step = scan = stream = file, in numpy, by the core and in torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from test_networks import CASES, rows

import timesteps
from timesteps.inspect.handset import HANDSETS, handset
from timesteps.inspect.verification import verify
from timesteps.interchange import to_onnx
from timesteps.nn import scan
from timesteps.nn.cells import CELLS
from timesteps.nn.models import Batch, build
from timesteps.runtime import modelfile
from timesteps.runtime.session import Session


def torch_network(session: Session) -> torch.nn.Module:
    network = build(session.spec.network).double().eval()
    network.load_state_dict({name: torch.from_numpy(session.tensors[name].copy()) for name in network.state_dict()})
    return network


@pytest.mark.parametrize("name", HANDSETS)
def test_torch_gives_the_same_answers(name: str) -> None:
    session = handset(name).session(per_step=True)
    network = torch_network(session)
    for row in rows(name, 20, 50):
        with torch.no_grad():
            found = network(Batch(torch.tensor([len(row)]), torch.from_numpy(row)[None])).numpy()
        np.testing.assert_allclose(found, session.logits([row]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", HANDSETS)
def test_folding_the_cell_is_the_scan_and_the_trace(name: str) -> None:
    network = handset(name)
    layer, session = network.layer, network.session(per_step=True)
    options = {"nonlinearity": layer.nonlinearity} if layer.cell == "rnn" else {}
    cell = CELLS[layer.cell](layer.input_size, layer.hidden_size, dtype=torch.float64, **options)
    cell.load_state_dict(
        {part: torch.from_numpy(session.tensors[f"rnn.{part}_l0"].copy()) for part in cell.state_dict()}
    )
    (row,) = rows(name, 1, 60, seed=3)
    x, state, outputs = torch.from_numpy(row)[None], None, []
    with torch.no_grad():
        for t in range(len(row)):
            state = cell(x[:, t], state)
            outputs.append(state if isinstance(state, torch.Tensor) else state[0])
        y, _ = scan(cell, x)
    np.testing.assert_allclose(y[0].numpy(), torch.cat(outputs).numpy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(y[0].numpy(), session.trace([row])["l0"].states["h"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", HANDSETS)
def test_steps_are_the_run_are_the_whole_sequence(name: str) -> None:
    network = handset(name)
    session, whole = network.session(), network.session(per_step=True)
    single = Session(whole.spec, whole.tensors, np.float32)
    (row,) = rows(name, 1, 60, seed=4)
    if name == "sum":
        row = np.round(row % 8)
    stream = session.stream()
    steps = np.stack([stream.step(x).copy() for x in row])
    np.testing.assert_array_equal(steps, session.run(row))
    np.testing.assert_allclose(steps, whole.logits([row]), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(steps, single.logits([row]), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", HANDSETS)
def test_saved_is_loaded_and_every_engine_agrees(name: str, tmp_path: Path) -> None:
    network = handset(name)
    session = network.session()
    modelfile.save(tmp_path / "model.safetensors", session.spec, session.tensors)
    loaded = timesteps.load(tmp_path / "model.safetensors", verify=True)
    given = list(rows(name, 20, 40))
    assert list(loaded.predict(given)) == list(session.predict(given))
    found = verify(loaded)
    assert found.agrees, str(found)
    ran = {engine.name for engine in found.engines if engine.agrees}
    assert ran >= {"stream", "numpy", "torch"}


@pytest.mark.parametrize("name", [name for name in CASES if HANDSETS[name].classes])
def test_exported_to_onnx(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    exported = to_onnx(handset(name).session(), tmp_path / "it.onnx")
    assert exported.check.largest is not None and exported.check.largest < 1e-5
