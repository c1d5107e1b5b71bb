"""The named recipes: what is trained on what, and what it must reach.

The rows that a result is judged on are cut by a hash of the text before anything else; they are never trained
on, and the settings of NSMC and IMDB were chosen on other rows (see docs/quality.md).
"""

from __future__ import annotations

from dataclasses import dataclass

#: Instead of the name of one baseline: the most accurate of them.
BEST = "the best baseline"


@dataclass(frozen=True)
class Owed:
    """What a mean accuracy must reach: percent, points above a baseline on the same rows, or both."""

    words: str
    least: float | None = None  # %
    above: str | None = None  # name of a baseline, or BEST
    points: float = 0.0  # at least so many above it; 0 asks for more than it


@dataclass(frozen=True)
class Recipe:
    """One line of the quality table."""

    name: str
    dataset: str
    what: str  # the data set in words
    held_out: float  # share of the rows that it is judged on
    owed: Owed
    arguments: tuple[str, ...] = ()
    python: str = "Classifier()"
    baselines: bool = False  # train the baselines, too: once a data set is enough, the rows are the same
    stops_early: bool = False  # some of the training rows decide when to stop; never the rows it is judged on
    seeds: tuple[int, ...] = (0, 1, 2)
    splits: tuple[int, ...] = (7,)  # seeds of the hash that cuts the rows; every seed of the network on every split

    @property
    def command(self) -> str:
        """As a user types it."""
        data = () if self.dataset == "sample" else (self.dataset,)
        return " ".join(("timesteps train classify", *data, *self.arguments))


_NSMC, _IMDB = "NSMC, Korean film reviews", "IMDB, English film reviews"

RECIPES = (
    Recipe(
        "sample",
        "sample",
        "4,000 Korean film reviews, bundled",
        0.20,
        Owed("above its baselines", above=BEST),
        baselines=True,
        splits=(7, 8, 9, 10, 11),  # the standard error on 800 rows is 1.4 points: one split would say little
    ),
    Recipe(
        "nsmc",
        "nsmc",
        _NSMC,
        0.10,
        Owed("≥ 0.7 points above TF-IDF", above="TF-IDF", points=0.7),
        baselines=True,
    ),
    Recipe(
        "nsmc-ensemble",
        "nsmc",
        _NSMC,
        0.10,
        Owed("≥ 1.3 points above TF-IDF", above="TF-IDF", points=1.3),
        ("--members", "5", "--unguided", "2"),
        "Classifier(members=5, unguided=2)",
    ),
    Recipe(
        "imdb",
        "imdb",
        _IMDB,
        0.16,
        Owed("≥ 92.5 % and above NBSVM", least=92.5, above="NBSVM"),
        ("--unlabeled", "imdb"),
        "Classifier().fit(…, unlabeled=texts)",
        baselines=True,
    ),
    Recipe(
        "imdb-no-ngrams",
        "imdb",
        _IMDB,
        0.16,
        Owed("≥ 91.5 %, single words only", least=91.5),
        ("--unlabeled", "imdb", "--guide-longest", "1", "--guide-share", "0.3", "--members", "3"),
        "Classifier(guide_longest=1, guide_share=0.3, members=3).fit(…, unlabeled=texts)",
    ),
    Recipe(
        "imdb-textbook",
        "imdb",
        _IMDB,
        0.16,
        Owed("about 80 %", least=79.0),
        ("--recipe", "textbook"),
        'Classifier("textbook")',
        stops_early=True,
    ),
)
