"""Files from their official sources: resumed after a cut, checked, and put in place in one step."""

from __future__ import annotations

import hashlib
import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from timesteps.data.archive import extract
from timesteps.data.catalogue import RemoteFile, cache_folder, known
from timesteps.errors import DataError, UsageError
from timesteps.version import __version__

Progress = Callable[[int, int], None]
"""Called with the bytes that are here and the bytes of the whole file."""

_BLOCK = 256 << 10
_TIMEOUT = 30.0  # seconds without a byte
_ATTEMPTS = 4


class _CutError(Exception):
    """The connection ended or failed; another attempt may go on from here."""


def download(name: str, progress: Progress | None = None) -> Path:
    """Fetches a known data set into the cache and returns its folder. What is already there is not fetched again.

    A cut download goes on where it ended, in this call (four attempts) and in the next. Contents are checked against
    the published MD5; for files that have none, the SHA-256 of the first download is kept beside them and checked from
    then on. A tar file is taken apart (`extract`) and removed.

    Errors: `UsageError` for an unknown name; `DataError`, in one line that says what to do, without network, for a
    refusal of the server, a wrong checksum and a folder that cannot be written.
    """
    dataset = known(name)
    if dataset.bundled:
        raise UsageError(f"{name} is bundled, there is nothing to download", mend=f"use it as DATA: {name}")
    if not dataset.files:
        wanted = " or ".join(forms[0].path for forms in dataset.parts.values())
        raise DataError(
            f"{name} is not here, and timesteps cannot fetch it",
            mend=f"put {wanted} of {dataset.home} in the folder {dataset.folder or name} of TIMESTEPS_DATA",
        )
    folder = cache_folder() / (dataset.folder or name)
    archive = dataset.archive
    if archive is not None and (folder / archive.top).is_dir():
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    for file in dataset.files:
        fetch(file, folder, progress)
    if archive is not None:
        packed = folder / archive.name
        extract(packed, folder, archive.top, re.compile(archive.wanted), archive.members)
        packed.unlink()
    return folder


def fetch(file: RemoteFile, folder: Path, progress: Progress | None = None, wait: float = 1.0) -> Path:
    """Fetches one file into the folder; see `download`. Between attempts it waits 1, 2 and 4 times `wait` seconds."""
    target = folder / file.name
    if target.exists():
        verify(file, target)
        return target
    part = folder / f"{file.name}.part"
    advice = (
        f"run it again to go on, or put {file.url} in {folder}, or set TIMESTEPS_DATA to a folder that has the data"
    )
    for attempt in range(_ATTEMPTS):
        try:
            _transfer(file, part, progress)
            break
        except _CutError as error:
            here = part.stat().st_size if part.exists() else 0
            if attempt == _ATTEMPTS - 1:
                what = f"download failed after {here:,} of {file.size:,} bytes ({error})"
                raise DataError(what, path=file.url, mend=advice) from error
            time.sleep(wait * 2**attempt)
    try:
        verify(file, part)
    except DataError:
        part.unlink()
        _tag_of(part).unlink(missing_ok=True)
        raise
    if file.md5 is None:
        _checksum_of(target).write_text(f"{_digest(part, 'sha256')}  {file.name}\n", encoding="utf-8")
    part.replace(target)
    _tag_of(part).unlink(missing_ok=True)
    return target


def verify(file: RemoteFile, path: Path) -> None:
    """Checks a file's size and checksum. Errors: `DataError` that says which is wrong."""
    size = path.stat().st_size
    if size != file.size:
        raise DataError(f"has {size:,} bytes instead of {file.size:,}", path=path, mend="delete it and fetch it again")
    if file.md5 is not None:
        if _digest(path, "md5") != file.md5:
            raise DataError(f"its MD5 is not {file.md5}", path=path, mend="delete it and fetch it again")
    else:
        check_recorded(path.with_name(file.name), _digest(path, "sha256"))


def check_recorded(path: Path, sha256: str) -> None:
    """Compares a SHA-256 with the one recorded beside the file at its first download, if there is one."""
    recorded = _checksum_of(path)
    if recorded.exists() and recorded.read_text(encoding="utf-8").split()[:1] != [sha256]:
        raise DataError(
            "is not what was first downloaded: its SHA-256 has changed",
            path=path,
            mend=f"delete it, and {recorded.name} if the change is meant, and fetch it again",
        )


def _transfer(file: RemoteFile, part: Path, progress: Progress | None) -> None:
    """Brings the part to the file's size, or raises `_CutError` with what has come so far on the disk."""
    tag = _tag_of(part)
    here = part.stat().st_size if part.exists() else 0
    validator = tag.read_text(encoding="utf-8") if tag.exists() else ""
    if here > file.size or (here and not validator and file.md5 is None):
        here = 0  # pieces of two versions could not be told from one whole file
    if here == file.size:
        return
    headers = {"User-Agent": f"timesteps/{__version__}", "Accept-Encoding": "identity"}
    if here:
        headers["Range"] = f"bytes={here}-"
        if validator:
            headers["If-Range"] = validator
    try:
        with urllib.request.urlopen(urllib.request.Request(file.url, headers=headers), timeout=_TIMEOUT) as response:
            resumed = response.status == 206 and f"bytes {here}-" in response.headers.get("Content-Range", "")
            _receive(response, file, part, here if resumed else 0, progress)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            part.unlink(missing_ok=True)
        if error.code == 416 or error.code >= 500:
            raise _CutError(f"HTTP {error.code}") from error
        raise DataError(
            f"the server answers {error.code} {error.reason}",
            path=file.url,
            mend=f"fetch it elsewhere and put it in {part.parent}, or set TIMESTEPS_DATA to a folder that has the data",
        ) from error
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise _CutError(str(getattr(error, "reason", error)) or type(error).__name__) from error


def _receive(response: Any, file: RemoteFile, part: Path, here: int, progress: Progress | None) -> None:
    etag = response.headers.get("ETag", "")
    validator = response.headers.get("Last-Modified", "") if not etag or etag.startswith("W/") else etag
    try:
        _tag_of(part).write_text(validator, encoding="utf-8")
        output = part.open("r+b" if here else "wb")
    except OSError as error:
        raise _unwritable(part.parent, error) from error
    with output:
        output.seek(here)
        output.truncate()
        while block := response.read(_BLOCK):
            here += len(block)
            if here > file.size:
                raise DataError(
                    f"the server sends more than the {file.size:,} bytes of the known file",
                    path=file.url,
                    mend=f"fetch the known version elsewhere and put it in {part.parent}",
                )
            try:
                output.write(block)
            except OSError as error:
                raise _unwritable(part.parent, error) from error
            if progress is not None:
                progress(here, file.size)
    if here < file.size:
        raise _CutError("the connection was cut")


def _tag_of(part: Path) -> Path:
    """Keeps the server's name for the version that the part is of."""
    return part.with_name(f"{part.name}.tag")


def _checksum_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()


def _unwritable(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"cannot be written: {error.strerror or error}",
        path=folder,
        mend="make room, mend its permissions, or set TIMESTEPS_CACHE to another folder",
    )
