"""Lines of a file or of standard input: numbered, bounded, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike

from timesteps.data.encoding import TextDecoder
from timesteps.data.streams import MAX_BYTES, ByteSource
from timesteps.errors import DataError

MAX_LINE_BYTES = 16 << 20
"""A line may be this long in UTF-8; a longer one is an error before it has been read to its end."""


def utf8_length(text: str) -> int:
    """Bytes of the text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def split_lines(pieces: Iterator[str], name: str, max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[tuple[int, str]]:
    """Numbered lines of a text that comes in pieces. A line ends with LF or CR LF, and with nothing else.

    Errors: `DataError` for a line of more than `max_line_bytes` UTF-8 bytes, naming it.
    """
    open_pieces: list[str] = []  # of the line whose end has not come yet
    open_bytes = 0
    number = 1
    for piece in pieces:
        lines = piece.split("\n")
        open_pieces.append(lines[0])
        open_bytes += utf8_length(lines[0])
        if open_bytes > max_line_bytes:
            raise _too_long(name, number, max_line_bytes)
        if len(lines) == 1:
            continue
        lines[0] = "".join(open_pieces)
        open_pieces = [lines.pop()]
        open_bytes = utf8_length(open_pieces[0])
        may_be_long = 4 * len(piece) > max_line_bytes
        for line in lines:
            if may_be_long and utf8_length(line) > max_line_bytes:
                raise _too_long(name, number, max_line_bytes)
            yield number, line.removesuffix("\r")
            number += 1
        if open_bytes > max_line_bytes:
            raise _too_long(name, number, max_line_bytes)
    last = "".join(open_pieces)
    if last:
        yield number, last.removesuffix("\r")


def _too_long(name: str, line: int, limit: int) -> DataError:
    return DataError(
        f"a line of more than {limit:,} bytes", path=name, line=line, mend="is this a table of texts? break the line up"
    )


class LineReader:
    """Iterates over (number, line) of a source; afterwards `sha256`, `encoding` and `marked` say what was read."""

    def __init__(
        self,
        source: str | PathLike[str],
        encoding: str | None = None,
        max_line_bytes: int = MAX_LINE_BYTES,
        max_bytes: int | None = MAX_BYTES,
    ) -> None:
        self._bytes = ByteSource(source, max_bytes=max_bytes)
        self.name = self._bytes.name
        self._decoder = TextDecoder(self.name, encoding)
        self._max_line_bytes = max_line_bytes

    def __iter__(self) -> Iterator[tuple[int, str]]:
        with self._bytes:
            yield from split_lines(self._decoder.decode(self._bytes.blocks()), self.name, self._max_line_bytes)

    @property
    def sha256(self) -> str:
        """Of the bytes as they lie on the disk, once all lines have been read."""
        return self._bytes.sha256

    @property
    def encoding(self) -> str:
        """The encoding that was used."""
        return self._decoder.encoding or "utf-8"

    @property
    def marked(self) -> bool:
        """Whether a byte order mark chose it."""
        return self._decoder.marked


def iter_lines(
    source: str | PathLike[str], encoding: str | None = None, max_line_bytes: int = MAX_LINE_BYTES
) -> Iterator[tuple[int, str]]:
    r"""Numbered lines of a file (plain or compressed) or of standard input (`-`), each as soon as it is there.

    Memory stays constant, whatever the length of the source. Without `encoding` it is UTF-8, or what a byte order mark
    says. Errors: `DataError` for a missing file, undecodable bytes, NUL bytes and a line of more than `max_line_bytes`.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "texts.txt"
    ...     _ = path.write_text("good\nbad\n")
    ...     list(iter_lines(path))
    [(1, 'good'), (2, 'bad')]
    """
    return iter(LineReader(source, encoding, max_line_bytes, max_bytes=None))
