"""The methods of every language model are the functions of their names, and `correct` finds the run's words."""

from __future__ import annotations

from pathlib import Path

import pytest

from timesteps import LanguageModel, NgramModel, load_language
from timesteps.errors import UsageError
from timesteps.runtime.language.choosing import choose
from timesteps.runtime.language.generating import generate
from timesteps.runtime.language.mixture import MixtureModel
from timesteps.runtime.language.scoring import next_words, score
from timesteps.runtime.language.spelling.lexicon import WORDS

TEXTS = ["나는 버스를 탔다", "나는 기차를 탔다", "선생님이 교실로 달려갔다", "나무가 잘려 나갔다"] * 5


@pytest.mark.parametrize("kind", ["ngram", "recurrent", "mixture"])
def test_methods_are_the_functions(kind: str) -> None:
    ngram = NgramModel(order=3).fit(TEXTS)
    recurrent = LanguageModel(hidden_size=4, embedding_size=4, epochs=1).fit(TEXTS)
    model = {"ngram": ngram, "recurrent": recurrent, "mixture": MixtureModel([ngram, recurrent], [0.5, 0.5])}[kind]
    assert model.score("나는 버스를 탔다").log_prob == score(model, "나는 버스를 탔다").log_prob
    assert model.next("나는", 2) == next_words(model, "나는", 2)
    hypotheses = ["버스를 탔다", "잘려 나갔다"]
    chosen = model.choose(hypotheses, "나는", per_token=True)
    assert chosen.values == choose(model, hypotheses, "나는", per_token=True).values
    assert chosen.values != model.choose(hypotheses).values
    assert model.generate("나는", length=3, seed=1) == generate(model, "나는", length=3, seed=1)
    assert model.correct("선생님이 교실로 달려갔다") == "선생님이 교실로 달려갔다"


def test_a_model_of_letters_corrects_by_the_words_of_its_run(tmp_path: Path) -> None:
    model = NgramModel(order=4, units="jamo").fit(TEXTS)
    with pytest.raises(UsageError):
        model.correct("선생님이 교실로 달려갔더")
    model.save(tmp_path / "model.safetensors")
    (tmp_path / WORDS).write_text("".join(f"{word}\t9\n" for text in set(TEXTS) for word in text.split()), "utf-8")
    for opened in (load_language(tmp_path), NgramModel.load(tmp_path), load_language(tmp_path / "model.safetensors")):
        assert opened.correct("선생님이 교실로 달려갔더") == "선생님이 교실로 달려갔다"
