"""What a training run found, and the words for it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.metrics import Comparison, Evaluation, compare
from timesteps.tasks.baselines import BaselineResult
from timesteps.tasks.classify.rows import Rows
from timesteps.training.verdict import Verdict


@dataclass(frozen=True)
class Result:
    """Ours and the baselines', judged on the same validation rows."""

    folder: Path
    evaluation: Evaluation
    probabilities: NDArray[np.float64]  # (R, K) of the validation rows
    baselines: list[BaselineResult]
    baseline_evaluations: list[Evaluation]
    rows: Rows
    seconds: dict[str, float]

    @property
    def best_baseline(self) -> int | None:
        """Number of the most accurate baseline, None when none was trained."""
        scores = [evaluation.accuracy for evaluation in self.baseline_evaluations]
        return int(np.argmax(scores)) if scores else None

    @property
    def comparison(self) -> Comparison | None:
        """Ours against the best baseline, row by row."""
        best = self.best_baseline
        if best is None:
            return None
        theirs = self.baselines[best].probabilities.argmax(axis=1)
        return compare(self.rows.valid.targets, self.probabilities.argmax(axis=1), theirs)

    @property
    def verdict(self) -> Verdict:
        """The result in words; a loss against a baseline is said as one."""
        best = self.best_baseline
        if best is None:
            return Verdict(self.evaluation)
        return Verdict(
            self.evaluation, self.baselines[best].name, self.baseline_evaluations[best].accuracy, self.comparison
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for --json; the shape is stable."""
        return {
            "folder": str(self.folder),
            "verdict": str(self.verdict),
            "model": self.evaluation.to_dict(),
            "baselines": [
                {"name": each.name, "seconds": each.seconds, **evaluation.to_dict()}
                for each, evaluation in zip(self.baselines, self.baseline_evaluations, strict=True)
            ],
            "rows": self.rows.to_dict(),
            "seconds": self.seconds,
        }

    def __str__(self) -> str:
        lines = [f"{'on the validation rows':<44} {'accuracy':>9} {'macro-F1':>9} {'seconds':>9}"]
        rows = [("timesteps", self.evaluation, self.seconds.get("training", 0.0))]
        rows += [
            (f"baseline: {each.name}", evaluation, each.seconds)
            for each, evaluation in zip(self.baselines, self.baseline_evaluations, strict=True)
        ]
        for name, evaluation, seconds in rows:
            lines.append(f"{name:<44} {100 * evaluation.accuracy:>7.2f} % {evaluation.macro_f1:>9.4f} {seconds:>9.1f}")
        lines += ["", f"{self.verdict.headline}.", self.verdict.detail, "", f"report   {self.folder / 'report.html'}"]
        lines.append(f"use it   timesteps predict {shlex.quote(str(self.folder))} FILE")
        return "\n".join(lines)
