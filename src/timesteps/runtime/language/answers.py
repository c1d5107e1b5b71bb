"""`Answers`: what a language model is asked, as its methods."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from timesteps.runtime.language.choosing import Choice
    from timesteps.runtime.language.model import LanguageModel
    from timesteps.runtime.language.scoring import Next, Score
    from timesteps.runtime.language.spelling.corrector import Corrector

__all__ = ["Answers"]


class Answers:
    """For every `LanguageModel`: each method is the function of its name, with the model as its first argument.

    >>> from timesteps.runtime.language.plain import PlainModel
    >>> model = PlainModel(["나는 버스를 탔다", "선생님이 교실로 달려갔다", "나무가 잘려 나갔다"])
    >>> model.choose(["나는 버스를 태운다", "나는 버스를 탔다"]).best
    1
    >>> model.next("나는", k=1)[0].unit, model.generate("선생님이", temperature=0)
    ('버스를', '선생님이 교실로 달려갔다')
    """

    run: Path | None = None
    """Where the model was loaded from; training has left a list of words there, if `correct` needs one."""
    _corrector: Corrector | None = None

    def score(self: LanguageModel, sentence: str) -> Score:
        """See `timesteps.runtime.language.scoring.score`."""
        from timesteps.runtime.language.scoring import score

        return score(self, sentence)

    def next(self: LanguageModel, context: str, k: int = 10) -> list[Next]:
        """See `timesteps.runtime.language.scoring.next_words`."""
        from timesteps.runtime.language.scoring import next_words

        return next_words(self, context, k)

    def choose(self: LanguageModel, hypotheses: Sequence[str], context: str = "", *, per_token: bool = False) -> Choice:
        """See `timesteps.runtime.language.choosing.choose`."""
        from timesteps.runtime.language.choosing import choose

        return choose(self, hypotheses, context, per_token=per_token)

    def generate(self: LanguageModel, prompt: str = "", **sampling: Any) -> str:
        """See `timesteps.runtime.language.generating.generate`."""
        from timesteps.runtime.language.generating import generate

        return generate(self, prompt, **sampling)

    def correct(self, sentence: str) -> str:
        """The sentence as it was meant. A `Corrector`, which the first call makes, says more.

        Raises:
            UsageError: the model's units are not words, and there is no list of them.
        """
        if self._corrector is None:
            from timesteps.runtime.language.spelling.corrector import Corrector
            from timesteps.runtime.language.spelling.lexicon import Lexicon

            lexicon = None if self.run is None else Lexicon.of_run(self.run)
            self._corrector = Corrector(self, lexicon)  # type: ignore[arg-type]  # it is a model by its other methods
        return self._corrector.correct(sentence).text
