"""`TextProcessor`: texts in, steps out, by one specification in training and afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, ModelError, UsageError
from timesteps.runtime.sequences import Bags, Sequences
from timesteps.runtime.spec import GuideSpec, TextSpec
from timesteps.runtime.text.bags import FeatureCounter, Features, look_up, look_up_phrases
from timesteps.runtime.text.framing import check_text, frame, kept_steps
from timesteps.runtime.text.guide import Guide
from timesteps.runtime.text.ngrams import BEFORE, BEHIND, PIECE, parse_piece, pieces
from timesteps.runtime.text.normalize import normalize
from timesteps.runtime.text.subword import SubwordModel
from timesteps.runtime.text.tokenizers import tokenizer
from timesteps.runtime.text.vocabulary import PADDING, PADDING_MARK, START, START_MARK, Vocabulary

Text = str | Sequence[str]

_CHUNK = 8192  # texts whose tokens are in memory at one time
_NO_UNIT = ""  # a padding step of bag input: no text has this unit, so it has no features


def cut(ids: Sequence[int] | NDArray[np.integer[Any]], spec: TextSpec) -> NDArray[np.int32]:
    """A row of given ids (T,) as the network sees it: truncated; with the start id, padded with 0 if the spec says so.

    >>> cut([7, 8, 9], TextSpec(max_length=2))
    array([8, 9], dtype=int32)
    """
    return np.array(frame([int(number) for number in ids], spec, START, PADDING)[0], np.int32)


@dataclass(frozen=True)
class _Chunk:
    """Tokens of some texts: distinct `units` in order of first occurrence, `steps` as their numbers."""

    units: list[str]
    steps: NDArray[np.int32]
    lengths: list[int]  # (rows,)
    segments: NDArray[np.int64]  # offsets of rows, and of the places where a row was cut in the middle
    whole: list[list[str]]  # the rows before truncation, as a guide reads them; without one, nothing


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
        self._tokenize: Callable[[str], list[str]] | None = None
        if spec.tokenizer == "subword":
            if subword is None:
                raise ModelError("the tokenizer subword has no model", mend="pass the tensor text.subword")
            self._tokenize = subword.tokenize
        elif spec.tokenizer != "tokens":
            self._tokenize = tokenizer(spec.tokenizer)
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
        spec = msgspec.structs.replace(spec, words=(), guide=None)
        check_text(spec)
        subword = _learn_subwords(texts, spec)
        learner = cls(msgspec.structs.replace(spec, mask=True), None, subword)  # padding is nothing to learn from
        if spec.bag is not None:
            return cls(spec, learner._learn_features(texts), subword)
        if spec.tokenizer not in ("subword", "byte"):
            spec = msgspec.structs.replace(spec, words=_learn_words(learner._chunks(texts), spec))
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
        subword = _learn_subwords(texts, spec)
        whole = msgspec.structs.replace(spec, max_length=None, truncating="pre", head_length=0, mask=True, start=False)
        # Without their lists of strings, which a corpus has no room for, the chunks are small.
        chunks = [replace(chunk, whole=[]) for chunk in cls(whole, None, subword)._chunks(texts)]
        if spec.tokenizer not in ("subword", "byte"):
            spec = msgspec.structs.replace(spec, words=_learn_words(chunks, spec))
        processor = cls(spec, None, subword)
        return processor, processor._steps_of_ids(chunks)

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

    def units(self, texts: Sequence[Text], spec: GuideSpec) -> list[list[str]]:
        """What a guide reads of each text: for every step, before truncation, its token, or the characters from the
        end of the token before it to its own, with a mark before the first and one behind the last.

        >>> TextProcessor.fit(["ab"], TextSpec()).units(["ab,  cd "], GuideSpec(unit="character"))
        [['\\x02ab', ',', '  cd\\x03']]
        """
        check_text(msgspec.structs.replace(self.spec, guide=spec))
        # Equal strings are one object: a corpus of n-grams of characters takes a quarter of the memory then.
        known: dict[str, str] = {}
        return [[known.setdefault(unit, unit) for unit in self._units(*self._split(text), spec)] for text in texts]

    def tokens(self, texts: Sequence[Text]) -> list[list[str]]:
        """The token of each step, after truncation: as many as `steps` has, marks of start and padding included."""
        rows = (self._row(self._split(text)[1])[0] for text in texts)
        return [[token[begin:end] for token, begin, end in map(parse_piece, row)] for row in rows]

    def steps(self, texts: Sequence[Text]) -> Sequences:
        """Rows of steps: ids of tokens, or numbers of bags (one bag a distinct unit).

        A text without any token is a row of zero steps, unless a start step or padding is asked for.
        """
        said: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
        chunks = self._chunks(texts) if self.guide is None else self._heard(self._chunks(texts), self.guide, said)
        steps = self._steps_of_ids(chunks) if self.spec.bag is None else self._steps_of_bags(chunks)
        if self.guide is None:
            return steps
        outputs = len(self.guide.bias)
        none = np.zeros((0, self.guide.spec.longest * outputs), np.float32), np.zeros((0, outputs), np.float32)
        channels, linear = (np.concatenate(parts) for parts in zip(none, *said, strict=True))
        return replace(steps, channels=channels, linear=linear)

    def _heard(
        self, chunks: Iterator[_Chunk], guide: Guide, said: list[tuple[NDArray[np.float32], NDArray[np.float32]]]
    ) -> Iterator[_Chunk]:
        """The same chunks; what the guide says of each, its channels and linear logits, is added to `said`."""
        for chunk in chunks:
            found = guide.find(chunk.whole)
            said.append((guide.channels(found)[kept_steps(found.offsets, self.spec)], guide.linear(found)))
            yield chunk

    def _steps_of_ids(self, chunks: Iterable[_Chunk]) -> Sequences:
        encode = self._encode
        assert encode is not None
        values, lengths = [np.zeros(0, np.int32)], [0]
        for chunk in chunks:
            values.append(np.array(encode(chunk.units), np.int32)[chunk.steps])
            lengths += chunk.lengths
        return Sequences(np.concatenate(values), np.cumsum(lengths, dtype=np.int64))

    def _steps_of_bags(self, chunks: Iterator[_Chunk]) -> Sequences:
        bag, features = self.spec.bag, self._features
        assert bag is not None
        assert features is not None
        values, lengths = [np.zeros(0, np.int32)], [0]
        bags, phrases = [look_up([], bag, features)], [look_up([], bag, features)]
        numbers: dict[str, int] = {}
        for chunk in chunks:
            known = len(numbers)
            number = np.fromiter(
                (numbers.setdefault(unit, len(numbers)) for unit in chunk.units), np.int32, len(chunk.units)
            )
            new = [unit for unit, place in zip(chunk.units, number.tolist(), strict=True) if place >= known]
            bags.append(look_up(new, bag, features))
            if bag.phrase > 1:
                phrases.append(look_up_phrases(chunk.units, chunk.steps, chunk.segments, bag, features))
            values.append(number[chunk.steps])
            lengths += chunk.lengths
        return Sequences(
            np.concatenate(values),
            np.cumsum(lengths, dtype=np.int64),
            _joined(bags),
            _joined(phrases) if bag.phrase > 1 else None,
        )

    def _split(self, text: str | Sequence[str]) -> tuple[str, list[str]]:
        """The normal form of a text, and its tokens or their pieces, one a step; given tokens stay one step each."""
        if self._tokenize is None:
            clean = [token.replace(PIECE, "") for token in text]
            return "", [normalize(token, lowercase=self.spec.lowercase, squeeze=self.spec.squeeze) for token in clean]
        assert isinstance(text, str)
        normal = normalize(text, lowercase=self.spec.lowercase, squeeze=self.spec.squeeze)
        tokens = self._tokenize(normal)
        size = None if self.spec.bag is None else self.spec.bag.piece
        return normal, tokens if size is None else [piece for token in tokens for piece in pieces(token, size)]

    def _units(self, normal: str, names: list[str], spec: GuideSpec) -> list[str]:
        if spec.unit == "token":
            return names
        units, place, start = [], 0, 0
        for name in names:
            token, begin, end = parse_piece(name) if PIECE in name else (name, 0, len(name))
            if begin == 0:
                start = normal.index(token, place)
            units.append(normal[place : start + end])
            place = start + end
        if units:
            units[0], units[-1] = BEFORE + units[0], units[-1] + BEHIND
        return units

    def _row(self, tokens: list[str]) -> tuple[list[str], int]:
        """The tokens of a text that are steps, and the number of steps before a cut in the middle (0 without one)."""
        return frame(tokens, self.spec, START_MARK, PADDING_MARK if self.spec.bag is None else _NO_UNIT)

    def _chunks(self, texts: Sequence[Text]) -> Iterator[_Chunk]:
        for first in range(0, len(texts), _CHUNK):
            split = [self._split(text) for text in texts[first : first + _CHUNK]]
            rows = [self._row(tokens) for _, tokens in split]
            guided = self.spec.guide
            whole = [] if guided is None else [self._units(*parts, guided) for parts in split]
            units: dict[str, int] = {}
            tokens = chain.from_iterable(row for row, _ in rows)
            lengths = [len(row) for row, _ in rows]
            steps = np.fromiter((units.setdefault(token, len(units)) for token in tokens), np.int32, sum(lengths))
            parts = (part for (_, cut), length in zip(rows, lengths, strict=True) for part in (cut, length - cut))
            segments = np.cumsum([0, *parts], dtype=np.int64)
            yield _Chunk(list(units), steps, lengths, segments, whole)

    def _learn_features(self, texts: Sequence[Text]) -> Features:
        bag = self.spec.bag
        assert bag is not None
        counter = FeatureCounter(bag)
        for chunk in self._chunks(texts):
            counts = np.bincount(chunk.steps, minlength=len(chunk.units))
            counter.add(chunk.units, counts)
            if bag.phrase > 1:
                counter.add_phrases(chunk.units, chunk.steps, chunk.segments)
        features = counter.features(most=self.spec.num_words)
        if not len(features):
            raise DataError(
                f"no n-gram occurs {bag.min_count} times in these {len(texts)} texts",
                mend="give more texts or a smaller min_count",
            )
        return features


def _learn_words(chunks: Iterable[_Chunk], spec: TextSpec) -> tuple[str, ...]:
    counter: Counter[str] = Counter()
    texts = 0
    for chunk in chunks:
        texts += len(chunk.lengths)
        counts = np.bincount(chunk.steps, minlength=len(chunk.units))
        for unit, count in zip(chunk.units, counts.tolist(), strict=True):
            counter[unit] += count
    vocabulary = Vocabulary.from_counts(counter, num_words=spec.num_words, index_from=spec.index_from)
    if not vocabulary.words:
        raise DataError(f"there is no word in these {texts} texts", mend="give texts with words in them")
    return vocabulary.words


def _learn_subwords(texts: Sequence[Text], spec: TextSpec) -> SubwordModel | None:
    if spec.tokenizer != "subword":
        return None
    normal = (normalize(str(text), lowercase=spec.lowercase, squeeze=spec.squeeze) for text in texts)
    return SubwordModel.train(normal, None if spec.bag else spec.num_words)


def _tensor(tensors: Mapping[str, NDArray[Any]], name: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    if name not in tensors:
        raise ModelError(f"the tensor {name} is missing", mend="train the model again")
    found = tensors[name]
    if found.dtype != dtype or found.ndim != 1:
        raise ModelError(f"the tensor {name} is {found.dtype} with {found.ndim} dimensions, not one of {dtype}")
    return found


def _joined(parts: list[Bags]) -> Bags:
    ids = np.concatenate([part.ids for part in parts])
    sizes = np.concatenate([np.diff(part.offsets) for part in parts])
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return Bags(ids, offsets)
