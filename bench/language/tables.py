"""What n-gram and recurrent language models reach, as a table."""

from __future__ import annotations

import math

from bench.markdown import UNMEASURED, Read, machine_of, table

#: Of each run of bench.language.quality: what it is, its unit, and the most that was asked for.
ASKED = {
    "ptb-small": ("recipe `small` (2×200) on PTB", "word", 121.4),
    "ptb-medium": ("recipe `medium` on PTB", "word", 86.2),
    "ptb-awd": ("recipe `awd` on PTB", "word", 61.2),
    "shakespeare-char": ("recipe `char` on tinyshakespeare", "char", 1.48),
}

SHAPES = {"small": "2×200", "medium": "2×650", "awd": "3×1150, tied,"}


def language(read: Read) -> str:
    """Figures of bench/results/ngram.json, language.json and language_quality.json beside what was asked."""
    rows: list[list[str]] = []
    sources = []

    def row(what: str, value: str, asked: str, reached: bool) -> None:
        rows.append([what, value, f"{asked}: " + ("reached" if reached else "**not reached**")])

    if ngram := read("ngram"):
        found = ngram["results"]  # where KenLM or NLTK was not there, it has no figures
        ours, part, queries = found["estimation"], found["estimation_part"], found["queries"]
        mine = ours["timesteps"]
        rows.append(["PTB, 5-grams, Kneser-Ney: perplexity of valid", f"{mine['perplexity_valid']:.1f}", ""])
        if apart := queries.get("largest_difference_log10"):
            what = "the same ARPA file read by KenLM: largest difference of a sentence"
            row(what, f"{apart:.1g}", "≤ 1e-4", apart <= 1e-4)
        if nltk := part.get("nltk, counts alone"):
            times = nltk["seconds"] / part["timesteps"]["seconds"]
            row("estimation beside nltk.lm's counts, 4,000 sentences", f"{times:.0f}×", "≥ 50×", times >= 50)
        if lmplz := ours.get("lmplz, to ARPA"):
            rows.append(["estimation, all of PTB, beside lmplz", f"{lmplz['seconds'] / mine['seconds']:.1f}×", ""])
        speed = queries["tokens_per_second"]
        for call in ("a call a sentence", "a call a token"):
            if kenlm := speed.get(f"kenlm, {call}"):
                us = speed[f"timesteps, {call}"]
                value = f"{us / 1e6:.2f} and {kenlm / 1e6:.2f} M tokens a second"
                row(f"queries, {call}, and KenLM's", value, "≥ KenLM's", us >= kenlm)
        sources.append(f"n-grams {ngram['commit']}")
    if recurrent := read("language"):
        found = recurrent["results"]
        for called, step in found.items():
            name, _, threads = called.partition(", ")
            if name not in SHAPES:
                continue
            what = f"a step of {SHAPES[name]} LSTM words, V=10,000, {threads}, beside torch.nn"
            row(what, f"{step['ratio']:.2f}× ({step['seconds_of_an_epoch']['native']:.0f} s an epoch of PTB)", "≥ 1.3×",
                step["ratio"] >= 1.3)  # fmt: skip
        memory = found["peak memory, MiB"]
        row("its peak memory beside torch's", f"{memory['ratio']:.2f}×", "≤ 0.6×", memory["ratio"] <= 0.6)
        sources.append(f"steps {recurrent['commit']}")
    if sampled := read("sampled_softmax"):
        for size, engines in sampled["results"]["seconds of a step"].items():
            mine, torchs = engines["native"], engines["torch"]
            what = f"a step of it, {int(size.split()[0]):,} words, 4,000 samples: beside all classes; torch's"
            times = [f"{engine['all'] / engine['4000']:.1f}×" for engine in (mine, torchs)]
            rows.append([what, f"{times[0]} ({1000 * mine['4000']:.0f} ms); {times[1]}", ""])
        sources.append(f"samples {sampled['commit']}")
    if quality := read("language_quality"):
        for called, run in quality["results"].items():
            name, _, otherwise = called.partition(", ")
            text, unit, most = ASKED[name]
            loss = min(run["val_losses"])
            figure, value = (math.exp(loss), "perplexity") if unit == "word" else (loss, "nats a character")
            minutes = run["training_seconds"] / 60
            epochs = f"{len(run['val_losses'])} epochs" if len(run["val_losses"]) > 1 else "the first epoch"
            what = f"{text}, {epochs} in {minutes:.0f} minutes: {value} of the held-out part"
            shown = f"{figure:.{1 if unit == 'word' else 3}f}"
            if otherwise:  # not what was asked: the first epochs of a long recipe
                rows.append([what, shown, ""])
                continue
            if "epoch_seconds" in run and figure <= most:
                enough = math.log(most) if unit == "word" else most
                first = next(number for number, each in enumerate(run["val_losses"], 1) if each <= enough)
                shown += f" (after {sum(run['epoch_seconds'][:first]) / 60:.0f} minutes ≤ {most:g})"
            row(what, shown, f"≤ {most:g}", figure <= most)
        sources.append(f"trained {quality['commit']}")
    if not rows:
        rows.append(["language models", UNMEASURED, ""])
    content = ngram or recurrent
    where = "" if content is None else f"\nOn {machine_of(content)}; commits: {', '.join(sources)}.\n"
    return table(["language models", "measured", "asked"], rows) + where
