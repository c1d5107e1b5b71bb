"""Known data sets that are not here yet are fetched before the work begins, and the wait is shown."""

from __future__ import annotations

from timesteps.cli.talk import say


def fetch(source: str | None) -> None:
    """Download what `source` names if it is a known data set that is not here; say where to."""
    from timesteps.data.catalogue import Dataset, locate
    from timesteps.data.download import download
    from timesteps.data.source import resolve

    found = resolve(source)
    if not isinstance(found, Dataset) or locate(found.name) is not None:
        return

    from timesteps.training.progress import download_progress

    if not found.files:
        download(found.name)  # says why it cannot
    say(f"{found.name} is not here yet, fetching {found.size / 2**20:.0f} MiB from {found.home}")
    with download_progress() as report:
        folder = download(found.name, report)
    say(f"{found.name} is in {folder}")
