"""`Classifier`: recurrent classification of texts, token ids or numbers, with scikit-learn's manners."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from timesteps.errors import UsageError
from timesteps.runtime import modelfile
from timesteps.runtime.scratch import Scratch
from timesteps.runtime.session import Session
from timesteps.runtime.spec import CellName, PoolName, TokenizerName
from timesteps.tasks.classify import inputs
from timesteps.tasks.classify.fitting import fit_model
from timesteps.tasks.classify.flowing import Ready, Wish, prepare_flow
from timesteps.tasks.classify.labelled import examples
from timesteps.tasks.classify.listed import Labelled, prepare_listed
from timesteps.tasks.classify.memory import available, bytes_of
from timesteps.tasks.classify.options import Options
from timesteps.tasks.classify.pretraining import first_vectors
from timesteps.tasks.classify.recipes import choose
from timesteps.tasks.classify.vectors import Given
from timesteps.tasks.estimator_rows import ReadsRows
from timesteps.training.callbacks import Callback
from timesteps.training.progress import Progress, quiet, terminal

#: Parameters that are not choices of a recipe.
_OWN = frozenset(
    {"recipe", "vectors", "validation_split", "class_weight", "random_state", "threads", "memory", "verbose"}
)


class Classifier(ReadsRows, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classify sequences with a recurrent network.

    X may be a list or column of texts; a list of rows of token ids, of different lengths; a list of (T, I) or (T,)
    arrays of numbers, of different lengths; an array (R, T, I); or a table (R, T), each row of which is one sequence of
    T numbers: an array, a data frame or a list of lists of one length. An array of whole numbers (R, T) is a table too,
    unless `input` or `recipe` calls for ids; a list of lists of whole numbers is ids, unless `recipe` is "numeric".

    Every parameter that is None takes the value of the recipe: "default" (bags of n-grams into a bidirectional LSTM,
    with a guide), "small" (the same for few texts: a wide linear term, too, and several members), "words" (pretrained
    word vectors, with a guide), "ids", "textbook" (Embedding(500, 16) → LSTM(8) → Dense(1)) or "numeric"; without a
    recipe, the one that fits X. Where a recipe has something that can be absent, "none" takes it away: `num_words`,
    `max_length`, `syllable`, `jamo`, `piece`, `guide`, `clip_norm`, `patience` and the tables' learning rates. Choices
    that have no meaning for X, such as a tokenizer for numbers, change nothing.

    Parameters
    ----------
    recipe : name of a complete set of choices; the rest of the parameters change it.
    input : "bag", "ids" or "one_hot": what a step of text is to the network.
    tokenizer : "word", "char", "syllable", "jamo", "byte" or "subword"; `lowercase` before it, and `squeeze` cuts runs
        of one character to this length (0: not).
    num_words : size of the vocabulary, the three reserved ids included.
    max_length, truncating, head_length, padding, mask : longest sequence, where longer ones lose steps ("pre", "post",
        "middle": all but the first `head_length` and the last), and whether padding is hidden from the network (True)
        or fed to it on the given side.
    syllable, jamo, phrase, min_count : n-grams in a bag, as (smallest, largest) n of characters and of letters, as the
        largest n of words; and how often a feature must occur. `piece` : with bags, a word of Hangul makes a step every
        so many syllables or so.
    guide, guide_longest, guide_share : whether the network sees, beside each step, the naive Bayes log-count ratios of
        the n-grams of tokens or characters, up to the longest, that end there ("none", "auto", "token", "character"),
        and the share of a linear model of the same n-grams in the answer; see `timesteps.runtime.text.guide`. For at
        most 20 classes; with more, "auto" is "none".
    cell, hidden_size, num_layers, bidirectional, nonlinearity, reset_after, initial_state, layer_norm, peephole, pool,
    embedding_size, wide : the network.
    chrono : the longest dependency in steps, for biases of gates that begin with time scales up to it (Tallec and
        Ollivier 2018, arXiv 1804.11188); None: not.
    vectors : what the embedding of ids starts from: the path of a word2vec, GloVe or fastText file, or a mapping from
        words to vectors, each of `embedding_size` numbers; or an array whose row k belongs to id k (rows with NaN are
        left to chance). Words without a vector start as without it.
    pretrain : epochs of CBOW (`timesteps.training.cbow`) on all texts before training, for vectors that the embedding
        of ids starts from; 0 for none.
    input_dropout : Keras' `dropout`: a mask on the input of each layer, fixed over time (Gal & Ghahramani 2016,
        arXiv:1512.05287); `recurrent_dropout` : the same on the state; `dropout` : torch's, between layers, and
        before the dense layer; `feature_dropout` : drops n-grams from bags; `word_dropout` : drops words;
        `weight_drop` : drops entries of the recurrent weights (Merity et al. 2017, arXiv:1708.02182).
    zoneout : share of units of the state that keep their value over a step, in training by chance, in the trained
        model on average; `zoneout_cell` : the same for an LSTM's c (Krueger et al. 2016, arXiv:1606.01305).
    epochs, batch_size, optimizer, learning_rate, table_learning_rate, wide_learning_rate, weight_decay, schedule,
    warmup, clip_norm, ema, label_smoothing, consistency : training, as in `timesteps.training.settings.Settings`.
    patience : stop when the validation loss has not improved for so many epochs; the best weights are restored.
    validation_split : share of the rows held out for validation when `fit` is given none; identical rows stay
        together. None holds out 0.1 when there is a patience, otherwise nothing.
    nonfinite : what to do with a step whose loss or gradient is NaN or infinite: "stop" the training, or "skip" it.
    members : networks that answer together by their mean logit; `unguided` : how many of them do without the guide's
        hints, so that they make other errors.
    engine : what takes the training steps: "torch"; "native", the compiled core, which trains plain networks on a CPU
        several times faster, up to rounding the same; None and "auto" are native where it can.
    class_weight : None, "balanced" or {class: weight}; multiplies `sample_weight`, and not on validation rows.
    random_state : seed of everything; the same seed gives the same bits. None is the recipe's seed, 0.
    threads : CPU threads in training; None is one, which is fastest for small networks and on busy machines.
    memory : bytes, or a size such as "512MB", that `fit` on an iterator keeps to; None is half of what is free.
    verbose : show progress on standard error.

    Attributes
    ----------
    classes_ : the labels, sorted.
    session_ : the trained model as `timesteps.load` would give it.
    history_ : one dict an epoch (of the first member; `histories_` has them all).
    n_features_in_ : columns of X, when X was a table.

    Examples
    --------
    >>> from timesteps import Classifier
    >>> texts = ["좋은 영화", "나쁜 영화", "아주 좋은", "너무 나쁜"] * 8
    >>> model = Classifier(cell="gru", hidden_size=8, epochs=20, min_count=1, random_state=0)
    >>> model.fit(texts, [1, 0, 1, 0] * 8).predict(["좋은 이야기", "나쁜 이야기"]).tolist()
    [1, 0]

    Numeric rows of different lengths:

    >>> rows = [[0.1, 0.2, 0.4], [3.0, 2.0], [0.0, 0.3], [4.0, 2.0, 1.5, 1.0]] * 4
    >>> model = Classifier(hidden_size=4, epochs=20, random_state=0).fit(rows, ["up", "down"] * 8)
    >>> model.predict([[0.2, 0.3, 0.5, 0.6], [3.0, 1.0]]).tolist()
    ['up', 'down']
    """

    def __init__(
        self,
        recipe: str | None = None,
        *,
        input: Literal["bag", "ids", "one_hot"] | None = None,
        tokenizer: TokenizerName | None = None,
        lowercase: bool | None = None,
        squeeze: int | None = None,
        num_words: int | Literal["none"] | None = None,
        max_length: int | Literal["none"] | None = None,
        truncating: Literal["pre", "post", "middle"] | None = None,
        head_length: int | None = None,
        padding: Literal["pre", "post"] | None = None,
        mask: bool | None = None,
        syllable: tuple[int, int] | Literal["none"] | None = None,
        jamo: tuple[int, int] | Literal["none"] | None = None,
        phrase: int | None = None,
        min_count: int | None = None,
        piece: int | Literal["none"] | None = None,
        guide: Literal["none", "auto", "token", "character"] | None = None,
        guide_longest: int | None = None,
        guide_share: float | None = None,
        embedding_size: int | None = None,
        vectors: Given | None = None,
        pretrain: int | None = None,
        cell: CellName | None = None,
        hidden_size: int | None = None,
        num_layers: int | None = None,
        bidirectional: bool | None = None,
        nonlinearity: Literal["tanh", "relu"] | None = None,
        reset_after: bool | None = None,
        initial_state: Literal["zero", "learned"] | None = None,
        chrono: int | None = None,
        layer_norm: bool | None = None,
        peephole: bool | None = None,
        pool: PoolName | None = None,
        wide: bool | None = None,
        input_dropout: float | None = None,
        dropout: float | None = None,
        recurrent_dropout: float | None = None,
        zoneout: float | None = None,
        zoneout_cell: float | None = None,
        weight_drop: float | None = None,
        feature_dropout: float | None = None,
        word_dropout: float | None = None,
        label_smoothing: float | None = None,
        consistency: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] | None = None,
        learning_rate: float | None = None,
        table_learning_rate: float | Literal["none"] | None = None,
        wide_learning_rate: float | Literal["none"] | None = None,
        weight_decay: float | None = None,
        schedule: Literal["constant", "linear", "cosine"] | None = None,
        warmup: float | None = None,
        clip_norm: float | Literal["none"] | None = None,
        ema: float | None = None,
        patience: int | Literal["none"] | None = None,
        validation_split: float | None = None,
        nonfinite: Literal["stop", "skip"] | None = None,
        members: int | None = None,
        unguided: int | None = None,
        engine: Literal["auto", "native", "torch"] | None = None,
        class_weight: Literal["balanced"] | Mapping[Any, float] | None = None,
        random_state: int | np.random.RandomState | None = None,
        threads: int | None = None,
        memory: str | int | None = None,
        verbose: bool = False,
    ) -> None:
        self.recipe = recipe
        self.input = input
        self.tokenizer = tokenizer
        self.lowercase = lowercase
        self.squeeze = squeeze
        self.num_words = num_words
        self.max_length = max_length
        self.truncating = truncating
        self.head_length = head_length
        self.padding = padding
        self.mask = mask
        self.syllable = syllable
        self.jamo = jamo
        self.phrase = phrase
        self.min_count = min_count
        self.piece = piece
        self.guide = guide
        self.guide_longest = guide_longest
        self.guide_share = guide_share
        self.embedding_size = embedding_size
        self.vectors = vectors
        self.pretrain = pretrain
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.nonlinearity = nonlinearity
        self.reset_after = reset_after
        self.initial_state = initial_state
        self.chrono = chrono
        self.layer_norm = layer_norm
        self.peephole = peephole
        self.pool = pool
        self.wide = wide
        self.input_dropout = input_dropout
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.zoneout = zoneout
        self.zoneout_cell = zoneout_cell
        self.weight_drop = weight_drop
        self.feature_dropout = feature_dropout
        self.word_dropout = word_dropout
        self.label_smoothing = label_smoothing
        self.consistency = consistency
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.table_learning_rate = table_learning_rate
        self.wide_learning_rate = wide_learning_rate
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.warmup = warmup
        self.clip_norm = clip_norm
        self.ema = ema
        self.patience = patience
        self.validation_split = validation_split
        self.nonfinite = nonfinite
        self.members = members
        self.unguided = unguided
        self.engine = engine
        self.class_weight = class_weight
        self.random_state = random_state
        self.threads = threads
        self.memory = memory
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        validation_data: tuple[Any, ArrayLike] | None = None,
        unlabeled: Any = None,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Train on rows X with labels y, each counting `sample_weight`. Returns self.

        `validation_data`, rows and labels, is measured after every epoch, in place of a `validation_split`.

        `unlabeled` are further rows, texts or ids as X, that word vectors are pretrained on together with the training
        rows, before training: 5 epochs where neither `pretrain` nor the recipe says how many. The vocabulary is then
        that of both. Rows that are held out or in `validation_data` are used for neither, and left out of `unlabeled`.

        Instead of X and y, an iterator, or a function without arguments that returns an iterable, may give (text,
        label) or (text, label, weight) one by one. It is gone through once, and its rows are kept on the disk
        (TMPDIR), so that memory does not grow with them; what is learned is the same, to the last bit, as from lists
        (but for a recipe that pretrains vectors, which then sees fewer words). Rows are held out by a hash of their
        text, at most about 20,000.

        Raises:
            DataError: rows, labels or weights that cannot be used; the message names the row. It is a ValueError, as
                what scikit-learn's own checks raise.
            UsageError: parameters that make no sense.
        """
        if y is None and (callable(X) or isinstance(X, Iterator)):
            return self._fit_flow(X, sample_weight, validation_data, unlabeled, callbacks)
        X = inputs.listed(X)
        kind = inputs.kind_of(X, self._wished())
        rows = self._rows_to_fit(X, kind, "give rows of at least two classes")
        options = self._options(kind, rows, unlabeled is not None)
        given = Labelled(kind, rows, y, sample_weight, kind == "numeric" and inputs.is_table(X))
        wish = Wish(self.validation_split, self.class_weight, validation_data)
        return self._learn(options, prepare_listed(given, options, wish, unlabeled), callbacks)

    def _fit_flow(
        self, X: Any, sample_weight: Any, validation_data: Any, unlabeled: Any, callbacks: Sequence[Callback]
    ) -> Self:
        """`fit` on rows that come one by one."""
        for name, given in (("sample_weight", sample_weight), ("unlabeled", unlabeled)):
            if given is not None:
                raise UsageError(f"{name} was given with an iterator", mend="give (text, label, weight), or lists")
        wish = Wish(self.validation_split, self.class_weight, validation_data)
        with Scratch(available() // 2 if self.memory is None else bytes_of(self.memory)) as scratch:
            options, found = prepare_flow(
                X, scratch, lambda texts: self._options("text", texts, False), wish, self._say()
            )
            return self._learn(options, found, callbacks)

    def _say(self) -> Callable[[str], None] | None:
        return partial(print, file=sys.stderr, flush=True) if self.verbose else None

    def _learn(self, options: Options, found: Ready, callbacks: Sequence[Callback]) -> Self:
        """Train, and keep what `predict` needs."""
        progress: Progress = terminal() if self.verbose else quiet()
        prepared, judged, say = found.prepared, found.judged, self._say()
        valid = examples(prepared.steps(judged[0]), *judged[1:]) if judged[0] else None
        vectors = first_vectors(self.vectors, prepared, options, say)
        fitted = fit_model(
            prepared, options, found.train, valid,
            vectors=vectors, threads=self.threads, progress=progress, callbacks=callbacks, say=say,
        )  # fmt: skip
        self.classes_ = found.classes
        self.session_ = Session(fitted.spec, fitted.tensors)
        self.histories_ = [history.rows for history in fitted.histories]
        self.history_ = self.histories_[0]
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities (R, K) of the classes, in the order of `classes_`."""
        rows = self._new_rows(X)
        return self.session_.predict_proba(rows)

    def predict(self, X: Any) -> NDArray[Any]:
        """(R,) the most probable label of each row."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Logits: (R,) in favour of `classes_[1]` with two classes, else (R, K)."""
        rows = self._new_rows(X)
        logits = self.session_.logits(rows)
        return logits[:, 0] if logits.shape[1] == 1 else logits

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as one file, for `timesteps.load` and the command line."""
        check_is_fitted(self, "session_")
        modelfile.save(path, self.session_.spec, self.session_.tensors)

    def _wished(self) -> inputs.Kind | None:
        """What whole numbers are, where a parameter says so."""
        if self.recipe == "numeric":
            return "numeric"
        return "ids" if self.input in ("ids", "one_hot") or self.recipe in ("ids", "textbook") else None

    def _options(self, kind: inputs.Kind, rows: Sequence[Any], unlabeled: bool) -> Options:
        changes = {name: value for name, value in self.get_params(deep=False).items() if name not in _OWN}
        if kind == "numeric" and self.input is not None:
            raise UsageError(f"numbers cannot be the input {self.input!r}", mend="leave input away")
        seed = self.random_state
        changes["seed"] = seed.randint(2**31) if isinstance(seed, np.random.RandomState) else seed
        # A grid made with numpy has numpy's numbers in it.
        changes = {name: value.item() if isinstance(value, np.generic) else value for name, value in changes.items()}
        texts = rows if kind == "text" else None
        return choose(self.recipe, kind, changes, texts, vectors=self.vectors is not None, unlabeled=unlabeled)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.three_d_array = True
        return tags
