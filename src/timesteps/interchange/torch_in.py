"""From PyTorch: live modules, state dicts, `.safetensors` and `.pt` files."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import ModelError, UsageError
from timesteps.interchange.checking import (
    Batch,
    Check,
    Ending,
    answers,
    batches,
    check_ending,
    difference,
    finished,
    judged,
    measure,
    missing,
    version,
)
from timesteps.interchange.imported import Imported, finish
from timesteps.interchange.plain import Label, PlainNetwork
from timesteps.interchange.tensors import read_pt, read_safetensors
from timesteps.interchange.torch_lines import lines
from timesteps.interchange.torch_out import rebuilt, runner
from timesteps.interchange.torch_state import Form, Parts, recognise
from timesteps.runtime.spec import PoolName

if TYPE_CHECKING:
    import torch

__all__ = ["from_torch"]

_ENDINGS: tuple[Ending, ...] = ("none", "sigmoid", "softmax", "log_softmax")


def from_torch(
    source: torch.nn.Module | Mapping[str, Any] | str | os.PathLike[str],
    *,
    head: torch.nn.Linear | None = None,
    classes: Sequence[Label] | None = None,
    pool: PoolName | None = None,
    nonlinearity: Literal["tanh", "relu"] = "tanh",
) -> Imported:
    """A model from torch: (embedding) → RNN, LSTM or GRU → pooling → one dense layer.

    A module is run on random inputs: called with a batch of ids (B, T) or of numbers (B, T, I), or (T, B, …) where its
    recurrent layer is not `batch_first`, and with `lengths` (B,) where its forward asks for them. Which pooling it does
    is found out by comparing. A state dict is loaded into torch.nn's own layers, and these are run; the pooling is then
    `pool`.

    Args:
        source: a module; a state dict; or a `.safetensors` or `.pt` file with one. Pickles in a `.pt` file are read
            with `weights_only=True` in a process of their own.
        head: the dense layer, where `source` has none.
        classes: the labels, in the order of the outputs; two for one output. By default "0", "1", ….
        pool: from the outputs of all steps to one vector: "last" (torch's h_n, both directions' side by side), "mean",
            "max", "mean+max".
        nonlinearity: of an RNN in a state dict, which does not say.

    Raises:
        ModelError: a part that a model file has no place for, by name; or answers that differ by more than 1e-5.

    >>> import torch
    >>> lstm, head = torch.nn.LSTM(3, 4, bidirectional=True), torch.nn.Linear(8, 2)
    >>> imported = from_torch(lstm, head=head, classes=("no", "yes"))
    >>> imported.check.largest < 1e-5, imported.session.predict([[[0.1, 0.2, 0.3]]])[0] in ("no", "yes")
    (True, True)
    """
    default = Form(nonlinearity)
    dense = None if head is None else _dense(head)
    if isinstance(source, str | os.PathLike):
        state, said = _read(Path(source))
        try:
            found = _by_lines(recognise(state, {}, default, dense), pool or said)
        except ModelError as error:
            raise ModelError(error.what, path=source, mend=error.mend) from error
        return finish(*found, "torch", Path(source).name, classes)
    if isinstance(source, Mapping):
        parts = recognise(_arrays(source), {}, default, dense)
        return finish(*_by_lines(parts, pool), "torch", "a state dict", classes)
    parts = recognise(_arrays(source.state_dict()), _forms(source), default, dense)
    found = _by_lines(parts, pool) if head is not None else _found_by_running(source, parts, pool)
    return finish(*found, "torch", type(source).__name__, classes)


def _read(path: Path) -> tuple[dict[str, NDArray[Any]], PoolName | None]:
    """The tensors, and the pooling if the file is one that `to_torch` wrote."""
    if path.suffix == ".safetensors":
        state, metadata = read_safetensors(path)
        return state, metadata["pool"] if metadata.get("pool") in get_args(PoolName) else None
    if path.suffix in (".pt", ".pth", ".bin"):
        if why := missing("torch"):
            raise UsageError(f"{why}, and only torch reads its files", path=path, mend="pip install 'timesteps[torch]'")
        return read_pt(path), None
    raise UsageError("is no file of torch", path=path, mend="give a .safetensors or .pt file with a state dict")


def _arrays(state: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    arrays = {}
    for name, tensor in state.items():
        if hasattr(tensor, "detach"):
            tensor = tensor.detach().cpu()
            arrays[name] = (
                (tensor.float() if tensor.is_floating_point() and tensor.itemsize < 4 else tensor).numpy().copy()
            )
        elif isinstance(tensor, np.ndarray):
            arrays[name] = tensor
        else:
            raise ModelError(f"{name!r} is a {type(tensor).__name__}, not a tensor", mend="give module.state_dict()")
    return arrays


def _dense(head: torch.nn.Linear) -> tuple[NDArray[Any], NDArray[Any] | None]:
    arrays = _arrays(head.state_dict())
    return arrays["weight"], arrays.get("bias")


def _forms(module: torch.nn.Module) -> dict[str, Form]:
    """What the recurrent layers in a module say about themselves, by their prefix in the state dict."""
    forms = {}
    for name, child in module.named_modules():
        _check_zoneout(name, child)
        if any(parameter.startswith("weight_hh_l") for parameter in dict(child.named_parameters(recurse=False))):
            nonlinearity: Any = getattr(child, "nonlinearity", "tanh")
            if nonlinearity not in ("tanh", "relu"):
                raise ModelError(f"{name}: nonlinearity {nonlinearity!r} has no place in a model file")
            forms[f"{name}." if name else ""] = Form(nonlinearity, getattr(child, "reset_after", True))
        if getattr(child, "max_norm", None) is not None:
            raise ModelError(f"{name}: an embedding with max_norm changes its weights as it reads")
    return forms


def _check_zoneout(name: str, child: torch.nn.Module) -> None:
    """Zoneout acts in evaluation, too, and leaves no tensor in a state dict that would tell of it."""
    for option in ("zoneout", "zoneout_cell"):
        rate = getattr(child, option, 0)
        if isinstance(rate, float | int) and rate:
            raise ModelError(f"{name or type(child).__name__}: {option}={rate} cannot be converted")


def _by_lines(parts: Parts, pool: PoolName | None) -> tuple[PlainNetwork, Check]:
    """The network, compared with torch.nn's layers put together by the lines that an export prints."""
    possible = parts.pools()
    notes = () if pool or len(possible) == 1 else ("a state dict does not say how steps are pooled: last is assumed",)
    network = parts.network(pool or possible[0], notes)
    if any(layer.cell == "gru" and not layer.reset_after for layer in network.spec.layers):
        raise ModelError(
            "a GRU that resets before the product was given without its module",
            mend="give a module with its dense layer",
        )
    if why := missing("torch"):
        return network, Check(why)
    return network, measure(network, runner(network, rebuilt(network, lines(network))), version("torch"))


