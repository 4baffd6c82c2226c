"""The warning of a run whose checkpoints do not fit on the disk."""

import shutil
from collections import namedtuple

import keras
import pytest

from mrcnn.config.load import load_train_config
from mrcnn.train import disk
from tests.train.conftest import HeardLog

Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    ("epochs", "keep", "needed"),
    [
        (10, None, 10 * 100 + 2 * 30),  # all stay; two training states while the newest is written
        (10, 1, 3 * 100 + 2 * 30),  # the newest, the best, and the one that is being written
        (10, 50, 10 * 100 + 2 * 30),
        (1, None, 100 + 30),
        (0, None, 0),  # a resumed run that is complete
    ],
)
def test_needed_bytes_counts_what_stays_and_what_is_being_written(epochs, keep, needed):
    assert disk.needed_bytes(100, 30, epochs=epochs, keep=keep) == needed


@pytest.fixture
def network():
    """A model of 4 values, 2 of them trained."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1), keras.layers.Dense(1)])
    model.layers[0].trainable = False
    return model


def heard(network, monkeypatch, tmp_path, *, free, **values):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(10**12, 0, free))
    log = HeardLog()
    config = load_train_config({"epochs": 10**9, "optimizer": {"name": "adam"}, **values})
    disk.warn_if_too_small(network, config, done=0, folder=tmp_path, log=log)
    return log.messages


def test_a_disk_that_is_too_small_is_a_warning_with_the_key_that_helps(network, monkeypatch, tmp_path):
    # 4 values of 4 bytes in 10**9 files, and twice the 2 trained ones in Adam's 2 copies: 16 * 10**9 + 2 * 16 bytes
    assert not heard(network, monkeypatch, tmp_path, free=16 * 10**9 + 32)
    (line,) = heard(network, monkeypatch, tmp_path, free=16 * 10**9 + 31)
    assert line == (
        f"the checkpoints of 1000000000 epochs need about 16.00 GB, and the disk of {tmp_path} has 16.00 GB free; with "
        "`checkpoints.keep` 2 they need 0.00 GB"
    )


def test_no_advice_where_few_are_kept_already(network, monkeypatch, tmp_path):
    (line,) = heard(network, monkeypatch, tmp_path, free=0, checkpoints={"keep": 1})
    assert "keep" not in line
