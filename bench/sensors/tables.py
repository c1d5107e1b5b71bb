"""The table of sequences of numbers, from bench/results/sensors.json."""

from __future__ import annotations

from statistics import fmean

from bench.markdown import UNMEASURED, Read, machine_of, table

#: What was asked of each set, in percent.
ASKED = {"japanese-vowels": 97.0, "basic-motions": 95.0} | {f"hmp, windows of {steps}": 75.7 for steps in (8, 16, 32)}
_BASELINES = {
    "statistics": "linear model of statistics",
    "1-NN": "nearest row",
    "forest": "random forest of statistics",
}


def sensors(read: Read) -> str:
    """Accuracy of `Classifier()` and of baselines on the same rows."""
    content = read("sensors")
    head = ["data", "rows judged", "`Classifier()`", *_BASELINES.values(), "asked"]
    if content is None:
        return table(head, [[UNMEASURED, *[""] * (len(head) - 1)]])
    rows = []
    for name, found in content["results"].items():
        runs = [100 * accuracy for accuracy in found.get("timesteps", {}).values()]
        mean = fmean(runs) if runs else None
        asked = ASKED.get(name)
        rows.append(
            [
                name,
                f"{found['rows']:,}" + (f" in {found['folds']} folds" if found["folds"] > 1 else ""),
                UNMEASURED
                if mean is None
                else f"**{mean:.1f} %** ({len(runs)} seeds: {min(runs):.1f} to {max(runs):.1f})",
                *(f"{100 * found['baselines'][each]:.1f} %" for each in _BASELINES),
                ""
                if asked is None or mean is None
                else f"{asked:g} %: {'reached' if mean >= asked else 'not reached'}",
            ]
        )
    return (
        table(head, rows)
        + f"\n`python -m bench.sensors`, one thread: {machine_of(content)}; commit {content['commit']}.\n"
    )
