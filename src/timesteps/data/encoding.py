"""Bytes to text: byte order marks, UTF-8 or a named encoding, and errors that name the line and the byte."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

from timesteps.errors import DataError, UsageError

_MARKS = (  # the longer first: UTF-32's little-endian mark begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def check_encoding(encoding: str | None) -> None:
    """`UsageError` unless Python knows the encoding and it encodes text."""
    if encoding is None:
        return
    try:
        "a".encode(encoding)
    except (LookupError, UnicodeError) as error:
        raise UsageError(
            f"there is no text encoding named {encoding!r}", mend="utf-8, cp949, euc-kr, latin-1, cp1252, utf-16 exist"
        ) from error


class TextDecoder:
    """Decodes the blocks of one source. `encoding` is what was used, once the first block has been read."""

    def __init__(self, name: str, encoding: str | None = None) -> None:
        check_encoding(encoding)
        self._name = name
        self.encoding = encoding
        self.marked = False  # whether a byte order mark chose the encoding

    def decode(self, blocks: Iterable[bytes]) -> Iterator[str]:
        """The text of the blocks, piece by piece, without a byte order mark."""
        decoder: codecs.IncrementalDecoder | None = None
        lines = consumed = 0
        iterator = iter(blocks)
        for block in iterator:
            if decoder is None:
                while len(block) < 4 and (more := next(iterator, b"")):  # a pipe may hand over a mark in two pieces
                    block += more
                decoder = codecs.getincrementaldecoder(self._choose(block))()
                first = True
            text = self._step(decoder, block, consumed, lines)
            consumed += len(block)
            if first and text:
                text, first = text.removeprefix("\ufeff"), False
            lines += text.count("\n")
            yield text
        if decoder is not None:
            yield self._step(decoder, b"", consumed, lines, final=True)

    def _choose(self, head: bytes) -> str:
        if self.encoding is None:
            marked = next((encoding for mark, encoding in _MARKS if head.startswith(mark)), None)
            self.marked = marked is not None
            self.encoding = marked or "utf-8"
        return self.encoding

    def _step(
        self, decoder: codecs.IncrementalDecoder, block: bytes, consumed: int, lines: int, final: bool = False
    ) -> str:
        try:
            text = decoder.decode(block, final)
        except UnicodeDecodeError as error:
            good = bytes(error.object[: error.start])
            line = 1 + lines + good.decode(self.encoding or "utf-8", "replace").count("\n")
            offset = consumed + len(block) - len(error.object) + error.start
            raise self._undecodable(error.object[error.start], offset, line) from error
        except UnicodeError as error:  # utf-16 without a mark, as some codecs demand
            raise DataError(
                f"is not {self.encoding}: {error}", path=self._name, mend="name another encoding"
            ) from error
        nul = text.find("\0")
        if nul >= 0:
            raise DataError(
                "a NUL byte in the text",
                path=self._name,
                line=1 + lines + text.count("\n", 0, nul),
                mend="remove it, or name the encoding if this is UTF-16 without a mark (--encoding utf-16-le)",
            )
        return text

    def _undecodable(self, byte: int, offset: int, line: int) -> DataError:
        mend = "name the file's encoding: --encoding cp949 (Korean Windows) or --encoding latin-1 (Western)"
        if self.encoding != "utf-8":
            mend = "name another encoding, or mend the file"
        return DataError(
            f"byte 0x{byte:02x} (offset {offset:,}) is not {(self.encoding or 'utf-8').upper()}",
            path=self._name,
            line=line,
            mend=mend,
        )
