"""`Regressor`: numbers from a sequence, with scikit-learn's manners."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from timesteps.data.split import split_groups
from timesteps.errors import DataError
from timesteps.runtime import modelfile
from timesteps.runtime.losses import Loss
from timesteps.runtime.metrics_numbers import NumberEvaluation
from timesteps.runtime.regularization import Regularization
from timesteps.runtime.session import Session, with_golden
from timesteps.runtime.spec import CellName, LossName, ModelSpec, NetworkSpec, PoolName, TargetSpec, TextSpec
from timesteps.tasks.classify import inputs
from timesteps.tasks.estimator_rows import ReadsRows
from timesteps.tasks.fit_network import fit_network, settings_of
from timesteps.tasks.learned_input import LearnedInput, encode, layers, learn_input
from timesteps.tasks.regress.rows import merge_equal, read_targets, read_weights, scale_of
from timesteps.training.callbacks import Callback
from timesteps.training.examples import Examples
from timesteps.training.progress import quiet, terminal
from timesteps.training.settings import OptimizerName, ScheduleName, Settings

__all__ = ["Regressor"]

_GOLDEN = 3  # rows that the model file holds with their answers


class Regressor(ReadsRows, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Predict a number, or several, from a whole sequence with a recurrent network.

    X may be a list of (T, I) or (T,) arrays of numbers, of different lengths; an array (R, T, I); a table (R, T), each
    row of which is one sequence of T numbers; a list of rows of token ids; or a list of texts. y are numbers (R,) or
    (R, D). Rows and targets are scaled before training.

    Parameters
    ----------
    loss : "mse" for the mean; "mae" for the median; "quantile" for the `quantiles`; "gaussian", "student_t" and, of
        counts, "negative_binomial" for a whole distribution, whose quantiles may be asked for. See
        `timesteps.runtime.losses`.
    quantiles : the levels of the loss "quantile", rising, each between 0 and 1.
    missing : what NaN in y means: an "error", or a number to leave out of the loss ("mask").
    cell, hidden_size, num_layers, bidirectional, pool, embedding_size : the network; `num_words` : size of the
        vocabulary of texts.
    chrono : the longest dependency in steps, for biases that begin with time scales up to it (Tallec and Ollivier
        2018, arXiv 1804.11188); None: not.
    dropout : before the last layer and between recurrent ones; `input_dropout`, `recurrent_dropout` : fixed over time,
        on inputs and states.
    epochs, batch_size, optimizer, learning_rate, weight_decay, schedule, warmup, clip_norm, ema : training, as in
        `timesteps.training.settings.Settings`.
    patience : stop when the validation loss has not improved for so many epochs; the best weights are restored.
    validation_split : share of the rows held out for it, identical rows together; None holds out 0.1 with a patience,
        else nothing.
    nonfinite : what to do with a step whose loss or gradient is NaN or infinite: "stop" the training, or "skip" it.
    engine : "auto", "native" or "torch".
    random_state, threads, verbose : seed of everything, threads in training (one by default), progress on standard
        error.

    Attributes
    ----------
    session_ : the trained model, as `timesteps.load` would give it.
    history_ : one dict an epoch; losses and errors are of scaled targets.
    n_features_in_ : columns of X, when X was a table.

    Examples
    --------
    >>> from timesteps import Regressor
    >>> rows = [[0.1 * k, 0.1 * k + 1, 0.1 * k + 2] for k in range(40)]
    >>> model = Regressor(loss="gaussian", hidden_size=8, epochs=60, random_state=0).fit(rows, [r[-1] for r in rows])
    >>> model.predict([[1.0, 2.0, 3.0]]).round(1)
    array([3.])
    >>> model.predict_quantiles([[1.0, 2.0, 3.0]], (0.1, 0.9)).shape
    (1, 2)
    """

    def __init__(
        self,
        *,
        loss: LossName = "mse",
        quantiles: tuple[float, ...] = (),
        missing: Literal["error", "mask"] = "error",
        cell: CellName = "gru",
        hidden_size: int = 32,
        num_layers: int = 1,
        bidirectional: bool = False,
        pool: PoolName = "mean+max",
        embedding_size: int = 64,
        chrono: int | None = None,
        num_words: int | None = None,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        epochs: int = 60,
        batch_size: int = 32,
        optimizer: OptimizerName = "adam",
        learning_rate: float = 1e-2,
        weight_decay: float = 0.0,
        schedule: ScheduleName = "linear",
        warmup: float = 0.1,
        clip_norm: float | None = 1.0,
        ema: float = 0.0,
        patience: int | None = None,
        nonfinite: Literal["stop", "skip"] = "stop",
        validation_split: float | None = None,
        engine: Literal["auto", "native", "torch"] = "auto",
        random_state: int | None = 0,
        threads: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.loss = loss
        self.quantiles = quantiles
        self.missing = missing
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.pool = pool
        self.embedding_size = embedding_size
        self.chrono = chrono
        self.num_words = num_words
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.recurrent_dropout = recurrent_dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.warmup = warmup
        self.clip_norm = clip_norm
        self.ema = ema
        self.patience = patience
        self.nonfinite = nonfinite
        self.validation_split = validation_split
        self.engine = engine
        self.random_state = random_state
        self.threads = threads
        self.verbose = verbose

    def fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None, *, callbacks: Sequence[Callback] = ()
    ) -> Self:
        """Train on rows X with targets y, each row counting `sample_weight`. Returns self.

        Raises:
            DataError: rows, targets or weights that cannot be used; the message names the row.
            UsageError: parameters that make no sense.
        """
        settings = self._settings()
        X = inputs.listed(X)
        kind = inputs.kind_of(X)
        rows = self._rows_to_fit(X, kind, "give some")
        numbers = read_targets(y, len(rows), self.missing == "mask")
        shape = numbers.shape[1:]
        index, weights = merge_equal(rows, numbers, read_weights(sample_weight, len(rows)))
        if not len(index):
            raise DataError("no row counts: all weights are 0", mend="give a weight above 0")
        flat = len(rows[0]) if kind == "numeric" and inputs.is_table(X) else None
        rows, targets = [rows[i] for i in index], numbers[index].reshape(len(index), -1)
        train, held = np.arange(len(rows)), np.zeros(0, np.int64)
        share = self.validation_split if self.validation_split is not None else 0.1 if self.patience is not None else 0
        if share > 0:
            train, held = split_groups([_key(row) for row in rows], None, share, settings.seed)
        learned = learn_input(kind, [rows[i] for i in train], self._text(), flat)
        mean, scale = scale_of(targets[train], weights[train])
        if self.loss == "negative_binomial":  # counts are what they are
            mean, scale = np.zeros_like(mean), np.ones_like(scale)
        tensors = {**learned.tensors, "target.mean": mean, "target.scale": scale}
        spec = self._spec(learned, settings.criterion, shape)
        parts = [
            Examples(
                encode(spec, tensors, [rows[i] for i in part]),
                (targets[part] - mean) / scale,
                weights[part] / weights[part].mean(),
                kind="numbers",
                missing="mask",
            )
            for part in (train, held)
            if len(part)
        ]
        tensors, history = fit_network(
            spec,
            tensors,
            parts[0],
            parts[1] if len(parts) > 1 else None,
            Regularization(
                input_dropout=self.input_dropout,
                dropout=self.dropout,
                recurrent_dropout=self.recurrent_dropout,
                head_dropout=self.dropout,
            ),
            settings,
            chrono=self.chrono,
            callbacks=callbacks,
            progress=terminal() if self.verbose else quiet(),
            say=partial(print, file=sys.stderr, flush=True) if self.verbose else None,
        )
        golden = [row.reshape(-1) if flat is not None else row for row in rows[:_GOLDEN]]
        self.session_ = Session(with_golden(spec, tensors, golden), tensors)
        self.history_ = history.rows
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Numbers (R,) or (R, D): means, or medians of the losses mae and quantile."""
        rows = self._new_rows(X)
        found: NDArray[np.float64] = self.session_.predict(rows)
        return found

    def predict_quantiles(self, X: Any, levels: Sequence[float] = (0.1, 0.5, 0.9)) -> NDArray[np.float64]:
        """Quantiles (R, Q) or (R, D, Q); `UsageError` where the loss knows no spread, or not these levels."""
        rows = self._new_rows(X)
        return self.session_.quantiles(rows, levels)

    def evaluate(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> NumberEvaluation:
        """How good the predictions are; NaN in y does not count."""
        rows = self._new_rows(X)
        found = self.session_.evaluate(rows, np.asarray(y, np.float64), sample_weight)
        assert isinstance(found, NumberEvaluation)
        return found

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as one file, for `timesteps.load`."""
        check_is_fitted(self, "session_")
        modelfile.save(path, self.session_.spec, self.session_.tensors)

    def _text(self) -> TextSpec:
        return TextSpec(tokenizer="word", num_words=self.num_words)

    def _spec(self, learned: LearnedInput, loss: Loss, shape: tuple[int, ...]) -> ModelSpec:
        embedding = 0 if learned.input == "numeric" else self.embedding_size
        targets = TargetSpec(loss=loss.name, quantiles=loss.quantiles, shape=shape)
        network = NetworkSpec(
            input=learned.input,
            input_size=learned.size,
            embedding_size=embedding,
            layers=layers(embedding or learned.size, self.cell, self.hidden_size, self.num_layers, self.bidirectional),
            pool=self.pool,
            outputs=loss.outputs(targets.size),
        )
        return ModelSpec(
            task="regress", classes=(), targets=targets, text=learned.text, numeric=learned.numeric, network=network
        )

    def _settings(self) -> Settings:
        seed = 0 if self.random_state is None else self.random_state
        return settings_of(self, seed, self.threads, quantiles=tuple(self.quantiles))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.three_d_array = True
        tags.target_tags.multi_output = True
        return tags


def _key(row: Any) -> bytes:
    """What makes two rows the same."""
    return row.encode("utf-8", "surrogatepass") if isinstance(row, str) else row.tobytes()
