"""A language model of a run folder, whatever kind it is."""

from __future__ import annotations

import os

from timesteps.errors import ModelError
from timesteps.runtime import modelfile
from timesteps.runtime.language.model import LanguageModel
from timesteps.runtime.language.ngram import Ngram

__all__ = ["load_language"]


def load_language(run: str | os.PathLike[str]) -> LanguageModel:
    """The language model of a run folder, or of the model file itself.

    Raises:
        ModelError: the file is missing, damaged, or holds no language model.
    """
    path = modelfile.find(run)
    if (task := modelfile.task(path)) == "ngram":
        return Ngram.load(path)
    raise ModelError(f"holds a model for the task {task}, not a language model", path=path)
