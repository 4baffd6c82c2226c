"""The parts of the batches that each of several workers reads."""

import numpy as np
import pytest

from mrcnn.data import pipeline
from mrcnn.data.share import Share
from mrcnn.data.skipped import Skipped

from .test_pipeline import AUGMENTATION, _assert_equal, _config, _sample, _train, _val


@pytest.fixture
def samples(tmp_path):
    return [_sample(tmp_path, number) for number in range(7)]


def test_train_dataset_shares_of_workers_are_the_batches_of_one_process(samples):
    config = _config(augmentation=AUGMENTATION)
    whole = _train(samples, config, count=5, batch_size=4, start_epoch=1)
    parts = [_train(samples, config, count=5, batch_size=4, start_epoch=1, share=Share(i, 2)) for i in range(2)]
    joined = [
        {name: np.concatenate([value, second[name]]) for name, value in first.items()}
        for first, second in zip(*parts, strict=True)
    ]
    _assert_equal(joined, whole)
    later = _train(samples, config, count=2, batch_size=4, start_epoch=4, start_step=0, share=Share(1, 2))
    _assert_equal(later, parts[1][3:])  # an epoch has one step: 7 // 4


def test_train_dataset_a_worker_has_a_batch_for_each_of_its_devices(samples):
    config = _config()
    whole = _train(samples, config, count=1, batch_size=4)
    found = _train(samples, config, count=2, batch_size=4, share=Share(1, 2, devices=2))
    assert [batch["image_ids"].tolist() for batch in found] == [[value] for value in whole[0]["image_ids"][2:]]


def test_val_dataset_shares_of_workers_are_whole_batches_in_turn(samples):
    whole, _ = _val(samples, _config(), batch_size=2)
    parts = [
        list(
            pipeline.val_dataset(
                samples, _config(), batch_size=2, skipped=Skipped(7), share=Share(i, 3)
            ).as_numpy_iterator()
        )
        for i in range(3)
    ]
    assert [len(part) for part in parts] == [2, 1, 1]
    _assert_equal([parts[0][0], parts[1][0], parts[2][0], parts[0][1]], whole)
