"""What a run says of the range of its images."""

import cv2
import numpy as np

from mrcnn.config.load import load_train_config
from mrcnn.data.sources.source import Samples
from mrcnn.structures import Sample
from mrcnn.train import brightness

from . import tiny


def check(log, path, largest, **model):
    assert cv2.imwrite(str(path), np.full((4, 6), largest, np.uint16))
    config = load_train_config({**tiny.CONFIG, "model": {**tiny.CONFIG["model"], **model}})
    sample = Sample(name="a", image_path=str(path), labels=(), class_ids=(), ignore=(), size_hw=None)
    return brightness.check(config, Samples((sample,), (), {"bg": 0}), log=log).model.image_range


def test_check_finds_the_range_and_says_so(log, tmp_path):
    assert check(log, tmp_path / "a.png", 3000) == 4095
    assert log.messages == [
        "`model.image_range` is 4095: of up to 500 training images those of 16 bits have no larger value, so 4095 is "
        "white; give the key for another range"
    ]


def test_check_leaves_whole_16_bits_and_what_is_given(log, tmp_path):
    assert check(log, tmp_path / "a.png", 40_000) is None
    assert check(log, tmp_path / "a.png", 3000, image_range=16383) == 16383
    assert check(log, tmp_path / "a.png", 3000, image_range=None) is None
    assert log.messages == []