def _found_by_running(module: torch.nn.Module, parts: Parts, pool: PoolName | None) -> tuple[PlainNetwork, Check]:
    """The network whose pooling and ending agree best with the module itself."""
    pools = (pool,) if pool else parts.pools()
    networks = [parts.network(each) for each in pools]
    with _evaluating(module):
        padding: Literal["noise", "none"] = "noise" if _takes_lengths(module) else "none"
        inputs = list(batches(networks[0], padding))
        found = _run_all(module, inputs)
    best: tuple[float, PlainNetwork, Ending] = (np.inf, networks[0], "none")
    for theirs, network in product(found, networks):
        ours = [answers(network, batch) for batch in inputs]
        for ending in _ENDINGS:
            pairs = zip(ours, theirs, strict=True)
            largest = max(difference(finished(mine, ending), given) for mine, given in pairs)
            if largest < best[0]:
                best = (largest, network, ending)
    largest, network, ending = best
    rows = sum(len(batch.lengths) for batch in inputs)
    check = judged(Check(f"{version('torch')} ({type(module).__name__})", largest, rows))
    check_ending(ending, network.spec.outputs)
    notes = [f"pooling found by running the module: {network.spec.pool}"]
    if ending != "none":
        notes.append(f"the module answers with the {ending} of the logits")
    return PlainNetwork(network.spec, network.tensors, network.scaler, tuple(notes)), check


@contextmanager
def _evaluating(module: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients; every part is left in the mode that it was in."""
    import torch

    modes = [(child, child.training) for child in module.modules()]
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for child, mode in modes:
            child.training = mode


def _takes_lengths(module: torch.nn.Module) -> bool:
    return "lengths" in inspect.signature(module.forward).parameters


def _run_all(module: torch.nn.Module, inputs: list[Batch]) -> list[list[NDArray[Any]]]:
    """The module's answers to all batches, for each layout of the input in which it can be called."""
    flags = [child.batch_first for child in module.modules() if hasattr(child, "batch_first")]
    found, first = [], None
    for batch_first in (all(flags), not all(flags)):
        try:
            found.append([_call(module, batch, batch_first) for batch in inputs])
        except Exception as error:  # of code that is not ours
            first = first or error
    if not found:
        line = " ".join(str(first).split())[:120]
        raise ModelError(
            f"{type(module).__name__} cannot be run on random inputs: {type(first).__name__}: {line}",
            mend="let its forward take (x) or (x, lengths) and give logits, or give its state_dict()",
        ) from first
    return found


def _call(module: torch.nn.Module, batch: Batch, batch_first: bool) -> NDArray[Any]:
    import torch

    first = next(module.parameters())
    x = torch.from_numpy(batch.values).to(first.device)
    x = x.to(first.dtype) if x.is_floating_point() else x
    x = x if batch_first else x.transpose(0, 1)
    call: Callable[..., Any] = module
    y = call(x, lengths=torch.from_numpy(batch.lengths)) if _takes_lengths(module) else call(x)
    if not isinstance(y, torch.Tensor):
        raise TypeError(f"its forward gives a {type(y).__name__}, not a tensor of logits")
    if y.dim() == 1:
        y = y.unsqueeze(1)
    answer: NDArray[Any] = y.detach().cpu().double().numpy()
    return answer
