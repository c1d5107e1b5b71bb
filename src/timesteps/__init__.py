"""timesteps: recurrent sequence models, from the cell's equation to the file that runs anywhere.

The rooms: `runtime` (what must still run after training: numpy only), `data` (files and data sets on their way in),
`nn` (torch: cells and layers), `training` (epochs, batches, checkpoints, reports), `tasks` (what you asked for),
`inspect` (looking inside), `cli` (the command `timesteps`).

>>> import timesteps
>>> session = timesteps.load("demo")                        # doctest: +SKIP
>>> session.predict(["정말 재미있는 영화"])                   # doctest: +SKIP
['1']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from timesteps.version import __version__

if TYPE_CHECKING:
    from timesteps.runtime.forecast.forecaster import load_forecaster
    from timesteps.runtime.language.loading import load_language
    from timesteps.runtime.session import Session, load
    from timesteps.runtime.text.sequences import one_hot, pad_sequences
    from timesteps.runtime.text.vocabulary import Vocabulary
    from timesteps.tasks.classify.estimator import Classifier
    from timesteps.tasks.forecast.estimator import Forecaster
    from timesteps.tasks.language.estimator import LanguageModel
    from timesteps.tasks.ngram.estimator import NgramModel
    from timesteps.tasks.regress.estimator import Regressor
    from timesteps.tasks.tag.estimator import Tagger

__all__ = [
    "Classifier",
    "Forecaster",
    "LanguageModel",
    "NgramModel",
    "Regressor",
    "Session",
    "Tagger",
    "Vocabulary",
    "__version__",
    "load",
    "load_forecaster",
    "load_language",
    "one_hot",
    "pad_sequences",
]

# Names are looked up when they are first used, so that `import timesteps` costs nothing and a small machine never
# meets PyTorch.
_WHERE = {
    "Classifier": "timesteps.tasks.classify.estimator",
    "Forecaster": "timesteps.tasks.forecast.estimator",
    "LanguageModel": "timesteps.tasks.language.estimator",
    "NgramModel": "timesteps.tasks.ngram.estimator",
    "Regressor": "timesteps.tasks.regress.estimator",
    "Session": "timesteps.runtime.session",
    "Tagger": "timesteps.tasks.tag.estimator",
    "load": "timesteps.runtime.session",
    "load_forecaster": "timesteps.runtime.forecast.forecaster",
    "load_language": "timesteps.runtime.language.loading",
    "Vocabulary": "timesteps.runtime.text.vocabulary",
    "pad_sequences": "timesteps.runtime.text.sequences",
    "one_hot": "timesteps.runtime.text.sequences",
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'timesteps' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
