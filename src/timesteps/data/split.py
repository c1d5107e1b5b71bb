"""Splits that leak nothing: equal inputs stay on one side, classes keep their shares, row order is no matter."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Hashable, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, UsageError

Rows = NDArray[np.int64]


def text_key(text: str) -> bytes:
    """What makes two texts the same: NFC, surrounding blanks and case aside."""
    return unicodedata.normalize("NFC", text).strip().lower().encode("utf-8", "surrogatepass")


def hash_fraction(text: str, seed: int) -> float:
    """A number in [0, 1) that depends on the text as it is and on the seed alone: the fixed splits of the benchmarks.

    BLAKE2b of `f"{seed}:{text}"` in UTF-8, 8 bytes, read as a little-endian integer, over 2⁶⁴ (Aumasson et al. 2013).

    >>> hash_fraction("good", 7) == hash_fraction("good", 7) != hash_fraction("good", 8)
    True
    """
    return (
        int.from_bytes(blake2b(f"{seed}:{text}".encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
        / 2**64
    )


def split_rows(
    texts: Sequence[str], labels: Sequence[Any] | NDArray[Any] | None, fraction: float, seed: int
) -> tuple[Rows, Rows]:
    """Row numbers for training and for validation by `split_groups`; equal texts (`text_key`) stay together.

    >>> train, valid = split_rows(["good", "fine", "Good ", "bad", "dull"], [1, 1, 1, 0, 0], fraction=0.4, seed=1)
    >>> len(train) + len(valid), (0 in train) == (2 in train)
    (5, True)
    """
    return split_groups([text_key(text) for text in texts], labels, fraction, seed)


def split_groups(
    keys: Sequence[bytes], labels: Sequence[Any] | NDArray[Any] | None, fraction: float, seed: int
) -> tuple[Rows, Rows]:
    """Row numbers for training and for validation, each sorted, such that rows with equal keys fall on one side.

    A group of equal keys counts for the label that most of its rows have. Within each label the groups, in the order of
    the hash of seed and key, go to validation as long as each brings its rows nearer to `fraction` of the label's. The
    outcome depends on keys, labels and seed, not on the order of the rows. A label of two groups or more keeps at least
    one for training, and validation is never empty.

    Errors: `UsageError` unless 0 < fraction < 1; `DataError` where keys and labels differ in number, or where every
    label has one group only, so that nothing can be set apart.
    """
    if not 0 < fraction < 1:
        raise UsageError(f"a validation split of {fraction}", mend="give a fraction between 0 and 1, such as 0.2")
    if labels is not None and len(labels) != len(keys):
        raise DataError(f"{len(keys)} rows with {len(labels)} labels", mend="give each row one label")
    members: dict[bytes, list[int]] = {}
    for row, key in enumerate(keys):
        members.setdefault(key, []).append(row)
    by_label: dict[Hashable, list[bytes]] = {}
    for key, rows in members.items():
        by_label.setdefault(None if labels is None else _majority([labels[row] for row in rows]), []).append(key)
    salt = f"{seed}:".encode()
    ordered = {
        label: sorted(found, key=lambda key: (blake2b(salt + key, digest_size=8).digest(), key))
        for label, found in by_label.items()
    }
    chosen: list[int] = []
    for label_keys in ordered.values():
        chosen += _choose(label_keys, members, fraction)
    if not chosen:
        candidates = [found for found in ordered.values() if len(found) > 1]
        if not candidates:
            raise DataError(
                f"{len(members)} different rows are too few to set some apart for validation",
                mend="add rows, or name a validation file",
            )
        largest = max(candidates, key=lambda found: (sum(len(members[key]) for key in found), found[0]))
        chosen = members[largest[0]]
    in_valid = np.zeros(len(keys), bool)
    in_valid[chosen] = True
    return np.flatnonzero(~in_valid).astype(np.int64), np.flatnonzero(in_valid).astype(np.int64)


def _majority(labels: list[Any]) -> Hashable:
    """The most frequent; among equals the first in the order of their writing, whatever the order of rows."""
    if len(labels) == 1:
        return _plain(labels[0])
    counts = Counter(_plain(label) for label in labels)
    most = max(counts.values())
    return min((label for label, count in counts.items() if count == most), key=str)


def _plain(label: Any) -> Hashable:
    value: Hashable = label.item() if isinstance(label, np.generic) else label
    return value


def _choose(keys: list[bytes], members: dict[bytes, list[int]], fraction: float) -> list[int]:
    """Rows of the groups that go to validation."""
    target = fraction * sum(len(members[key]) for key in keys)
    chosen: list[int] = []
    left = len(keys)
    for key in keys:
        size = len(members[key])
        if left > 1 and len(chosen) + size / 2 < target:
            chosen += members[key]
            left -= 1
    return chosen


def shared_rows(train: Sequence[str], valid: Sequence[str]) -> Rows:
    """The training rows, sorted, whose texts are validation texts too (`text_key`): those to leave out of training.

    >>> shared_rows(["good", "bad", "fine"], ["Bad", "worse"]).tolist()
    [1]
    """
    known = {text_key(text) for text in valid}
    return np.array([row for row, text in enumerate(train) if text_key(text) in known], np.int64)


def without(rows: list[Any], held_out: Sequence[Any]) -> list[Any]:
    """The rows, texts or arrays of ids, but for those that are held out, too.

    >>> without(["good", "bad", "fine"], ["Bad"])
    ['good', 'fine']
    """
    if not rows:
        return []
    if isinstance(rows[0], str):
        twice = set(shared_rows(rows, held_out).tolist())
        return [row for number, row in enumerate(rows) if number not in twice]
    known = {row.tobytes() for row in held_out}
    return [row for row in rows if row.tobytes() not in known]
