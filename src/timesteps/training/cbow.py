"""Word vectors learned from texts alone: continuous bag of words (CBOW) with negative sampling."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, UsageError
from timesteps.runtime import native
from timesteps.runtime.sequences import Sequences

__all__ = ["train_vectors"]

SPREAD = 0.1  # standard deviation of the numbers of all vectors together
_LANES = 8  # the core reads so many numbers at once
_BLOCK, _SMALL_BLOCK = 500_000, 5_000  # words between two looks at the clock, with the core and without; Ctrl-C waits
_QUIET, _INTERVAL = 2.0, 10.0  # seconds before the first word about progress, and between words
_WHOLE = 2**32  # shares of words are whole numbers, of this
_STEP = 0x9E3779B97F4A7C15  # of SplitMix64


def train_vectors(
    sequences: Sequences,
    num_words: int,
    *,
    size: int = 128,
    window: int = 5,
    negative: int = 5,
    epochs: int = 5,
    learning_rate: float = 0.05,
    subsample: float = 1e-4,
    seed: int = 0,
    reserved: int = 3,
    say: Callable[[str], None] | None = None,
) -> NDArray[np.float32]:
    r"""Vectors (num_words, size) of the words of some texts: words that stand among the same words are near each other.

    A word w is predicted from the mean h of the input vectors v of its neighbours: up to b words on each side, b drawn
    for every word from 1 to `window`. Against it stand `negative` words n drawn by their count to the power of 0.75
    (those equal to w are left out). With output vectors u and :math:`\sigma(z) = 1 / (1 + e^{-z})` the loss is

    .. math::
        L = -\log \sigma(h \cdot u_w) - \sum_n \log \sigma(-h \cdot u_n)

    and after each word :math:`u \leftarrow u - \eta\, \partial L / \partial u`, for one target after the other, and
    :math:`v \leftarrow v - \eta\, \partial L / \partial h` for every neighbour. (That is the whole gradient of the mean
    and not a neighbour's share of it, as in the authors' program; İrsoy et al. 2020, arXiv:2012.15332, discuss the
    difference.) The rate :math:`\eta` falls linearly from `learning_rate` to 0 over all words of all epochs. Before
    the neighbours are looked at, a word of relative frequency f is left out with probability
    :math:`1 - (\sqrt{t / f} + t / f)`, where t is `subsample`. The v begin uniform in ±1 / (2 size), the u at 0.

    In the end all vectors are scaled together to a standard deviation of 0.1. Rows of ids below `reserved` (padding,
    start, unknown: they are removed from the texts first) and of words that do not occur are NaN, which
    `Network.set_vectors` leaves alone.

    Mikolov et al. 2013, "Efficient Estimation of Word Representations in Vector Space" (arXiv:1301.3781) and
    "Distributed Representations of Words and Phrases and their Compositionality" (arXiv:1310.4546).

    One thread; the same texts, settings and seed give the same bits. Without the compiled core numpy takes the same
    steps with the same random numbers, some fifty times slower, and rounds otherwise.

    Args:
        sequences: rows of word ids, each a text.
        num_words: ids are below it.
        size, window, epochs: at least 1.
        negative: words drawn against each word, at least 1.
        learning_rate: above 0.
        subsample: t, at least 0; 0 leaves nothing out.
        seed: of everything that is drawn.
        reserved: ids below it are no words.
        say: takes a line about progress now and then, where the work takes longer than two seconds.

    Raises:
        UsageError: a setting out of its range.
        DataError: an id that is not below num_words.

    >>> texts = [[3, 4, 5], [4, 3, 5], [3, 5, 4], [6, 7, 8], [7, 6, 8], [8, 7, 6]] * 200
    >>> vectors = train_vectors(Sequences.of(texts), 10, size=8, subsample=0)
    >>> unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    >>> bool(unit[3] @ unit[4] > unit[3] @ unit[6]), bool(np.isnan(vectors[[0, 1, 2, 9]]).all())
    (True, True)
    """
    for name, value in (("size", size), ("window", window), ("negative", negative), ("epochs", epochs)):
        if value < 1:
            raise UsageError(f"{name} is {value}", mend="give a whole number of at least 1")
    if not learning_rate > 0 or not subsample >= 0:
        raise UsageError(
            f"learning_rate is {learning_rate}, subsample {subsample}", mend="give a rate above 0, a share from 0"
        )
    counts = _counts(sequences, num_words, reserved)
    texts = _without_reserved(sequences, reserved)
    vectors = np.full((num_words, size), np.nan, np.float32)
    seen = np.flatnonzero(counts)
    if not len(seen):
        return vectors
    width = -(-size // _LANES) * _LANES  # numbers beyond `size` begin at 0 and stay there
    tables = _Tables(*(np.zeros((num_words, width), np.float32) for _ in range(2)))
    random = np.random.default_rng(seed % 2**64)
    tables.input[:, :size] = (random.random((num_words, size), np.float32) - 0.5) / size
    train, block = (_train_numpy, _SMALL_BLOCK) if native.core is None else (_train_core, _BLOCK)
    total = len(texts.values) * epochs
    plan = _Plan(_kept(counts, subsample), _noise(counts), window, negative, learning_rate, total)
    state, done, clock = int(random.integers(2**64, dtype=np.uint64)), 0, _Clock(say, total)
    for epoch in range(1, epochs + 1):
        for first, last in _blocks(texts, block):
            state = train(tables, texts, first, last, state, done, plan)
            done += int(texts.offsets[last] - texts.offsets[first])
            clock.tick(f"word vectors: epoch {epoch}/{epochs}", done)
    found = tables.input[seen, :size]
    spread = float(found.std(dtype=np.float64)) or SPREAD  # one number has none
    vectors[seen] = found * np.float32(SPREAD / spread)
    return vectors


@dataclass(frozen=True)
class _Tables:
    """Input and output vectors (num_words, width); training changes them."""

    input: NDArray[np.float32]
    output: NDArray[np.float32]


@dataclass(frozen=True)
class _Plan:
    """What stays the same for all words. `kept` (num_words,) and `noise` (num_words,) are shares of 2**32."""

    kept: NDArray[np.uint64]  # how much of a word subsampling leaves
    noise: NDArray[np.uint64]  # sum of the noise words' shares up to and with each word
    window: int
    negative: int
    learning_rate: float
    words: int  # in all epochs together


def _counts(sequences: Sequences, num_words: int, reserved: int) -> NDArray[np.int64]:
    """How often each word occurs (num_words,), 0 for reserved ids."""
    values = sequences.values
    if len(values) and not 0 <= values.min() <= values.max() < num_words:
        wrong = values[(values < 0) | (values >= num_words)][0]
        raise DataError(f"there is an id {wrong} among ids of {num_words} words", mend="give ids from 0 to below that")
    counts = np.bincount(values, minlength=num_words).astype(np.int64)
    counts[:reserved] = 0
    return counts


def _without_reserved(sequences: Sequences, reserved: int) -> Sequences:
    words = sequences.values >= reserved
    before = np.concatenate([[0], np.cumsum(words)]).astype(np.int64)
    return Sequences(np.ascontiguousarray(sequences.values[words], np.int32), before[sequences.offsets])


def _kept(counts: NDArray[np.int64], subsample: float) -> NDArray[np.uint64]:
    """The share of each word that subsampling leaves, of 2**32."""
    if subsample == 0:
        return np.full(len(counts), _WHOLE, np.uint64)
    ratio: NDArray[np.float64] = subsample * counts.sum() / np.maximum(counts, 1)
    shares: NDArray[np.float64] = np.minimum(np.sqrt(ratio) + ratio, 1.0)
    return np.floor(shares * _WHOLE).astype(np.uint64)


def _noise(counts: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Sums of the shares of noise words, of 2**32."""
    sums = np.cumsum(counts**0.75)
    shares: NDArray[np.uint64] = np.floor(sums / sums[-1] * _WHOLE).astype(np.uint64)
    shares[np.flatnonzero(counts)[-1] :] = _WHOLE
    return shares


