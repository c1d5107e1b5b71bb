"""A folder a class, a file a text: aclImdb's layout, and any other folder of folders."""

from __future__ import annotations

import hashlib
from pathlib import Path

from timesteps.data.encoding import TextDecoder
from timesteps.data.lines import MAX_LINE_BYTES
from timesteps.data.rows import Rows
from timesteps.data.streams import MAX_BYTES, os_error
from timesteps.errors import DataError

UNLABELLED = "unsup"
"""aclImdb keeps its reviews without labels in a folder of this name; it is never a class."""


def read_folder(
    root: Path,
    labelled: bool | None,
    encoding: str | None = None,
    max_text_bytes: int = MAX_LINE_BYTES,
    max_bytes: int = MAX_BYTES,
) -> tuple[Rows, str]:
    """Texts and labels of `root/<class>/*.txt`, sorted, and a SHA-256 over all names and contents.

    Where `root` holds `train/` (aclImdb), that part is read. A folder with texts of its own and no class folders is
    read without labels, unless `labelled` asks for them. Folders without any .txt file may name their files otherwise.
    """
    notes: list[str] = []
    try:
        if (root / "train").is_dir() and any(path.is_dir() for path in (root / "train").iterdir()):
            root = root / "train"
            notes.append(f"read {root.name}/ of the folder; name another part of it to read that")
        folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
        classes = [path for path in folders if path.name != UNLABELLED]
        if len(classes) < len(folders) and classes:
            notes.append(f"folder {UNLABELLED}/ left out: its texts have no labels")
        if classes:
            chosen = [(path, path.name) for path in classes]
        elif labelled:
            raise DataError(
                "has no class folders",
                path=root,
                mend="put the texts of each class in a folder: NAME/*.txt, or name a file",
            )
        else:
            chosen = [(root, "")]
        files, left_out = _files(chosen)
    except OSError as error:
        raise os_error(error, error.filename or root) from error
    if not files:
        raise DataError("holds no text files", path=root, mend="put the texts in CLASS/*.txt, or name a file")
    if left_out:
        notes.append(f"{left_out} files that are not .txt left out")
    texts: list[str | None] = []
    labels: list[str | None] = []
    digest = hashlib.sha256()
    total = 0
    for path, label in files:
        content = _bytes(path, max_text_bytes)
        total += len(content)
        if total > max_bytes:
            raise DataError(
                f"holds more than {max_bytes:,} bytes of text", path=root, mend="split it into smaller folders"
            )
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
        digest.update(content)
        text = "".join(TextDecoder(str(path), encoding).decode([content]))
        texts.append(text.rstrip("\r\n"))
        labels.append(label)
    columns = [texts, labels] if classes else [texts]
    rows = Rows(
        columns,
        [1] * len(files),
        ["text", "label"][: len(columns)],
        fixed=(0, 1 if classes else None),
        notes=notes,
        paths=[str(path) for path, _ in files],
    )
    return rows, digest.hexdigest()


def _files(folders: list[tuple[Path, str]]) -> tuple[list[tuple[Path, str]], int]:
    """The text files in the folders, sorted, with their labels, and how many other files there are."""
    found = [
        (path, label)
        for folder, label in folders
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(".")
    ]
    texts = [(path, label) for path, label in found if path.suffix.lower() == ".txt"]
    return (texts, len(found) - len(texts)) if texts else (found, 0)


def _bytes(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise os_error(error, path) from error
    if len(content) > limit:
        raise _too_long(path, limit)
    return content


def _too_long(path: Path, limit: int) -> DataError:
    return DataError(
        f"a text of more than {limit:,} bytes", path=path, mend="is this a text? break it up, or remove it"
    )
