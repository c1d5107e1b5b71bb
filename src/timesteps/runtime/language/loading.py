"""A language model of a run folder, whatever kind it is."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from timesteps.errors import ModelError
from timesteps.runtime import modelfile
from timesteps.runtime.language.mixture_file import is_mixture, read_mixture

if TYPE_CHECKING:
    from timesteps.runtime.language.mixture import MixtureModel
    from timesteps.runtime.language.ngram import Ngram
    from timesteps.runtime.language.recurrent import RecurrentModel

    OpenedModel = Ngram | RecurrentModel | MixtureModel

__all__ = ["TASKS", "load_language"]

_OPENS = {
    "ngram": ("timesteps.runtime.language.ngram", "Ngram"),
    "language": ("timesteps.runtime.language.recurrent", "RecurrentModel"),
}

TASKS = frozenset(_OPENS)
"""Tasks of model files that hold language models."""


def load_language(run: str | os.PathLike[str]) -> OpenedModel:
    """The language model of a run folder, a mixture's too, or of the model file itself. PyTorch is not needed.

    Raises:
        ModelError: the file is missing, damaged, or holds no language model.
    """
    if is_mixture(run):
        mixture = read_mixture(run, load_language)
        mixture.run = Path(run)
        return mixture
    path = modelfile.find(run)
    if (task := modelfile.task(path)) not in TASKS:
        raise ModelError(f"holds a model for the task {task}, not a language model", path=path)
    module, name = _OPENS[task]
    model: OpenedModel = getattr(import_module(module), name).load(path)
    return model
