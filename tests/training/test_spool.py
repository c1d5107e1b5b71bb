"""Rows on the disk: the same rows, the same order, the same weights as rows in memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timesteps.errors import DataError, UsageError
from timesteps.runtime.regularization import Regularization
from timesteps.runtime.scratch import Scratch
from timesteps.runtime.sequences import Bags, Sequences
from timesteps.runtime.spec import LayerSpec, NetworkSpec
from timesteps.training import batches
from timesteps.training.batches import BLOCK, Order, rows_of
from timesteps.training.engines.plain import PlainNetwork
from timesteps.training.examples import Examples
from timesteps.training.loop import train
from timesteps.training.settings import Settings
from timesteps.training.spool import SpooledExamples


def bags(random: np.random.Generator, count: int, features: int) -> Bags:
    sizes = random.integers(0, 4, count)
    ids = np.concatenate([np.zeros(0, int), *(np.sort(random.choice(features, n, replace=False)) for n in sizes)])
    return Bags(ids.astype(np.int32), np.concatenate([[0], np.cumsum(sizes)]))


def examples(kind: str, rows: int, seed: int = 0) -> Examples:
    random = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(random.integers(0, 6, rows))]).astype(np.int64)
    steps = int(offsets[-1])
    targets, weights = random.integers(0, 2, rows), random.random(rows) + 0.5
    if kind == "numeric":
        return Examples(Sequences(random.normal(size=(steps, 3)).astype(np.float32), offsets), targets, weights)
    if kind == "ids":
        return Examples(Sequences(random.integers(0, 9, steps).astype(np.int32), offsets), targets, weights)
    found = Sequences(
        random.integers(0, 30, steps).astype(np.int32),
        offsets,
        bags(random, 30, 40),
        bags(random, steps, 40),
        random.normal(size=(steps, 2)).astype(np.float32),
        random.normal(size=(rows, 1)).astype(np.float32),
    )
    return Examples(found, targets, weights)


def spooled(scratch: Scratch, given: Examples, each: int = BLOCK) -> SpooledExamples:
    found = SpooledExamples(scratch)
    for first in range(0, len(given), each):
        found.append(given.take(np.arange(first, min(first + each, len(given)))))
    return found


def same(ours: Examples, theirs: Examples) -> None:
    np.testing.assert_array_equal(ours.targets, theirs.targets)
    np.testing.assert_array_equal(ours.weights, theirs.weights)
    a, b = ours.sequences, theirs.sequences
    np.testing.assert_array_equal(a.offsets, b.offsets)
    for name in ("channels", "linear"):
        assert (getattr(a, name) is None) == (getattr(b, name) is None)
        if getattr(a, name) is not None:
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    if b.bags is None or a.bags is None:
        np.testing.assert_array_equal(a.values, b.values)
        return
    for ours_bags, theirs_bags in ((a.bags.take(a.values), b.bags.take(b.values)), (a.phrases, b.phrases)):
        np.testing.assert_array_equal(ours_bags.ids, theirs_bags.ids)
        np.testing.assert_array_equal(ours_bags.offsets, theirs_bags.offsets)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["ids", "numeric", "bag"]),
    st.integers(1, 5 * BLOCK),
    st.sampled_from([BLOCK, 3 * BLOCK]),
    st.integers(0, 2**16),
)
def test_what_is_read_is_what_was_written(kind: str, rows: int, each: int, seed: int) -> None:
    given_rows = examples(kind, rows, seed)
    random = np.random.default_rng(seed)
    with Scratch(1 << 20) as scratch:
        kept = spooled(scratch, given_rows, each)
        assert (len(kept), kept.steps, kept.blocks) == (rows, given_rows.steps, -(-rows // BLOCK))
        np.testing.assert_array_equal(kept.lengths, given_rows.sequences.lengths)
        blocks = np.flatnonzero(random.random(kept.blocks) < 0.6)
        if len(blocks):
            same(kept.read(blocks.tolist()), given_rows.take(rows_of(blocks, rows)))
        some = np.sort(random.choice(rows, min(rows, 7), replace=False))
        same(kept.take(some), given_rows.take(some))


def test_rows_after_a_block_that_is_not_full() -> None:
    with Scratch(1 << 20) as scratch:
        kept = spooled(scratch, examples("ids", 10))
        with pytest.raises(DataError, match="not full"):
            kept.append(examples("ids", 10))


@given(st.integers(1, 1000), st.integers(1, 5), st.integers(1, 70), st.integers(0, 3))
def test_every_row_once_an_epoch_in_as_many_batches(rows: int, windows: int, batch_size: int, epoch: int) -> None:
    lengths = np.random.default_rng(0).integers(0, 50, rows)
    order = Order(rows, windows * batches.WINDOW, batch_size, seed=3)
    seen, count = [], 0
    for window, blocks in enumerate(order.blocks(epoch)):
        mine = rows_of(blocks, rows)
        found = order.batches(lengths[mine], epoch, window)
        count += len(found)
        assert max(map(len, found)) <= batch_size
        seen += [row for batch in found for row in mine[batch].tolist()]
    assert sorted(seen) == list(range(rows))
    assert count == order.steps


def test_few_rows_are_trained_on_in_the_order_of_one_window() -> None:
    lengths = np.random.default_rng(0).integers(0, 50, 500)
    order = Order(500, batches.WINDOW, 32, seed=1)
    ours = order.batches(lengths, 2, 0)
    theirs = batches.training_batches(lengths, 32, seed=1, epoch=2)
    assert [rows.tolist() for rows in ours] == [rows.tolist() for rows in theirs]


@pytest.mark.parametrize("engine", ["native", "torch"])
@pytest.mark.parametrize("kind", ["ids", "numeric", "bag"])
@pytest.mark.parametrize("window", [1 << 28, 4000])
def test_the_same_weights_as_in_memory_to_the_last_bit(engine: str, kind: str, window: int, monkeypatch) -> None:
    monkeypatch.setattr(batches, "WINDOW", window)
    given_rows = examples(kind, 300)
    channels = 2 if kind == "bag" else 0
    width = {"ids": 4, "numeric": 3, "bag": 4}[kind]
    spec = NetworkSpec(
        input=kind,
        input_size={"ids": 9, "numeric": 3, "bag": 40}[kind],
        embedding_size=0 if kind == "numeric" else 4,
        layers=(LayerSpec(cell="lstm", input_size=width + channels, hidden_size=3),),
        outputs=1,
        channels=channels,
        share=0.2 if kind == "bag" else 0.0,
        wide=kind == "bag",
    )
    some = Settings(epochs=2, batch_size=16, engine=engine, table_learning_rate=0.01, threads=1)
    found = []
    with Scratch(1 << 20) as scratch:
        for rows in (given_rows, spooled(scratch, given_rows, 2 * BLOCK)):
            network = PlainNetwork.untrained(spec, Regularization(dropout=0.2, input_dropout=0.2))
            history = train(network, rows, given_rows, some)
            found.append((network.state_dict(), history.rows))
    assert found[0][1] == found[1][1]
    for name, weight in found[0][0].items():
        np.testing.assert_array_equal(weight, found[1][0][name])


def test_a_run_on_the_disk_goes_on_to_the_same_bits(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(batches, "WINDOW", 3000)
    given_rows = examples("ids", 300)
    layer = LayerSpec(cell="gru", input_size=4, hidden_size=3)
    spec = NetworkSpec(input="ids", input_size=9, embedding_size=4, layers=(layer,), outputs=1)
    some = Settings(epochs=3, batch_size=16, threads=1)

    def trained(folder, resume: bool, stop: int | None = None) -> dict[str, np.ndarray]:
        with Scratch(1 << 20) as scratch:
            network = PlainNetwork.untrained(spec)
            kept = spooled(scratch, given_rows)
            if stop is not None:
                from timesteps.training.callbacks import Callback

                class Stop(Callback):
                    def on_epoch_begin(self, epoch: int) -> None:
                        if epoch == stop:
                            raise KeyboardInterrupt

                with pytest.raises(KeyboardInterrupt):
                    train(network, kept, None, some, folder=folder, callbacks=[Stop()])
            else:
                train(network, kept, None, some, folder=folder, resume=resume)
            return network.state_dict()

    whole = trained(tmp_path / "a", False)
    trained(tmp_path / "b", False, stop=2)
    for name, weight in trained(tmp_path / "b", True).items():
        np.testing.assert_array_equal(weight, whole[name])


def test_a_full_disk_is_said(monkeypatch) -> None:
    with Scratch(1 << 20) as scratch:
        column = scratch.column(np.int32)

        def full(data: memoryview) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(column, "_file", type("Full", (), {"seek": lambda *_: 0, "write": lambda _, d: full(d)})())
        with pytest.raises(UsageError, match="no space left on device; free some space"):
            column.append(np.arange(3))
        monkeypatch.undo()


def test_a_file_that_was_cut_is_said() -> None:
    with Scratch(1 << 20) as scratch:
        column = scratch.column(np.int32)
        column.append(np.arange(3))
        column._file.truncate(5)
        with pytest.raises(UsageError, match="shorter than it was"):
            column.read(0, 3)
        with pytest.raises(IndexError):
            column.read(2, 4)


def test_the_folder_is_gone_after_an_error() -> None:
    scratch = Scratch(1 << 20)
    with pytest.raises(ZeroDivisionError), scratch:
        scratch.column(np.int8).append(np.zeros(3))
        _ = 1 // 0
    assert not scratch.folder.exists()
