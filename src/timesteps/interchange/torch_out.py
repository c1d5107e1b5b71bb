"""To PyTorch: a safetensors state dict in torch.nn's names, and the lines of Python that rebuild the module."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from timesteps.errors import ModelError
from timesteps.interchange.checking import Batch, Check, measure, missing, version
from timesteps.interchange.exported import Exported, checked_ending
from timesteps.interchange.plain import PlainNetwork, from_session
from timesteps.interchange.torch_lines import lines, state_names
from timesteps.runtime.atomic import atomic_write
from timesteps.runtime.session import Session, load

if TYPE_CHECKING:
    import torch

__all__ = ["rebuilt", "runner", "to_torch"]


def to_torch(model: Session | str | os.PathLike[str], path: str | os.PathLike[str]) -> Exported:
    """Write a model's weights as a safetensors state dict that a module of torch.nn loads.

    The lines of Python that build the module, `python` of what is returned, also stand in the file's metadata. Where
    torch is installed, they are run on the file's weights and compared with our own answers.

    Args:
        model: a trained model, or its run folder.
        path: the file to write; its name ends in `.safetensors`.

    Raises:
        ModelError: a model with parts that torch.nn does not have, or answers that differ by more than 1e-5.
        UsageError: another ending, or a place that cannot be written to.

    >>> import tempfile, torch
    >>> from timesteps.interchange import from_torch, to_torch
    >>> model = from_torch(torch.nn.GRU(3, 4), head=torch.nn.Linear(4, 1)).session
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     exported = to_torch(model, f"{folder}/gru.safetensors")
    ...     rebuild = {}
    ...     exec(exported.python, rebuild)
    ...     module = rebuild["load"](exported.path)
    >>> module(torch.zeros(2, 5, 3), torch.tensor([5, 3])).shape, exported.check.largest < 1e-5
    (torch.Size([2, 1]), True)
    """
    path = checked_ending(path, ".safetensors")
    network = from_session(model if isinstance(model, Session) else load(model))
    for number, layer in enumerate(network.spec.layers):
        if layer.cell == "gru" and not layer.reset_after:
            raise ModelError(
                f"layer {number} is a GRU that resets before the product, which torch.nn.GRU cannot",
                mend="load its weights into timesteps.nn.GRU(reset_after=False), or export to onnx or keras",
            )
        if layer.cell == "rnn" and layer.nonlinearity == "linear":
            raise ModelError(
                f"layer {number} is a linear RNN, which torch.nn.RNN cannot",
                mend="load its weights into timesteps.nn.ElmanCell, or export to onnx or keras",
            )
    why = missing("torch")
    python = lines(network)
    check = Check(why) if why else _measured(network, python)
    names = state_names(network)
    state = {names[name]: tensor for name, tensor in network.tensors.items()}
    if network.scaler is not None:
        state["mean"], state["scale"] = network.scaler
    record = msgspec.json.encode(check.to_dict()).decode()
    metadata = {"format": "pt", "python": python, "pool": network.spec.pool, "check": record}
    with atomic_write(path) as file:
        file.write(save(state, metadata))
    return Exported(path, check, network.notes, python)


def rebuilt(network: PlainNetwork, python: str) -> torch.nn.Module:
    """The module that the lines build, with the network's weights, in their dtype."""
    import torch

    space: dict[str, Any] = {}
    exec(python, space)  # our own lines, into which only sizes went
    module: torch.nn.Module = space["Network"]()
    names = state_names(network)
    state = {names[name]: torch.from_numpy(tensor.copy()) for name, tensor in network.tensors.items()}
    if network.scaler is not None:
        state["mean"], state["scale"] = (torch.from_numpy(part.copy()) for part in network.scaler)
    widest = max((tensor.dtype for name, tensor in network.tensors.items()), key=lambda dtype: dtype.itemsize)
    module.to(torch.float64 if widest == np.float64 else torch.float32)
    if network.scaler is not None:
        module.mean, module.scale = module.mean.double(), module.scale.double()
    module.load_state_dict(state)
    return module.eval()


def _measured(network: PlainNetwork, python: str) -> Check:
    return measure(network, runner(network, rebuilt(network, python)), version("torch"))


def runner(network: PlainNetwork, module: torch.nn.Module) -> Any:
    """What runs a rebuilt module on a batch."""
    import torch

    def run(batch: Batch) -> NDArray[Any]:
        x = torch.from_numpy(batch.values)
        if network.spec.input != "ids" and network.scaler is None:
            x = x.to(next(module.parameters()).dtype)
        with torch.no_grad():
            found: NDArray[Any] = module(x, torch.from_numpy(batch.lengths)).numpy()
        return found

    return run
