"""Linear models on n-grams of texts: the bar for every text classifier."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError
from timesteps.tasks.nbsvm import NBSVM

__all__ = ["Answers", "Setting", "analyzer", "fit_nbsvm", "fit_tfidf"]

Setting = str | int | float | bool

# Hangul; Thai, Lao, Tibetan, Myanmar, Khmer; kana; Han: words are not set apart by spaces or, in Korean, carry endings,
# so that most word forms are rare.
_UNSPACED = re.compile(
    "[\u1100-\u11ff\u3131-\u318e\uac00-\ud7ff\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff"
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U000323af]"
)
_LETTER = re.compile(r"[^\W\d_]")
_UNSPACED_SHARE = 0.2  # of all letters; above it n-grams are of characters
_LOOKED_AT = 5000  # texts that decide
_WORD = r"\w+|[^\w\s]"
_FEW_ROWS = 1000  # below it an n-gram that occurs in one text only is kept


@dataclass(frozen=True)
class Answers:
    """What a baseline is, its probabilities (R, K) and its settings."""

    description: str
    probabilities: NDArray[np.float64]
    settings: dict[str, Setting]


def analyzer(texts: Sequence[str]) -> str:
    """Which n-grams suit the texts: "char" or "word".

    "char" where more than a fifth of the letters are Hangul, kana, Han, Thai, Lao, Tibetan, Myanmar or Khmer, judged
    from at most 5,000 texts, evenly spaced; else "word".

    >>> analyzer(["a good film", "bad"]), analyzer(["정말 재미있다 good"])
    ('word', 'char')
    """
    seen = [texts[i] for i in np.linspace(0, len(texts) - 1, min(len(texts), _LOOKED_AT)).astype(int).tolist()]
    letters = sum(len(_LETTER.findall(text)) for text in seen)
    unspaced = sum(len(_UNSPACED.findall(text)) for text in seen)
    return "char" if unspaced > _UNSPACED_SHARE * letters else "word"


def fit_tfidf(
    train: Sequence[str], numbers: NDArray[np.int64], weight: NDArray[np.float64], valid: Sequence[str]
) -> Answers:
    """Logistic regression on TF-IDF (1 + ln of the counts) of character 1–4-grams or word 1–2-grams."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    unit = analyzer(train)
    longest = 4 if unit == "char" else 2
    vectorizer = TfidfVectorizer(ngram_range=(1, longest), sublinear_tf=True, dtype=np.float32, **_of(unit))
    features, settings = _learn(vectorizer, train)
    linear = LogisticRegression(C=4.0, max_iter=1000).fit(features, numbers, sample_weight=weight)
    return Answers(
        f"logistic regression on TF-IDF of {_NAMES[unit]} 1–{longest}-grams",
        linear.predict_proba(vectorizer.transform(valid)).astype(np.float64),
        {**settings, "sublinear_tf": True, "C": 4.0},
    )


def fit_nbsvm(
    train: Sequence[str], numbers: NDArray[np.int64], weight: NDArray[np.float64], valid: Sequence[str]
) -> Answers:
    """`NBSVM` on the presence of character 1–4-grams (C = 0.1) or word 1–3-grams (C = 1)."""
    from sklearn.feature_extraction.text import CountVectorizer

    unit = analyzer(train)
    # A text has many more character than word n-grams, so that each needs less weight: trials on NSMC and IMDB.
    longest, C = (4, 0.1) if unit == "char" else (3, 1.0)
    vectorizer = CountVectorizer(ngram_range=(1, longest), binary=True, dtype=np.float32, **_of(unit))
    features, settings = _learn(vectorizer, train)
    model = NBSVM(C=C).fit(features, numbers, weight, int(numbers.max()) + 1)
    return Answers(
        f"naive Bayes log-count ratios of {_NAMES[unit]} 1–{longest}-grams (Wang and Manning 2012)",
        model.predict_proba(vectorizer.transform(valid)),
        {**settings, "binary": True, "alpha": model.alpha, "C": model.C},
    )


_NAMES = {"char": "character", "word": "word"}


def _of(unit: str) -> dict[str, str]:
    return {"analyzer": "char"} if unit == "char" else {"analyzer": "word", "token_pattern": _WORD}


def _learn(vectorizer: Any, texts: Sequence[str]) -> tuple[Any, dict[str, Setting]]:
    """The features of the texts, those that occur in two texts if any do, and the vectorizer's settings."""
    if not any(text.strip() for text in texts):
        raise DataError("every training text is blank", mend="check --text-column")
    vectorizer.set_params(min_df=1 if len(texts) < _FEW_ROWS else 2)
    try:
        features = vectorizer.fit_transform(texts)
    except ValueError:
        if vectorizer.min_df == 1:
            raise
        features = vectorizer.set_params(min_df=1).fit_transform(texts)  # no n-gram occurs in two texts
    shortest, longest = vectorizer.ngram_range
    settings = {"analyzer": vectorizer.analyzer, "n-grams": f"{shortest}–{longest}", "min_df": vectorizer.min_df}
    return features, {**settings, "features": features.shape[1]}
