"""Known data sets: what `DATA` means, where a set is looked for, and which part is read."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from timesteps.data.catalogue import DATASETS, Dataset, locate
from timesteps.data.corpus import corpus_lines, corpus_name
from timesteps.data.sample import SHAKESPEARE, sample_path
from timesteps.data.sequences import read_sequences
from timesteps.data.series import read_series
from timesteps.data.source import load, open_source, resolve
from timesteps.errors import DataError, UsageError

DATA = os.environ.get("TIMESTEPS_DATA", "")


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Empty folders in the place of TIMESTEPS_DATA and of the cache."""
    data, cache = tmp_path / "data", tmp_path / "cache"
    data.mkdir()
    monkeypatch.setenv("TIMESTEPS_DATA", str(data))
    monkeypatch.setenv("TIMESTEPS_CACHE", str(cache))
    return data, cache


def put(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode()
    path.write_bytes(lzma.compress(data) if path.suffix == ".xz" else data)


def test_the_bundled_sample_is_what_its_notice_says():
    table = open_source(None)
    assert len(table) == 4_000 == len(set(table.texts)) and not table.skipped
    assert Counter(table.labels) == {"0": 2_022, "1": 1_978}
    notice = (sample_path().parent / "NOTICE.md").read_text(encoding="utf-8")
    assert "CC0 1.0" in notice and "e9t/nsmc" in notice and table.sha256 in notice
    lengths = [len(text) for text in table.texts]
    assert (min(lengths), max(lengths), round(sum(lengths) / 4_000)) == (7, 99, 32)
    assert hashlib.sha256(sample_path().read_bytes()).hexdigest() == table.sha256
    assert gzip.decompress(sample_path().read_bytes()).count(b"\n") == 4_000


def test_the_bundled_plays_are_what_their_notice_says():
    path = sample_path().parent / SHAKESPEARE
    notice = (path.parent / "NOTICE.md").read_text(encoding="utf-8")
    assert "public domain" in notice and hashlib.sha256(path.read_bytes()).hexdigest() in notice
    text = gzip.decompress(path.read_bytes()).decode("ascii")
    lines = list(corpus_lines("shakespeare"))
    assert len(text) == 300_000 and [line for _, line in lines] == text.splitlines()
    assert len(lines) == DATASETS["shakespeare"].rows["train"]


def test_the_bundled_series_are_what_their_notice_says():
    notice = (sample_path().parent / "NOTICE.md").read_text(encoding="utf-8")
    found = {name: read_series(name) for name in ("house-prices", "case-shiller", "stocks")}
    assert all(series.sha256 in notice for series in found.values())
    assert read_series().source == "house-prices" and len(found["house-prices"]) == 6
    assert {series.name for series in found["house-prices"]} >= {"Korea", "Japan"}
    assert str(found["house-prices"].frequency) == "every quarter"
    cities = found["case-shiller"]
    january = np.datetime64("2000-01-01", "us")
    assert len(cities) == 16 and all(series.targets[series.times == january] == 100 for series in cities)
    assert [len(series) for series in cities if series.name == "index 11"] == [247]  # 48 zeros are no prices
    assert not any("-" in str(series.name) for series in cities)  # no city's name, they are all wrong
    assert any("does not fit" in note for note in cities.notes)
    assert [len(series) for series in found["stocks"]] == [3_393, 3_393]
    assert any("123 of 3,393 in AAPL" in note for note in found["stocks"].notes)
    for part in ("train", "test"):
        assert read_sequences("basic-motions", split=part).sha256 in notice


@pytest.mark.skipif(not DATA, reason="TIMESTEPS_DATA is not set")
def test_the_series_through_timesteps_data():
    for name, dataset in DATASETS.items():
        if locate(name) is None:
            continue
        if dataset.kind == "series":
            found = read_series(name)
            rows = sum(int((lines > 0).sum()) for lines in found.lines)
            assert found.source == name and (dataset.series.separate or rows == dataset.rows["train"])
        elif dataset.kind == "sequences":
            assert {part: len(read_sequences(name, split=part)) for part in dataset.parts} == dict(dataset.rows)


def test_series_are_no_texts():
    with pytest.raises(DataError, match="stocks holds time series, not texts; use it with `timesteps train forecast"):
        open_source("stocks")
    with pytest.raises(DataError, match="basic-motions holds sequences of numbers, not texts"):
        open_source("basic-motions")


def test_what_cannot_be_fetched_says_where_it_is(places):
    with pytest.raises(DataError, match=r"put ETTh1\.csv of https://.*ETDataset in the folder ETT of TIMESTEPS_DATA"):
        read_series("etth1")
    put(places[0] / "ETT" / "ETTh1.csv", "date,HUFL,HULL,MUFL,MULL,LUFL,LULL,OT\n2016-07-01,1,2,3,4,5,6,7\n")
    with pytest.raises(DataError, match="etth1:2: one time stamp"):
        read_series("etth1")


def test_lines_of_any_corpus(tmp_path: Path):
    path = tmp_path / "text.txt"
    path.write_bytes("하나\n\nzwei\r\n".encode())
    assert list(corpus_lines(path)) == [(1, "하나"), (2, ""), (3, "zwei")] and corpus_name(path) == str(path)
    assert len(list(corpus_lines("sample"))) == 4_000 and corpus_name(None) == "sample"
    path.write_bytes(b"good\nb\xffd\n")
    with pytest.raises(DataError, match=r"text\.txt:2"):
        list(corpus_lines(path))
    path.write_bytes(b"")
    with pytest.raises(DataError, match="is empty"):
        list(corpus_lines(path))
    with pytest.raises(UsageError, match="no part 'test'"):
        list(corpus_lines("shakespeare", split="test"))


def test_resolve():
    assert isinstance(resolve(None), Dataset) and resolve(None) is DATASETS["sample"]
    assert resolve("nsmc") is DATASETS["nsmc"]
    assert resolve("./nsmc") == Path("nsmc") and resolve(Path("nsmc")) == Path("nsmc")
    assert resolve("-") == Path("-")


def test_every_data_set_is_described():
    for name, dataset in DATASETS.items():
        assert dataset.name == name and dataset.citation and dataset.licence
        assert bool(dataset.languages) is (dataset.kind == "texts")
        assert (dataset.series is not None) is (dataset.kind == "series")
        assert dataset.rows.keys() == dataset.parts.keys()
        assert all(file.url.startswith("https://") and file.size > 0 for file in dataset.files)
    assert DATASETS["imdb"].size == 84_125_825
    assert re.fullmatch(DATASETS["imdb"].archive.wanted, "aclImdb/train/pos/0_9.txt")
    assert not re.fullmatch(DATASETS["imdb"].archive.wanted, "aclImdb/train/../0_9.txt")


def test_order_of_places(places):
    data, cache = places
    assert locate("nsmc") is None
    put(cache / "nsmc" / "ratings_train.txt", "id\tdocument\tlabel\n1\tcached text\t1\n2\tother\t0\n")
    assert locate("nsmc") == cache / "nsmc"
    put(data / "nsmc" / "ratings_train.own_split.txt.xz", "id\tdocument\tlabel\n1\tgiven text\t1\n2\tother\t0\n")
    assert locate("nsmc") == data / "nsmc"
    table = load("nsmc")
    assert table.texts == ["given text", "other"] and any("not the official ones" in note for note in table.notes)


def test_parts_of_different_origin_are_not_mixed(places):
    """An own split of the raw pool shares rows with the official test part."""
    data, cache = places
    put(cache / "nsmc" / "ratings_test.txt", "id\tdocument\tlabel\n1\ttest text\t1\n2\tother\t0\n")
    put(data / "nsmc" / "ratings_train.own_split.txt.xz", "id\tdocument\tlabel\n1\tgiven text\t1\n2\tother\t0\n")
    with pytest.raises(DataError, match=r"nsmc has only train here, not test; .*unset TIMESTEPS_DATA"):
        load("nsmc", "test")


def test_imdb_in_both_layouts(places):
    data, cache = places
    for part in ("train", "test"):
        for name in ("pos", "neg"):
            put(cache / "imdb" / "aclImdb" / part / name / "0_1.txt", f"{part} {name}")
    put(cache / "imdb" / "aclImdb" / "train" / "unsup" / "0_0.txt", "without a label")
    assert load("imdb", "train").texts == ["train neg", "train pos"]
    assert load("imdb", "test").labels == ["neg", "pos"]
    assert load("imdb", "unsup").texts == ["without a label"] and load("imdb", "unsup").labels is None
    put(data / "imdb" / "train.tsv.xz", "neg\t0\t3\tawful\nneg\t1\t1\tworse\npos\t0\t9\tgood\n")
    put(data / "imdb" / "unsup.tsv.xz", "0\tsome review\n1\tanother\n")
    assert (load("imdb").texts, load("imdb").labels) == (["awful", "worse", "good"], ["neg", "neg", "pos"])
    assert (load("imdb", "unsup").texts, load("imdb", "unsup").labels) == (["some review", "another"], None)
    assert load("imdb", label_column=3).labels == ["3", "1", "9"]


def test_refusals(places, monkeypatch, tmp_path):
    with pytest.raises(UsageError, match="no known data set 'imbd'; known are imdb, nsmc, sample"):
        locate("imbd")
    with pytest.raises(UsageError, match="sample has no part 'test'; it has train"):
        load("sample", "test")
    with pytest.raises(DataError, match="nsmc is not here"):
        load("nsmc", fetch=False)
    with pytest.raises(DataError, match="no known data set of that name; check the name; known data sets: imdb"):
        open_source("imbd")
    monkeypatch.setenv("TIMESTEPS_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="is not a folder, but TIMESTEPS_DATA says so"):
        load("nsmc")
    assert len(load("sample")) == 4_000


def test_a_file_of_a_known_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "sample", "text\tlabel\nmine\t1\nyours\t0\n")
    assert len(open_source("sample")) == 4_000 and "./sample" in open_source("sample").notes[0]
    assert open_source("./sample").texts == ["mine", "yours"]


@pytest.mark.skipif(not Path(DATA, "imdb").is_dir() or not DATA, reason="IMDB is not in TIMESTEPS_DATA")
def test_imdb_by_name():
    table = load("imdb", "unsup")
    assert len(table) == 50_000 and table.labels is None
    with pytest.raises(DataError, match="imdb has only train, unsup here, not test"):
        load("imdb", "test")


@pytest.mark.skipif(not Path(DATA, "nsmc").is_dir() or not DATA, reason="NSMC is not in TIMESTEPS_DATA")
def test_nsmc_by_name():
    table = open_source("nsmc")
    assert table.rows_read == 150_000 and table.labels is not None and set(table.labels) == {"0", "1"}
