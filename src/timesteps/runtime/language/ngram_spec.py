"""What the model file says of an n-gram model, and which tensors it has.

`unigrams` (V, 2) float32: log10 of each word's probability, and of its back-off weight. `ngrams.2`, … (slots, 4)
uint32: the tables of `ngram_table`; the highest order's is (slots, 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.errors import ModelError
from timesteps.runtime.language.ngram_table import WIDTH, logarithms
from timesteps.runtime.language.vocabulary import VocabularySpec, check_vocabulary
from timesteps.runtime.layout import shorten
from timesteps.runtime.modelfile import Form
from timesteps.runtime.spec import FORMAT_VERSION

__all__ = ["MAX_ORDER", "NGRAM", "NgramSpec", "SmoothingName", "table_name"]

MAX_ORDER = 16

SmoothingName = Literal["kneser-ney", "add-k", "witten-bell", "stupid-backoff", "imported"]


class NgramSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An n-gram model: its order, its vocabulary, and how many n-grams of each order it has."""

    format: Literal["timesteps"] = "timesteps"
    version: int = FORMAT_VERSION
    task: Literal["ngram"] = "ngram"
    vocabulary: VocabularySpec
    counts: tuple[int, ...]  # of n-grams, by order
    smoothing: SmoothingName
    training: dict[str, str | int | float | bool | None] = {}  # for the reader of the card; nothing runs from it

    @property
    def order(self) -> int:
        """The longest n-grams have so many words."""
        return len(self.counts)


def table_name(n: int) -> str:
    """The tensor of the n-grams of n words."""
    return f"ngrams.{n}"


def check_ngram(spec: NgramSpec, tensors: Mapping[str, NDArray[Any]]) -> None:
    """`ModelError` unless specification and tensors agree with themselves and each other."""
    check_vocabulary(spec.vocabulary)
    if not spec.vocabulary.sentences:
        raise ModelError("an n-gram model without marks of sentences")
    if not 1 <= spec.order <= MAX_ORDER:
        raise ModelError(f"an n-gram model of order {spec.order}, from 1 to {MAX_ORDER} are read")
    expected = {"unigrams", *(table_name(n) for n in range(2, spec.order + 1))}
    if different := sorted(expected ^ set(tensors)):
        raise ModelError(f"tensor {shorten(different[0])} is {'missing' if different[0] in expected else 'unknown'}")
    _check_unigrams(spec, tensors["unigrams"])
    for n in range(2, spec.order + 1):
        _check_table(table_name(n), tensors[table_name(n)], spec.counts[n - 1], WIDTH - (n == spec.order))


def _check_unigrams(spec: NgramSpec, unigrams: NDArray[Any]) -> None:
    marks = 2 if spec.vocabulary.units.kind == "byte" else 3
    words = 256 + marks if spec.vocabulary.units.kind == "byte" else len(spec.vocabulary.words) + marks
    if unigrams.dtype != np.float32 or unigrams.shape != (words, 2):
        raise ModelError(f"tensor unigrams is {unigrams.dtype} {list(unigrams.shape)}, not float32 [{words}, 2]")
    if spec.counts[0] != words:
        raise ModelError(f"{spec.counts[0]} n-grams of one word, but {words} words")
    _check_logarithms("unigrams", unigrams)


def _check_table(name: str, table: NDArray[Any], count: int, width: int) -> None:
    if table.dtype != np.uint32 or table.ndim != 2 or table.shape[1] != width:
        raise ModelError(f"tensor {name} is {table.dtype} {list(table.shape)}, not uint32 [slots, {width}]")
    if not 0 <= count < len(table) < 1 << 32:
        raise ModelError(f"tensor {name} has {len(table)} slots for {count} n-grams")
    _check_logarithms(name, logarithms(table))


def _check_logarithms(name: str, values: NDArray[np.float32]) -> None:
    if not np.isfinite(values).all():
        raise ModelError(f"tensor {name} has a logarithm that is not finite")
    if (values[:, 0] > 0).any():
        raise ModelError(f"tensor {name} has a probability above 1")


NGRAM = Form(("ngram",), NgramSpec, check_ngram)
"""An n-gram model: what `Ngram` answers from."""
