"""`TextProcessor`: texts in, steps out, by one specification in training and afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.errors import ModelError, UsageError
from timesteps.runtime.scratch import Scratch
from timesteps.runtime.sequences import Sequences
from timesteps.runtime.spec import GuideSpec, TextSpec
from timesteps.runtime.text.bags import Features
from timesteps.runtime.text.framing import check_text, frame, kept_steps
from timesteps.runtime.text.guide import Guide
from timesteps.runtime.text.learning import Chunks, learn_features, learn_subwords, learn_words, words_of
from timesteps.runtime.text.ngrams import parse_piece
from timesteps.runtime.text.rows import BagReader, IdReader
from timesteps.runtime.text.splitting import Splitter, Text, TextRules, chunks_of
from timesteps.runtime.text.subword import SubwordModel
from timesteps.runtime.text.tokenizers import tokenizer
from timesteps.runtime.text.vocabulary import PADDING, START, Vocabulary


def cut(ids: Sequence[int] | NDArray[np.integer[Any]], spec: TextSpec) -> NDArray[np.int32]:
    """A row of given ids (T,) as the network sees it: truncated; with the start id, padded with 0 if the spec says so.

    >>> cut([7, 8, 9], TextSpec(max_length=2))
    array([8, 9], dtype=int32)
    """
    return np.array(frame([int(number) for number in ids], spec, START, PADDING)[0], np.int32)


class TextProcessor:
    """Normalises, tokenises, truncates and encodes texts, as its `spec` says.

    A text is a string or, for the tokenizer "tokens", a list of tokens: every one is a step, whatever is in it.

    `fit` learns words, features or subwords from texts; `load` takes what was learned from a model file: `spec` and
    `tensors()` are all of it. Words and features are learned from the steps that truncation leaves, since others would
    keep their initial values.

    >>> processor = TextProcessor.fit(["참 좋다", "참 참 별로"], TextSpec())
    >>> processor.spec.words, processor.input_size
    (('참', '좋다', '별로'), 6)
    >>> steps = processor.steps(["참 좋네", ""])
    >>> steps.values, steps.lengths
    (array([3, 2], dtype=int32), array([2, 0]))
    """

    def __init__(
        self,
        spec: TextSpec,
        features: Features | None = None,
        subword: SubwordModel | None = None,
        guide: Guide | None = None,
    ) -> None:
        """From parts; `fit` and `load` make them."""
        check_text(spec)
        if (spec.guide is None) != (guide is None):
            raise ModelError("the text part and its guide do not belong together", mend="train the model again")
        self.spec = spec
        self.guide = guide
        self._features = features
        self._subword = subword
        if spec.tokenizer == "subword":
            if subword is None:
                raise ModelError("the tokenizer subword has no model", mend="pass the tensor text.subword")
            self._rules = TextRules(spec, subword.tokenize)
        else:
            self._rules = TextRules(spec, None if spec.tokenizer == "tokens" else tokenizer(spec.tokenizer))
        self._encode: Callable[[Sequence[str]], list[int]] | None = None
        if spec.bag is not None:
            self.input_size = 0 if features is None else len(features)
        elif subword is not None:
            self._encode, self.input_size = subword.encode, len(subword)
        else:
            words = [f"{byte:02x}" for byte in range(256)] if spec.tokenizer == "byte" else spec.words
            vocabulary = Vocabulary(words, num_words=spec.num_words, index_from=spec.index_from)
            self._encode, self.input_size = vocabulary.encode, len(vocabulary)

    @classmethod
    def fit(cls, texts: Sequence[Text], spec: TextSpec) -> TextProcessor:
        """Learns from texts what the specification leaves open; the completed one is `spec` of what is returned.

        A guide is learned from labels, too: add it with `guided_by`.

        `DataError` where the texts have no tokens, or no feature is frequent enough.
        """
        return cls.fit_chunks(lambda: chunks_of(texts), spec)

    @classmethod
    def fit_chunks(
        cls, chunks: Chunks, spec: TextSpec, scratch: Scratch | None = None, most: int | None = None
    ) -> TextProcessor:
        """The same from texts that come in lists, as often as `chunks` is called; with `scratch` in bounded memory, and
        with at most the `most` frequent features, if the specification does not say how many.
        """
        spec = msgspec.structs.replace(spec, words=(), guide=None)
        check_text(spec)
        subword = learn_subwords(chain.from_iterable(chunks()), spec) if spec.tokenizer == "subword" else None
        learner = cls(msgspec.structs.replace(spec, mask=True), None, subword)  # padding is nothing to learn from
        if spec.bag is not None:
            return cls(spec, learn_features(learner.splitter(), chunks(), spec, scratch, most), subword)
        if spec.tokenizer not in ("subword", "byte"):
            spec = msgspec.structs.replace(spec, words=learn_words(learner.splitter(), chunks(), spec))
        return cls(spec, None, subword)

    @classmethod
    def fit_whole(cls, texts: Sequence[Text], spec: TextSpec) -> tuple[TextProcessor, Sequences]:
        """The same from whole texts, for ids only; and the ids of all their tokens, without truncation and padding.

        For word vectors that are trained on all of a text, so that words beyond the cut have one, too. Each text is
        tokenised once.

        >>> processor, tokens = TextProcessor.fit_whole(["참 좋다", "참 참 별로"], TextSpec(max_length=1))
        >>> processor.spec.words, tokens.values.tolist(), tokens.lengths.tolist()
        (('참', '좋다', '별로'), [3, 4, 3, 3, 5], [2, 3])
        """
        spec = msgspec.structs.replace(spec, words=(), guide=None)
        check_text(spec)
        if spec.bag is not None:
            raise UsageError("bags have no ids of whole texts", mend="leave bag out")
        subword = learn_subwords(texts, spec) if spec.tokenizer == "subword" else None
        whole = msgspec.structs.replace(spec, max_length=None, truncating="pre", head_length=0, mask=True, start=False)
        splitter = cls(whole, None, subword).splitter()
        chunks = [splitter(part) for part in chunks_of(texts)]
        units = splitter.units().strings()
        steps = np.concatenate([np.zeros(0, np.int32), *(chunk.steps for chunk in chunks)])
        lengths = np.concatenate([np.zeros(1, np.int64), *(chunk.lengths for chunk in chunks)])
        if spec.tokenizer not in ("subword", "byte"):
            counts = np.bincount(steps, minlength=len(units)).tolist()
            counter = Counter(dict(zip(units, counts, strict=True)))
            spec = msgspec.structs.replace(spec, words=words_of(counter, spec, len(texts)))
        processor = cls(spec, None, subword)
        assert processor._encode is not None
        ids = np.array(processor._encode(units), np.int32)
        return processor, Sequences(ids[steps], np.cumsum(lengths))

    @classmethod
    def load(cls, spec: TextSpec, tensors: Mapping[str, NDArray[Any]]) -> TextProcessor:
        """From what `spec` and `tensors()` of a fitted processor were; `ModelError` if they do not fit together."""
        features, subword = None, None
        if spec.bag is not None:
            stored = _tensor(tensors, "text.features", np.dtype(np.int64))
            features = np.ascontiguousarray(stored).view(np.uint64)
            if np.any(features[1:] <= features[:-1]):
                raise ModelError("the tensor text.features is not sorted", mend="train the model again")
        if spec.tokenizer == "subword":
            subword = SubwordModel(_tensor(tensors, "text.subword", np.dtype(np.uint8)).tobytes())
        guide = None if spec.guide is None else Guide.load(spec.guide, tensors)
        try:
            return cls(spec, features, subword, guide)
        except UsageError as error:
            raise ModelError(error.what, mend="train the model again") from error

    def tensors(self) -> dict[str, NDArray[Any]]:
        """What was learned and is not in `spec`: `text.features` (F,) int64, the bits of the sorted hashes;
        `text.subword` (bytes,) uint8, a sentencepiece model; those of the guide.
        """
        stored: dict[str, NDArray[Any]] = {}
        if self._features is not None:
            stored["text.features"] = self._features.view(np.int64)
        if self._subword is not None:
            stored["text.subword"] = np.frombuffer(self._subword.data, np.uint8)
        return stored if self.guide is None else stored | self.guide.tensors()

    def guided_by(self, guide: Guide) -> TextProcessor:
        """The same with a guide."""
        spec = msgspec.structs.replace(self.spec, guide=guide.spec)
        return TextProcessor(spec, self._features, self._subword, guide)

    def splitter(self, guide: GuideSpec | None = None) -> Splitter:
        """What makes steps of texts, chunk by chunk, by the units that a guide reads, too, if one is given."""
        if guide is not None:
            check_text(msgspec.structs.replace(self.spec, guide=guide))
        return Splitter(self._rules, guide, compiled=True)

    def units(self, texts: Sequence[Text], spec: GuideSpec) -> list[list[str]]:
        """What a guide reads of each text: for every step, before truncation, its token, or the characters from the
        end of the token before it to its own, with a mark before the first and one behind the last.

        >>> TextProcessor.fit(["ab"], TextSpec()).units(["ab,  cd "], GuideSpec(unit="character"))
        [['\\x02ab', ',', '  cd\\x03']]
        """
        check_text(msgspec.structs.replace(self.spec, guide=spec))
        return [self._rules.whole(text, spec) for text in texts]

    def tokens(self, texts: Sequence[Text]) -> list[list[str]]:
        """The token of each step, after truncation: as many as `steps` has, marks of start and padding included."""
        rows = (self._rules.row(self._rules.split(text)[1])[0] for text in texts)
        return [[token[begin:end] for token, begin, end in map(parse_piece, row)] for row in rows]

    def steps(self, texts: Sequence[Text]) -> Sequences:
        """Rows of steps: ids of tokens, or numbers of bags (one bag a distinct unit).

        A text without any token is a row of zero steps, unless a start step or padding is asked for.
        """
        splitter = self.splitter(self.spec.guide)
        reader = IdReader(splitter, self._encode) if self._encode is not None else self._bag_reader(splitter)
        said = []
        for part in chunks_of(texts):
            chunk = reader.add(part)
            if self.guide is not None and chunk.whole is not None:
                found = self.guide.find(chunk.whole)
                heard = self.guide.channels(found)[kept_steps(found.offsets, self.spec)]
                said.append((heard, self.guide.linear(found)))
        steps = reader.rows()
        if self.guide is None:
            return steps
        outputs = len(self.guide.bias)
        none = np.zeros((0, self.guide.spec.longest * outputs), np.float32), np.zeros((0, outputs), np.float32)
        channels, linear = (np.concatenate(parts) for parts in zip(none, *said, strict=True))
        return replace(steps, channels=channels, linear=linear)

    def _bag_reader(self, splitter: Splitter) -> BagReader:
        assert self.spec.bag is not None
        assert self._features is not None
        return BagReader(splitter, self.spec.bag, self._features)


def _tensor(tensors: Mapping[str, NDArray[Any]], name: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    if name not in tensors:
        raise ModelError(f"the tensor {name} is missing", mend="train the model again")
    found = tensors[name]
    if found.dtype != dtype or found.ndim != 1:
        raise ModelError(f"the tensor {name} is {found.dtype} with {found.ndim} dimensions, not one of {dtype}")
    return found
