"""The batches of threads, and that they are those of `tf.data`, bit for bit."""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import cv2
import keras
import numpy as np
import pytest

from mrcnn.config.load import load_train_config
from mrcnn.data import pipeline, streams, tf_stream, thread_stream
from mrcnn.data.share import Share
from mrcnn.data.skipped import Skipped
from mrcnn.data.thread_stream import EndlessBatches, OnePass
from mrcnn.errors import UserError
from mrcnn.project.geometry import Rectangle
from mrcnn.structures import Sample

SPEC = {"image_ids": ((), np.int32), "twice": ((), np.int64)}
BROKEN = (2, 5, 6)


def load(position):
    return np.int32(position), np.int64(2 * position)


def endless(function=load, *, start=0, batch_size=2, workers=3):
    return EndlessBatches(function, SPEC, start=start, batch_size=batch_size, workers=workers)


def taken(data, count):
    return [batch["image_ids"].tolist() for batch in itertools.islice(data, count)]


def test_endless_batches_are_in_order_whatever_the_time_of_each():
    def slower_first(position):
        time.sleep(0.02 if position % 3 == 0 else 0)
        return load(position)

    data = endless(slower_first, start=4)
    assert isinstance(data, keras.utils.PyDataset)
    assert data.num_batches is None
    assert taken(data, 3) == taken(data, 3) == [[4, 5], [6, 7], [8, 9]]
    assert data[0]["twice"].tolist() == [8, 10]
    assert (data[0]["image_ids"].dtype, data[0]["twice"].dtype) == (np.int32, np.int64)


def test_endless_batches_of_any_number():
    data = endless(start=1, batch_size=3)
    assert [data[index]["image_ids"].tolist() for index in (2, 0, 1, 1)] == [[7, 8, 9], [1, 2, 3], [4, 5, 6], [4, 5, 6]]


def test_endless_batches_are_prepared_ahead_but_not_without_end():
    made, enough = [], threading.Event()

    def counted(position):
        made.append(position)
        if len(made) >= 2 + 4:
            enough.set()
        return load(position)

    data = endless(counted, workers=2)
    assert made == []
    data[0]
    assert enough.wait(10)  # the batch, and two more
    assert sorted(made)[:6] == list(range(6))
    assert len(made) <= 2 + 4 + 1


def test_endless_batches_raise_the_error_of_an_example_and_start_anew():
    fails = [True]

    def failing(position):
        if position == 3 and fails:
            raise UserError("broken")
        return load(position)

    data = endless(failing)
    assert data[0]["image_ids"].tolist() == [0, 1]
    with pytest.raises(UserError, match="broken"):
        data[1]
    fails.clear()
    assert data[1]["image_ids"].tolist() == [2, 3]


def test_endless_batches_serve_several_readers_with_their_own_threads_alone():
    running, most = [], []

    def slow(position):
        running.append(position)
        most.append(len(running))
        time.sleep(0.005)
        running.remove(position)
        return load(position)

    data = endless(slow, workers=2)
    with ThreadPoolExecutor(4) as readers:
        found = list(readers.map(lambda index: data[index]["image_ids"].tolist(), range(20)))
    assert found == [[2 * index, 2 * index + 1] for index in range(20)]
    assert max(most) <= 2


def test_close_ends_the_threads():
    before = set(threading.enumerate())
    data = endless(workers=2)
    data[0]
    assert set(threading.enumerate()) - before
    streams.close(data)
    assert not set(threading.enumerate()) - before
    assert data[1]["image_ids"].tolist() == [2, 3]
    data.close()
    streams.close(tf_stream.endless(load, SPEC, start=0, batch_size=2, workers=2))  # does nothing


def test_one_pass_is_repeatable_and_leaves_out_what_is_missing():
    def missing(position):
        return (np.int32(-1), np.int64(0)) if position in (0, 3) else load(position)

    data = OnePass(missing, SPEC, [np.arange(4), np.arange(4, 9)], batch_size=2, workers=2)
    assert taken(data, 9) == taken(data, 9) == [[1, 2], [4, 5], [6, 7], [8]]
    assert list(OnePass(load, SPEC, [], batch_size=2, workers=None)) == []
    assert list(OnePass(missing, SPEC, [np.array([3])], batch_size=2, workers=None)) == []


