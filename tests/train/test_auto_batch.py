"""The size of training batches that fits, with simulated memory and with real trials of a small network."""

import json

import pytest
import tensorflow as tf

from mrcnn.config.load import load_train_config
from mrcnn.data.sources.source import Samples
from mrcnn.errors import OutOfMemory, UserError
from mrcnn.project.meta import ProjectMeta
from mrcnn.structures import Sample
from mrcnn.train import auto_batch, checkpoint
from mrcnn.train.check import Checked, Start
from mrcnn.train.devices import Devices

from . import tiny
from .runs import assert_same_run

SAMPLE = Sample("ds/a.png", "a.png", (None,), (1,), (False,), (48, 64))


def limited(most, tried=None):
    """Makes a trial that runs out of memory above a size."""

    def trial(size):
        if tried is not None:
            tried.append(size)
        if size > most:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    return trial


@pytest.mark.parametrize(
    ("fits", "most", "expected", "tries"),
    [
        (8, 64, 8, [1, 2, 4, 8, 16]),
        (9, 64, 8, [1, 2, 4, 8, 16]),
        (100, 6, 4, [1, 2, 4]),
        (100, 64, 64, [1, 2, 4, 8, 16, 32, 64]),
        (1, 64, 1, [1, 2]),
        (0, 64, 0, [1]),
        (100, 1, 1, [1]),
    ],
)
def test_largest_fitting(fits, most, expected, tries):
    tried = []
    assert auto_batch.largest_fitting(limited(fits, tried), most=most) == expected
    assert tried == tries


def test_largest_fitting_raises_other_errors():
    def broken(size):
        raise tf.errors.InvalidArgumentError(None, None, "bad")

    with pytest.raises(tf.errors.InvalidArgumentError):
        auto_batch.largest_fitting(broken, most=4)


def test_largest_fitting_takes_any_error_of_tensorflow_above_one_image_as_too_little_memory():
    def failing(size):
        if size > 2:
            raise tf.errors.InternalError(None, None, "cuDNN launch failure")

    assert auto_batch.largest_fitting(failing, most=64) == 2


@pytest.mark.parametrize(
    ("peaks", "available", "most", "expected"),
    [
        # 100 and 30 for each further image: 4 images need 190, 8 need 310
        ({1: 100, 2: 130}, 309, 64, 4),
        ({1: 100, 2: 130}, 310, 64, 8),
        ({1: 100, 2: 130}, 129, 64, 1),
        ({1: 100, 2: 130}, 10**6, 4, 4),
        ({1: 100, 2: 90}, 100, 4, 4),  # no growth was seen
        ({1: 100}, 99, 4, 0),  # two images are not even tried
        ({1: 100}, 10**6, 1, 1),
    ],
)
def test_largest_within(peaks, available, most, expected):
    assert auto_batch.largest_within(peaks.__getitem__, available=available, most=most) == expected


@pytest.fixture
def checked():
    def make(*, images=100, names=("GPU:0",), **settings):
        config = load_train_config({**tiny.CONFIG, "batch_size": {"train": "auto", "val": 3}, **settings})
        samples = Samples((SAMPLE,) * images, (SAMPLE,), {"bg": 0, "a": 1})
        begin = Start(config=config, model=None, resumed=None, classes=None)
        return Checked(config, begin, ProjectMeta(), samples, Devices(names=names))

    return make


def test_settle_leaves_a_number(checked, log):
    before = checked(batch_size={"train": 2, "val": 3})
    assert auto_batch.settle(before, log=log, trial=limited(0)) is before
    assert log.messages == []


@pytest.mark.parametrize(
    ("arguments", "expected", "most"),
    [
        ({}, 16, 64),
        ({"images": 9}, 8, 9),
        ({"images": 9, "names": ("GPU:0", "GPU:1")}, 4, 4),
        ({"images": 1}, 1, 1),
    ],
)
def test_settle_finds_what_fits_and_says_it(checked, log, arguments, expected, most):
    settled = auto_batch.settle(checked(**arguments), log=log, trial=limited(16))
    assert settled.config.batch_size.model_dump() == {"train": expected, "val": 3}
    assert settled.batch_size == expected * settled.devices.count
    assert log.messages[-1] == (
        f"batch size: {expected} per device, the largest power of two that fits, at most {most}; `lr` 0.002 is not "
        "scaled with it, `lr_schedule.reference_batch` would scale it"
    )


def test_settle_says_that_the_rate_is_scaled(checked, log):
    auto_batch.settle(checked(lr_schedule={"reference_batch": 8}), log=log, trial=limited(2))
    assert log.messages[-1].endswith("; `lr` 0.002 is for a batch of 8 and is scaled with it")


