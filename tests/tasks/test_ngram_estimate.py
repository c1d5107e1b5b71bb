"""Estimation: the core against plain Python, both against the papers' equations, and against other libraries."""

from __future__ import annotations

import itertools
import math
import os
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ngram_texts import content, texts

from timesteps import NgramModel
from timesteps.runtime import native
from timesteps.runtime.native import without_core
from timesteps.tasks.ngram.smoothing import SMOOTHINGS, discounts

needs_core = pytest.mark.skipif(native.core is None, reason="there is no compiled core")

CASES = [(name, order, cutoffs) for name in SMOOTHINGS for order, cutoffs in ((1, (0,)), (2, (0,)), (4, (0, 0, 1)))]


def counted(lines: list[str], order: int) -> list[Counter[tuple[str, ...]]]:
    """Raw counts of n-grams, by order."""
    found: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(order)]
    for line in lines:
        words = ["<s>", *line.split(), "</s>"]
        for last, n in itertools.product(range(1, len(words)), range(1, order + 1)):
            if last - n + 1 >= 0:
                found[n - 1][tuple(words[last - n + 1 : last + 1])] += 1
    return found


class KneserNey:
    """Interpolated modified Kneser-Ney from the equations of Chen and Goodman (1998), slowly: no code is shared."""

    def __init__(self, lines: list[str], order: int) -> None:
        raw = counted(lines, order)
        self.order = order
        self.words = {word for (word,) in raw[0]} | {"<unk>"}
        self.counts: list[dict[tuple[str, ...], int]] = []
        for n in range(1, order + 1):
            if n == order:
                self.counts.append(dict(raw[n - 1]))
                continue
            before = defaultdict(set)
            for gram in raw[n]:
                before[gram[1:]].add(gram[0])
            begun = {gram: count for gram, count in raw[n - 1].items() if gram[0] == "<s>"}
            self.counts.append({gram: len(words) for gram, words in before.items()} | begun)
        self.discounts = []
        for counts in self.counts:
            of = Counter(counts.values())
            y = of[1] / (of[1] + 2 * of[2])
            self.discounts.append([0.0, *(i - (i + 1) * y * of[i + 1] / of[i] for i in (1, 2, 3))])

    def p(self, word: str, context: tuple[str, ...]) -> float:
        context = context[len(context) - self.order + 1 :] if self.order > 1 else ()
        lower = self.p(word, context[1:]) if context else 1 / len(self.words)
        n = len(context)
        followers = {gram[-1]: count for gram, count in self.counts[n].items() if gram[:-1] == context}
        total = sum(followers.values())
        if not total:
            return lower
        taken = [self.discounts[n][min(count, 3)] for count in followers.values()]
        own = followers.get(word, 0)
        return (own - self.discounts[n][min(own, 3)]) / total + sum(taken) / total * lower


def test_kneser_ney_is_what_the_equations_say() -> None:
    lines = texts(1, 150, 40)
    slow = KneserNey(lines, 3)
    model = NgramModel(order=3).fit(lines)
    assert model.estimated is not None
    assert not model.estimated.notes
    assert np.allclose(model.estimated.discounts, [each[1:] for each in slow.discounts], rtol=1e-12)
    rng = np.random.default_rng(0)
    words = sorted(slow.words - {"</s>", "<unk>"})
    for _ in range(40):
        line = [str(word) for word in rng.choice(words, rng.integers(1, 5))]
        logs, _ = model.log_probs(model.start(), [*model.tokens(" ".join(line)), model.end])
        history = ["<s>"]
        for word, log in zip([*line, "</s>"], logs, strict=True):
            assert math.exp(log) == pytest.approx(slow.p(word, tuple(history)), rel=1e-6)
            history.append(word)


def test_add_k_is_lidstone_as_nltk_has_it() -> None:
    lm = pytest.importorskip("nltk.lm", reason="nltk is not installed")
    lines = texts(2, 60, 8)
    grams = [
        [tuple(words[max(0, last - 2) : last + 1]) for last in range(1, len(words))]
        for words in (["<s>", *line.split(), "</s>"] for line in lines)
    ]
    vocabulary = {word for line in lines for word in line.split()} | {"</s>"}
    theirs = lm.Lidstone(0.3, 3)
    theirs.fit(grams, lm.Vocabulary(vocabulary))
    model = NgramModel(order=3, smoothing="add-k", k=0.3).fit(lines)
    state = model.log_probs(model.start(), model.tokens("w1 w2"))[1]
    found = np.exp(model.distribution(state))
    for word in vocabulary:
        token = model.end if word == "</s>" else model.tokens(word)[0]
        assert found[token] == pytest.approx(theirs.score(word, ("w1", "w2")), rel=1e-6)


