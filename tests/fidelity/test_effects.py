import numpy as np
import pytest

from mrcnn.config import compatibility
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.structures import Detections
from tests.fidelity import effects, reference
from tests.fidelity.effects import Learnt


def make(boxes, class_ids, scores):
    masks = np.zeros((len(boxes), 20, 20), bool)
    for mask, (y1, x1, y2, x2) in zip(masks, boxes, strict=True):
        mask[y1:y2, x1:x2] = True
    return Detections(
        np.reshape(boxes, (-1, 4)).astype(np.float32), np.array(class_ids, int), (), np.array(scores, float), masks
    )


EXPECTED = make([[0, 0, 10, 10], [0, 10, 10, 20], [10, 0, 20, 10]], [1, 2, 1], [0.9, 0.8, 0.7])


def test_nothing_changed():
    assert effects.compare(EXPECTED, EXPECTED) == (3, 3, 0, 0, 0, 1)


def test_shifts_scores_and_masks_of_what_is_found():
    # the first lost a column: IoU 90 / 100; the second moved by two: 80 / 120; the third is of another class
    got = make([[0, 12, 10, 22], [0, 0, 10, 9], [10, 0, 20, 10], [15, 15, 16, 16]], [2, 1, 3, 1], [0.8, 0.7, 0.7, 0.7])
    got.masks[0, :, 12:20] = True
    kept = effects.compare(got, EXPECTED)
    assert (kept.number, kept.found, kept.largest_shift, kept.median_shift) == (4, 2, 2, 1.5)
    assert kept.score == pytest.approx(0.2)
    # the second's mask: columns 12..19 of all twenty rows against 10..19 of ten
    assert kept.mask_iou == pytest.approx((90 / 100 + 80 / (160 + 20)) / 2)


def test_one_detection_stands_for_one_object():
    twice = make([[0, 0, 10, 10], [0, 1, 10, 10]], [1, 1], [0.9, 0.8])
    assert effects.compare(make([[0, 0, 10, 10]], [1], [0.9]), twice).found == 1


def test_nothing_found():
    nothing = make([], [], [])
    assert effects.compare(nothing, EXPECTED) == (0, 0, 0, 0, 0, 0)
    assert effects.compare(EXPECTED, nothing) == (3, 0, 0, 0, 0, 0)


def test_changes_are_shares():
    before = Learnt(dict.fromkeys((*reference.LOSSES, "loss"), 2.0), np.array([3.0, 4.0]))
    after = Learnt({**before.losses, "loss": 3.0}, np.array([0.0, 10.0]))
    got = effects.changes(after, before)
    assert got == {
        **dict.fromkeys(reference.LOSSES, 0.0),
        "loss": 0.5,
        "norm": 1.0,
        "gradient": pytest.approx(45**0.5 / 5),
    }
    assert [effects.percent(share) for share in (0.5, -0.00123, 1e-7)] == ["+50 %", "-0.123 %", "0"]


def test_every_convention_that_differs_is_measured_alone():
    same = compatibility.MATTERPORT.items()
    given = [case.settings for case in effects.cases()]
    for table in (compatibility.BETTER, compatibility.SUPERVISELY):
        for name, value in table.items() - same:
            needed = {"roi_align": "aligned"} if name == "roi_sampling_ratio" else {}
            assert {name: value, **needed} in given
    for settings in given:
        MatterportConfig(**{"compatibility": "matterport", **settings})


def test_under_matterports_conventions_nothing_changes(session):
    kept = effects.compare(effects.detect(session.model), effects.stored_detections())
    assert (kept.number, kept.found, kept.largest_shift) == (33, 33, 0)
    assert kept.score < 1e-4


def test_a_step_with_matterports_sample_has_the_losses_of_its_heads(session):
    learnt = effects.learn(session.model, stored_sample=True)
    stored = dict(zip(reference.training()["loss_names"], reference.training()["losses"], strict=True))
    heads = [
        name for name in reference.LOSSES if name.startswith("mrcnn")
    ]  # of the RPN's anchors more tie than Matterport's
    assert [learnt.losses[name] for name in heads] == pytest.approx([stored[name] for name in heads], rel=1e-4)
    assert len(learnt.gradient) == sum(np.asarray(weight).size for weight in session.model.trainable_weights)
