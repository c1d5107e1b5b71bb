"""Learn a `Guide` from labelled texts, such that a network can be trained beside it on the same texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.data.split import hash_fraction, text_key
from timesteps.runtime.sequences import Bags, Sequences
from timesteps.runtime.spec import GuideSpec
from timesteps.runtime.text.framing import OF_PIECES, kept_steps
from timesteps.runtime.text.grams import GramCounter, look_up_grams
from timesteps.runtime.text.guide import Guide, channels
from timesteps.runtime.text.processor import TextProcessor
from timesteps.tasks.baselines_text import analyzer
from timesteps.tasks.nbsvm import NBSVM, ratio_of_counts

FOLDS = 5
#: With more classes the channels outgrow the vectors: there is one an order and class.
MOST_CLASSES = 20

# The inverse strength of the linear model's penalty: a text has many more n-grams of characters than of tokens.
_C = {"token": 0.3, "character": 0.1}
_LONGEST = {"token": 3, "character": 5}


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
    texts: Sequence[str],
    targets: NDArray[np.int64],
    weights: NDArray[np.float64],
    classes: int,
    spec: GuideSpec,
    seed: int = 0,
) -> tuple[TextProcessor, Sequences]:
    """The processor with a guide learned from these texts, and the texts' steps to train a network on.

    The ratios that a network sees in training must be as trustworthy as those of a new text, or it learns to believe
    them blindly. So the texts are cut into five folds, equal texts in one, and the channels of a training text come
    from the ratios of the n-grams that are frequent enough in the other four (out-of-fold, as in stacking: Wolpert
    1992); those of any other text, from all five. All are divided by the standard deviation of the training channels.

    Where no n-gram occurs in `spec.min_count` texts, the processor comes back without a guide.

    Args:
        processor: fitted on the texts, without a guide.
        texts: R training texts.
        targets: (R,) class numbers.
        weights: (R,) what each row counts, whatever the unit: their mean is taken as 1.
        classes: how many there are.
        spec: which n-grams.
        seed: of the folds.
    """
    weights = weights / weights.mean()
    steps = processor.steps(texts)
    rows = processor.units(texts, spec)
    counter = GramCounter(spec)
    counter.add(rows)
    features = counter.features()
    if not len(features):
        return processor, steps
    found = look_up_grams(rows, spec, features)
    distinct = found.distinct()
    matrix = _sparse(distinct.ids, distinct.offsets, len(features))
    folds = np.array([_fold(text, seed) for text in texts])
    counts = [_Counts.of(matrix, targets, weights, classes, np.flatnonzero(folds == fold)) for fold in range(FOLDS)]
    every = reduce(_Counts.plus, counts)
    ratios = [every.minus(fold).ratios(spec.min_count) for fold in counts]
    # The ratios of all folds lie below each other, and an n-gram's id is moved to those of its text's fold.
    moved = np.repeat(folds * len(features), found.counts())
    apart = replace(found, bags=Bags(found.bags.ids + moved, found.bags.offsets))
    heard = channels(apart, np.concatenate(ratios))[kept_steps(found.offsets, processor.spec)]
    scale = np.float32(heard.std() or 1.0)
    weight, bias = NBSVM(C=_C[spec.unit]).fit(matrix, targets, weights, classes).coefficients()
    guide = Guide(spec, features, every.ratios(spec.min_count) / scale, weight, bias)
    linear = (matrix @ weight + bias).astype(np.float32)  # what `guide.linear` gives, by the matrix that is here
    return processor.guided_by(guide), replace(steps, channels=heard / scale, linear=linear)


def _fold(text: str, seed: int) -> int:
    return int(FOLDS * hash_fraction(text_key(text).decode("utf-8", "surrogatepass"), seed))


@dataclass(frozen=True)
class _Counts:
    """What some texts say of each n-gram."""

    rows: NDArray[np.float64]  # (F,) texts that have it
    weights: NDArray[np.float64]  # (classes, F) their weights, by class

    @classmethod
    def of(
        cls,
        matrix: Any,
        targets: NDArray[np.int64],
        weights: NDArray[np.float64],
        classes: int,
        texts: NDArray[np.int64],
    ) -> _Counts:
        part, target, weight = matrix[texts], targets[texts], weights[texts].astype(np.float64)
        by_class = [part.T @ (weight * (target == number)) for number in range(classes)]
        return cls(part.T @ np.ones(len(texts)), np.stack(by_class))

    def plus(self, other: _Counts) -> _Counts:
        return _Counts(self.rows + other.rows, self.weights + other.weights)

    def minus(self, other: _Counts) -> _Counts:
        # Differences of sums of weights may be a rounding error below 0.
        return _Counts(self.rows - other.rows, np.maximum(self.weights - other.weights, 0.0))

    def ratios(self, min_count: int) -> NDArray[np.float32]:
        """(F, outputs): each class against the rest, or the second against the first; 0 where an n-gram is too rare."""
        classes, total = len(self.weights), self.weights.sum(axis=0)
        numbers = [1] if classes == 2 else range(classes)
        parts = [ratio_of_counts(self.weights[k], np.maximum(total - self.weights[k], 0.0)) for k in numbers]
        return np.stack(parts, axis=1) * (self.rows >= min_count)[:, None]


def _sparse(ids: NDArray[np.int32], offsets: NDArray[np.int64], size: int) -> Any:
    from scipy.sparse import csr_matrix

    return csr_matrix((np.ones(len(ids), np.float32), ids, offsets), shape=(len(offsets) - 1, size))
