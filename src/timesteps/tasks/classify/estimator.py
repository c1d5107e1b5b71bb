"""`Classifier`: recurrent classification of texts, token ids or numbers, with scikit-learn's manners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from timesteps.data.split import split_groups, split_rows
from timesteps.errors import DataError, UsageError
from timesteps.runtime.session import Session
from timesteps.runtime.spec import CellName, PoolName, TokenizerName
from timesteps.tasks.classify import inputs
from timesteps.tasks.classify.fitting import fit_model
from timesteps.tasks.classify.options import Options, choose
from timesteps.tasks.classify.prepare import prepare
from timesteps.training.callbacks import Callback
from timesteps.training.examples import Examples
from timesteps.training.progress import Progress, quiet, terminal


class Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classify sequences with a recurrent network.

    X may be a list of texts; a list of lists of token ids; a list of (T, I) arrays of different lengths; an array
    (R, T, I); or a table (R, T), each row of which is one sequence of T numbers. Every parameter that is None takes
    the value of the recipe: "default" (bags of n-grams into a bidirectional LSTM, beside a wide linear term), "ids",
    "textbook" (Embedding(500, 16) → LSTM(8) → Dense(1)) or "numeric"; without a recipe, the one that fits X.

    Parameters
    ----------
    recipe : name of a complete set of choices, the rest of the parameters change it.
    input : "bag", "ids" or "one_hot": what a step of text is to the network.
    tokenizer : "word", "char", "syllable", "jamo", "byte" or "subword".
    num_words : size of the vocabulary, the three reserved ids included.
    max_length, truncating, padding, mask : longest sequence, where longer ones lose steps ("pre", "post",
        "middle"), and whether padding is hidden from the network (True) or fed to it on the given side.
    cell, hidden_size, num_layers, bidirectional, nonlinearity, reset_after, pool, embedding_size : the network.
    input_dropout : Keras' `dropout`: a mask on the input of each layer, fixed over time (Gal & Ghahramani 2016,
        arXiv:1512.05287); `recurrent_dropout` : the same on the state; `dropout` : torch's, between layers, and
        before the dense layer; `feature_dropout` : drops n-grams from bags.
    epochs, batch_size, optimizer, learning_rate, table_learning_rate, weight_decay, schedule, warmup, clip_norm,
    ema, label_smoothing : training.
    patience : stop when the validation loss has not improved for so many epochs; the best weights are restored.
    validation_split : share of the rows held out for validation when `fit` is given none; identical rows stay
        together. None holds out 0.1 when there is a patience, otherwise nothing.
    members : networks that answer together by their mean logit.
    class_weight : None, "balanced" or {class: weight}.
    random_state : seed of everything; the same seed gives the same bits.
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
    >>> list(model.fit(texts, [1, 0, 1, 0] * 8).predict(["좋은 이야기", "나쁜 이야기"]))
    [1, 0]
    """

    def __init__(
        self,
        recipe: str | None = None,
        *,
        input: Literal["bag", "ids", "one_hot"] | None = None,
        tokenizer: TokenizerName | None = None,
        lowercase: bool | None = None,
        num_words: int | None = None,
        max_length: int | None = None,
        truncating: Literal["pre", "post", "middle"] | None = None,
        padding: Literal["pre", "post"] | None = None,
        mask: bool | None = None,
        min_count: int | None = None,
        phrase: int | None = None,
        embedding_size: int | None = None,
        cell: CellName | None = None,
        hidden_size: int | None = None,
        num_layers: int | None = None,
        bidirectional: bool | None = None,
        nonlinearity: Literal["tanh", "relu"] | None = None,
        reset_after: bool | None = None,
        initial_state: Literal["zero", "learned"] | None = None,
        pool: PoolName | None = None,
        input_dropout: float | None = None,
        dropout: float | None = None,
        recurrent_dropout: float | None = None,
        feature_dropout: float | None = None,
        label_smoothing: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] | None = None,
        learning_rate: float | None = None,
        table_learning_rate: float | None = None,
        weight_decay: float | None = None,
        schedule: Literal["constant", "linear", "cosine"] | None = None,
        warmup: float | None = None,
        clip_norm: float | None = None,
        ema: float | None = None,
        patience: int | None = None,
        validation_split: float | None = None,
        members: int | None = None,
        class_weight: Literal["balanced"] | dict[Any, float] | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        for name, value in locals().items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        validation_data: tuple[Any, ArrayLike] | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Train on rows X with labels y, each counting `sample_weight`. Returns self.

        Raises DataError (a ValueError) for rows that cannot be used, UsageError for parameters that make no sense.
        """
        kind = inputs.kind_of(X)
        rows, labels = self._rows_and_labels(X, y, kind)
        check_classification_targets(labels)
        self.classes_, targets = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(f"there is only one class: {self.classes_[0]!r}", mend="give rows of at least two classes")
        weights = self._weights(sample_weight, X, targets, len(rows))
        if kind == "numeric":
            index, targets, weights = inputs.merge_equal(rows, targets, weights)
            rows = [rows[i] for i in index]
            if len(np.unique(targets)) < 2:
                raise DataError("only one class is left once rows of weight 0 are dropped", mend="check sample_weight")
        options = self._options(kind)
        train_index, valid = self._held_out(kind, rows, targets, options, validation_data)
        rows, targets, weights = [rows[i] for i in train_index], targets[train_index], weights[train_index]
        flat = rows[0].shape[0] if kind == "numeric" and getattr(X, "ndim", 0) == 2 else None
        classes = [label.item() if isinstance(label, np.generic) else label for label in self.classes_]
        prepared = prepare(kind, rows, options, classes, flat)
        examples = Examples(prepared.steps(rows), targets, (weights / weights.mean()).astype(np.float32))
        if valid is not None:
            valid = Examples(prepared.steps(valid[0]), valid[1], np.ones(len(valid[1]), np.float32))
        progress: Progress = terminal() if self.verbose else quiet()
        fitted = fit_model(prepared, options, examples, valid, progress=progress, callbacks=callbacks)
        self.session_ = Session(fitted.spec, fitted.tensors)
        self.histories_ = [history.rows for history in fitted.histories]
        self.history_ = self.histories_[0]
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities (R, K) of the classes, in the order of `classes_`."""
        check_is_fitted(self)
        return self.session_.predict_proba(self._rows(X))

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable label of each row."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]  # type: ignore[no-any-return]

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Logits: (R,) in favour of `classes_[1]` with two classes, else (R, K)."""
        check_is_fitted(self)
        logits = self.session_.logits(self._rows(X))
        return logits[:, 0] if logits.shape[1] == 1 else logits

    def save(self, path: str) -> None:
        """Write the model as one file, for `timesteps.load` and the command line."""
        from timesteps.runtime.modelfile import save

        check_is_fitted(self)
        save(path, self.session_.spec, self.session_.tensors)

    def _options(self, kind: inputs.Kind) -> Options:
        changes = {name: getattr(self, name) for name in Options.names() if name != "seed" and hasattr(self, name)}
        if isinstance(self.random_state, np.random.RandomState):
            changes["seed"] = int(self.random_state.randint(2**31))
        else:
            changes["seed"] = self.random_state
        return choose(self.recipe, kind, changes)

    def _rows_and_labels(self, X: Any, y: ArrayLike, kind: inputs.Kind) -> tuple[list[Any], NDArray[Any]]:
        if kind == "numeric" and not _ragged(X):
            X, y = validate_data(self, X, y, dtype=np.float64, allow_nd=True, ensure_min_samples=2)
            return inputs.numeric(X), y
        if y is None:
            raise UsageError("requires y to be passed, but the target y is None")
        labels = np.asarray(y)
        rows = self._rows(X, fitting=True)
        if labels.ndim != 1 or len(labels) != len(rows):
            raise DataError(f"{len(rows)} rows, but labels of shape {labels.shape}", mend="give one label a row")
        if not rows:
            raise DataError("there are no rows", mend="give at least two rows")
        return rows, labels

    def _rows(self, X: Any, fitting: bool = False) -> list[Any]:
        kind = inputs.kind_of(X)
        if not fitting:
            spec = self.session_.spec
            wanted: inputs.Kind = "numeric" if spec.numeric else "ids" if spec.text.tokenizer == "ids" else "text"
            if kind != wanted and not (len(X) == 0 or wanted == "numeric"):
                raise DataError(f"the model was trained on {wanted}, but X is {kind}")
            kind = wanted
        if kind == "text":
            return inputs.texts(X)
        if kind == "ids":
            return inputs.ids(X)
        if not fitting and not _ragged(X):
            X = validate_data(self, X, dtype=np.float64, allow_nd=True, reset=False)
        return inputs.numeric(X)

    def _weights(
        self, sample_weight: ArrayLike | None, X: Any, targets: NDArray[np.int64], rows: int
    ) -> NDArray[np.float64]:
        weights = _check_sample_weight(sample_weight, np.zeros((rows, 1)), dtype=np.float64, ensure_non_negative=True)
        if self.class_weight is not None:
            per_class = compute_class_weight(self.class_weight, classes=self.classes_, y=self.classes_[targets])
            weights = weights * per_class[targets]
        return np.asarray(weights)

    def _held_out(
        self,
        kind: inputs.Kind,
        rows: list[Any],
        targets: NDArray[np.int64],
        options: Options,
        validation_data: tuple[Any, ArrayLike] | None,
    ) -> tuple[NDArray[np.int64], tuple[list[Any], NDArray[np.int64]] | None]:
        everything = np.arange(len(rows))
        if validation_data is not None:
            valid_rows, labels = self._rows(validation_data[0], fitting=True), np.asarray(validation_data[1])
            unknown = sorted(set(labels.tolist()) - set(self.classes_.tolist()))
            if unknown:
                raise DataError(f"the validation rows have labels unseen in training: {unknown}")
            return everything, (valid_rows, np.searchsorted(self.classes_, labels))
        share = self.validation_split
        if share is None:
            share = 0.1 if options.patience is not None else 0.0
        if not 0 <= share < 1:
            raise UsageError(f"validation_split is {share}", mend="give a share of at least 0 and less than 1")
        if share == 0:
            return everything, None
        if kind == "text":
            train_index, valid_index = split_rows(rows, targets, share, options.seed)
        else:
            keys = [np.ascontiguousarray(row).tobytes() for row in rows]
            train_index, valid_index = split_groups(keys, targets, share, options.seed)
        return train_index, ([rows[i] for i in valid_index], targets[valid_index])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.three_d_array = True
        return tags


def _ragged(X: Any) -> bool:
    """Whether X is a list of sequences of its own rather than a table that scikit-learn's checks understand."""
    return isinstance(X, (list, tuple)) and len(X) > 0 and any(np.ndim(row) == 2 or np.ndim(row) == 1 for row in X)