def add_k(lines: list[str], k: float, word: str, context: tuple[str, str]) -> float:
    raw = counted(lines, 3)
    size = len(raw[0]) + 1
    seen = sum(count for gram, count in raw[2].items() if gram[:-1] == context)
    return (raw[2][(*context, word)] + k) / (seen + k * size)


def test_add_k_is_what_the_equation_says_of_seen_and_unseen_contexts() -> None:
    lines = texts(2, 60, 8)
    model = NgramModel(order=3, smoothing="add-k", k=0.3).fit(lines)
    for context in itertools.product([f"w{n}" for n in range(8)], repeat=2):
        state = model.log_probs(model.empty(), model.tokens(" ".join(context)))[1]
        for word in ("w0", "w3", "w7"):
            found = math.exp(model.log_prob(state, model.tokens(word)[0])[0])
            assert found == pytest.approx(add_k(lines, 0.3, word, context), rel=1e-6)


def test_witten_bell_and_stupid_backoff_are_what_the_equations_say() -> None:
    lines = texts(3, 60, 8)
    raw = counted(lines, 3)
    size = len(raw[0]) + 1

    def followers(context: tuple[str, ...]) -> list[int]:
        return [count for gram, count in raw[len(context)].items() if gram[:-1] == context]

    def witten_bell(word: str, context: tuple[str, ...]) -> float:
        lower = witten_bell(word, context[1:]) if context else 1 / size
        seen = followers(context)
        if not seen:
            return lower
        return (raw[len(context)][(*context, word)] + len(seen) * lower) / (sum(seen) + len(seen))

    def stupid(word: str, context: tuple[str, ...]) -> float:
        count, seen = raw[len(context)][(*context, word)], sum(followers(context))
        if count:
            return count / seen
        return (0.4 if seen else 1.0) * (stupid(word, context[1:]) if context else 1 / size)

    for name, score in (("witten-bell", witten_bell), ("stupid-backoff", stupid)):
        model = NgramModel(order=3, smoothing=name).fit(lines)
        for context in itertools.product([f"w{n}" for n in range(8)], repeat=2):
            state = model.log_probs(model.empty(), model.tokens(" ".join(context)))[1]
            for word in ("w0", "w3", "w7", "zebra"):
                found = math.exp(model.log_prob(state, model.tokens(word)[0])[0])
                assert found == pytest.approx(score(word, context), rel=1e-6), (name, word, context)


@pytest.mark.parametrize(("name", "order", "cutoffs"), CASES)
def test_probabilities_sum_to_one_after_every_context(name: str, order: int, cutoffs: tuple[int, ...]) -> None:
    if name == "stupid-backoff":
        pytest.skip("its scores are no probabilities")
    model = NgramModel(order=order, smoothing=name, cutoffs=cutoffs, min_count=2).fit(texts(4))
    for sentence in ("", "w1", "w1 w2 w3", "w5 w5", "zebra", "w3 w9 w1"):
        state = model.log_probs(model.start(), model.tokens(sentence))[1]
        found = model.distribution(state)
        assert np.exp(found).sum() == pytest.approx(1, abs=2e-6)
        assert found[model.begin] == -np.inf
        assert np.isfinite(np.delete(found, model.begin)).all()


@needs_core
@pytest.mark.parametrize(("name", "order", "cutoffs"), CASES)
def test_the_core_gives_the_bits_of_plain_python(name: str, order: int, cutoffs: tuple[int, ...]) -> None:
    lines = texts(5, 120, 15)
    fast = NgramModel(order=order, smoothing=name, cutoffs=cutoffs, vocabulary=14).fit(lines)
    with without_core():
        plain = NgramModel(order=order, smoothing=name, cutoffs=cutoffs, vocabulary=14).fit(lines)
        assert fast.spec == plain.spec
        for key, tensor in plain.tensors.items():
            assert tensor.tobytes() == fast.tensors[key].tobytes(), key
        logs = plain.text_log_probs(lines[:20])[0]
    assert (fast.text_log_probs(lines[:20])[0] == logs).all()


@needs_core
@given(st.lists(st.lists(st.sampled_from("abcde"), max_size=9), min_size=1, max_size=30), st.integers(1, 5))
def test_any_corpus_gives_the_bits_of_plain_python(sentences: list[list[str]], order: int) -> None:
    lines = [*(" ".join(words) for words in sentences), "a"]
    fast = NgramModel(order=order).fit(lines)
    with without_core():
        plain = NgramModel(order=order).fit(lines)
    assert fast.spec == plain.spec
    assert all((fast.tensors[key] == tensor).all() for key, tensor in plain.tensors.items())


