"""What people try with a Keras model out of habit."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

from mrcnn.models import keras_habits
from mrcnn.models.keras_habits import KerasHabits


class Brightness(KerasHabits):
    """Returns the mean of each image and the windows."""

    def call(self, batch, training=False):
        return {"mean": keras.ops.mean(batch["images"], axis=(1, 2, 3)), "windows": batch["windows"]}


IMAGES = np.stack([np.full((64, 128, 3), value, np.uint8) for value in (10, 30)])


@pytest.mark.parametrize("use", [Brightness.__call__, Brightness.predict_on_batch])
def test_an_array_is_a_batch_of_whole_images(use):
    found = use(Brightness(), IMAGES)
    np.testing.assert_array_equal(found["mean"], [10, 30])
    np.testing.assert_array_equal(found["windows"], [[0, 0, 64, 128]] * 2)


def test_predict_takes_an_array_and_a_batch():
    windows = np.float32([[0, 0, 64, 100]] * 2)
    found = Brightness().predict(IMAGES, batch_size=1, verbose=0)
    np.testing.assert_array_equal(found["mean"], [10, 30])
    found = Brightness().predict({"images": IMAGES.astype(np.float32), "windows": windows}, verbose=0)
    np.testing.assert_array_equal(found["windows"], windows)


def test_as_tensors_converts_arrays_and_other_numbers():
    given = {
        "windows": np.int64([[0, 0, 64, 128]]), "gt_boxes": np.float64([[[1.5, 2, 3, 4]]]), "images": IMAGES,
        "gt_class_ids": np.int32([[1]]), "gt_keypoints": np.int64([7]), "gt_mask_points": np.float64([0.5]),
        "choices": None,
    }  # fmt: skip
    found = keras_habits.as_tensors(given)
    types = {name: value.dtype.name for name, value in found.items() if name != "choices"}
    pixels = dict.fromkeys(("windows", "gt_boxes", "gt_keypoints", "gt_mask_points"), "float32")
    assert types == {**pixels, "images": "uint8", "gt_class_ids": "int32"}
    assert all(keras.ops.is_tensor(value) for name, value in found.items() if name != "choices")
    np.testing.assert_array_equal(found["windows"], [[0, 0, 64, 128]])
    np.testing.assert_array_equal(found["gt_boxes"], [[[1.5, 2, 3, 4]]])
    assert found["choices"] is None
    assert keras_habits.as_tensors({}) == {}
    half = keras_habits.as_tensors({"images": tf.constant([1.5], "bfloat16")})["images"]
    assert (half.dtype, half.numpy().tolist()) == ("float32", [1.5])
    tensor = tf.constant([1.0])
    assert keras_habits.as_tensors({"windows": tensor})["windows"] is tensor


def test_as_batch_takes_windows_of_whole_numbers_and_of_doubles():
    for windows in (np.int64([[0, 0, 64, 128]] * 2), np.float64([[0, 0, 64, 128]] * 2)):
        found = Brightness()({"images": IMAGES, "windows": windows})
        assert found["windows"].dtype == tf.float32


@pytest.mark.parametrize("images", [IMAGES[0], IMAGES[:, :60], IMAGES[:0], [IMAGES[0], IMAGES[1, :60]]])
def test_other_images_are_told_of_the_predictor(images):
    for use in (Brightness(), Brightness().predict):
        with pytest.raises(TypeError, match=r"^images must be .*Predictor\.load\(model_folder\)\.predict\(images\)$"):
            use(images)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("fit", r"use mrcnn\.train\.run\.train\("),
        ("train_on_batch", r"use mrcnn\.train\.run\.train\("),
        ("evaluate", r"use mrcnn\.evaluate\.run\.evaluate\("),
        ("test_on_batch", r"use mrcnn\.evaluate\.run\.evaluate\("),
        ("export", r"use mrcnn\.export\.run\.export\("),
    ],
)
@pytest.mark.parametrize("compiled", [False, True])
def test_what_has_another_way_names_it_in_one_line(name, hint, compiled):
    model = Brightness()
    if compiled:
        model.compile(loss="mse")
    with pytest.raises(TypeError, match=hint) as refused:
        getattr(model, name)(IMAGES, IMAGES)
    assert "\n" not in str(refused.value)


class Options(keras.callbacks.Callback):
    """Records the graph options under which a step runs."""

    def on_train_batch_end(self, batch, logs=None):
        config = tf.compat.v1.ConfigProto.FromString(context.context().function_call_options.config_proto_serialized)
        self.memory_optimization = config.graph_options.rewrite_options.memory_optimization


def test_training_keeps_the_order_of_sums():
    class Scale(KerasHabits):
        def build(self, input_shape=None):
            self.factor = self.add_weight(shape=(), name="factor")

        def call(self, batch, training=False):
            return batch["x"] * self.factor

    model, seen = Scale(), Options()
    model.compile(loss="mse")
    model.fit(tf.data.Dataset.from_tensors(({"x": tf.ones((1, 2))}, tf.ones((1, 2)))), callbacks=[seen], verbose=0)
    off = tf.compat.v1.ConfigProto().graph_options.rewrite_options.NO_MEM_OPT
    assert seen.memory_optimization == off


def test_as_batch_leaves_batches_as_they_are():
    batch = {"images": IMAGES}
    assert keras_habits.as_batch(batch) is batch
    assert keras_habits.as_batch(None) is None
