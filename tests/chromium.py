"""Pages as a browser shows them, where there is one."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--virtual-time-budget=8000",
)  # fmt: skip


def browse(folder: Path, address: str, size: tuple[int, int], *what: str) -> str:
    """Open a page in a window of this size and do what is said; what the browser prints."""
    own = f"--user-data-dir={folder / 'profile'}", f"--window-size={size[0]},{size[1]}"
    command = [str(CHROMIUM), *QUIET, *own, *what, address]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def dom(page: Path, size: tuple[int, int] = (1100, 2000), fragment: str = "") -> str:
    """The page's elements after it has been drawn, and its scripts have run."""
    return browse(page.parent, page.as_uri() + fragment, size, "--dump-dom")


def screenshot(page: Path, size: tuple[int, int]) -> bytes:
    """The picture of the page, a PNG of this size."""
    picture = page.parent / "screenshot.png"
    browse(page.parent, page.as_uri(), size, f"--screenshot={picture}")
    drawn = picture.read_bytes()
    assert drawn[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">II", drawn[16:24]) == size
    return drawn
