import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.config.load import load_train_config
from mrcnn.train import rates as of_config
from mrcnn.train import schedule

# reference cases lr_schedule.json: detectron2 02b5c4e2, tests/test_scheduler.py (torch 2.14.1)
WARMUP_MULTISTEP = [0.005, 1.004, 2.003, 3.002, 4.001] + [5.0] * 5 + [0.5] * 5 + [0.05] * 5 + [0.005] * 10
WARMUP_COSINE = [
    0.005, 0.937012702, 1.869025404, 2.801038106, 3.733050808, 4.665063509, 4.522542486, 4.357862064, 4.172826516,
    3.969463131, 3.75, 3.516841608, 3.272542486, 3.019779227, 2.761321158, 2.5, 2.238678842, 1.980220773, 1.727457514,
    1.483158392, 1.25, 1.030536869, 0.827173484, 0.642137936, 0.477457514, 0.334936491, 0.216136356, 0.122358709,
    0.054630998, 0.013695262,
]  # fmt: skip
WARMUP = {"warmup_steps": 5, "warmup_start_factor": 0.001}


def rates(made, count):
    return np.array([float(made(step)) for step in range(count)])


def test_schedule_steps_with_warmup_match_the_reference():
    made = schedule.Schedule(5, name="step", milestones=(10, 15, 20), gamma=0.1, **WARMUP)
    np.testing.assert_allclose(rates(made, 30), WARMUP_MULTISTEP, rtol=1e-5)


def test_schedule_cosine_with_warmup_matches_the_reference():
    made = schedule.Schedule(5, name="cosine", total_steps=30, **WARMUP)
    np.testing.assert_allclose(rates(made, 30), WARMUP_COSINE, rtol=2e-5, atol=2e-6)


def test_schedule_constant_is_the_default():
    np.testing.assert_allclose(rates(schedule.Schedule(0.001), 3), 0.001)


def test_schedule_cosine_ends_at_the_final_fraction_and_stays():
    made = schedule.Schedule(2.0, name="cosine", total_steps=4, final_fraction=0.25)
    # 2 * (0.25 + 0.75 * (1 + cos(pi * i / 4)) / 2) at i = 0, 2, 4, 9
    np.testing.assert_allclose([float(made(step)) for step in (0, 2, 4, 9)], [2.0, 1.25, 0.5, 0.5], rtol=1e-6)


def test_schedule_milestone_counts_at_its_own_step():
    made = schedule.Schedule(1.0, name="step", milestones=(2,), gamma=0.5)
    np.testing.assert_allclose(rates(made, 4), [1, 1, 0.5, 0.5])


def test_step_factor_no_milestones_change_nothing():
    np.testing.assert_allclose(schedule.step_factor(np.float32([0, 9]), milestones=(), gamma=0.1), [1, 1])


def test_a_graph_gives_the_same():
    made = schedule.Schedule(5, name="cosine", total_steps=30, **WARMUP)
    graph = tf.function(lambda step: made(step))
    np.testing.assert_allclose(
        [float(graph(tf.constant(step, tf.int64))) for step in range(8)], rates(made, 8), rtol=1e-6
    )


def test_every_argument_survives_its_config():
    arguments = {
        "base_lr": 0.5,
        "name": "step",
        "warmup_steps": 3,
        "warmup_start_factor": 0.25,
        "milestones": [4, 5],
        "gamma": 0.3,
        "total_steps": 7,
        "final_fraction": 0.125,
    }
    made = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(schedule.Schedule(**{**arguments, "milestones": (4, 5)}))
    )
    assert isinstance(made, schedule.Schedule)
    assert made.get_config() == arguments


COCO_IMAGES = 117266  # of train2017, with at least one object


def of_recipe(schedule_of, *, lr, batch, epochs=1, images=COCO_IMAGES):
    """Builds the schedule of a recipe and the steps of its epoch."""
    config = load_train_config({"lr": lr, "epochs": epochs, "lr_schedule": schedule_of})
    steps = images // batch
    return of_config.learning_rate(config, steps_per_epoch=steps, batch_size=batch), steps


