"""Lines as they arrive, so that none waits for the next one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from queue import Queue
from threading import Thread
from typing import Generic, TypeVar

#: Lines taken together at the most.
BATCH = 1024

T = TypeVar("T")


class _End(Generic[T]):
    """What follows the last line: nothing, or an error."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def arriving(lines: Iterable[T]) -> Iterator[list[T]]:
    """Batches of the lines that have arrived: one when they come singly, up to BATCH when they pour in.

    So a person who types, or a program that waits for each answer, gets it at once, and a long file is still judged
    in large batches.
    """
    arrived: Queue[T | _End[T]] = Queue(maxsize=BATCH)

    def read() -> None:
        try:
            for line in lines:
                arrived.put(line)
            arrived.put(_End())
        except BaseException as error:  # handed to the main thread, which raises it after the lines before it
            arrived.put(_End(error))

    Thread(target=read, daemon=True).start()
    item = arrived.get()
    while not isinstance(item, _End):
        batch = [item]
        while len(batch) < BATCH and not arrived.empty() and not isinstance(item := arrived.get(), _End):
            batch.append(item)
        yield batch
        if not isinstance(item, _End):
            item = arrived.get()
    if item.error is not None:
        raise item.error