def _blocks(texts: Sequences, words: int) -> Iterator[tuple[int, int]]:
    """Pieces of about so many words: the number of their first row, and that behind their last."""
    cuts = np.searchsorted(texts.offsets, np.arange(0, texts.offsets[-1], words))
    return pairwise(np.unique([*cuts, len(texts)]).tolist())


def _train_core(tables: _Tables, texts: Sequences, first: int, last: int, state: int, done: int, plan: _Plan) -> int:
    """Train on rows first to last, before which `done` words were seen. The state of the draws afterwards."""
    assert native.core is not None
    after: int = native.core.cbow(
        tables.input,
        tables.output,
        texts.values,
        texts.offsets,
        plan.kept,
        plan.noise,
        first,
        last,
        state,
        plan.window,
        plan.negative,
        plan.learning_rate,
        done,
        plan.words,
    )
    return after


def _train_numpy(tables: _Tables, texts: Sequences, first: int, last: int, state: int, done: int, plan: _Plan) -> int:
    """The same as `_train_core`, in plain numpy."""
    for row in range(first, last):
        words = texts.values[texts.offsets[row] : texts.offsets[row + 1]]
        drawn, state = _draws(state, len(words))
        places = np.flatnonzero(drawn < plan.kept[words])
        drawn, state = _draws(state, len(places) * (1 + plan.negative))
        drawn = drawn.reshape(len(places), 1 + plan.negative)
        reaches = (1 + (drawn[:, 0] * np.uint64(plan.window) >> np.uint64(32))).tolist()
        noise = np.searchsorted(plan.noise, drawn[:, 1:], side="right")
        rates = plan.learning_rate * (1.0 - (done + places) / plan.words)
        words = words[places]
        for centre, (word, reach) in enumerate(zip(words.tolist(), reaches, strict=True)):
            context = np.concatenate([words[max(0, centre - reach) : centre], words[centre + 1 : centre + 1 + reach]])
            if len(context):
                others = noise[centre][noise[centre] != word]
                _step(tables, context, [word, *others.tolist()], np.float32(rates[centre]))
        done += int(texts.offsets[row + 1] - texts.offsets[row])
    return state


