"""`Scratch`: a folder for what memory has no room for, and columns of numbers in it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from timesteps.errors import UsageError

__all__ = ["Column", "Kept", "Scratch"]


class Scratch:
    """A new folder that is removed when the block ends, with files that only this process knows.

    Args:
        memory: bytes that whoever writes here should not exceed in memory.
        parent: where the folder is made; None is the system's place for temporary files (TMPDIR).

    >>> with Scratch(memory=1 << 20) as scratch:
    ...     column = scratch.column(np.int32)
    ...     column.append(np.arange(5))
    ...     column.append(np.arange(3))
    ...     len(column), column.read(3, 7).tolist(), scratch.folder.exists()
    (8, [3, 4, 0, 1], True)
    >>> scratch.folder.exists()
    False
    """

    def __init__(self, memory: int, parent: str | PathLike[str] | None = None) -> None:
        self.memory = memory
        with _disk(parent or tempfile.gettempdir()):
            self.folder = Path(tempfile.mkdtemp(prefix=".timesteps-", dir=parent))
        self._columns: list[Column] = []

    def column(self, dtype: DTypeLike, *width: int) -> Column:
        """A new column of rows of numbers."""
        self._columns.append(Column(self.folder / f"{len(self._columns)}", np.dtype(dtype), width))
        return self._columns[-1]

    def close(self) -> None:
        """Remove the folder."""
        for column in self._columns:
            column.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Column:
    """Numbers (N, *width) on the disk: appended at the end, read anywhere."""

    def __init__(self, path: Path, dtype: np.dtype[Any], width: tuple[int, ...]) -> None:
        self.dtype, self.width = dtype, width
        self._path, self._rows = path, 0
        self._size = dtype.itemsize * int(np.prod(width, dtype=np.int64))
        with _disk(path):
            self._file: IO[bytes] = path.open("w+b", buffering=0)

    def __len__(self) -> int:
        return self._rows

    def append(self, rows: NDArray[Any]) -> None:
        """Write further rows. `UsageError` where the disk is full."""
        data = np.ascontiguousarray(rows, self.dtype).reshape(-1).view(np.uint8).data
        with _disk(self._path.parent):
            self._file.seek(0, 2)
            while data:
                data = data[self._file.write(data) :]
        self._rows += len(rows)

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Rows `first` to `last` - 1, in memory of their own."""
        if not 0 <= first <= last <= self._rows:
            raise IndexError(f"rows {first} to {last} of {self._rows}")
        found = np.empty((last - first, *self.width), self.dtype)
        data = found.reshape(-1).view(np.uint8).data
        with _disk(self._path):
            self._file.seek(first * self._size)
            while data:
                got = self._file.readinto(data)  # type: ignore[attr-defined]  # a raw file has it
                if not got:
                    raise UsageError("is shorter than it was", path=self._path, mend="do not touch it while it is used")
                data = data[got:]
        return found

    def close(self) -> None:
        """Let the file go."""
        self._file.close()


class Kept:
    """Arrays that are put away, some at a time, and read again in the same order: in memory, or in a scratch folder.

    >>> with Scratch(memory=1 << 20) as scratch:
    ...     for kept in (Kept(None), Kept(scratch)):
    ...         kept.append(np.arange(2), np.zeros(1))
    ...         kept.append(np.arange(3), np.ones(2))
    ...         [tuple(part.tolist() for part in parts) for parts in kept]
    [([0, 1], [0.0]), ([0, 1, 2], [1.0, 1.0])]
    [([0, 1], [0.0]), ([0, 1, 2], [1.0, 1.0])]
    """

    def __init__(self, scratch: Scratch | None) -> None:
        self._scratch = scratch
        self._parts: list[tuple[NDArray[Any], ...]] = []
        self._columns: list[Column] = []
        self._ends: list[tuple[int, ...]] = []

    def append(self, *arrays: NDArray[Any]) -> None:
        """Put arrays away; each time as many, of the same types and widths."""
        if self._scratch is None:
            self._parts.append(arrays)
            return
        if not self._columns:
            self._columns = [self._scratch.column(array.dtype, *array.shape[1:]) for array in arrays]
        for column, array in zip(self._columns, arrays, strict=True):
            column.append(array)
        self._ends.append(tuple(map(len, self._columns)))

    def __iter__(self) -> Iterator[tuple[NDArray[Any], ...]]:
        yield from self._parts
        begins = (0,) * len(self._columns)
        for ends in self._ends:
            ranges = zip(self._columns, begins, ends, strict=True)
            yield tuple(column.read(first, last) for column, first, last in ranges)
            begins = ends

    def clear(self) -> None:
        """Let what is in memory go."""
        self._parts.clear()


@contextmanager
def _disk(path: str | PathLike[str]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        mend = "free some space, or set TMPDIR to a folder on a larger disk"
        raise UsageError(f"cannot be written or read: {reason}", path=path, mend=mend) from error
