"""What is learned from texts before any label: words, features of bags, subwords; from texts that come in lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError
from timesteps.runtime.scratch import Scratch
from timesteps.runtime.spec import TextSpec
from timesteps.runtime.text import splitting
from timesteps.runtime.text.bags import FeatureCounter, Features
from timesteps.runtime.text.normalize import normalize
from timesteps.runtime.text.splitting import Splitter, Text
from timesteps.runtime.text.subword import SubwordModel
from timesteps.runtime.text.vocabulary import Vocabulary

__all__ = ["Chunks", "learn_features", "learn_subwords", "learn_words", "words_of"]

Chunks = Callable[[], Iterable[Sequence[Text]]]
"""Gives all texts anew, some at a time, whenever it is called."""


class _UnitCounts:
    """How often each unit of a splitter occurs."""

    def __init__(self, splitter: Splitter) -> None:
        self._splitter = splitter
        self._counts = np.zeros(0, np.int64)

    def add(self, steps: NDArray[np.int32]) -> None:
        counts = np.bincount(steps, minlength=len(self._splitter))
        counts[: len(self._counts)] += self._counts
        self._counts = counts

    def take(self) -> NDArray[np.int64]:
        """The counts; afterwards neither they nor the splitter know any unit."""
        counts, self._counts = self._counts, self._counts[:0]
        self._splitter.clear()
        return counts


def learn_features(
    splitter: Splitter,
    chunks: Iterable[Sequence[Text]],
    spec: TextSpec,
    scratch: Scratch | None = None,
    most: int | None = None,
) -> Features:
    """The features of bags that are frequent enough; at most `spec.num_words` or, if that is None, `most`.

    Raises:
        DataError: there is none.
    """
    bag = spec.bag
    assert bag is not None
    counter, counts, texts = FeatureCounter(bag, scratch), _UnitCounts(splitter), 0
    for part in chunks:
        chunk = splitter(part)
        texts += len(part)
        counts.add(chunk.steps)
        if bag.phrase > 1:
            counter.add_phrases(splitter.units(), chunk.steps, chunk.segments)
        if len(splitter) > splitting.MOST_UNITS:
            counter.add(splitter.units(), counts.take())
    counter.add(splitter.units(), counts.take())
    features = counter.features(most=most if spec.num_words is None else spec.num_words)
    if not len(features):
        raise DataError(
            f"no n-gram occurs {bag.min_count} times in these {texts} texts",
            mend="give more texts or a smaller min_count",
        )
    return features


def learn_words(splitter: Splitter, chunks: Iterable[Sequence[Text]], spec: TextSpec) -> tuple[str, ...]:
    """The words by frequency. `DataError` where there is none."""
    counter: Counter[str] = Counter()
    counts, texts = _UnitCounts(splitter), 0

    def keep() -> None:
        for unit, count in zip(splitter.units().strings(), counts.take().tolist(), strict=True):
            counter[unit] += count

    for part in chunks:
        counts.add(splitter(part).steps)
        texts += len(part)
        if len(splitter) > splitting.MOST_UNITS:
            keep()
    keep()
    return words_of(counter, spec, texts)


def words_of(counter: Counter[str], spec: TextSpec, texts: int) -> tuple[str, ...]:
    """The words that the specification has room for. `DataError` where there is none."""
    vocabulary = Vocabulary.from_counts(counter, num_words=spec.num_words, index_from=spec.index_from)
    if not vocabulary.words:
        raise DataError(f"there is no word in these {texts} texts", mend="give texts with words in them")
    return vocabulary.words


def learn_subwords(texts: Iterable[Text], spec: TextSpec) -> SubwordModel:
    """A sentencepiece model of normal texts."""
    normal = (normalize(str(text), lowercase=spec.lowercase, squeeze=spec.squeeze) for text in texts)
    return SubwordModel.train(normal, None if spec.bag else spec.num_words)
