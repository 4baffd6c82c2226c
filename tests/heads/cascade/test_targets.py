import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.heads.cascade.targets import StageTargetGenerator

STD = (0.05, 0.05, 0.1, 0.1)


def batch(valid=(True, False), ignore=(False, True)):
    """An object of class 3, and a crowd."""
    return {
        "gt_boxes": np.float32([[[0, 0, 10, 10], [40, 40, 60, 60]]]),
        "gt_class_ids": np.int32([[3, 0]]),
        "gt_valid": np.array([valid]),
        "gt_ignore": np.array([ignore]),
        "seeds": np.int32([5]),
    }


def labelled(regions, usable=None, of=None, **settings):
    regions = np.float32([regions]).reshape(1, -1, 4)
    usable = np.ones(regions.shape[:2], bool) if usable is None else np.array([usable])
    found = StageTargetGenerator(**settings)(regions, usable, of or batch())
    return type(found)(*(np.asarray(field)[0] for field in found))


@pytest.mark.parametrize(("iou", "expected"), [(0.5, [3, 3, 3, 0]), (0.6, [3, 3, 0, 0]), (0.7, [3, 0, 0, 0])])
def test_stage_target_generator_labels_by_the_iou_of_its_stage(iou, expected):
    # of the object's 10 x 10 these hold 8, 6.5, 5.5 and 4 columns: IoU 0.8, 0.65, 0.55, 0.4
    found = labelled([[0, 0, 10, width] for width in (8, 6.5, 5.5, 4)], positive_iou=iou)
    assert found.class_ids.tolist() == expected
    assert found.valid.all()
    assert found.matched_idx.tolist() == [0] * 4
    assert not found.deltas[found.class_ids == 0].any()


def test_stage_target_generator_an_iou_of_exactly_the_threshold_is_an_object():
    assert labelled([[0, 0, 10, 6]], positive_iou=0.6).class_ids.tolist() == [3]  # 60 / 100


def test_stage_target_generator_divides_deltas_by_the_std_of_its_stage():
    found = labelled([[0, 0, 10, 8]], delta_std=STD)
    # the object's centre is 1 to the right, an eighth of the width of 8; its width is 10 / 8 of the region's
    np.testing.assert_allclose(found.deltas, [[0, 1 / 8 / 0.05, 0, np.log(10 / 8) / 0.1]], atol=1e-5)
    np.testing.assert_array_equal(found.rois, [[0, 0, 10, 8]])


def test_stage_target_generator_keeps_slots_but_does_not_count_what_is_no_region():
    regions = [[0, 0, 10, 0], [20, 20, 20, 20], [0, 0, 10, 10], [0, 0, 10, 10], [20, 20, 30, 30]]
    found = labelled(regions, usable=[True, True, False, True, True])
    # two without area, one that the stage before did not count, the object, background
    assert found.valid.tolist() == [False, False, False, True, True]
    assert found.class_ids.tolist() == [0, 0, 0, 3, 0]
    assert np.isfinite(found.deltas).all()


def test_stage_target_generator_background_in_a_crowd_does_not_count():
    regions = [[45, 45, 55, 55], [70, 70, 80, 80]]
    assert labelled(regions).valid.tolist() == [False, True]
    nothing = batch((False, False), (False, False))
    assert labelled(regions, of=nothing).valid.tolist() == [True, True]
    # 0.5 x 0.5 of a crowd of 20 x 20: IoU 0.000625, below 0.001; all of it lies inside
    small = [[45, 45, 45.5, 45.5]]
    assert [labelled(small, ignore_share=share).valid.tolist() for share in (None, 0.5)] == [[True], [False]]


def test_stage_target_generator_without_objects_all_is_background():
    found = labelled([[0, 0, 10, 10], [0, 0, 10, 8]], of=batch((False, False), (False, False)))
    assert not found.class_ids.any()
    assert found.valid.all()
    assert labelled([]).rois.shape == (0, 4)


def test_stage_target_generator_passes_no_gradient():
    regions = tf.Variable([[[0.0, 0, 10, 8]]])
    tensors = {name: tf.constant(value) for name, value in batch().items()}
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(StageTargetGenerator()(regions, tf.constant([[True]]), tensors).deltas)
    assert tape.gradient(total, regions) is None


def test_stage_target_generator_keeps_its_settings_in_json():
    settings = {"positive_iou": 0.75, "ignore_share": 0.25, "delta_std": (0.01, 0.02, 0.03, 0.04)}
    config = keras.saving.serialize_keras_object(StageTargetGenerator(**settings))
    custom = {"StageTargetGenerator": StageTargetGenerator}
    revived = keras.saving.deserialize_keras_object(config, custom_objects=custom)
    assert {name: getattr(revived, name) for name in settings} == settings | {"delta_std": revived.delta_std}
    assert tuple(revived.delta_std) == settings["delta_std"]
