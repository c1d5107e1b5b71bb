"""Texts and models that the tests of this room share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.language.plain import PlainModel

TEXTS = ["나는 버스를 탔다", "그는 버스를 탔다", "나는 버스를 기다렸다", "그를 버스에 태운다", "나는 탔다"]


class Table(PlainModel):
    """Says of some words what a table says."""

    def __init__(self, texts: list[str], table: dict[str, float], **options: Any) -> None:
        super().__init__(texts, **options)
        self.table = table

    def distribution(self, state: tuple[int, ...]) -> NDArray[np.float64]:
        found = super().distribution(state)
        for word, value in self.table.items():
            found[self.words.index(word)] = value
        return found
