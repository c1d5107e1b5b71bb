"""Headers and columns: names first, then content, and never a coin toss."""

from __future__ import annotations

import pytest

from timesteps.data.tables import TextTable, read_texts


def read(tmp_path, content: str, name: str = "a.tsv", **options) -> TextTable:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return read_texts(path, **options)


@pytest.mark.parametrize(
    ("header", "text", "label"),
    [
        ("id\tdocument\tlabel", "document", "label"),
        ("Label\tReview Text\tid", "Review Text", "Label"),
        ("번호\t내용\t평점", "내용", "평점"),
        ("\ttext\tsentiment", "text", "sentiment"),
        ("title\ttext\tclass", "text", "class"),
        ("rating\tcomment\tlabel", "comment", "label"),
        ("id\tquestion\ttopic", "question", "topic"),
    ],
)
def test_well_known_names(tmp_path, header, text, label):
    table = read(tmp_path, f"{header}\n1\tthe text\t0\n2\tmore text\t1\n")
    assert (table.text_column, table.label_column, len(table)) == (text, label, 2)


def test_names_beat_content(tmp_path):
    table = read(tmp_path, "id\ttext\tlabel\n" + "a very long identifier indeed\tgood\t1\n" * 3)
    assert set(table.texts) == {"good"}


def test_unknown_names_are_a_header_over_numbers(tmp_path):
    table = read(tmp_path, "v1,v2\n1,a text of some length\n0,another text of length\n1,a third\n", "a.csv")
    assert (table.text_column, table.label_column, len(table)) == ("v2", "v1", 3)


def test_unknown_names_are_a_header_over_labels_that_return(tmp_path):
    rows = "".join(f"{'ham' if i % 3 else 'spam'},message number {i} with words\n" for i in range(12))
    table = read(tmp_path, "v1,v2\n" + rows, "a.csv")
    assert (table.text_column, table.label_column, len(table)) == ("v2", "v1", 12)
    bare = read(tmp_path, rows, "b.csv")
    assert len(bare) == 12 and "no header line: the first line is a row" in bare.notes


def test_header_can_be_said(tmp_path):
    content = "good one\t1\nbad one\t0\n"
    assert len(read(tmp_path, content, header=True, text_column=1, label_column=2)) == 1
    assert read(tmp_path, "text\tlabel\n" + content, header=False, text_column=1, label_column=2).texts[0] == "text"


def test_content_without_names_finds_imdb_columns(tmp_path):
    rows = [("neg", i, 1 + i % 4, f"{i}: a review, awful and long") for i in range(40)]
    rows += [("pos", i, 7 + i % 4, f"{i}: a review, lovely and long") for i in range(40)]
    table = read(tmp_path, "".join("\t".join(map(str, row)) + "\n" for row in rows))
    assert (table.text_column, table.label_column, len(table)) == ("4", "1", 80)


def test_numbers_and_names_as_options(tmp_path):
    content = "id\ttext\tlabel\tstars\n7\tgood\t1\t9\n8\tbad\t0\t2\n"
    assert read(tmp_path, content, label_column="stars").labels == ["9", "2"]
    assert read(tmp_path, content, label_column="4").labels == ["9", "2"]
    assert read(tmp_path, content, label_column=4, text_column="id").texts == ["7", "8"]
    assert read(tmp_path, "4\ttext\n1\tgood\n", label_column="4", text_column=2, header=True).labels == ["1"]


def test_labels_only_where_they_are_wanted(tmp_path):
    content = "text\tlabel\ngood\t1\nbad\t0\n"
    assert read(tmp_path, content, labelled=False).labels is None
    assert read(tmp_path, content, labelled=None).labels == ["1", "0"]
    assert read(tmp_path, "text\ngood\nbad\n", labelled=None).labels is None
    unclear = "".join(f"a rather long text number {i}\t{i % 2}\t{(i + i // 2) % 2}\n" for i in range(9))
    table = read(tmp_path, unclear, labelled=None)
    assert table.labels is None and "label column: none" in table.notes[-1]


def test_prose_with_commas_is_no_table(tmp_path):
    table = read(tmp_path, "Well, it was good\nWell, it was bad\n", "a.txt")
    assert table.texts == ["Well, it was good", "Well, it was bad"] and table.labels is None
