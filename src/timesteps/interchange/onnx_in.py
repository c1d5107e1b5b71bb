"""From ONNX: a graph of an embedding, RNN, LSTM or GRU nodes, pooling, and one dense layer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import ModelError
from timesteps.interchange.checking import Batch, Check, Padding, measure, missing, version
from timesteps.interchange.imported import Imported, finish
from timesteps.interchange.onnx_graph import read_graph
from timesteps.interchange.onnx_meaning import Walk
from timesteps.interchange.onnx_out import needs_onnx, session_of
from timesteps.interchange.onnx_walk import walk
from timesteps.interchange.plain import Label, PlainNetwork, assemble

__all__ = ["from_onnx"]


def from_onnx(path: str | os.PathLike[str], *, classes: Sequence[Label] | None = None) -> Imported:
    """A model from an ONNX file. Nodes that a model file has no place for are refused by their names.

    Read are: Gather as the embedding; RNN, LSTM and GRU nodes on top of each other, in one or two directions, either
    layout, either form of GRU, with the standard activations; the last state, mean, maximum or attention over time; one
    Gemm or MatMul; and a Sigmoid or Softmax behind it. Initial states are zero or inputs of the graph.

    Args:
        path: the file; all its weights must be in it.
        classes: the labels, in the order of the outputs; two for one output. By default "0", "1", ….

    Raises:
        ModelError: anything else in the graph, by name; or answers that differ by more than 1e-5.
        UsageError: onnx is not installed.

    >>> import tempfile, torch
    >>> from timesteps.interchange import from_torch, to_onnx
    >>> model = from_torch(torch.nn.GRU(3, 4), head=torch.nn.Linear(4, 2)).session
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = to_onnx(model, f"{folder}/gru.onnx").path
    ...     imported = from_onnx(path, classes=("no", "yes"))
    >>> imported.session.classes, imported.check.largest < 1e-5
    (('no', 'yes'), True)
    """
    needs_onnx()
    graph = read_graph(path)
    try:
        found = walk(graph)
        network = _network(found)
        why = missing("onnxruntime")
        check = Check(why) if why else _measured(found, network)
    except ModelError as error:
        raise ModelError(error.what, path=path, mend=error.mend) from error
    return finish(network, check, "onnx", Path(path).name, classes)


def _network(found: Walk) -> PlainNetwork:
    if found.main is None or found.head is None or found.pool is None:
        raise ModelError("the graph has no input that its recurrent layers read")
    scaler = None
    if found.mean is not None:
        scaler = (found.mean, np.ones_like(found.mean) if found.scale is None else found.scale)
    notes = [] if found.ending == "none" else [f"the graph answers with the {found.ending} of the logits"]
    return assemble(
        found.layers,
        found.head,
        embedding=found.table,
        pool=found.pool,
        attention=found.attention if found.pool == "attention" else None,
        scaler=scaler,
        notes=tuple(notes),
    )


def _measured(found: Walk, network: PlainNetwork) -> Check:
    """The graph itself, run by ONNX Runtime."""
    main = found.main
    assert main is not None
    try:
        session = session_of(found.graph.encoded)
    except Exception as error:
        line = " ".join(str(error).split())[:160]
        raise ModelError(f"onnxruntime cannot run it: {line}") from error
    time = int(found.time)

    def run(batch: Batch) -> NDArray[Any]:
        x = batch.values.astype(main.dtype)
        feed = {main.name: x if time == 1 else x.swapaxes(0, 1)}
        if found.lengths is not None:
            feed[found.lengths.name] = batch.lengths.astype(found.lengths.dtype)
        for name, (number, rows_first) in found.states.items():
            layer = network.spec.layers[number]
            shape = (2 if layer.bidirectional else 1, len(batch.lengths))
            shape = shape[::-1] if rows_first else shape
            feed[name] = np.zeros((*shape, layer.hidden_size), np.float32)
        try:
            answer: NDArray[Any] = np.asarray(session.run([found.output], feed)[0], np.float64)
        except Exception as error:
            line = " ".join(str(error).split())[:160]
            raise ModelError(f"onnxruntime cannot run it: {line}") from error
        return answer

    padding: Padding = "none" if found.lengths is None else "noise"
    fixed = (main.shape[1 - time], main.shape[time])
    if fixed != (None, None):
        padding = "none"
    return measure(network, run, version("onnxruntime"), padding, found.ending, fixed)
