"""The data sets that timesteps knows by name: what they are, under which licence, where from, where here."""

from __future__ import annotations

import os
from pathlib import Path

from timesteps.data.catalogue_series import SERIES
from timesteps.data.dataset import Archive, Dataset, RemoteFile, Stored
from timesteps.data.sample import FILE, SHAKESPEARE, sample_path
from timesteps.errors import DataError, UsageError

__all__ = ["DATASETS", "Archive", "Dataset", "RemoteFile", "Stored", "cache_folder", "known", "locate", "parts_in"]


_NSMC = "https://raw.githubusercontent.com/e9t/nsmc/master/"
_OWN_SPLIT = (
    "nsmc: these training rows are a split of the raw pool, not the official ones; do not test on the official rows"
)

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="imdb",
            what="film reviews, positive or negative, with 50,000 more without labels",
            languages=("English",),
            licence="none stated; for research",
            citation="Maas et al. 2011, Learning Word Vectors for Sentiment Analysis, ACL",
            home="https://ai.stanford.edu/~amaas/data/sentiment/",
            rows={"train": 25_000, "test": 25_000, "unsup": 50_000},
            parts={
                "train": (Stored("train.tsv.xz", 4, 1), Stored("aclImdb/train")),
                "test": (Stored("test.tsv.xz", 4, 1), Stored("aclImdb/test")),
                "unsup": (Stored("unsup.tsv.xz", 2), Stored("aclImdb/train/unsup")),
            },
            files=(
                RemoteFile(
                    "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
                    "aclImdb_v1.tar.gz",
                    84_125_825,
                    "7c2ac02c03563afcf9b574c7e56c153a",
                ),
            ),
            archive=Archive(
                "aclImdb_v1.tar.gz", "aclImdb", r"aclImdb/(train|test)/(pos|neg|unsup)/\d+_\d+\.txt", 100_000
            ),
        ),
        Dataset(
            name="nsmc",
            what="film reviews, positive (1) or negative (0)",
            languages=("Korean",),
            licence="CC0 1.0",
            citation="Park 2016, Naver sentiment movie corpus v1.0",
            home="https://github.com/e9t/nsmc",
            rows={"train": 150_000, "test": 50_000},
            parts={
                "train": (
                    *(Stored(f"ratings_train.txt{suffix}") for suffix in ("", ".xz", ".gz")),
                    Stored("ratings_train.own_split.txt.xz", note=_OWN_SPLIT),
                ),
                "test": tuple(Stored(f"ratings_test.txt{suffix}") for suffix in ("", ".xz", ".gz")),
            },
            files=(
                RemoteFile(_NSMC + "ratings_train.txt", "ratings_train.txt", 14_628_807),
                RemoteFile(_NSMC + "ratings_test.txt", "ratings_test.txt", 4_893_335),
            ),
        ),
        Dataset(
            name="sample",
            what="4,000 of the NSMC reviews, bundled",
            languages=("Korean",),
            licence="CC0 1.0",
            citation="Park 2016, Naver sentiment movie corpus v1.0",
            home="https://github.com/e9t/nsmc",
            rows={"train": 4_000},
            parts={"train": (Stored(FILE, 1, 2),)},
            bundled=True,
        ),
        Dataset(
            name="shakespeare",
            what="11,122 lines of Shakespeare's plays, bundled; for language models, without labels",
            languages=("English",),
            licence="public domain",
            citation="Karpathy 2015, The Unreasonable Effectiveness of Recurrent Neural Networks",
            home="https://github.com/karpathy/char-rnn",
            rows={"train": 11_122},
            parts={"train": (Stored(SHAKESPEARE, running=True),)},
            bundled=True,
        ),
        *SERIES,
    )
}


def known(name: str) -> Dataset:
    """The data set of this name. Errors: `UsageError` that lists the names there are."""
    if name not in DATASETS:
        raise UsageError(f"there is no known data set {name!r}", mend=f"known are {', '.join(DATASETS)}")
    return DATASETS[name]


def cache_folder() -> Path:
    """Where downloads are kept: `TIMESTEPS_CACHE`, otherwise `~/.cache/timesteps`."""
    folder = os.environ.get("TIMESTEPS_CACHE")
    return Path(folder) if folder else Path.home() / ".cache" / "timesteps"


def locate(name: str) -> Path | None:
    """The folder that holds the data set, or None: what is bundled, else `TIMESTEPS_DATA/<folder>`, then the cache.

    The first of them that has any part is used for all parts: parts of different origin may share rows.

    Errors: `UsageError` for an unknown name; `DataError` where `TIMESTEPS_DATA` names no folder.

    >>> locate("sample").name
    'samples'
    """
    dataset = known(name)
    if dataset.bundled:
        return sample_path().parent
    roots = [cache_folder()]
    if given := os.environ.get("TIMESTEPS_DATA"):
        if not Path(given).is_dir():
            raise DataError("is not a folder, but TIMESTEPS_DATA says so", path=given, mend="mend or unset it")
        roots.insert(0, Path(given))
    folder = dataset.folder or name
    return next((root / folder for root in roots if parts_in(dataset, root / folder)), None)


def parts_in(dataset: Dataset, folder: Path) -> dict[str, Stored]:
    """The parts of the data set that are in the folder, each in the first form that is there."""
    found = {}
    for part, forms in dataset.parts.items():
        form = next((form for form in forms if (folder / form.path).exists()), None)
        if form is not None:
            found[part] = form
    return found
