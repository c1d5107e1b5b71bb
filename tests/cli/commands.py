"""Ways to run the command, and rows to run it on."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NamedTuple

#: What makes a run small: 2 seconds, most of them imports.
SMALL = ["--input", "ids", "--embedding-size", "8", "--hidden-size", "8", "--no-baselines", "--threads", "1"]


class Answer(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


def reviews(rows: int, start: int = 0) -> str:
    """Comma-separated rows that a small network learns at once, no two alike."""
    lines = ["text,label"]
    for number in range(start, start + rows):
        word, label = ("good", "pos") if number % 2 else ("bad", "neg")
        lines.append(f"a {word} film number {number},{label}")
    return "\n".join(lines) + "\n"


def spawn(*words: object, **more: object) -> subprocess.Popen[str]:
    """The command in a process of its own, its streams in pipes."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-m", "timesteps", *map(str, words)]
    environment = os.environ | {"PYTHONUTF8": "1", "COLUMNS": "80"}
    environment.pop("PYTHONUNBUFFERED", None)  # it would hide an answer that was not sent on
    return subprocess.Popen(command, env=environment, **(pipes | more))  # type: ignore[call-overload, no-any-return]


def finish(process: subprocess.Popen[str], given: str | None = None) -> Answer:
    out, err = process.communicate(given, timeout=120)
    return Answer(process.returncode, out or "", err or "")
