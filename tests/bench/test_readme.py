"""What the texts show runs, and what they point to is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)


PRINTED = ["['1' '0']", "torch.Size([32, 100, 256]) torch.Size([2, 32, 128])", "1\n선생님이 교실로 달려갔다"]


@pytest.mark.parametrize(("code", "printed"), zip(BLOCKS, PRINTED, strict=True))
def test_python_of_the_readme_runs(code: str, printed: str, tmp_path: Path) -> None:
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
