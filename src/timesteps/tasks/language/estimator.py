"""`LanguageModel`: a recurrent language model, trained on a text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import UsageError
from timesteps.runtime.language.recurrent import RecurrentModel
from timesteps.runtime.language.recurrent_spec import LanguageSpec, layers_of
from timesteps.runtime.language.vocabulary import UnitVocabulary
from timesteps.tasks.language.adapting import cached_log_probs
from timesteps.tasks.language.choices import Choices, choose
from timesteps.tasks.language.corpus import Corpus, Prepared, encode, named_lines, prepare
from timesteps.tasks.language.evaluation import RunningEvaluation, evaluate_running
from timesteps.training.callbacks import History
from timesteps.training.language.loop import train_language
from timesteps.training.language.network import LanguageNetwork, untrained
from timesteps.training.progress import Progress

__all__ = ["LanguageModel", "network_for", "train_on"]

_FITTED = ("spec", "vocabulary", "words", "begin", "end", "unknown", "weights", "history")


class LanguageModel(RecurrentModel):
    """P(w_t | w_<t) by an RNN, LSTM or GRU over embedded units; a `LanguageModel` of the runtime once it is fitted.

    h_t = cell(E[w_t], h_{t-1}), layer upon layer; P(w_{t+1}) = softmax(W h_t + b), W the embedding E itself where it is
    tied. Trained by truncated back-propagation through time: see `timesteps.training.language.loop.train_language`.
    Zaremba, Sutskever and Vinyals (2014, arXiv 1409.2329); Merity, Keskar and Socher (2017, arXiv 1708.02182).

    Args:
        recipe: small (2 × 200), medium (2 × 650), awd (3 × 1150, tied, every dropout) or char (2 × 512 on characters).
        choices: any option of `ModelChoices` or `LanguageSettings` that is to differ from the recipe's.

    >>> model = LanguageModel("char", embedding_size=8, hidden_size=16, num_layers=1, batch_size=2, bptt=5, epochs=20)
    >>> model = model.fit(["abc"] * 40)
    >>> state = model.log_probs(model.empty(), model.tokens("abca"))[1]
    >>> model.words[int(model.distribution(state).argmax())]
    'b'
    """

    def __init__(self, recipe: str = "small", **choices: Any) -> None:
        self.choices: Choices = choose(recipe, **choices)

    def __getattr__(self, name: str) -> NoReturn:
        if name in _FITTED:
            raise UsageError("the model is not fitted yet", mend="call fit first")
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")

    def fit(
        self,
        corpus: Corpus = None,
        valid: Corpus | float = 0.05,
        *,
        encoding: str | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Train on a text: a file, a known data set, lines, or None, the bundled sample.

        Args:
            corpus: one sentence a line.
            valid: another text to measure on after every epoch, or the share of this one's end that is held out.
            encoding: of files.
            progress: what to show; None is silent.

        Raises:
            DataError: a text without words, or too little of it.
            NonFiniteError: training diverged; says where.
        """
        name, lines = named_lines(corpus, encoding)
        other = valid if isinstance(valid, float | int) else named_lines(valid, encoding, "valid")[1]
        prepared = prepare(lines, self.choices.model, other, name)
        network = network_for(prepared.vocabulary, self.choices)
        self.history = train_on(prepared, network, self.choices, progress=progress)
        super().__init__(network.spec, network.weights)
        return self

    def evaluate(self, corpus: Corpus, *, cache: int = 0, encoding: str | None = None) -> RunningEvaluation:
        """Perplexity of a text that is read from beginning to end; with `cache`, beside a neural cache of so many
        words: see `timesteps.tasks.language.adapting`, which has dynamic evaluation, too."""
        tokens, characters = encode(self.vocabulary, named_lines(corpus, encoding, "valid")[1])
        found = cached_log_probs(self, tokens, cache_size=cache) if cache else None
        return evaluate_running(self, tokens, characters, found)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Open a run folder or model file; the choices are the recipe's that it was trained by."""
        model = RecurrentModel.load(path)
        new = cls(str(model.spec.training.get("recipe", "small")))
        RecurrentModel.__init__(new, model.spec, model.weights)
        new.run = model.run
        return new


def network_for(vocabulary: UnitVocabulary, choices: Choices) -> LanguageNetwork:
    """The untrained model of these choices; its file's `training` says what a card needs."""
    model, settings = choices.model, choices.settings
    spec = LanguageSpec(
        vocabulary=vocabulary.spec,
        embedding_size=model.embedding_size,
        layers=layers_of(model.cell, model.embedding_size, model.hidden_size, model.num_layers, model.tied),
        tied=model.tied,
        training={"recipe": choices.recipe, "seed": settings.seed},
    )
    network = untrained(spec, len(vocabulary.words), vocabulary.begin, settings.seed)
    if vocabulary.subword is None:
        return network
    subword: NDArray[Any] = np.frombuffer(vocabulary.subword.data, np.uint8)
    return LanguageNetwork(spec, {**network.weights, "vocabulary.subword": subword})


def train_on(
    prepared: Prepared,
    network: LanguageNetwork,
    choices: Choices,
    *,
    folder: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> History:
    """Train the network in place. Errors as `train_language`."""
    weights = {name: weight for name, weight in network.weights.items() if name != "vocabulary.subword"}
    return train_language(
        LanguageNetwork(network.spec, weights),
        prepared.train,
        prepared.valid,
        choices.settings,
        counts=prepared.vocabulary.counts,
        folder=folder,
        resume=resume,
        progress=progress,
    )