@needs_core
def test_the_bound_of_memory_changes_nothing(tmp_path: Path) -> None:
    lines = texts(6, 30_000, 300, 20)
    whole = NgramModel(order=4, folder=tmp_path).fit(lines)
    parts = NgramModel(order=4, memory="1MB", folder=tmp_path).fit(lines)
    assert whole.estimated is not None and parts.estimated is not None
    assert whole.estimated.spilled == 0 and parts.estimated.spilled > 3
    assert isinstance(parts.tensors["ngrams.4"], np.memmap) and not isinstance(whole.tensors["ngrams.4"], np.memmap)
    assert whole.spec == parts.spec
    for key, tensor in whole.tensors.items():
        assert tensor.tobytes() == parts.tensors[key].tobytes(), key
    assert not list(tmp_path.iterdir())


@needs_core
def test_more_runs_than_are_merged_at_a_time_change_nothing(tmp_path: Path) -> None:
    assert native.core is not None
    lines = ("\n".join(texts(7, 60_000, 30, 20)) + "\n").encode()
    found = []
    for memory in (1 << 30, 1 << 10):
        counter = native.core.NgramCounter(memory, str(tmp_path))
        counter.add(lines, False)
        count = len(counter.words())
        levels = counter.levels(np.arange(3, count + 3, dtype=np.uint32), count + 3, 1, 2, [0, 0, 0], True)
        levels.estimate(0, 0.0, [discounts(each) or (0.5, 1.0, 1.5) for each in levels.of_count])
        found.append([column.tobytes() for _ in range(3) for column in levels.next()])
    assert counter.spilled > 256
    assert found[0] == found[1]


def test_sorting_words_by_frequency_and_the_cut_of_the_vocabulary() -> None:
    model = NgramModel(order=2, vocabulary=5).fit(["b a b c", "c b d"])
    assert model.words == ("<unk>", "<s>", "</s>", "b", "c")
    assert model.vocabulary.counts.tolist() == [2, 0, 2, 3, 2]
    assert NgramModel(order=2, min_count=2).fit(["b a b c", "c b d"]).words == model.words


@pytest.mark.parametrize("units", ["word", "syllable", "jamo", "char", "byte"])
def test_units(units: str) -> None:
    lines = ["나는 버스를 탔다", "나는 버스를 기다렸다", "그는 간다!"] * 3
    model = NgramModel(order=3, units=units).fit(lines)
    for line in lines:
        assert model.text(model.tokens(line)) == line
        logs, _ = model.text_log_probs([line])
        assert (logs == model.log_probs(model.start(), [*model.tokens(line), model.end])[0]).all()
    assert np.exp(model.distribution(model.start())).sum() == pytest.approx(1, abs=1e-6)


def test_words_are_cut_as_the_vocabulary_cuts_them() -> None:
    odd = ["a\u00a0b", "a\u2003c\u3000d", "caf\u00e9 cafe\u0301", "x\x1cy\x85z", " \t ", "<s> a </s>"]
    for lowercase in (False, True):
        model = NgramModel(order=2, lowercase=lowercase).fit([*odd, "ABC abc"])
        logs, offsets = model.text_log_probs([*odd, "Zebra ABC"])
        again, others = model.sentence_log_probs([model.tokens(text) for text in [*odd, "Zebra ABC"]])
        assert (logs == again).all() and (offsets == others).all()
        with without_core():
            plain = NgramModel(order=2, lowercase=lowercase).fit([*odd, "ABC abc"])
        assert plain.spec == model.spec


@pytest.mark.skipif("KENLM_LMPLZ" not in os.environ, reason="KENLM_LMPLZ names no lmplz")
@pytest.mark.parametrize("cutoffs", [(0,), (0, 0, 1)])
def test_agrees_with_lmplz(cutoffs: tuple[int, ...], tmp_path: Path) -> None:
    import subprocess

    lines = texts(8, 5000, 300, 20)
    # lmplz takes the raw counts of the last word that it meets for its adjusted ones: let that one be a frequent one.
    lines.append(" ".join(["w299"] * 40))
    command = [os.environ["KENLM_LMPLZ"], "-o", "4", "-S", "100M", "-T", str(tmp_path)]
    command += ["--prune", *map(str, cutoffs)] if len(cutoffs) > 1 else []
    run = subprocess.run(command, input="\n".join(lines).encode(), capture_output=True, check=True)
    (tmp_path / "theirs.arpa").write_bytes(run.stdout)
    theirs = content(NgramModel.from_arpa(tmp_path / "theirs.arpa"))
    ours = content(NgramModel(order=4, cutoffs=cutoffs).fit(lines))
    assert ours.keys() == theirs.keys()
    for gram, logs in ours.items():
        if gram != ("<s>",):
            assert logs == pytest.approx(theirs[gram], abs=2e-5), gram
