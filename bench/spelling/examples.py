"""The Korean examples of the README: which sentence is the likelier, and what was meant, by a model of Korean texts."""

from __future__ import annotations

from typing import Any

from bench.spelling.lists import held_out, korean_sentences
from timesteps.runtime.language.choosing import choose
from timesteps.runtime.language.mixture import MixtureModel, tune
from timesteps.runtime.language.spelling.corrector import Corrector
from timesteps.runtime.language.spelling.lexicon import Lexicon
from timesteps.tasks.ngram.estimator import NgramModel

PAIRS = (
    ("나는 버스를 탔다", "나는 버스를 태운다"),
    ("선생님이 교실로 부리나케 달려갔다", "선생님이 교실로 부리나케 잘려갔다"),
    ("나는 메론을 먹는다", "나는 메롱을 먹는다"),
)
"""The likelier sentence first."""
TYPED = "선생님이 교실로 부리나케 잘려갔다"
MEANT = "선생님이 교실로 부리나케 달려갔다"


def model() -> tuple[MixtureModel, Lexicon]:
    """Jamo n-grams of order 7 and 5, mixed with weights fitted on 2 % of the texts, which neither was estimated from.

    The texts have none of the words 부리나케, 교실로 and 달려갔다, and 메론 only in 카메론: long n-grams know how
    words go on, short ones judge what was never seen.
    """
    train, kept = held_out(korean_sentences(), 0.02)
    models = [NgramModel(order=order, units="jamo", min_count=2).fit(train) for order in (7, 5)]
    return tune(models, kept), Lexicon.fit(train, min_count=2)


def examples() -> dict[str, Any]:
    """log10 of each sentence, and the correction."""
    mixture, lexicon = model()
    pairs = [{"sentences": list(pair), "log10": choose(mixture, pair).values} for pair in PAIRS]
    corrected = Corrector(mixture, lexicon).correct(TYPED)
    return {"weights": mixture.weights.tolist(), "pairs": pairs, "typed": TYPED, "corrected": corrected.text}
