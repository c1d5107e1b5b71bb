"""What is diagnosed: from a run, a session, a language model or untrained layers to a network and rows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, ModelError, UsageError, option
from timesteps.runtime import modelfile
from timesteps.runtime.golden import golden_row
from timesteps.runtime.language.loading import TASKS, load_language
from timesteps.runtime.language.mixture_file import is_mixture
from timesteps.runtime.language.model import LanguageModel
from timesteps.runtime.language.recurrent import RecurrentModel
from timesteps.runtime.language.summary import network_of
from timesteps.runtime.layout import member_network, member_prefix
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.session import Session, load
from timesteps.runtime.spec import LayerSpec, NetworkSpec, TextSpec
from timesteps.training.initial import initial_weights

__all__ = ["Patient", "examined"]

_RANDOM = 8, 100  # rows and steps where nothing is given
_MOST_ROWS = 4096  # whose lengths are counted
_STREAM = 400  # tokens of a text that make a row


@dataclass(frozen=True)
class Patient:
    """A network with its tensors, and rows as it reads them."""

    network: NetworkSpec
    tensors: Mapping[str, NDArray[Any]]
    rows: Sequences
    task: str  # "classify", "tag", "regress", "language", "cell"
    about: str
    data: str
    text: TextSpec | None = None
    lengths: NDArray[np.int64] | None = None  # of all rows, where `rows` are some of them
    batch_size: int = 32


def examined(
    model: Any, data: Sequence[Any] | None, *, name: str = "", rows: int = 64, seed: int = 0, chrono: int | None = None
) -> Patient:
    """The patient that `diagnose` means by its arguments, with at most so many rows."""
    if isinstance(model, LayerSpec):
        model = (model,)
    if isinstance(model, tuple) and model and all(isinstance(each, LayerSpec) for each in model):
        return _untrained(model, data, name or "the rows", rows, seed, chrono)
    if chrono is not None:
        raise UsageError(f"{option('chrono', chrono)} is for untrained layers", mend="leave it out")
    if isinstance(model, str | os.PathLike):
        model = _opened(model)
    if isinstance(model, RecurrentModel):
        return _language(model, data, name, rows)
    if isinstance(model, Session):
        return _session(model, data, name, rows)
    raise ModelError(f"a {type(model).__name__} has no recurrent layers", mend="give a run that has, or a LayerSpec")


def _opened(run: str | os.PathLike[str]) -> Session | LanguageModel:
    if is_mixture(run) or modelfile.task(modelfile.find(run)) in TASKS:
        return load_language(run)
    return load(run)


def _session(session: Session, data: Sequence[Any] | None, name: str, rows: int) -> Patient:
    spec = session.spec
    if data is None:
        if not spec.golden:
            raise DataError("the model file keeps no rows", mend="give some")
        data, name = [golden_row(spec, golden) for golden in spec.golden], "the rows in the model file"
    prefix = member_prefix(spec, 0)
    own = {key.removeprefix(prefix): value for key, value in session.tensors.items() if key.startswith(prefix)}
    steps = session.steps(_spread(data, max(rows, _MOST_ROWS)))
    some = np.linspace(0, len(steps) - 1, min(rows, len(steps))).astype(int)
    about = f"a {_NOUNS[spec.task]}" + (f", the first of {spec.members} members" if spec.members > 1 else "")
    return Patient(
        member_network(spec, 0),
        own,
        steps.take(some),
        spec.task,
        about,
        name or "the data",
        spec.text,
        steps.lengths,
    )


_NOUNS = {"classify": "classifier", "tag": "tagger", "regress": "regressor"}


def _language(model: RecurrentModel, lines: Sequence[str] | None, name: str, rows: int) -> Patient:
    if lines is None:
        raise DataError("a language model keeps no text", mend="give one")
    end = [model.end] if model.end >= 0 else []
    tokens = [token for line in lines for token in (*model.tokens(line), *end)]
    if len(tokens) < 2:
        raise DataError("the text has no two tokens", mend="give a longer one")
    size = min(_STREAM, len(tokens))
    streams = _spread([tokens[at : at + size] for at in range(0, len(tokens) - size + 1, size)], rows)
    return Patient(
        network_of(model), model.weights, Sequences.of(streams), "language", "a language model", name or "the text"
    )


def _untrained(
    layers: tuple[LayerSpec, ...], data: Sequence[Any] | None, name: str, rows: int, seed: int, chrono: int | None
) -> Patient:
    size = layers[0].input_size
    network = NetworkSpec(input="numeric", input_size=size, layers=layers, outputs=1)
    tensors = initial_weights(network, seed, chrono)
    if data is None:
        count, steps = _RANDOM
        data, name = list(np.random.default_rng(seed).normal(size=(count, steps, size))), "random numbers"
    read = [np.asarray(row, np.float64) for row in _spread(data, rows)]
    for number, row in enumerate(read):
        if row.ndim != 2 or row.shape[1] != size:
            raise DataError(f"row {number} has shape {row.shape}, these layers read (steps, {size})")
        if not np.isfinite(row).all():
            step, feature = np.argwhere(~np.isfinite(row))[0]
            raise DataError(f"row {number}, step {step}, feature {feature} is {row[step, feature]}")
    cells = ", ".join(f"{layer.cell} {layer.input_size} → {layer.hidden_size}" for layer in layers)
    return Patient(network, tensors, Sequences.of(read, np.float64), "cell", f"untrained {cells}", name)


def _spread(data: Sequence[Any], rows: int) -> list[Any]:
    """At most so many rows, from the beginning to the end."""
    found = list(data)
    return found if len(found) <= rows else [found[n] for n in np.linspace(0, len(found) - 1, rows).astype(int)]
