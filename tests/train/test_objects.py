"""What a run says of the objects it will learn, and the slots it takes."""

import numpy as np
import pytest

from mrcnn.config.load import load_train_config
from mrcnn.data.sources.source import Samples
from mrcnn.errors import UserError
from mrcnn.project.geometry import Bitmap
from mrcnn.structures import Sample
from mrcnn.train import objects

from . import tiny

MAPPING = {"bg": 0, "bar": 1, "disc": 2}
OPEN = {
    key: value for key, value in tiny.CONFIG["model"].items() if key not in ("max_gt_instances", "detections_per_image")
}


def sample(count, side=30, class_id=1):
    return Sample(
        name=f"ds/{count}.png",
        image_path="nowhere.png",
        labels=(Bitmap((0, 0), np.ones((side, side), bool)),) * count,
        class_ids=(class_id,) * count,
        ignore=(False,) * count,
        size_hw=(640, 640),
    )


def check(log, train, val=None, **model):
    config = load_train_config({**tiny.CONFIG, "model": {**OPEN, **model}})
    return objects.check(config, Samples((*train,), (*(val or train),), MAPPING), log=log).model.max_gt_instances


def test_the_slots_follow_the_largest_image_of_both_sets(log):
    assert check(log, [sample(3)], [sample(225), sample(7)]) == 225
    assert "`model.max_gt_instances` is 225, since ds/225.png has 225 objects; give the key for another number" in (
        log.messages
    )
    assert any("ds/225.png has 225 objects, but at most 100 are found" in line for line in log.messages)


def test_a_few_objects_leave_the_default(log):
    assert check(log, [sample(3)]) == 100
    assert log.messages == ["training set: no object of 1 classes (disc)"]


def test_a_key_that_is_given_wins_and_is_warned_of(log):
    assert check(log, [sample(20)], max_gt_instances=9) == 9
    assert any("with more than 9 objects, the most is 20 in ds/20.png" in line for line in log.messages)


def test_not_every_number_is_taken_without_being_asked_for(log):
    assert check(log, [sample(600)]) == 500
    assert any("with more than 500 objects, the most is 600" in line for line in log.messages)
    assert check(log, [sample(600)], max_gt_instances=700) == 700


def test_a_set_in_which_nothing_can_be_seen_is_refused(log):
    small = sample(4, side=2)  # 2 of 640 pixels are 0.2 of the input's 64
    with pytest.raises(UserError, match=r"all 4 objects of the training set are under half a pixel .* of 64x64"):
        check(log, [small], [sample(1)])
    with pytest.raises(UserError, match="all 4 objects of the validation set"):
        check(log, [sample(1)], [small])
