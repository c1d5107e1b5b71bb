"""Which column holds the texts and which the labels: by option, by name, by content, or an error that lists them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from timesteps.data.rows import Rows
from timesteps.errors import DataError


def _words(names: str) -> frozenset[str]:
    return frozenset(names.split())


TEXT_NAMES = (  # a name of the first row beats one of the second
    _words(
        "text document review sentence comment content contents body message tweet utterance review_text review_body "
        "review_content comment_text 내용 리뷰 본문 텍스트 문장 댓글 문서 리뷰내용 리뷰_내용 발화"
    ),
    _words("title headline subject summary description question 제목 질문 설명"),
)
LABEL_NAMES = (
    _words("label labels class sentiment target category polarity y 라벨 레이블 감성 감정 분류 클래스 긍부정"),
    _words("rating ratings score stars star grade emotion topic intent 평점 별점 점수 주제"),
)

Column = Sequence[str | None]
_LABEL_LENGTH = 32  # longer values on average are no labels
_HEADER_LENGTH = 64  # a longer cell names no column
_CLOSE = 0.6  # columns whose average lengths are nearer than this cannot be told apart


@dataclass(frozen=True)
class Choice:
    """Numbers of the columns, counted from 0."""

    text: int
    label: int | None


def _known(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")


def has_header(columns: Sequence[Column], wanted: Sequence[str | None]) -> bool:
    """Whether the first row names the columns: it has a wanted or well-known name, or differs from the rows below."""
    cells = [(column[0] or "").strip() for column in columns]
    if any(name in cells for name in wanted if name):
        return True
    named = [cell for cell in cells if cell]
    if not named or len(set(named)) < len(named):
        return False
    if any(_is_number(cell) or len(cell) > _HEADER_LENGTH for cell in named):
        return False
    known = frozenset().union(*TEXT_NAMES, *LABEL_NAMES)
    if any(_known(cell) in known for cell in named):
        return True
    return any(cell and _differs(cell, column[1:]) for cell, column in zip(cells, columns, strict=True))


def _differs(cell: str, below: Column) -> bool:
    """Whether a word stands above nothing but numbers, or above labels that all return while it does not."""
    values = [value for value in below if value]
    if values and all(map(_is_number, values)):
        return True
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return 2 <= len(counts) <= len(values) // 4 and cell not in counts and min(counts.values()) > 1


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def choose(
    rows: Rows, name: str, text_column: str | int | None, label_column: str | int | None, labelled: bool | None
) -> Choice:
    """The columns of texts and labels. `labelled` as in `read_texts`.

    Errors: `DataError` for a column that is not there, and where names and content leave more than one choice.
    """
    text = None if text_column is None else _locate(rows, name, text_column, "--text-column")
    label = None if label_column is None or labelled is False else _locate(rows, name, label_column, "--label-column")
    if text is not None and text == label:
        raise DataError(
            f"column {describe(rows, text)} cannot be text and label at once",
            path=name,
            mend=_options(rows, "two columns"),
        )
    seeks_label = label is None and labelled is not False
    if seeks_label:
        label = _by_name(rows, name, LABEL_NAMES, {text}, "label")
    if text is None:
        text = _by_name(rows, name, TEXT_NAMES, {label}, "text")
    if text is None:
        text = _longest(rows, name, label)
    if seeks_label and label is None:
        label = _fewest(rows, name, text, labelled is True)
    return Choice(text, label)


def describe(rows: Rows, column: int) -> str:
    """`document (2nd of 3)`, or `2nd of 3` where columns have no names."""
    place = column + 1
    ending = "th" if 10 < place % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    where = f"{place}{ending} of {len(rows.columns)}"
    return where if rows.names is None else f"{rows.names[column].strip() or 'without a name'} ({where})"


def _options(rows: Rows, what: str = "it") -> str:
    """How to name columns, with those there are."""
    if rows.names is None:
        there = f"there are {len(rows.columns)}, without names"
    else:
        there = "there are " + ", ".join(
            f"{i} {name.strip() or '(no name)'}" for i, name in enumerate(rows.names[:20], 1)
        )
        there += ", …" if len(rows.names) > 20 else ""
    return f"name {what} with --text-column and --label-column, by name or number ({there})"


def _locate(rows: Rows, name: str, wanted: str | int, option: str) -> int:
    names = [] if rows.names is None else [column.strip() for column in rows.names]
    word = str(wanted).strip()
    if names.count(word) > 1 and not isinstance(wanted, int):
        raise DataError(f"two columns are named {word!r}", path=name, mend=f"give {option} as a number from 1")
    if word in names and not isinstance(wanted, int):
        return names.index(word)
    if word.isascii() and word.isdigit() and 1 <= int(word) <= len(rows.columns):
        return int(word) - 1
    raise DataError(f"there is no column {word!r}", path=name, mend=_options(rows))


def _by_name(rows: Rows, name: str, tiers: Sequence[frozenset[str]], taken: set[int | None], what: str) -> int | None:
    for tier in tiers:
        found = [i for i, column in enumerate(rows.names or ()) if _known(column) in tier and i not in taken]
        if len(found) == 1:
            return found[0]
        if found:
            listed = " and ".join(describe(rows, i) for i in found)
            raise DataError(f"{listed} could each be the {what} column", path=name, mend=_options(rows))
    return None


def _average_length(column: Column) -> float:
    return sum(len(value) for value in column if value) / max(1, len(column))


def _label_like(column: Column) -> bool:
    """Short values that return."""
    if _average_length(column) > _LABEL_LENGTH:
        return False
    return len(set(column) - {None, ""}) <= max(2, min(100, len(column) // 2))


def _longest(rows: Rows, name: str, label: int | None) -> int:
    """The column of the longest texts, among those that are neither numbers nor labels."""
    others = [i for i in range(len(rows.columns)) if i != label]
    if not others:
        raise DataError("there is no column of texts beside the labels", path=name, mend=_options(rows))
    words = [i for i in others if not all(_is_number(value) for value in rows.columns[i] if value)] or others
    texts = [i for i in words if not _label_like(rows.columns[i])] or words
    ranked = sorted(((_average_length(rows.columns[i]), i) for i in texts), reverse=True)
    if len(ranked) > 1 and ranked[1][0] > _CLOSE * ranked[0][0]:
        listed = " and ".join(describe(rows, i) for _, i in sorted(ranked[:2], key=lambda pair: pair[1]))
        raise DataError(f"{listed} could each be the text column", path=name, mend=_options(rows))
    return ranked[0][1]


def _fewest(rows: Rows, name: str, text: int, required: bool) -> int | None:
    """The column of fewest different short values, at least two; None where none stands out and none is required."""
    others = [i for i in range(len(rows.columns)) if i != text]
    if required and not others:
        raise DataError("there is no label column", path=name, mend=_options(rows, "a file with labels, and columns,"))
    if required and len(others) == 1:
        return others[0]
    counts = sorted((len(set(rows.columns[i]) - {None, ""}), i) for i in others if _label_like(rows.columns[i]))
    counts = [(count, i) for count, i in counts if count > 1] or counts
    if len(counts) == 1 or (counts and counts[0][0] < counts[1][0]):
        return counts[0][1]
    if not required:
        return None
    listed = " and ".join(describe(rows, i) for i in sorted(i for _, i in counts) or others)
    raise DataError(f"{listed} could each be the label column", path=name, mend=_options(rows))
