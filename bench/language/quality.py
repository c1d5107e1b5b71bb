"""`python -m bench.language.quality NAME … [--threads N]`: train the recipes on their texts, to the end.

The runs lie in runs/language/NAME and go on where they were stopped; each result goes to
bench/results/language_quality.json. Texts are found through TIMESTEPS_DATA. The seconds are those of the epochs,
however often the run was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from bench import record
from timesteps.tasks.language.run import LanguageRequest, run
from timesteps.training.log import JsonLines
from timesteps.training.progress import PlainProgress

RUNS = Path(__file__).parents[2] / "runs" / "language"

_PTB = {"corpus": "ptb/ptb.train.txt.xz", "valid": "ptb/ptb.valid.txt.xz"}
TEXTS: dict[str, dict[str, Any]] = {
    "ptb-small": {**_PTB, "recipe": "small"},
    "ptb-medium": {**_PTB, "recipe": "medium"},
    "ptb-awd": {**_PTB, "recipe": "awd"},
    "shakespeare-char": {"corpus": "tinyshakespeare/input.txt.xz", "validation_split": 0.1, "recipe": "char"},
}


def called(name: str, choices: dict[str, Any]) -> str:
    """A run's name, with what was chosen otherwise than in the recipe: "ptb-medium, epochs=1".

    >>> called("ptb-medium", {"epochs": 1}), called("ptb-small", {})
    ('ptb-medium, epochs=1', 'ptb-small')
    """
    return ", ".join([name, *(f"{option}={value}" for option, value in choices.items())])


def train(name: str, threads: int, choices: dict[str, Any]) -> dict[str, Any]:
    """One run, begun or resumed: its figures."""
    folder, data = RUNS / called(name, choices).replace(", ", "-"), Path(os.environ["TIMESTEPS_DATA"])
    text = {key: str(data / value) if key in ("corpus", "valid") else value for key, value in TEXTS[name].items()}
    resume = (folder / "request.json").exists() and not (folder / "card.md").exists()
    request = LanguageRequest(**text, choices=choices)
    figures = run(request, folder, resume=resume, threads=threads, say=print, progress=PlainProgress()).figures
    timings = JsonLines(folder / "timings.jsonl").read()
    log = JsonLines(folder / "log.jsonl").read()
    figures = {key: value for key, value in figures.items() if key not in ("seconds", "corpus")}
    return figures | {
        "choices": choices,
        "threads": threads,
        "training_seconds": round(sum(epoch["seconds"] for epoch in timings), 1),
        "epoch_seconds": [round(epoch["seconds"], 1) for epoch in timings],
        "val_losses": [round(epoch["val_loss"], 4) for epoch in log],
    }


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(prog="python -m bench.language.quality", description=__doc__)
    parser.add_argument("names", nargs="+", choices=TEXTS, metavar="NAME", help=", ".join(TEXTS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--choices", type=json.loads, default={}, help="other choices than the recipe's, as JSON")
    asked = parser.parse_args()
    for name in asked.names:
        figures = train(name, asked.threads, asked.choices)
        before = record.read("language_quality")
        found = {} if before is None else before["results"]
        record.write("language_quality", found | {called(name, asked.choices): figures})
        print(json.dumps({name: figures["valid"]}, indent=1), flush=True)


if __name__ == "__main__":
    main()
