"""`Corrector`: what the writer of a sentence meant (Kernighan, Church and Gale 1990; in context, Mays et al. 1991).

Of all sentences S that may have been meant by what was typed, T, the most probable is
argmax P(T | S) P(S): the channel says how fingers slip, the language model which sentences there are. S is searched
from left to right, keeping the best few beginnings.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np

from timesteps.errors import UsageError, option
from timesteps.runtime.language.model import LanguageModel, State
from timesteps.runtime.language.scoring import token_log_probs
from timesteps.runtime.language.spelling.blanks import Blanks
from timesteps.runtime.language.spelling.candidates import Candidate, Finder
from timesteps.runtime.language.spelling.channel import Channel
from timesteps.runtime.language.spelling.correction import Change, Correction, Suggestion
from timesteps.runtime.language.spelling.lexicon import Lexicon
from timesteps.runtime.language.units import MARKS
from timesteps.runtime.text.normalize import canonical

__all__ = ["Change", "Correction", "Corrector", "Settings", "Suggestion"]

_PIECE = re.compile(r"\S+")


class Settings(msgspec.Struct, frozen=True):
    """How boldly and how widely is searched. `UsageError` for numbers outside their ranges."""

    caution: float = 1.0
    """Nats by which another sentence must be better, for each word that is changed. 0 takes the most probable one."""
    weight: float = 1.0
    """Of the language model's logarithms beside the channel's."""
    beam: int = 6
    """Beginnings of the sentence that are kept."""
    width: int = 16
    """Candidates for a word that are tried after each of them."""
    novel: float = 4.0
    """-log P of a word that no list has; and for each of its letters…"""
    novel_letter: float = 2.5
    """…this much more."""
    blanks: bool = False
    """Whether two words may be taken for one, and one for two. Off, because writers of Korean leave out blanks that
    not everybody misses: more of their words are changed with it."""

    def __post_init__(self) -> None:
        for name in ("caution", "weight", "novel", "novel_letter"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise UsageError(f"{option(name)} is {getattr(self, name):g}", mend="give 0 or more")
        for name in ("beam", "width"):
            if not 1 <= getattr(self, name) <= 1000:
                raise UsageError(f"{option(name)} is {getattr(self, name)}", mend="give 1 to 1000")


@dataclass(frozen=True, slots=True)
class _Step:
    """What was taken for the pieces from one number up to another."""

    begin: int
    end: int
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class _Beginning:
    total: float
    state: State
    chosen: tuple[_Step, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    """What stands between blanks."""

    begin: int
    before: str
    """Punctuation, then…"""
    core: str
    """…the word, then…"""
    after: str
    """…punctuation again."""

    @property
    def end(self) -> int:
        return self.begin + len(self.before) + len(self.core) + len(self.after)


class Corrector:
    """Corrects words and sentences.

    Args:
        model: any language model; None judges words by their frequency alone.
        lexicon: correct words; None takes the model's own, if its units are words.
        channel: how fingers slip.
        settings: how boldly and how widely is searched.

    >>> from timesteps.runtime.language.plain import PlainModel
    >>> model = PlainModel(["선생님이 교실로 달려갔다", "나무가 잘려 나갔다", "나는 교실로 갔다"], order=2)
    >>> Corrector(model, settings=Settings(caution=0)).correct("선생님이 교실로 잘려갔다").text
    '선생님이 교실로 달려갔다'
    >>> [each.word for each in Corrector(None, Lexicon({"the": 50, "then": 5, "ten": 5})).suggest("teh", 2)]
    ['the', 'ten']
    """

    def __init__(
        self,
        model: LanguageModel | None,
        lexicon: Lexicon | None = None,
        *,
        channel: Channel | None = None,
        settings: Settings | None = None,
    ) -> None:
        if lexicon is None:
            if model is None:
                raise UsageError("neither a model nor a lexicon", mend="give one of them")
            lexicon = _lexicon_of(model)
        self.model, self.lexicon, self.settings = model, lexicon, settings or Settings()
        syllables = None if model is None else [word for word in model.words if len(word) == 1]
        open_units = bool(syllables) and any("가" <= each <= "힣" for each in syllables or ())
        self.finder = Finder(lexicon, channel, syllables if open_units else None)
        self._blanks = Blanks(lexicon, self.finder.channel.prices, open_units) if self.settings.blanks else None
        self._between = "" if model is None or not model.tokens(" ") else " "

    @cached_property
    def _unlisted(self) -> float:
        """log of the number of occurrences of the lexicon's words that the model's vocabulary lacks."""
        known = frozenset(self.model.words if self.model else ())
        left = sum(int(n) for word, n in zip(self.lexicon.words, self.lexicon.counts, strict=True) if word not in known)
        return math.log(left + 1.0)

    def suggest(self, word: str, k: int = 5) -> list[Suggestion]:
        """The k most probable words that were meant by one word alone, by channel and frequency; no caution.

        A word that the lexicon does not have is taken for a misspelled one, as long as a word that it has is near.

        Raises:
            UsageError: k is below 1, or there is no word, or more than one.
        """
        if k < 1 or len(word.split()) != 1:
            raise UsageError(f"{k} suggestions for {word!r}", mend="ask for 1 or more, for one word")
        word = canonical(word.strip())
        found = self.finder.find(word)
        found = [each for each in found if each.entry is not None] or found
        totals = np.array([each.channel + self._frequency(each.word, each.entry) for each in found])
        shares = np.exp(totals - totals.max())
        shares /= shares.sum()
        order = np.argsort(-shares, kind="stable")[:k]
        return [Suggestion(found[place].word, float(shares[place])) for place in order.tolist()]

    def correct(self, sentence: str) -> Correction:
        """What was meant by a sentence. Punctuation stays as it is; words with digits are left alone.

        Blanks stay, too, unless `Settings.blanks` is on: then one may be missing between two words, and a single one
        too many inside a word. The text is brought to normal form C.
        """
        sentence = canonical(sentence)
        pieces = [_Piece(found.start(), *_bare(found[0])) for found in _PIECE.finditer(sentence)]
        if not pieces:
            return Correction(sentence, sentence, [])
        beginnings = [_Beginning(0.0, self.model.start() if self.model else None, ())]
        jumped: list[_Beginning] = []  # over this piece, which was taken for the end of a word
        for place, piece in enumerate(pieces):
            steps = [_Step(place, place + 1, each) for each in self._candidates(piece.core)]
            ahead = self._joined(sentence, pieces, place, beginnings)
            beginnings = self._extend(beginnings, steps, self._lead(pieces, place), piece.after)
            if jumped:
                beginnings = sorted(beginnings + jumped, key=lambda each: -each.total)[: self.settings.beam]
            jumped = ahead
        if self.model is not None and self.model.end >= 0:
            beginnings = [self._ended(each) for each in beginnings]
        beginnings.sort(key=lambda each: -each.total)
        return self._chosen(sentence, pieces, beginnings)

    def _candidates(self, core: str) -> list[Candidate]:
        if not core or any(map(str.isdigit, core)):
            return [Candidate(core, 0.0, None)]
        return self.finder.find(core) + (self._blanks.apart(core) if self._blanks else [])

    def _lead(self, pieces: Sequence[_Piece], place: int) -> str:
        """What stands before a piece's word."""
        return (self._between if place else "") + pieces[place].before

    def _joined(
        self, sentence: str, pieces: Sequence[_Piece], place: int, beginnings: list[_Beginning]
    ) -> list[_Beginning]:
        """The sentences that go on with a piece and the next one as one word."""
        if self._blanks is None or place + 1 == len(pieces):
            return []
        first, second = pieces[place], pieces[place + 1]
        if first.after or second.before or sentence[first.end : second.begin] != " ":
            return []
        found = self._blanks.together(first.core, second.core)
        if found is None or any(map(str.isdigit, found.word)):
            return []
        step, lead = _Step(place, place + 2, found), self._lead(pieces, place)
        return [self._with(each, step, lead, second.after) for each in beginnings]

    def _extend(self, beginnings: list[_Beginning], steps: list[_Step], lead: str, after: str) -> list[_Beginning]:
        """The best sentences that go on with a candidate. All candidates are tried after the best beginning; those
        that do well there (and what was typed) after the others, too."""
        first, *others = beginnings
        tried = [self._with(first, step, lead, after) for step in steps]
        order = np.argsort([-each.total for each in tried], kind="stable")[: self.settings.width].tolist()
        kept = order if 0 in order else [*order, 0]
        found = [tried[place] for place in kept]
        found += [self._with(other, steps[place], lead, after) for other in others for place in kept]
        found.sort(key=lambda each: -each.total)
        return found[: self.settings.beam]

    def _with(self, beginning: _Beginning, step: _Step, lead: str, after: str) -> _Beginning:
        settings, candidate = self.settings, step.candidate
        total = beginning.total + candidate.channel - (settings.caution if candidate.channel else 0.0)
        state = beginning.state
        words = candidate.words
        for place, (word, entry) in enumerate(words):
            if self.model is None:
                total += self._frequency(word, entry)
                continue
            text = (self._between if place else lead) + word + (after if place + 1 == len(words) else "")
            tokens = self.model.tokens(text)
            found, state = token_log_probs(self.model, state, tokens, self.model.units(text))
            total += settings.weight * float(found.sum())
            if word and self.model.unknown in tokens:
                total += self._unknown(word, entry)
        return _Beginning(total, state, (*beginning.chosen, step))

    def _frequency(self, word: str, entry: str | None) -> float:
        """log P of a word by itself."""
        return self._novel(word) if entry is None else self.lexicon.log_share(entry)

    def _unknown(self, word: str, entry: str | None) -> float:
        """log P of this word among all those that the model takes for <unk>."""
        if entry is None:
            return self._novel(word)
        return math.log(self.lexicon.counts[self.lexicon.numbers[entry]]) - self._unlisted

    def _novel(self, word: str) -> float:
        return -self.settings.novel - self.settings.novel_letter * len(word)

    def _ended(self, beginning: _Beginning) -> _Beginning:
        assert self.model is not None
        found, state = self.model.log_prob(beginning.state, self.model.end)
        return _Beginning(beginning.total + self.settings.weight * found, state, beginning.chosen)

    def _chosen(self, sentence: str, pieces: Sequence[_Piece], beginnings: list[_Beginning]) -> Correction:
        best = beginnings[0]
        totals = np.array([each.total for each in beginnings])
        shares = np.exp(totals - totals[0])
        shares /= shares.sum()
        text, end, changes = [], 0, []
        for step in best.chosen:
            first, last, meant = pieces[step.begin], pieces[step.end - 1], step.candidate.word
            begin = first.begin + len(first.before)
            typed = sentence[begin : last.end - len(last.after)]
            if meant == typed:
                continue
            text += [sentence[end:begin], meant]
            end = begin + len(typed)
            agreed = sum(float(share) for share, each in zip(shares, beginnings, strict=True) if step in each.chosen)
            changes.append(Change(begin, typed, meant, min(agreed, 1.0)))
        return Correction(sentence, "".join([*text, sentence[end:]]), changes)


def _bare(word: str) -> tuple[str, str, str]:
    """Punctuation before a word, the word, punctuation after it."""
    if word in MARKS:
        return word, "", ""
    begin, end = 0, len(word)
    while begin < end and not word[begin].isalnum():
        begin += 1
    while begin < end and not word[end - 1].isalnum():
        end -= 1
    return word[:begin], word[begin:end], word[end:]


def _lexicon_of(model: LanguageModel) -> Lexicon:
    """The words of a model whose units are words, with what it expects of them where nothing is known before."""
    if model.units("a b") != ["a", "b"]:
        raise UsageError(
            "the model's units are not words, so it has no list of them",
            mend=f"give {option('words')} with frequencies",
        )
    shares = np.exp(model.distribution(model.empty()))
    counts = np.maximum(np.rint(1e12 * shares), 1).astype(np.int64).tolist()
    listed = zip(model.words, counts, strict=True)
    return Lexicon({word: count for word, count in listed if word not in MARKS and any(map(str.isalpha, word))})
