"""What the texts show runs, and what they point to is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
#: what the blocks of Python in a page print, one after the other
PRINTED = {
    "README.md": ["['1' '0']", "torch.Size([32, 100, 256]) torch.Size([2, 32, 128])", "1\n선생님이 교실로 달려갔다"],
    "docs/backtests.md": ["drift does not beat seasonal naive + drift: MASE 0.59 vs 0.20"],
    "docs/lab.md": ["[[0, 1, 1, 0, 1, 1, 0, 0, 1, 0]]\n[[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, -1.0]]"],
    "docs/language.md": ["3.5\n1\n['기차를', '버스를'] 선생님이 교실로 달려갔다"],
}


def blocks() -> list[tuple[str, str]]:
    """Each block with what it prints."""
    found = []
    for page, printed in PRINTED.items():
        code = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.S)
        found += zip(code, printed, strict=True)
    return found


@pytest.mark.parametrize(("code", "printed"), blocks())
def test_python_of_the_pages_runs(code: str, printed: str, tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == printed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if "://" not in target and not target.startswith("#"):
            assert (page.parent / target.split("#")[0]).exists(), f"{page.name} points to {target}"


def test_picture_is_small() -> None:
    assert (ROOT / "docs" / "images" / "report.png").stat().st_size <= 150_000
