"""Subwords: pieces of words learned from texts by sentencepiece (Kudo & Richardson 2018, arXiv:1808.06226)."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

from timesteps.errors import DataError, ModelError, UsageError
from timesteps.runtime.text.vocabulary import (
    PADDING,
    PADDING_MARK,
    START,
    START_MARK,
    UNKNOWN,
    UNKNOWN_MARK,
)

_DEFAULT_SIZE = 8000


def _sentencepiece() -> Any:
    try:
        import sentencepiece
    except ImportError as error:
        raise UsageError(
            "the subword tokenizer needs the package sentencepiece", mend="pip install 'timesteps[text]'"
        ) from error
    return sentencepiece


class SubwordModel:
    """A trained sentencepiece model, kept as bytes (`data`). Ids 0, 1, 2 are padding, start, unknown, as everywhere.

    >>> model = SubwordModel.train(["the cat sat", "the cat ran", "a cat"] * 20, size=30)
    >>> model.detokenize(model.tokenize("the cat"))
    'the cat'
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._processor = _sentencepiece().SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(data)
            size = int(self._processor.GetPieceSize())
        except (RuntimeError, OSError) as error:
            raise ModelError("the subword model is damaged", mend="train the model again") from error
        special = (self._processor.pad_id(), self._processor.bos_id(), self._processor.unk_id())
        if special != (PADDING, START, UNKNOWN):
            raise ModelError(f"the subword model has ids {special} for padding, start and unknown, not (0, 1, 2)")
        self._size = size

    @classmethod
    def train(cls, texts: Iterable[str], size: int | None = None) -> SubwordModel:
        """Learns about `size` pieces (8000 if None), reserved ids included; fewer where the texts have not so many."""
        sentencepiece = _sentencepiece()
        written = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.Train(
                sentence_iterator=(line for text in texts for line in text.splitlines() if line.strip()),
                model_writer=written,
                vocab_size=_DEFAULT_SIZE if size is None else size,
                model_type="unigram",
                character_coverage=0.9995,
                hard_vocab_limit=False,
                normalization_rule_name="identity",
                pad_id=PADDING,
                pad_piece=PADDING_MARK,
                bos_id=START,
                bos_piece=START_MARK,
                unk_id=UNKNOWN,
                unk_piece=UNKNOWN_MARK,
                eos_id=-1,
                max_sentence_length=1 << 16,
                input_sentence_size=1_000_000,
                num_threads=1,
                minloglevel=2,
            )
        except RuntimeError as error:
            raise DataError(
                f"sentencepiece cannot learn {size or _DEFAULT_SIZE} subwords from these texts",
                mend="give more texts or another num_words",
            ) from error
        return cls(written.getvalue())

    def __len__(self) -> int:
        return self._size

    def tokenize(self, text: str) -> list[str]:
        """Pieces of the text; one that begins a word begins with ▁."""
        pieces: list[str] = self._processor.EncodeAsPieces(text)
        return pieces

    def encode(self, tokens: Sequence[str]) -> list[int]:
        """Ids of pieces; a piece that is not in the model is 2."""
        return [int(self._processor.PieceToId(token)) for token in tokens]

    def detokenize(self, tokens: Sequence[str]) -> str:
        """The text that these pieces spell."""
        text: str = self._processor.DecodePieces(list(tokens))
        return text
