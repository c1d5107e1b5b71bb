"""Learn a `Guide` from labelled texts, such that a network can be trained beside it on the same texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.data.split import hash_fraction, text_key
from timesteps.runtime import native
from timesteps.runtime.scratch import Kept, Scratch
from timesteps.runtime.sequences import Bags
from timesteps.runtime.spec import GuideSpec
from timesteps.runtime.text.bags import Features
from timesteps.runtime.text.framing import OF_PIECES, kept_steps
from timesteps.runtime.text.grams import Found, GramCounter, look_up_grams
from timesteps.runtime.text.guide import Guide, channels
from timesteps.runtime.text.processor import TextProcessor
from timesteps.tasks.baselines_text import analyzer
from timesteps.tasks.classify.source import Labelled, Part
from timesteps.tasks.logistic import fit_logistic
from timesteps.tasks.nbsvm import ratio_of_counts

FOLDS = 5
#: With more classes the channels outgrow the vectors: there is one an order and class.
MOST_CLASSES = 20

# The inverse strength of the linear model's penalty: a text has many more n-grams of characters than of tokens.
_C = {"token": 0.3, "character": 0.1}
_LONGEST = {"token": 3, "character": 5}
_LINEAR_ROWS = 1 << 18  # of more rows, so many, evenly spaced, teach the linear model, whatever the memory


def guide_spec(wished: str, longest: int | None, texts: Sequence[str], tokenizer: str = "word") -> GuideSpec:
    """The n-grams that suit the texts, where "auto" leaves it open: characters where words carry endings or are not
    set apart by spaces, as in Korean, if the tokens are pieces of the text; tokens elsewhere.

    >>> guide_spec("auto", None, ["a good film"])
    GuideSpec(unit='token', longest=3, min_count=2)
    """
    unit = wished
    if wished == "auto":
        unit = "character" if tokenizer in OF_PIECES and analyzer(texts) == "char" else "token"
    return GuideSpec(unit=unit, longest=longest or _LONGEST[unit])  # type: ignore[arg-type]


def learn_guide(
    processor: TextProcessor,
    rows: Labelled,
    classes: int,
    spec: GuideSpec,
    seed: int = 0,
    scratch: Scratch | None = None,
    most: int | None = None,
) -> tuple[TextProcessor, Heard] | None:
    """The processor with a guide learned from these texts, and what the guide says of them in training.

    The ratios that a network sees in training must be as trustworthy as those of a new text, or it learns to believe
    them blindly. So the texts are cut into five folds, equal texts in one, and the channels of a training text come
    from the ratios of the n-grams that are frequent enough in the other four (out-of-fold, as in stacking: Wolpert
    1992); those of any other text, from all five. All are divided by the standard deviation of the training channels.

    The texts are read three times from front to back, and none of them is kept.

    Args:
        processor: fitted on the texts, without a guide.
        rows: the training texts; their mean weight is taken as 1.
        classes: how many there are.
        spec: which n-grams.
        seed: of the folds.
        scratch: where to keep what memory has no room for; None keeps all in memory.
        most: n-grams that it may have, the most frequent ones (`room_for_grams`); None: all.

    Returns:
        None where no n-gram occurs in `spec.min_count` texts.
    """
    learner = _Learner(processor, rows, classes, spec, seed, scratch, most)
    if not len(learner.features):
        return None
    counts, distinct = learner.count()
    heard, scale = learner.hear(counts)
    weight, bias = learner.separate(counts, distinct)
    guide = Guide(spec, learner.features, counts.ratios(spec.min_count) / scale, weight, bias)
    linear = Kept(scratch)
    for bags in distinct:
        linear.append(guide.linear_of(Bags(*bags)))
    return processor.guided_by(guide), Heard(heard, scale, linear)


def room_for_grams(memory: int, classes: int) -> int:
    """How many n-grams a guide is learned of in a quarter of so many bytes."""
    # Counts of rows and of each class in each fold, then the ratios in each fold and in all, twice while they are made.
    return max(memory // 4 // (8 * FOLDS * (1 + classes) + 8 * (FOLDS + 1) * len(_outputs(classes))), 1000)


class Heard:
    """What the guide says of the training texts."""

    def __init__(self, heard: Kept, scale: np.float32, linear: Kept) -> None:
        self._heard, self._scale, self._linear = heard, scale, linear

    def parts(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Channels (N, C) of the steps and logits (R, outputs) of the linear model, part by part. May be used once."""
        for (part,), (linear,) in zip(self._heard, self._linear, strict=True):
            part /= self._scale
            yield part, linear

    def whole(self, steps: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The same of all texts, which have so many steps. May be used once."""
        channels: NDArray[np.float32] | None = None
        linear, place = [], 0
        for part, logits in self.parts():
            if channels is None:
                channels = np.empty((steps, part.shape[1]), np.float32)
            channels[place : place + len(part)] = part
            linear.append(logits)
            place += len(part)
        assert channels is not None
        self._heard.clear()
        return channels, np.concatenate(linear)


class _Learner:
    """One call of `learn_guide`: its passes over the texts."""

    def __init__(
        self,
        processor: TextProcessor,
        rows: Labelled,
        classes: int,
        spec: GuideSpec,
        seed: int,
        scratch: Scratch | None,
        most: int | None,
    ) -> None:
        self._processor, self._rows, self._classes = processor, rows, classes
        self._spec, self._seed, self._scratch = spec, seed, scratch
        self._splitter = processor.splitter(spec)
        counter = GramCounter(spec, scratch)
        for part in rows.parts():
            counter.add(self._read(part))
        self.features: Features = counter.features(most)

    def count(self) -> tuple[_Counts, Kept]:
        """What the texts of each fold say of each n-gram; and the texts' distinct n-grams."""
        counts = _Counts.none(self._classes, len(self.features))
        distinct = Kept(self._scratch)
        for part, found in self._found():
            bags = found.distinct()
            folds = np.array([_fold(text, self._seed) for text in part.texts])
            counts.add(bags, folds, part.targets, part.weights / self._rows.mean_weight)
            distinct.append(bags.ids, bags.offsets)
        return counts, distinct

    def hear(self, counts: _Counts) -> tuple[Kept, np.float32]:
        """The channels of all texts, and their standard deviation."""
        size = len(self.features)
        # The ratios of all folds lie below each other, and an n-gram's id is moved to those of its text's fold.
        ratios = np.concatenate([counts.without(fold).ratios(self._spec.min_count) for fold in range(FOLDS)])
        heard = Kept(self._scratch)
        count, total, squares = 0, 0.0, 0.0
        for part, found in self._found():
            folds = np.array([_fold(text, self._seed) for text in part.texts])
            moved = found.bags.ids + np.repeat((folds * size).astype(np.int32), found.counts())
            apart = replace(found, bags=Bags(moved, found.bags.offsets))
            said = channels(apart, ratios)[kept_steps(found.offsets, self._processor.spec)]
            heard.append(said)
            count, total = count + said.size, total + float(said.sum(dtype=np.float64))
            squares += float(np.square(said, dtype=np.float64).sum())
        variance = squares / max(count, 1) - (total / max(count, 1)) ** 2
        return heard, np.float32(np.sqrt(max(variance, 0.0)) or 1.0)

    def separate(self, counts: _Counts, distinct: Kept) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The linear model: NBSVM with a logistic loss, one class against the rest. Weights (F, outputs), biases."""
        wanted = np.linspace(0, len(self._rows) - 1, min(len(self._rows), _LINEAR_ROWS)).astype(np.int64)
        ids, sizes, targets, costs, first = [], [np.zeros(1, np.int64)], [], [], 0
        for part, bags in zip(self._rows.parts(), distinct, strict=True):
            whole, last = Bags(*bags), first + len(part.texts)
            here = wanted[(wanted >= first) & (wanted < last)] - first
            few = whole if len(here) == len(whole) else whole.take(here)
            ids.append(few.ids)
            sizes.append(np.diff(few.offsets))
            targets.append(part.targets[here])
            costs.append(part.weights[here] / self._rows.mean_weight)
            first = last
        chosen = Bags(np.concatenate(ids), np.cumsum(np.concatenate(sizes)))
        ids.clear()
        target, cost = np.concatenate(targets), np.concatenate(costs)
        ratio = counts.ratios(1)
        weights, biases = [], []
        for output, number in enumerate(_outputs(self._classes)):
            w, b = _separate(chosen, ratio[:, output], target == number, cost, _C[self._spec.unit])
            weights.append(ratio[:, output] * w.astype(np.float32))
            biases.append(b)
        return np.stack(weights, axis=1), np.array(biases, np.float32)

    def _found(self) -> Iterator[tuple[Part, Found]]:
        for part in self._rows.parts():
            yield part, look_up_grams(self._read(part), self._spec, self.features)

    def _read(self, part: Part) -> Any:
        whole = self._splitter(part.texts).whole
        self._splitter.clear()
        return whole


def _outputs(classes: int) -> Sequence[int]:
    """The class of each output: with two classes, the second against the first."""
    return [1] if classes == 2 else range(classes)


def _separate(
    rows: Bags, ratio: NDArray[np.float32], positive: NDArray[np.bool_], cost: NDArray[np.float64], strength: float
) -> tuple[NDArray[np.float64], float]:
    if cost[positive].any() and cost[~positive].any():
        return fit_logistic(rows, np.ascontiguousarray(ratio), positive, strength * cost)
    # A class whose only rows are held out, or weigh nothing.
    return np.zeros(len(ratio)), float(np.log((1 + cost[positive].sum()) / (1 + cost[~positive].sum())))


def _fold(text: str, seed: int) -> int:
    return int(FOLDS * hash_fraction(text_key(text).decode("utf-8", "surrogatepass"), seed))


class _Counts:
    """What the texts of each fold say of each n-gram: (FOLDS, F) texts that have it, (FOLDS, classes, F) weights."""

    def __init__(self, rows: NDArray[np.float64], weights: NDArray[np.float64]) -> None:
        self._rows, self._weights = rows, weights

    @classmethod
    def none(cls, classes: int, features: int) -> _Counts:
        """Of no text."""
        return cls(np.zeros((FOLDS, features)), np.zeros((FOLDS, classes, features)))

    def add(
        self, bags: Bags, folds: NDArray[np.int64], targets: NDArray[np.int64], weights: NDArray[np.float64]
    ) -> None:
        """Further texts, by their distinct n-grams."""
        _, classes, features = self._weights.shape
        _add(bags, folds, np.ones(len(folds)), self._rows)
        _add(bags, folds * classes + targets, weights, self._weights.reshape(FOLDS * classes, features))

    def without(self, fold: int) -> _Counts:
        """The texts of the other folds."""
        # Differences of sums of weights may be a rounding error below 0.
        rows, weights = self._rows.sum(axis=0), self._weights.sum(axis=0)
        return _Counts((rows - self._rows[fold])[None], np.maximum(weights - self._weights[fold], 0.0)[None])

    def ratios(self, min_count: int) -> NDArray[np.float32]:
        """(F, outputs): each class against the rest, or the second against the first; 0 where an n-gram is too rare."""
        weights = self._weights.sum(axis=0)
        total = weights.sum(axis=0)
        numbers = _outputs(len(weights))
        parts = [ratio_of_counts(weights[k], np.maximum(total - weights[k], 0.0)) for k in numbers]
        known: NDArray[np.bool_] = self._rows.sum(axis=0) >= min_count
        return np.asarray(np.stack(parts, axis=1) * known[:, None], np.float32)


def _add(bags: Bags, groups: NDArray[np.int64], weights: NDArray[np.float64], table: NDArray[np.float64]) -> None:
    """To the row of its group, each bag's features add its weight."""
    groups, weights = np.ascontiguousarray(groups, np.int64), np.ascontiguousarray(weights, np.float64)
    if native.core is not None:
        native.core.add_rows(bags.ids, bags.offsets, groups, weights, table)
        return
    sizes = np.diff(bags.offsets)
    np.add.at(table, (np.repeat(groups, sizes), bags.ids), np.repeat(weights, sizes))