@pytest.mark.parametrize(("epochs", "milestones"), [(26, [16, 22]), (46, [36, 43])], ids=["boxes", "keypoints"])
def test_schedule_of_torchvisions_reference(epochs, milestones):
    # pytorch/vision references/detection: 8 GPUs x 2 images, lr 0.02, 1000 warm-up steps from a thousandth
    made, steps = of_recipe(
        {"name": "step", "milestones": milestones, "warmup_steps": 1000, "reference_batch": 16},
        lr=0.02,
        batch=16,
        epochs=epochs,
    )
    assert steps == 7329
    first, second = (epoch * steps for epoch in milestones)
    found = [float(made(step)) for step in (0, 500, 1000, first - 1, first, second - 1, second, epochs * steps - 1)]
    # halfway up: 0.02 * (0.001 * 0.5 + 0.5)
    assert found == pytest.approx([2e-5, 0.01001, 0.02, 0.02, 0.002, 0.002, 0.0002, 0.0002])


def test_schedule_of_a_recipe_on_one_device_is_scaled_by_its_batch():
    # torchvision: "if you use different number of gpus, the learning rate should be changed to 0.02/8*$NGPU"
    made, steps = of_recipe(
        {"name": "step", "milestones": [16, 22], "warmup_steps": 1000, "reference_batch": 16}, lr=0.02, batch=2
    )
    assert [float(made(step)) for step in (1000, 16 * steps)] == pytest.approx([0.0025, 0.00025])


@pytest.mark.parametrize(
    ("milestones", "last"),
    [([60000, 80000], 89999), ([210000, 250000], 269999)],
    ids=["1x", "3x"],
)
def test_schedule_of_detectron2(milestones, last):
    # facebookresearch/detectron2 configs/Base-RCNN-FPN.yaml and mask_rcnn_R_50_FPN_3x.yaml, SOLVER
    made, _ = of_recipe({"name": "step", "milestone_steps": milestones, "warmup_steps": 1000}, lr=0.02, batch=16)
    first, second = milestones
    found = [float(made(step)) for step in (0, 250, 999, 1000, first - 1, first, second, last)]
    # 250 / 1000 of the way: 0.02 * (0.001 * 0.75 + 0.25); 999: 0.02 * (0.001 * 0.001 + 0.999)
    assert found == pytest.approx([2e-5, 0.005015, 0.01998002, 0.02, 0.02, 0.002, 0.0002, 0.0002])


def test_schedule_of_detectron2s_large_scale_jitter():
    # facebookresearch/detectron2 configs/new_baselines/mask_rcnn_R_50_FPN_100ep_LSJ.py
    made, _ = of_recipe(
        {
            "name": "step",
            "milestone_steps": [163889, 177546],
            "warmup_steps": 500,
            "warmup_start_factor": 0.067,
        },
        lr=0.1,
        batch=64,
    )
    found = [float(made(step)) for step in (0, 250, 500, 163888, 163889, 177546)]
    assert found == pytest.approx([0.0067, 0.1 * (0.067 + 1) / 2, 0.1, 0.1, 0.01, 0.001])


def test_schedule_of_tensorflow_model_garden():
    # tensorflow/models official/vision/configs/maskrcnn.py: batch 64, lr 0.12, warm-up of 500 steps from 0.0067
    made, _ = of_recipe(
        {
            "name": "step",
            "milestone_steps": [15000, 20000],
            "warmup_steps": 500,
            "warmup_start_factor": 0.0067 / 0.12,
        },
        lr=0.12,
        batch=64,
    )
    found = [float(made(step)) for step in (0, 250, 500, 14999, 15000, 20000, 22499)]
    assert found == pytest.approx([0.0067, (0.0067 + 0.12) / 2, 0.12, 0.12, 0.012, 0.0012, 0.0012])


def test_schedule_of_tensorpack():
    # tensorpack examples/FasterRCNN/config.py: 0.01 for a batch of 8, warm-up of 1000 steps from 1e-5, both scaled
    made, _ = of_recipe({"warmup_steps": 1000, "reference_batch": 8}, lr=0.01, batch=16)
    assert [float(made(step)) for step in (0, 1000)] == pytest.approx([2e-5, 0.02])


def test_schedule_unknown_name_is_refused():
    with pytest.raises(ValueError, match="constant, step or cosine, got 'linear'"):
        schedule.Schedule(1.0, name="linear")