@pytest.fixture
def samples(tmp_path):
    """Images of several shapes, three of them broken, with one or two objects."""
    found = []
    for number in range(11):
        path, size = tmp_path / f"{number}.png", ((20, 30), (40, 20), (24, 24))[number % 3]
        noise = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
        if number in BROKEN:
            path.write_bytes(b"no image")
        else:
            cv2.imwrite(str(path), noise)
        objects = 1 + number % 2
        label = Rectangle(np.array([[2, 3], [9 + number % 5, 12]]))
        ignored = (number == 4, False)[:objects]
        found.append(Sample(f"ds/{path.name}", str(path), (label,) * objects, (1, 0)[:objects], ignored, size))
    return found


SETTINGS = {
    "plain": {},
    "rectangles": {"input_size": {"min_dim": 64, "max_dim": 128, "shape": "rectangle"}},
    "augmented": {
        "augmentation": [{"name": "Fliplr", "args": {"p": 0.5}}, {"name": "Affine", "args": {"rotate": [-20, 20]}}],
        "copy_paste": {"probability": 0.5},
        "sampling": {"repeat_threshold": 0.9},
    },
}


def config(name):
    sizes = {"min_dim": 64, "max_dim": 64, "shape": "square"}
    network = {"max_gt_instances": 3, "gt_mask_size": 8}
    return load_train_config({"input_size": sizes, "model": network, "seed": 3, **SETTINGS[name]})


@pytest.fixture
def both(monkeypatch):
    """Makes batches with each kind of stream; returns those and the reasons of the skipped images."""

    def make_both(make):
        found = []
        for kind in (tf_stream, thread_stream):
            monkeypatch.setattr(streams, "current", lambda kind=kind: kind)
            skipped = Skipped(11, max_share=1)
            with skipped.surfaced():
                found.append((list(streams.arrays(make(skipped))), skipped.reasons))
        return found

    return make_both


def assert_equal(first, second):
    assert len(first) == len(second) > 0
    for one, other in zip(first, second, strict=True):
        assert list(one) == list(other)
        for name in one:
            assert one[name].dtype == other[name].dtype, name
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("begin", [(0, 0), (1, 2)])
@pytest.mark.parametrize("share", [Share(), Share(1, 2, 1)])
def test_training_batches_are_those_of_tensorflow(samples, both, name, begin, share):
    def make(skipped):
        data, _ = pipeline.train_dataset(
            samples, config(name), batch_size=4, skipped=skipped, start_epoch=begin[0], start_step=begin[1],
            share=share,
        )  # fmt: skip
        return itertools.islice(data, 5)

    (expected, _), (got, reasons) = both(make)
    assert_equal(expected, got)
    assert reasons


@pytest.mark.parametrize("name", ["plain", "rectangles"])
@pytest.mark.parametrize("share", [Share(), Share(1, 2, 1)])
def test_validation_batches_are_those_of_tensorflow(samples, both, name, share):
    def make(skipped):
        return pipeline.val_dataset(samples, config(name), batch_size=2, skipped=skipped, share=share)

    (expected, lost), (got, reasons) = both(make)
    assert_equal(expected, got)
    assert reasons == lost
    if share.count == 1:
        assert sorted(np.concatenate([batch["image_ids"] for batch in got])) == sorted({*range(11)} - {*BROKEN})


@pytest.mark.parametrize("kind", [tf_stream, thread_stream])
def test_an_error_of_the_set_is_the_same(samples, monkeypatch, kind):
    monkeypatch.setattr(streams, "current", lambda: kind)
    skipped = Skipped(11, max_share=0.2)
    data = pipeline.val_dataset(samples, config("plain"), batch_size=2, skipped=skipped)
    with pytest.raises(UserError, match=r"^too many images cannot be used: 3 of 11"), skipped.surfaced():
        list(data)
