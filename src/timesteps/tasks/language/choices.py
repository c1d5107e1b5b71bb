"""What can be chosen about a recurrent language model, and complete sets of choices: the recipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from timesteps.errors import UsageError, option
from timesteps.runtime.language.recurrent_spec import CELLS, MAX_LAYERS, MAX_SIZE
from timesteps.runtime.language.units import KINDS, UnitsSpec
from timesteps.training.language.settings import LanguageSettings

__all__ = ["RECIPES", "Choices", "ModelChoices", "RecipeName", "choose"]

RecipeName = Literal["small", "medium", "awd", "char"]


@dataclass(frozen=True)
class ModelChoices:
    """What the model is.

    Args:
        units: word, syllable, jamo, char, byte or subword: see `timesteps.runtime.language.units`.
        lowercase: before anything else.
        apart: punctuation at the ends of words is words of its own.
        sentences: every line is a sentence with an end of its own; None: for words, syllables and subwords. Otherwise
            the text runs on, and the end of a line is a character.
        vocabulary: the most tokens, marks included; None: all. Of subwords, how many are learned.
        min_count: how often a unit must occur in the training text; others are <unk>.
        cell: rnn, lstm or gru.
        embedding_size, hidden_size, num_layers: sizes. The last layer of a `tied` model has `embedding_size` units.
        tied: the softmax's weights are the embedding (Press and Wolf 2017, arXiv 1608.05859).

    Raises:
        UsageError: a value outside its range, by the name of the option.
    """

    units: str = "word"
    lowercase: bool = False
    apart: bool = False
    sentences: bool | None = None
    vocabulary: int | None = None
    min_count: int = 1
    cell: str = "lstm"
    embedding_size: int = 200
    hidden_size: int = 200
    num_layers: int = 2
    tied: bool = False

    def __post_init__(self) -> None:
        for name, known in (("units", KINDS), ("cell", CELLS)):
            if getattr(self, name) not in known:
                raise UsageError(f"{option(name)} is {getattr(self, name)!r}", mend=f"choose one of {', '.join(known)}")
        bounds = {"embedding_size": MAX_SIZE, "hidden_size": MAX_SIZE, "num_layers": MAX_LAYERS, "min_count": 1 << 62}
        for name, most in bounds.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
                raise UsageError(f"{option(name)} is {value!r}", mend=f"give a whole number from 1 to {most}")
        if self.apart and self.units != "word":
            raise UsageError(f"{option('apart')} is for {option('units', 'word')}", mend="leave it out")
        if self.vocabulary is not None and self.vocabulary < 4:
            raise UsageError(f"{option('vocabulary')} is {self.vocabulary}", mend="give 4 or more")

    @property
    def of_units(self) -> UnitsSpec:
        """How texts are cut."""
        return UnitsSpec(self.units, self.lowercase, self.apart)  # type: ignore[arg-type]  # checked above

    @property
    def has_sentences(self) -> bool:
        """Whether lines are sentences."""
        return self.units in ("word", "syllable", "subword") if self.sentences is None else self.sentences


@dataclass(frozen=True)
class Choices:
    """A recipe with what was chosen otherwise."""

    recipe: str
    model: ModelChoices
    settings: LanguageSettings

    def to_dict(self) -> dict[str, Any]:
        """All of them by name."""
        return {"recipe": self.recipe} | asdict(self.model) | asdict(self.settings)


#: Zaremba, Sutskever and Vinyals (2014, arXiv 1409.2329) for small and medium, with their rates times `bptt` and norms
#: divided by it, as the loss here is a mean; small with dropout and tied, as it then does better in the same time.
_SMALL = {
    "tied": True,
    "dropout": 0.2, "input_dropout": 0.2, "output_dropout": 0.2,
    "learning_rate": 20.0, "clip_norm": 0.25, "hold": 6, "decay": 0.6, "epochs": 14,
}  # fmt: skip
_MEDIUM = {
    "embedding_size": 650, "hidden_size": 650,
    "dropout": 0.5, "input_dropout": 0.5, "output_dropout": 0.5,
    "learning_rate": 35.0, "clip_norm": 0.143, "hold": 6, "decay": 1 / 1.2, "epochs": 39,
}  # fmt: skip
#: Merity, Keskar and Socher (2017, arXiv 1708.02182), with an exponential moving average in the place of theirs.
_AWD = {
    "tied": True, "embedding_size": 400, "hidden_size": 1150, "num_layers": 3,
    "locked": True, "word_dropout": 0.1, "input_dropout": 0.4, "dropout": 0.25, "output_dropout": 0.4,
    "weight_drop": 0.5, "activation": 2.0, "slowness": 1.0, "bptt": 70, "variable": True,
    "learning_rate": 30.0, "clip_norm": 0.25, "weight_decay": 1.2e-6, "ema": 0.9995, "epochs": 500,
}  # fmt: skip
_CHAR = {
    "units": "char", "embedding_size": 64, "hidden_size": 512, "num_layers": 2,
    "dropout": 0.4, "output_dropout": 0.4, "batch_size": 50, "bptt": 100,
    "optimizer": "adam", "learning_rate": 2e-3, "schedule": "linear", "warmup": 0.01, "clip_norm": 1.0, "epochs": 16,
}  # fmt: skip

RECIPES: Mapping[str, Mapping[str, Any]] = {"small": _SMALL, "medium": _MEDIUM, "awd": _AWD, "char": _CHAR}


def choose(recipe: str = "small", /, **chosen: Any) -> Choices:
    """A recipe, with other choices; those that are None are the recipe's.

    Raises:
        UsageError: an unknown recipe or option, or a value out of its range.

    >>> choose("medium", epochs=3).model.hidden_size
    650
    """
    if recipe not in RECIPES:
        known = ", ".join(get_args(RecipeName))
        raise UsageError(f"{option('recipe')} is {recipe!r}", mend=f"choose one of {known}")
    values = {**RECIPES[recipe], **{name: value for name, value in chosen.items() if value is not None}}
    names = {field.name for field in fields(ModelChoices)}, {field.name for field in fields(LanguageSettings)}
    if unknown := sorted(values.keys() - names[0] - names[1]):
        raise UsageError(f"there is no option {unknown[0]}", mend=f"known are {', '.join(sorted(names[0] | names[1]))}")
    model, settings = ({name: value for name, value in values.items() if name in own} for own in names)
    return Choices(recipe, ModelChoices(**model), LanguageSettings(**settings))
