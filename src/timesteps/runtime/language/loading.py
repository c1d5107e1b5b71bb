"""A language model of a run folder, whatever kind it is."""

from __future__ import annotations

import os
from importlib import import_module

from timesteps.errors import ModelError
from timesteps.runtime import modelfile
from timesteps.runtime.language.mixture_file import is_mixture, read_mixture
from timesteps.runtime.language.model import LanguageModel

__all__ = ["TASKS", "load_language"]

_OPENS = {
    "ngram": ("timesteps.runtime.language.ngram", "Ngram"),
    "language": ("timesteps.runtime.language.recurrent", "RecurrentModel"),
}

TASKS = frozenset(_OPENS)
"""Tasks of model files that hold language models."""


def load_language(run: str | os.PathLike[str]) -> LanguageModel:
    """The language model of a run folder, a mixture's too, or of the model file itself. PyTorch is not needed.

    Raises:
        ModelError: the file is missing, damaged, or holds no language model.
    """
    if is_mixture(run):
        return read_mixture(run, load_language)
    path = modelfile.find(run)
    if (task := modelfile.task(path)) not in TASKS:
        raise ModelError(f"holds a model for the task {task}, not a language model", path=path)
    module, name = _OPENS[task]
    model: LanguageModel = getattr(import_module(module), name).load(path)
    return model
