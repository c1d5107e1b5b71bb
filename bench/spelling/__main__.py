"""`python -m bench.spelling [--tune]`: misspelled words alone, and in sentences that are damaged here.

Norvig's testset1 is for judging only: no word of it is among the pairs that are used otherwise. Sentences, and the
misspellings of English words, have a part for tuning (`--tune` prints what settings come to there) and another one for
the figures. Results go to bench/results/spelling.json.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import Any

from bench.record import write
from bench.spelling.damage import Damaged, add_blanks, damage_english, damage_korean, drop_blanks, mend
from bench.spelling.examples import examples
from bench.spelling.lists import (
    Pair,
    aspell,
    birkbeck,
    english_sentences,
    english_words,
    held_out,
    korean_sentences,
    norvig,
)
from timesteps.data.split import hash_fraction
from timesteps.runtime.language.model import LanguageModel
from timesteps.runtime.language.spelling.corrector import Corrector, Settings
from timesteps.runtime.language.spelling.lexicon import Lexicon
from timesteps.tasks.ngram.estimator import NgramModel

SENTENCES, TUNED, SHARE = 400, 100, 0.15  # judged, tuned on, and how many of their words are damaged


def alone(corrector: Corrector, pairs: list[Pair]) -> dict[str, Any]:
    """Of how many words the first suggestion is what was meant."""
    right = sum(corrector.suggest(typed, 1)[0].word == meant for meant, typed in pairs)
    listed = sum(meant in corrector.lexicon for meant, _ in pairs)
    return {"words": len(pairs), "right": right, "share": right / len(pairs), "listed": listed}


def words(lexicon: Lexicon) -> dict[str, Any]:
    """Words without context."""
    corrector = Corrector(None, lexicon)
    parts: dict[str, Any] = {"lexicon": len(lexicon)}
    others = {"aspell": aspell(), "birkbeck": birkbeck()}
    sampled = {name: sorted(pairs, key=lambda pair: hash_fraction(pair[1], 2))[:1000] for name, pairs in others.items()}
    return parts | {name: alone(corrector, pairs) for name, pairs in {"norvig_testset1": norvig(), **sampled}.items()}


def english(lexicon: Lexicon) -> tuple[LanguageModel, list[Damaged], list[Damaged]]:
    """A word model, and sentences for tuning and for the figures."""
    train, kept = held_out(english_sentences(), 0.02)
    model = NgramModel(order=4, lowercase=True, apart=True, min_count=2).fit(train)
    parts: list[defaultdict[str, list[str]]] = [defaultdict(list), defaultdict(list)]
    for meant, typed in birkbeck():
        if meant in lexicon:
            parts[hash_fraction(meant, 3) < 0.5][meant].append(typed)
    half = len(kept) // 2
    tune, judge = (
        damage_english(sentences[:SENTENCES], misspellings, SHARE, seed)
        for seed, (sentences, misspellings) in enumerate(zip((kept[:half], kept[half:]), parts, strict=True))
    )
    return model, tune, judge


def korean() -> tuple[LanguageModel, Lexicon, list[Damaged], list[Damaged]]:
    """A syllable model, its words, and sentences for tuning and for the figures."""
    train, kept = held_out(korean_sentences(), 0.02)
    model = NgramModel(order=5, units="syllable", min_count=2).fit(train)
    kept = [text for text in kept if 4 <= len(text.split()) <= 15]
    half = len(kept) // 2
    tune, judge = (
        damage_korean(sentences[:SENTENCES], SHARE, seed) for seed, sentences in enumerate((kept[:half], kept[half:]))
    )
    return model, Lexicon.fit(train, min_count=2), tune, judge


def blanks(model: LanguageModel, lexicon: Lexicon, sentences: list[Damaged]) -> dict[str, Any]:
    """With blanks as slips: the misspelled sentences, the sentences as they were found (they should stay so; what is
    changed about their blanks is listed), and with blanks left out or put in."""
    without, corrector = Corrector(model, lexicon), Corrector(model, lexicon, settings=Settings(blanks=True))
    sound = [(words, words) for words, _ in sentences]
    texts = [" ".join(words) for words, _ in sentences]
    changes = [change for text in texts for change in corrector.correct(text).changes]
    return {
        "misspelled": mend(corrector, sentences),
        "sound_without": mend(without, sound),
        "sound": mend(corrector, sound),
        "sound_changes": [
            [each.typed, each.meant] for each in changes if each.typed.count(" ") != each.meant.count(" ")
        ],
        "left_out": mend(corrector, drop_blanks(texts, SHARE, 5)),
        "put_in": mend(corrector, add_blanks(texts, SHARE, 6)),
    }


def main() -> None:
    """Measure everything and write the result file, or print the settings' grid."""
    lexicon = english_words()
    model, tune, judge = english(lexicon)
    korean_model, korean_words, korean_tune, korean_judge = korean()
    languages = {
        "english": (model, lexicon, tune, judge),
        "korean": (korean_model, korean_words, korean_tune, korean_judge),
    }
    if "--tune" in sys.argv:
        for name, (of, listed, sentences, _) in languages.items():
            for caution in (0.0, 1.0, 2.0, 4.0):
                for weight in (0.0, 0.8, 1.0, 1.2):
                    settings = Settings(caution=caution, weight=weight or 1.0)
                    found = mend(Corrector(of if weight else None, listed, settings=settings), sentences[:TUNED])
                    figures = " ".join(
                        f"{key} {found[key]:.4f}" for key in ("restored_share", "spoiled_share", "right_after")
                    )
                    print(f"{name} caution {caution:g} weight {weight:g}: {figures}", flush=True)
        return
    figures: dict[str, Any] = {"alone": words(lexicon), "korean_examples": examples()}
    for name, (of, listed, _, sentences) in languages.items():
        figures[name] = {
            "without_context": mend(Corrector(None, listed), sentences),
            "in_context": mend(Corrector(of, listed), sentences),
            "blanks": blanks(of, listed, sentences),
            "sentences": len(sentences),
        }
    write("spelling", figures)


if __name__ == "__main__":
    main()
