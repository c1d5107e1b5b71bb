"""`Ngram`: an n-gram model that answers, from a model file or from what estimation and ARPA files leave."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import UsageError
from timesteps.runtime import modelfile, native
from timesteps.runtime.language.ngram_spec import NGRAM, NgramSpec, table_name
from timesteps.runtime.language.ngram_table import State, reader
from timesteps.runtime.language.vocabulary import OfUnits, UnitVocabulary
from timesteps.runtime.text.normalize import canonical

__all__ = ["Ngram"]


class Ngram(OfUnits):
    """P(w | h) of words w after words h, as the longest n-gram known says; a `LanguageModel`.

    A state is at most order - 1 tokens: the end of what came before, as far as it can matter. So states that are equal
    predict alike. It is a plain value: keep it, compare it, hash it, pickle it. The core's (`NgramState`) equals the
    tuple of its tokens and may be given as one; it has the weights of backing off from them, too, so that going on from
    it looks nothing up twice.
    """

    def __init__(self, spec: NgramSpec, tensors: dict[str, NDArray[Any]]) -> None:
        """Of a specification and tensors that `check_ngram` has passed."""
        self._adopt(spec, tensors)

    def _adopt(self, spec: NgramSpec, tensors: dict[str, NDArray[Any]]) -> None:
        self.spec, self.tensors = spec, tensors
        self._adopt_vocabulary(UnitVocabulary(spec.vocabulary))
        tables = [tensors[table_name(n)] for n in range(2, spec.order + 1)]
        self._reader = reader(tensors["unigrams"], self.begin, tables)
        self._tokens: Any = None  # the core's reader of texts, once one is needed
        self._start: State = self._reader.shortest((self.begin,))

    @classmethod
    def load(cls, run: str | os.PathLike[str]) -> Self:
        """The model of a run folder, or of the model file itself, which is mapped and not read into memory.

        Raises:
            ModelError: the file is missing, damaged, or holds another kind of model.
        """
        model = cls.__new__(cls)
        Ngram.__init__(model, *modelfile.load(modelfile.find(run), NGRAM))
        model.run = Path(run)
        return model

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model file, atomically: `path`, or `model.safetensors` in it if it is a folder.

        Raises:
            UsageError: a full disk or an unwritable folder.
        """
        target = Path(path)
        modelfile.save(target / modelfile.FILE_NAME if target.is_dir() else target, self.spec, self.tensors, NGRAM)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many n-grams of each order the model has."""
        return self.spec.counts

    def start(self) -> State:
        """Before the first token of a sentence."""
        return self._start

    def empty(self) -> State:
        """Nothing is known of what came before."""
        return ()

    def log_prob(self, state: State, token: int) -> tuple[float, State]:
        """log P(token | state), and the state after it. `UsageError` for what is no token or no state."""
        try:
            return self._reader.log_prob(state, token)  # type: ignore[no-any-return]
        except IndexError as error:
            raise self._wrong(error) from error

    def distribution(self, state: State) -> NDArray[np.float64]:
        """(V,) log P of every token after the state; -inf at `begin`."""
        logs = np.empty(len(self.words))
        try:
            self._reader.distribution(state, logs)
        except IndexError as error:
            raise self._wrong(error) from error
        return logs

    def log_probs(self, state: State, tokens: Sequence[int]) -> tuple[NDArray[np.float64], State]:
        """(N,) log P of each of the tokens after those before it, and the state after the last."""
        numbers = self._numbers(tokens)
        logs = np.empty(len(numbers))
        try:
            return logs, self._reader.log_probs(state, numbers, logs)
        except IndexError as error:
            raise self._wrong(error) from error

    def sentence_log_probs(self, sentences: Sequence[Sequence[int]]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """log P of every token of many sentences, and of their ends, in one call.

        Args:
            sentences: tokens of each, without marks.

        Returns:
            (N,) the logarithms end to end, each sentence's `end` last, and (S + 1,) where the sentences begin.
        """
        offsets = np.cumsum([0, *(len(sentence) + 1 for sentence in sentences)])
        numbers = self._numbers(list(chain.from_iterable((*sentence, self.end) for sentence in sentences)))
        logs = np.empty(len(numbers))
        try:
            self._reader.sentences(self._start, numbers, offsets, logs)
        except IndexError as error:
            raise self._wrong(error) from error
        return logs, offsets

    def text_log_probs(self, texts: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """`sentence_log_probs` of the texts' tokens. Where units are plain words, all of it is one call of the core."""
        units = self.spec.vocabulary.units
        if (read := self._text_reader()) is None:
            return self.sentence_log_probs([self.tokens(text) for text in texts])
        joined = "\n".join([*texts, ""])
        if joined.count("\n") != len(texts):
            joined = "\n".join([*(text.replace("\n", " ") for text in texts), ""])
        if units.lowercase or not joined.isascii():
            joined = canonical(joined, lowercase=units.lowercase)
        numbers, offsets = read(joined.encode())
        logs = np.empty(len(numbers))
        self._reader.sentences(self._start, numbers, offsets, logs)
        return logs, offsets

    def text_log_prob(self, text: str) -> float:
        """log P of a sentence, its end included: the sum of its `text_log_probs`."""
        if (read := self._text_reader()) is None:
            return float(self.text_log_probs([text])[0].sum())
        if self.spec.vocabulary.units.lowercase or not text.isascii():
            text = canonical(text, lowercase=self.spec.vocabulary.units.lowercase)
        return float(self._reader.text(self._start, read, text))

    def _text_reader(self) -> Any:
        """What makes tokens of texts in the core; None where units are not plain words, or there is no core."""
        units = self.spec.vocabulary.units
        if native.core is None or units.kind != "word" or units.apart:
            return None
        if self._tokens is None:
            lines = "".join(f"{word}\n" for word in self.spec.vocabulary.words).encode()
            marks = len(self.words) - len(self.spec.vocabulary.words)
            self._tokens = native.core.NgramTokens(lines, marks, self.unknown, self.end)
        return self._tokens

    def _numbers(self, tokens: Sequence[int]) -> NDArray[np.uint32]:
        numbers = np.asarray(tokens, np.int64)
        if numbers.size and (numbers.min() < 0 or numbers.max() >= len(self.words)):
            raise self._wrong()
        return numbers.astype(np.uint32)

    def _wrong(self, error: IndexError | None = None) -> UsageError:
        if error is not None and "state" in str(error):
            return UsageError("a state is another model's", mend="use this model's states")
        return UsageError(f"a token is outside 0 to {len(self.words) - 1}", mend="use this model's tokens")
