"""`python -m bench.ngram`: n-gram models beside KenLM and NLTK, on the Penn Treebank (TIMESTEPS_DATA/ptb).

Queries are timed in turns in one process, estimation and memory in a process each. `--lmplz PATH` names KenLM's
estimator, where it has been built; without kenlm or nltk their rows are left out. Wants a machine with nothing else to do.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import lzma
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from bench.record import write

ORDER = 5
PART = 4_000  # sentences that NLTK counts: all would take minutes
REPEATS = 7


def lines(part: str) -> list[str]:
    """Sentences of PTB."""
    path = Path(os.environ["TIMESTEPS_DATA"]) / "ptb" / f"ptb.{part}.txt.xz"
    with lzma.open(path, "rt", encoding="utf-8") as file:
        return file.read().splitlines()


def peak_kib() -> int:
    """The most memory that this process has had; getrusage would count what its parent had at the fork."""
    return int(re.findall(r"VmHWM:\s+([0-9]+)", Path("/proc/self/status").read_text())[0])


def estimate_ours(sentences: int, arpa: str) -> dict[str, Any]:
    """Seconds to estimate a model of so many sentences, and what it makes of the validation text."""
    from timesteps import NgramModel

    texts = lines("train")[:sentences]
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        model = NgramModel(order=ORDER).fit(texts)
        seconds.append(time.perf_counter() - begin)
    logs, _ = model.text_log_probs(lines("valid"))
    if arpa:
        model.save(f"{arpa}.safetensors")
        model.to_arpa(arpa)
    perplexity = float(np.exp(-logs.mean()))
    return {"seconds": min(seconds), "perplexity_valid": perplexity, "ngrams": list(model.counts)}


def estimate_nltk(sentences: int, arpa: str) -> dict[str, Any]:
    """Seconds that NLTK takes to count; its probabilities are made when asked for, and in no figure here."""
    from nltk.lm import KneserNeyInterpolated
    from nltk.lm.preprocessing import padded_everygram_pipeline

    texts = [line.split() for line in lines("train")[:sentences]]
    begin = time.perf_counter()
    grams, vocabulary = padded_everygram_pipeline(ORDER, texts)
    KneserNeyInterpolated(ORDER).fit(grams, vocabulary)
    return {"seconds": time.perf_counter() - begin}


def memory_ours(sentences: int, arpa: str) -> dict[str, Any]:
    """A process that scores the validation text with the mapped model."""
    from timesteps import load_language

    before = peak_kib()
    begin = time.perf_counter()
    model = load_language(f"{arpa}.safetensors")
    seconds = time.perf_counter() - begin
    model.text_log_probs(lines("valid"))  # type: ignore[attr-defined]  # it is an n-gram model
    return {"load_seconds": seconds, "before_kib": before, "file_bytes": Path(f"{arpa}.safetensors").stat().st_size}


def memory_kenlm(sentences: int, arpa: str) -> dict[str, Any]:
    """The same with KenLM, from the ARPA file."""
    before = peak_kib()
    begin = time.perf_counter()
    model = kenlm_model(arpa)
    seconds = time.perf_counter() - begin
    for line in lines("valid"):
        model.score(line)
    return {"load_seconds": seconds, "before_kib": before, "file_bytes": Path(arpa).stat().st_size}


def kenlm_model(arpa: str) -> Any:
    """KenLM's probing model, which is its fastest."""
    import kenlm

    config = kenlm.Config()
    config.show_progress = False
    return kenlm.Model(arpa, config)


