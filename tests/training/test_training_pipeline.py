"""Batches in the background: all of them, in order, few ahead; errors arrive, and nothing runs on."""

import threading
from itertools import count

import keras
import numpy as np
import pytest
from support.training_data import classified, quick

from seqconv.batching import plan_packed
from seqconv.data.sequences import Sequences
from seqconv.errors import ShapeError
from seqconv.training import train
from seqconv.training.step.prefetch import LOOKED_AT, READY_BATCHES, BatchFeed, EpochData, StepData, assemble


def numbered(numbers):
    for number in numbers:
        yield StepData({"features": np.full((1, 2, 1), number)}, np.ones((1, 1, 1)), np.ones((1, 1)))


def number_of(batch):
    return int(keras.ops.convert_to_numpy(batch.inputs["features"])[0, 0, 0])


def feeding_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("seqconv-batches")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert feeding_threads() == []


def test_every_batch_comes_once_and_in_order():
    with BatchFeed(numbered(range(20))) as feed:
        assert [number_of(batch) for batch in feed] == list(range(20))
        assert list(feed) == []


def test_few_batches_are_made_ahead_and_none_after_the_end():
    made, is_ahead = [], threading.Event()

    def watched():
        for batch in numbered(count()):
            made.append(number_of(batch))
            if len(made) == READY_BATCHES + 1:
                is_ahead.set()
            yield batch

    with BatchFeed(watched()) as feed:
        assert is_ahead.wait(10)
        # One more than fits is in the thread's hand.
        assert feeding_threads()[0].is_alive()
        assert made == list(range(READY_BATCHES + 1))
        assert number_of(next(feed)) == 0
    made_until_closed = list(made)
    assert len(made_until_closed) <= READY_BATCHES + 3
    assert list(feed) == []
    assert made == made_until_closed


def test_an_error_is_raised_where_its_batch_is_taken_and_ever_after():
    def failing():
        yield from numbered(range(2))
        raise ShapeError("the third cannot be read")

    with BatchFeed(failing()) as feed:
        assert [number_of(next(feed)) for _ in range(2)] == [0, 1]
        for _ in range(2):
            with pytest.raises(ShapeError, match="the third cannot be read"):
                next(feed)


def test_an_error_that_nobody_waits_for_blocks_nothing():
    def failing():
        yield from numbered(range(READY_BATCHES))
        raise ShapeError("never seen")

    feed = BatchFeed(failing())
    feed.close()
    feed.close()
    assert list(feed) == []


def test_epochs_share_a_feed_and_each_takes_its_own():
    with BatchFeed(numbered(range(7))) as feed:
        first, second = EpochData(feed, 3), EpochData(feed, 4)
        assert [number_of(batch) for batch in first] == [0, 1, 2]
        assert [number_of(batch) for batch in second] == [3, 4, 5, 6]


@pytest.mark.parametrize("looked_at", range(LOOKED_AT + 1))
def test_whoever_looks_at_an_epoch_and_begins_again_misses_nothing(looked_at):
    with BatchFeed(numbered(range(4))) as feed:
        data = EpochData(feed, 4)
        looks = iter(data)
        for _ in range(looked_at):
            next(looks)
        assert [number_of(batch) for batch in data] == [0, 1, 2, 3]


def test_the_wait_is_that_of_taking(monkeypatch):
    ticks = count(0.0, 0.5)
    with BatchFeed(numbered(range(6))) as feed:
        data = EpochData(feed, 6)
        monkeypatch.setattr("seqconv.training.step.prefetch.time.perf_counter", lambda: next(ticks))
        list(data)
        monkeypatch.undo()
    assert data.data_wait == 6 * 0.5


def test_weights_are_divided_by_the_constant_of_the_loss():
    data = classified(12)
    labels, weights = np.eye(12, dtype="float32"), np.linspace(1, 2, 12)
    layouts = plan_packed(data.lengths, batch_size=4).epoch(0)
    parts = list(assemble(layouts, data, labels, weights, loss_scale=8.0))
    assert len(parts) == len(layouts)
    for layout, part in zip(layouts, parts, strict=True):
        used = part.weights[layout.row, layout.slot]
        np.testing.assert_allclose(used, weights[layout.indices] / 8, rtol=1e-6)
        assert part.weights.sum() == pytest.approx(used.sum(), rel=1e-6)


class Stop(keras.callbacks.Callback):
    """Ends the run in the middle of its first epoch, in the way asked for."""

    def __init__(self, error=None):
        super().__init__()
        self.error = error

    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            self.model.stop_training = True
            if self.error is not None:
                raise self.error


@pytest.mark.parametrize("error", [None, KeyboardInterrupt("mine"), ValueError("mine")])
def test_a_run_that_stops_in_the_middle_leaves_no_thread(tmp_path, error):
    options = {"train_data": classified(), "valid_data": classified(20), "callbacks": [Stop(error)]}
    if error is None:
        assert len(train(quick(), tmp_path / "run", **options).history) == 1
    else:
        with pytest.raises(type(error), match=r"^mine$"):
            train(quick(), tmp_path / "run", **options)


def test_an_error_in_reading_stops_the_run_and_says_what_it_is(tmp_path):
    class Cut(Sequences):
        is_damaged = False

        def __getitem__(self, index):
            array = super().__getitem__(index)
            return array[:1] if self.is_damaged and index == 7 else array

    class Damage(keras.callbacks.Callback):
        """Data that was whole when it was checked breaks when training begins."""

        def on_train_begin(self, logs=None):
            cut.is_damaged = True

    good = classified()
    cut = Cut([good[i] for i in range(len(good))], good.labels)
    with pytest.raises(ShapeError, match=r"sequence 7 has shape \(1, 3\); the plan expects at least"):
        train(
            quick(features={"kind": "precomputed", "normalize": "none"}),
            tmp_path / "run",
            train_data=cut,
            valid_data=classified(20),
            callbacks=[Damage()],
        )
    assert not (tmp_path / "run").exists()
