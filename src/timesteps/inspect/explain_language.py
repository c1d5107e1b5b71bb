"""What surprises a language model in a sentence: bits of each token, as numbers and as a page."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError
from timesteps.inspect.explain_charts import bar_chart
from timesteps.inspect.explain_script import STEP_STYLE, colour
from timesteps.runtime.language.model import LanguageModel
from timesteps.runtime.language.scoring import Score, score
from timesteps.training.report_charts import clean
from timesteps.training.report_frame import frame, write_page
from timesteps.training.report_markup import facts, figure, section, table

__all__ = ["Surprise", "surprise"]

_END = "(end)"
_STRONGEST = 12


@dataclass(frozen=True)
class Surprise:
    """A sentence as a language model reads it.

    Args:
        title: of the model, for the page.
        units: the tokens as they are written; the last may be the end of the sentence.
        bits: (N,) -log2 P of each after those before it; infinite where the model has it for impossible.
        score: of the whole sentence.
    """

    title: str
    units: tuple[str, ...]
    bits: NDArray[np.float64]
    score: Score

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers; an infinite surprise is None."""
        bits = [each if math.isfinite(each) else None for each in self.bits.tolist()]
        return {"model": self.title, "units": list(self.units), "bits": bits, **self.score.to_dict()}

    def to_html(self) -> str:
        """The page: it loads nothing from elsewhere and runs no script."""
        finite = np.where(np.isfinite(self.bits), self.bits, np.nan)
        most = float(np.nanmax(finite, initial=0.0)) or 1.0
        shown = np.where(np.isnan(finite), most, finite)
        said = [f"{each:.2f}" if math.isfinite(each) else "impossible" for each in self.bits.tolist()]
        chips = " ".join(
            f'<span class="t" data-value="{bits}" title="step {number}: {bits} bits" '
            f'style="{colour(float(value), 0.0, most)}">{clean(unit)}</span>'
            for number, (unit, bits, value) in enumerate(zip(self.units, said, shown, strict=True), 1)
        )
        legend = (
            f'<div class="controls"><span class="legend">surprise <span class="t" style="{colour(0.0, 0.0, most)}">0'
            f'</span> to <span class="t" style="{colour(most, 0.0, most)}">{most:.3g}</span> bits</span></div>'
        )
        title = "Surprise of each token"
        chart = figure(bar_chart("surprise", title, shown, "surprise, bits", 1), title)
        rows = [
            [clean(self.units[place]), f"{place + 1}", said[place]]
            for place in np.argsort(-shown, kind="stable")[:_STRONGEST].tolist()
        ]
        of_all = facts(
            [
                ("perplexity, a token", f"{self.score.perplexity:.4g}"),
                ("bits a character", f"{self.score.bits_per_character:.4g}"),
                ("log10 probability", f"{self.score.log10:.4g}"),
                ("unknown tokens", f"{self.score.unknown}"),
            ]
        )
        about = (
            "The surprise of a token is -log2 of its probability after those before it: 0 bits where the model was "
            "sure of it, one more for each time that it held it half as likely."
        )
        steps = section("Token by token", about, legend, f'<p class="steps">{chips}</p>')
        headline = f"Perplexity {self.score.perplexity:.4g}"
        return frame(
            f"What surprises {self.title}",
            headline,
            [],
            [steps, section("How much", "", chart, of_all, table(["most surprising", "step", "bits"], rows))],
            title=f"{self.title}: {headline}",
            style=STEP_STYLE,
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, whole or not at all; where it is."""
        return write_page(path, self.to_html())


def surprise(model: LanguageModel, text: str, title: str = "the model") -> Surprise:
    """What surprises a language model in a sentence.

    Raises:
        DataError: a text without any token.

    Example:
        >>> from timesteps.inspect.explain_language import surprise
        >>> from timesteps.runtime.language.plain import PlainModel
        >>> found = surprise(PlainModel(["a b", "a c"], order=2), "a b zebra")
        >>> found.units, found.bits.round(2).tolist()
        (('a', 'b', 'zebra', '(end)'), [0.21, 1.2, 7.61, 1.63])
    """
    if not model.tokens(text):
        raise DataError("a text without any token has nothing to explain", mend="give one with at least one")
    found = score(model, text)
    units = [*found.units]
    if len(units) > len(model.units(text)):
        units[-1] = _END
    return Surprise(title, tuple(units), -found.log_probs / math.log(2.0), found)