@pytest.mark.parametrize(
    ("available", "peaks", "expected", "reason"),
    [
        # of 800, 4 images need 200 + 3 * 100; no more than 4 on a CPU
        (1000, {1: 200, 2: 300}, 4, "the largest power of two that fits, at most 4"),
        (600, {1: 200, 2: 300}, 2, "the largest power of two that fits, at most 4"),  # of 480: 300, not 500
        (200, {1: 200}, 1, "though even that may not fit into the memory that is free"),  # of 160
        (None, {1: 200}, 1, "since this system does not report the memory of a process"),
    ],
)
def test_settle_on_a_cpu_goes_by_the_memory_of_one_and_two_images(
    checked, log, monkeypatch, available, peaks, expected, reason
):
    now = [50]
    monkeypatch.setattr(auto_batch.memory, "available", lambda: available)
    monkeypatch.setattr(auto_batch.memory, "reset_peak", lambda: now.__setitem__(0, 50) or True)
    monkeypatch.setattr(auto_batch.memory, "peak", lambda: now[0])

    def trial(size):
        now[0] = 50 + peaks[size]

    settled = auto_batch.settle(checked(names=("CPU:0",)), log=log, trial=trial)
    assert settled.config.batch_size.train == expected
    assert f"batch size: {expected} per device, {reason}; `lr`" in log.messages[-1]


@pytest.mark.parametrize(("compiles", "expected"), [(False, [1, 1, 2]), (True, [1, 2, 1, 2])])
def test_settle_on_a_cpu_compiles_before_it_measures(checked, log, monkeypatch, compiles, expected):
    sizes = []
    monkeypatch.setattr(auto_batch.memory, "available", lambda: 10**12)
    monkeypatch.setattr(auto_batch.memory, "reset_peak", lambda: True)
    monkeypatch.setattr(auto_batch.memory, "peak", lambda: 100 * len(sizes))
    monkeypatch.setattr(auto_batch.native, "COMPILES_STEPS", compiles)
    auto_batch.settle(checked(names=("CPU:0",)), log=log, trial=sizes.append)
    assert sizes == expected


def test_settle_on_a_cpu_is_1_where_the_peak_cannot_be_reset(checked, log, monkeypatch):
    monkeypatch.setattr(auto_batch.memory, "available", lambda: 10**12)
    monkeypatch.setattr(auto_batch.memory, "reset_peak", lambda: False)
    settled = auto_batch.settle(checked(names=("CPU:0",)), log=log, trial=limited(8))
    assert settled.config.batch_size.train == 1


def test_settle_on_a_gpu_ends_where_not_even_one_image_fits(checked, log):
    with pytest.raises(OutOfMemory, match=r"not even one image fits; lower `input_size\.max_dim` \(64\)"):
        auto_batch.settle(checked(), log=log, trial=limited(0))


def test_settle_on_a_cpu_without_memory_for_one_image_is_1(checked, log, monkeypatch):
    monkeypatch.setattr(auto_batch.memory, "available", lambda: 10**12)
    assert auto_batch.settle(checked(names=("CPU:0",)), log=log, trial=limited(0)).config.batch_size.train == 1


@pytest.mark.slow
def test_settle_leaves_a_run_as_one_of_the_same_size(train, tmp_path, monkeypatch):
    # 6 training images: at most 4 on a CPU
    monkeypatch.setattr(auto_batch.memory, "available", lambda: 10**12)
    log = train(tmp_path / "auto", batch_size={"train": "auto", "val": 2}, epochs=1)
    assert any(line.startswith("batch size: 4 per device") for line in log.messages)
    train(tmp_path / "fixed", batch_size={"train": 4, "val": 2}, epochs=1)
    assert_same_run(tmp_path / "auto", tmp_path / "fixed")
    content = json.loads((tmp_path / "auto" / checkpoint.LAST / checkpoint.CONFIG).read_text())
    assert content["settings"]["batch_size"] == {"train": 4, "val": 2}

    monkeypatch.setattr(auto_batch, "settle", lambda checked, *, log: checked)
    log = train(tmp_path / "auto", batch_size={"train": "auto", "val": 2}, epochs=2, resume=True)
    assert "batch size: 4, because the stopped run has it" in log.messages
    assert "schedule: 2 epochs of 1 steps of 4 images, sgd, lr 0.05 constant" in log.messages


@pytest.mark.parametrize("value", ["large", 0, 1.5, True, None, 2**31])
def test_batch_size_is_a_number_or_auto(value):
    with pytest.raises(UserError, match=r"`batch_size\.train` must be"):
        load_train_config({"batch_size": {"train": value}})
