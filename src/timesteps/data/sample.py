"""The texts that ship with the package; `samples/NOTICE.md` says where they are from."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

FILE = "nsmc_cc0_4000.tsv.gz"
SHAKESPEARE = "tinyshakespeare_pd_300k.txt.gz"


def sample_path() -> Path:
    """The bundled file: 4,000 NSMC reviews (CC0), text and label in two columns.

    >>> sample_path().name
    'nsmc_cc0_4000.tsv.gz'
    """
    return Path(str(files("timesteps.data").joinpath("samples", FILE)))
