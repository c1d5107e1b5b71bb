"""`Tagger`: a label for every step of a sequence, with scikit-learn's manners."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from timesteps.data.split import split_groups
from timesteps.errors import DataError
from timesteps.runtime import modelfile
from timesteps.runtime.metrics_steps import TagEvaluation
from timesteps.runtime.regularization import Regularization
from timesteps.runtime.session import Session, with_golden
from timesteps.runtime.spec import BagSpec, CellName, ModelSpec, NetworkSpec, TextSpec
from timesteps.runtime.summary import Summary
from timesteps.tasks.classify.prepare import class_factors
from timesteps.tasks.fit_network import fit_network, settings_of, untrained
from timesteps.tasks.learned_input import LearnedInput, RowKind, encode, layers, learn_input
from timesteps.tasks.rehearsal import Rehearsal, rehearse, trial_rows
from timesteps.tasks.tag.labels import joined, read_labels, read_rows, rows_kind
from timesteps.training.callbacks import Callback
from timesteps.training.examples import Examples
from timesteps.training.progress import quiet, terminal
from timesteps.training.settings import OptimizerName, ScheduleName, Settings

__all__ = ["Tagger"]

_GOLDEN = 3  # rows that the model file holds with their answers


class Tagger(BaseEstimator):  # type: ignore[misc]
    """Label every step of a sequence with a recurrent network: words with their parts of speech, readings with states.

    X is a list of rows of different lengths: lists of tokens, of token ids, or (T, I) arrays of numbers; y a list of
    labels a row, one for each step. Of a token the network reads its vector and those of the n-grams of characters in
    it (`input="bag"`), so that it knows something of words that it never saw; or its own vector alone (`input="ids"`).

    Parameters
    ----------
    input : "bag" or "ids": what a token is to the network.
    lowercase : whether tokens are lower-cased. A capital is a hint for many tags, so not by default.
    min_count : how often a token or an n-gram must occur in training to have a vector (of bags).
    ngrams : shortest and longest n-grams of characters in a bag.
    num_words : size of the vocabulary (of ids), the three reserved ids included; None takes all.
    chrono : the longest dependency in steps, for biases that begin with time scales up to it (Tallec and Ollivier
        2018, arXiv 1804.11188); None: not.
    cell, hidden_size, num_layers, bidirectional, embedding_size : the network. One that is not bidirectional reads the
        past only, and streams.
    dropout : before the last layer and between recurrent ones; `input_dropout`, `recurrent_dropout` : fixed over time,
        on inputs and states; `feature_dropout` : of n-grams.
    epochs, batch_size, optimizer, learning_rate, weight_decay, schedule, warmup, clip_norm, ema, label_smoothing :
        training, as in `timesteps.training.settings.Settings`; `table_learning_rate` : of the vectors of bags.
    patience : stop when the validation loss has not improved for so many epochs; the best weights are restored.
    validation_split : share of the rows held out for it, identical rows together; None holds out 0.1 with a patience,
        else nothing.
    class_weight : None, "balanced" or {label: weight}, of the steps.
    nonfinite : what to do with a step whose loss or gradient is NaN or infinite: "stop" the training, or "skip" it.
    engine : "auto", "native" or "torch".
    random_state, threads, verbose : seed of everything, threads in training (one by default), progress on standard
        error.

    Attributes
    ----------
    classes_ : the labels, sorted.
    session_ : the trained model, as `timesteps.load` would give it.
    history_ : one dict an epoch.

    Examples
    --------
    >>> from timesteps import Tagger
    >>> rows = [["the", "dog", "runs"], ["a", "cat", "sleeps"], ["the", "cat", "runs"]] * 4
    >>> tagger = Tagger(hidden_size=8, epochs=30, random_state=0).fit(rows, [["D", "N", "V"]] * 12)
    >>> tagger.predict([["a", "dog", "sleeps"], ["runs"]])
    [['D', 'N', 'V'], ['V']]
    """

    def __init__(
        self,
        *,
        input: Literal["bag", "ids"] = "bag",
        lowercase: bool = False,
        min_count: int = 1,
        ngrams: tuple[int, int] = (1, 4),
        num_words: int | None = None,
        cell: CellName = "lstm",
        hidden_size: int = 64,
        num_layers: int = 1,
        bidirectional: bool = True,
        embedding_size: int = 64,
        chrono: int | None = None,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        feature_dropout: float = 0.0,
        epochs: int = 10,
        batch_size: int = 32,
        optimizer: OptimizerName = "adam",
        learning_rate: float = 2e-3,
        table_learning_rate: float | None = 1e-2,
        weight_decay: float = 0.0,
        schedule: ScheduleName = "linear",
        warmup: float = 0.1,
        clip_norm: float | None = 1.0,
        ema: float = 0.0,
        label_smoothing: float = 0.0,
        patience: int | None = None,
        nonfinite: Literal["stop", "skip"] = "stop",
        validation_split: float | None = None,
        class_weight: Literal["balanced"] | Mapping[Any, float] | None = None,
        engine: Literal["auto", "native", "torch"] = "auto",
        random_state: int = 0,
        threads: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.input = input
        self.lowercase = lowercase
        self.min_count = min_count
        self.ngrams = ngrams
        self.num_words = num_words
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.embedding_size = embedding_size
        self.chrono = chrono
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.recurrent_dropout = recurrent_dropout
        self.feature_dropout = feature_dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.table_learning_rate = table_learning_rate
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.warmup = warmup
        self.clip_norm = clip_norm
        self.ema = ema
        self.label_smoothing = label_smoothing
        self.patience = patience
        self.nonfinite = nonfinite
        self.validation_split = validation_split
        self.class_weight = class_weight
        self.engine = engine
        self.random_state = random_state
        self.threads = threads
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        validation_data: tuple[Any, Any] | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Train on rows X with labels y. Returns self.

        `validation_data`, rows and labels, is measured after every epoch, in place of a `validation_split`.

        Raises:
            DataError: rows or labels that cannot be used; the message names the row.
            UsageError: parameters that make no sense.
        """
        ready = self._ready(X, y, validation_data)
        tensors, history = fit_network(
            ready.spec,
            ready.tensors,
            ready.train,
            ready.valid,
            ready.regularization,
            ready.settings,
            chrono=self.chrono,
            callbacks=callbacks,
            progress=terminal() if self.verbose else quiet(),
            say=partial(print, file=sys.stderr, flush=True) if self.verbose else None,
        )
        self.classes_ = np.array(ready.spec.classes)
        self.session_ = Session(with_golden(ready.spec, tensors, _golden(ready.rows)), tensors)
        self.history_ = history.rows
        return self

    def rehearse(self, X: Any, y: Any, *, validation_data: tuple[Any, Any] | None = None) -> Rehearsal:
        """Diagnose the untrained network on these rows and estimate what `fit` would cost; nothing is trained.

        Errors as `fit`, and `NonFiniteError` if one batch gives NaN or infinity.
        """
        ready = self._ready(X, y, validation_data)
        network = untrained(ready.spec.network, ready.regularization, ready.settings, self.chrono)
        trial = ready.train.take(trial_rows(len(ready.train), ready.settings.batch_size))
        return rehearse(ready.spec, network, trial, ready.settings, ready.train.sequences.lengths)

    def _ready(self, X: Any, y: Any, validation_data: tuple[Any, Any] | None) -> _Ready:
        """Everything before the first step."""
        settings = self._settings()
        kind = rows_kind(X)
        rows = read_rows(X, kind)
        labels = read_labels(y, rows)
        classes = sorted({label for row in labels for label in row})
        if len(classes) < 2:
            raise DataError(f"there are {len(classes)} labels: {classes}", mend="give rows with at least two")
        numbers = {label: number for number, label in enumerate(classes)}
        targets = [[numbers[label] for label in row] for row in labels]
        judged: tuple[list[Any], list[list[int]]] = [], []
        if validation_data is not None:
            held = read_rows(validation_data[0], kind, rows[0].shape[1] if kind == "numeric" else None)
            judged = held, _numbered(read_labels(validation_data[1], held), numbers)
        elif (share := self._share()) > 0:
            train, chosen = split_groups([_key(row) for row in rows], None, share, self.random_state)
            judged = [rows[i] for i in chosen], [targets[i] for i in chosen]
            rows, targets = [rows[i] for i in train], [targets[i] for i in train]
        learned = learn_input(kind, rows, self._text())
        spec = self._spec(learned, classes)
        steps = joined(targets)
        factors = class_factors(self.class_weight, classes, steps, np.ones(len(steps)))
        weights = factors[steps]
        examples = Examples(
            encode(spec, learned.tensors, rows), steps, weights / max(weights.mean(), 1e-12), per_step=True
        )
        valid = None
        if judged[0]:
            valid = Examples(encode(spec, learned.tensors, judged[0]), joined(judged[1]), per_step=True)
        return _Ready(spec, learned.tensors, rows, examples, valid, self._regularization(learned), settings)

    def predict(self, X: Any) -> list[list[Any]]:
        """The most probable label of each step of each row."""
        found: list[list[Any]] = self._fitted().predict(self._rows(X))
        return found

    def predict_proba(self, X: Any) -> list[NDArray[np.float64]]:
        """Probabilities (T, K) of the labels of each row's steps, in the order of `classes_`."""
        rows = self._rows(X)
        shares = self._fitted().predict_proba(rows)
        ends = np.cumsum([0, *map(len, rows)])
        return [shares[begin:end] for begin, end in pairwise(ends.tolist())]

    def evaluate(self, X: Any, y: Any) -> TagEvaluation:
        """How good the answers are: by steps (accuracy, F1 of each label) and by whole rows."""
        rows = self._rows(X)
        found = self._fitted().evaluate(rows, read_labels(y, rows))
        assert isinstance(found, TagEvaluation)
        return found

    def score(self, X: Any, y: Any) -> float:
        """The share of the steps with the right label."""
        return self.evaluate(X, y).tokens.accuracy

    def summary(self) -> Summary:
        """The trained model's layers with their shapes, parameters and costs; `print` it."""
        return self._fitted().summary()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as one file, for `timesteps.load`."""
        modelfile.save(path, self._fitted().spec, self._fitted().tensors)

    def _fitted(self) -> Session:
        check_is_fitted(self, "session_")
        return self.session_

    def _rows(self, X: Any) -> list[Any]:
        spec = self._fitted().spec
        kind: RowKind = "numeric" if spec.text is None else "ids" if spec.text.tokenizer == "ids" else "tokens"
        return read_rows(X, kind, None if spec.numeric is None else spec.numeric.features)

    def _share(self) -> float:
        if self.validation_split is None:
            return 0.0 if self.patience is None else 0.1
        return self.validation_split

    def _text(self) -> TextSpec:
        bag = BagSpec(syllable=self.ngrams, jamo=None, min_count=self.min_count) if self.input == "bag" else None
        return TextSpec(tokenizer="tokens", lowercase=self.lowercase, num_words=self.num_words, bag=bag)

    def _spec(self, learned: LearnedInput, classes: list[Any]) -> ModelSpec:
        embedding = 0 if learned.input == "numeric" else self.embedding_size
        network = NetworkSpec(
            input=learned.input,
            input_size=learned.size,
            embedding_size=embedding,
            layers=layers(embedding or learned.size, self.cell, self.hidden_size, self.num_layers, self.bidirectional),
            pool="none",
            outputs=1 if len(classes) == 2 else len(classes),
        )
        return ModelSpec(
            task="tag", classes=tuple(classes), text=learned.text, numeric=learned.numeric, network=network
        )

    def _regularization(self, learned: LearnedInput) -> Regularization:
        return Regularization(
            input_dropout=self.input_dropout,
            dropout=self.dropout,
            recurrent_dropout=self.recurrent_dropout,
            feature_dropout=self.feature_dropout if learned.input == "bag" else 0.0,
            head_dropout=self.dropout,
        )

    def _settings(self) -> Settings:
        return settings_of(self, self.random_state, self.threads)


@dataclass(frozen=True)
class _Ready:
    """What a tagger is trained on, and how."""

    spec: ModelSpec
    tensors: dict[str, NDArray[Any]]
    rows: list[Any]
    train: Examples
    valid: Examples | None
    regularization: Regularization
    settings: Settings


def _numbered(labels: list[list[Any]], numbers: Mapping[Any, int]) -> list[list[int]]:
    """Labels of validation rows by their numbers."""
    for row, found in enumerate(labels):
        for label in found:
            if label not in numbers:
                mend = "mend the label, or train with it"
                raise DataError(f"validation row {row} has the label {label!r}, unseen in training", mend=mend)
    return [[numbers[label] for label in row] for row in labels]


def _key(row: Any) -> bytes:
    """What makes two rows the same."""
    return row.tobytes() if isinstance(row, np.ndarray) else "\x1e".join(row).encode("utf-8", "surrogatepass")


def _golden(rows: list[Any]) -> list[Any]:
    """The first rows that have steps and can be stored."""
    fit = (row for row in rows if len(row) and not any(isinstance(token, str) and "\n" in token for token in row))
    return [row for row, _ in zip(fit, range(_GOLDEN), strict=False)]