def queries(sentences: int, arpa: str) -> dict[str, Any]:
    """Tokens a second over the validation text, in turns: a call for all of it, a sentence, a token."""
    import kenlm

    from timesteps import load_language

    ours: Any = load_language(f"{arpa}.safetensors")
    theirs = kenlm_model(arpa)
    texts = lines("valid")
    ids = [[*ours.tokens(text), ours.end] for text in texts]
    words = [[*text.split(), "</s>"] for text in texts]
    count = sum(map(len, ids))

    def ours_by_token() -> None:
        for sentence in ids:
            state = ours.start()
            for token in sentence:
                _, state = ours.log_prob(state, token)

    def kenlm_by_token() -> None:
        before, after = kenlm.State(), kenlm.State()
        for sentence in words:
            theirs.BeginSentenceWrite(before)
            for word in sentence:
                theirs.BaseScore(before, word, after)
                before, after = after, before

    runs: dict[str, Callable[[], Any]] = {
        "timesteps, all texts in a call": lambda: ours.text_log_probs(texts),
        "timesteps, a call a sentence": lambda: [ours.text_log_prob(text) for text in texts],
        "timesteps, a call a token": ours_by_token,
        "kenlm, a call a sentence": lambda: [theirs.score(text) for text in texts],
        "kenlm, a call a token": kenlm_by_token,
    }
    best = dict.fromkeys(runs, math.inf)
    for _ in range(REPEATS):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - begin)
    logs, offsets = ours.text_log_probs(texts)
    scores = np.add.reduceat(logs, offsets[:-1]) / math.log(10.0)
    difference = float(abs(scores - [theirs.score(text) for text in texts]).max())
    return {
        "tokens": count,
        "tokens_per_second": {name: count / seconds for name, seconds in best.items()},
        "largest_difference_log10": difference,
    }


JOBS = {each.__name__: each for each in (estimate_ours, estimate_nltk, memory_ours, memory_kenlm, queries)}


def job(name: str, sentences: int, arpa: str) -> dict[str, Any]:
    """Do a job in a process of its own; with its largest memory."""
    command = [sys.executable, "-m", "bench.ngram", "--job", name, str(sentences), arpa]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def lmplz(path: str, folder: Path) -> dict[str, Any]:
    """KenLM's estimator on the same text; it takes no <unk> in a corpus, so the word is spelled otherwise."""
    text = "\n".join(lines("train")).replace("<unk>", "<UNK>") + "\n"
    begin = time.perf_counter()
    run = subprocess.run(
        [path, "-o", str(ORDER), "-S", "1G", "-T", str(folder)], input=text.encode(), capture_output=True
    )
    seconds = time.perf_counter() - begin
    run.check_returncode()
    peak = re.search(rb"RSSMax:(\d+)", run.stderr)
    return {"seconds": seconds} | ({"peak_kib": int(peak[1])} if peak else {})


def main() -> None:
    """Measure what is installed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--lmplz")
    given = parser.parse_args()
    if given.job:
        name, sentences, arpa = given.job
        found = JOBS[name](int(sentences), arpa)
        print(json.dumps(found | {"peak_kib": peak_kib()}))
        return
    everything = len(lines("train"))
    figures: dict[str, Any] = {"order": ORDER, "sentences": everything, "versions": {}}
    for package in ("kenlm", "nltk"):
        figures["versions"][package] = version(package) if importlib.util.find_spec(package) else "absent"
    with tempfile.TemporaryDirectory() as folder:
        arpa = str(Path(folder) / "ptb.arpa")
        figures["estimation"] = {"timesteps": job("estimate_ours", everything, arpa)}
        if given.lmplz:
            figures["estimation"]["lmplz, to ARPA"] = lmplz(given.lmplz, Path(folder))
        if figures["versions"]["nltk"] != "absent":
            part = {"timesteps": job("estimate_ours", PART, ""), "nltk, counts alone": job("estimate_nltk", PART, "")}
            figures["estimation_part"] = {"sentences": PART, **part}
        if figures["versions"]["kenlm"] != "absent":
            figures["queries"] = job("queries", 0, arpa)
            figures["memory"] = {name: job(f"memory_{name}", 0, arpa) for name in ("ours", "kenlm")}
    print(json.dumps(figures, indent=1))
    write("ngram", figures)


if __name__ == "__main__":
    main()