def _step(tables: _Tables, context: NDArray[np.int32], targets: list[int], rate: np.float32) -> None:
    """Move the vectors of one word's neighbours and of its targets, the word itself and then the noise."""
    mean = tables.input[context].mean(axis=0)
    change = np.zeros_like(mean)
    for place, target in enumerate(targets):
        row = tables.output[target]
        gain = rate * (np.float32(place == 0) - 1 / (1 + np.exp(-(mean @ row))))
        change += gain * row
        row += gain * mean
    np.add.at(tables.input, context, change)


def _draws(state: int, count: int) -> tuple[NDArray[np.uint64], int]:
    """So many numbers from 0 to below 2**32, and the state behind them: SplitMix64's upper halves."""
    after = (state + count * _STEP) % 2**64
    mixed = np.uint64(state) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_STEP)
    mixed = (mixed ^ mixed >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ mixed >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return (mixed ^ mixed >> np.uint64(31)) >> np.uint64(32), after


class _Clock:
    """Says how far the work is, now and then."""

    def __init__(self, say: Callable[[str], None] | None, total: int) -> None:
        self._say, self._total = say, total
        self._begin = time.monotonic()
        self._next = self._begin + _QUIET

    def tick(self, what: str, done: int) -> None:
        """So many words are done; say so if it is time."""
        now = time.monotonic()
        if self._say is None or now < self._next or done == self._total:
            return
        self._next = now + _INTERVAL
        left = round((now - self._begin) / done * (self._total - done))
        self._say(f"{what} · {done / self._total:.0%} · ETA {left // 60}:{left % 60:02}")
