import keras
import numpy as np
import pytest
import tensorflow as tf

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


def test_schedule_unknown_name_is_refused():
    with pytest.raises(ValueError, match="constant, step or cosine, got 'linear'"):
        schedule.Schedule(1.0, name="linear")
