"""`NgramModel`: an n-gram language model, estimated from a corpus or read from an ARPA file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from timesteps.errors import UsageError
from timesteps.runtime.language import arpa
from timesteps.runtime.language.ngram import Ngram
from timesteps.tasks.ngram.choices import Choices
from timesteps.tasks.ngram.corpus import Corpus, sentences
from timesteps.tasks.ngram.estimate import Estimated, Tell, estimate

__all__ = ["NgramModel"]

_FITTED = ("spec", "tensors", "vocabulary", "words", "begin", "end", "unknown", "_reader", "_start")


def _silent(sentence: str) -> None:
    """Says nothing."""


class NgramModel(Ngram):
    """P(w | h) by how often words h w occur in a corpus, smoothed; a `LanguageModel` once it is fitted.

    Interpolated modified Kneser-Ney (Chen and Goodman 1998, after Kneser and Ney 1995):
    P(w | h) = (c(h w) - D(c(h w))) / Σ_v c(h v) + γ(h) P(w | h'), where h' is h without its first word, γ(h) is what
    the discounts D have taken by Σ_v c(h v), and P(w) of the empty context is 1 / V. Below the highest order c counts
    the words that an n-gram occurs behind. Agrees with KenLM's lmplz. The others:

    - add-k: (c(h w) + k) / (c(h) + k V) (Lidstone); h is the longest context, whether it occurs or not;
    - witten-bell: (c(h w) + T(h) P(w | h')) / (c(h) + T(h)), T(h) words having followed h (Witten and Bell 1991);
    - stupid-backoff: c(h w) / c(h), or 0.4 times the score behind h' (Brants et al. 2007); contexts that never occur
      cost nothing, and a word that never occurs has 0.4 / V. These do not sum to 1.

    Parameters
    ----------
    order : words of the longest n-grams, 1 to 16.
    smoothing : "kneser-ney", "add-k", "witten-bell" or "stupid-backoff".
    k : of add-k; 1.
    cutoffs : n-grams of n words that occur cutoffs[n - 1] times or less are left out, the first 0, the last for all
        above; what they had goes to the lower orders.
    vocabulary, min_count : the most words, marks included, and how often each must occur; others are <unk>.
    units : "word", "syllable", "jamo", "char" or "byte"; `lowercase` before, `apart` sets punctuation apart.
    memory : bound of what estimation holds beside the words themselves, such as "1GB"; what is more lies in files in
        `folder` (None: the system's folder for such files) while it lasts. The result has the same bits whatever it is.

    >>> model = NgramModel(3, smoothing="witten-bell").fit(["나는 버스를 탔다"] * 2 + ["나는 버스를 기다렸다"])
    >>> state = model.log_probs(model.start(), model.tokens("나는 버스를"))[1]
    >>> rode, waited = model.tokens("탔다 기다렸다")
    >>> model.log_prob(state, rode)[0] > model.log_prob(state, waited)[0]
    True
    """

    def __init__(
        self,
        order: int = 5,
        *,
        smoothing: str = "kneser-ney",
        k: float | None = None,
        cutoffs: Sequence[int] = (0,),
        vocabulary: int | None = None,
        min_count: int = 1,
        units: str = "word",
        lowercase: bool = False,
        apart: bool = False,
        memory: int | str = "1GB",
        folder: str | os.PathLike[str] | None = None,
    ) -> None:
        self.choices = Choices(
            order=order,
            smoothing=smoothing,
            k=k,
            cutoffs=tuple(cutoffs),
            vocabulary=vocabulary,
            min_count=min_count,
            units=units,
            lowercase=lowercase,
            apart=apart,
            memory=memory,
        )
        self.folder = folder
        self.estimated: Estimated | None = None

    def fit(self, corpus: Corpus, *, encoding: str | None = None, tell: Tell = _silent) -> Self:
        """Estimate the model.

        Args:
            corpus: a file with a sentence a line (plain, .gz, .xz or .bz2), "-" for standard input, the name of a known
                data set, or an iterable of sentences, which is read once. None is the bundled sample.
            encoding: of the file; None is UTF-8.
            tell: called with a sentence every two seconds that it takes.

        Raises:
            UsageError: a choice that makes no sense; a full disk.
            DataError: an empty corpus, or one that cannot be read, with the line where.
        """
        self.choices.check()
        name, numbered = sentences(corpus, encoding)
        folder = tempfile.gettempdir() if self.folder is None else self.folder
        self.estimated = estimate(name, numbered, self.choices, folder, tell)
        self._adopt(self.estimated.spec, self.estimated.tensors)
        return self

    @classmethod
    def load(cls, run: str | os.PathLike[str]) -> Self:
        """The model of a run folder, or of the model file itself, which is mapped and not read into memory.

        Raises:
            ModelError: the file is missing, damaged, or holds another kind of model.
        """
        model = cls._of(Ngram.load(run))
        model.run = Path(run)
        return model

    @classmethod
    def from_arpa(cls, path: str | os.PathLike[str], *, units: str = "word") -> Self:
        """The model of an ARPA file (also .gz), whose words are units of this kind.

        Raises:
            ModelError: the file is missing or damaged, with the line where.
        """
        return cls._of(arpa.read_arpa(path, units=units))

    def to_arpa(self, path: str | os.PathLike[str]) -> None:
        """Write an ARPA file, compressed if `path` ends in .gz. `UsageError` if it cannot be written."""
        arpa.write_arpa(self, path)

    @classmethod
    def _of(cls, other: Ngram) -> Self:
        spec = other.spec
        units = spec.vocabulary.units
        model = cls(spec.order, units=units.kind, lowercase=units.lowercase, apart=units.apart)
        if spec.smoothing != "imported":
            model.choices = msgspec.structs.replace(model.choices, smoothing=spec.smoothing)
        model._adopt(spec, other.tensors)
        return model

    def __getattr__(self, name: str) -> Any:
        if name in _FITTED:
            raise UsageError("this model has not been fitted", mend="call fit, or make it by load or from_arpa")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
