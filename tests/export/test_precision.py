"""The arithmetic in use and the tolerances that follow from it."""

import pytest
import tensorflow as tf

from mrcnn.export import precision
from mrcnn.export.precision import Tolerances


@pytest.fixture
def gpu(monkeypatch):
    """Pretends that TensorFlow computes on a GPU; gives its details to change."""
    details = {"compute_capability": (9, 0)}
    monkeypatch.setattr(tf.config.experimental, "tensor_float_32_execution_enabled", lambda: True)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["gpu:0"])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details)
    return details


def test_in_use_on_a_cpu_is_the_model_s_own(monkeypatch):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [])
    assert precision.device() == "CPU"
    assert [precision.in_use(name) for name in ("float32", "bfloat16")] == ["float32", "bfloat16"]


def test_in_use_on_a_gpu_is_tf32_where_the_gpu_has_it(gpu, monkeypatch):
    assert precision.device() == "GPU"
    assert [precision.in_use(name) for name in ("float32", "bfloat16")] == ["tf32", "bfloat16"]
    gpu["compute_capability"] = (7, 5)
    assert precision.in_use("float32") == "float32"
    gpu.clear()  # unknown: the larger tolerance
    assert precision.in_use("float32") == "tf32"
    monkeypatch.setattr(tf.config.experimental, "tensor_float_32_execution_enabled", lambda: False)
    assert precision.in_use("float32") == "float32"


def test_tolerances_follow_from_the_binary_places():
    assert precision.tolerances("float32") == Tolerances()
    tf32 = precision.tolerances("tf32")
    assert (tf32.score, tf32.mask_probability, tf32.box_share, tf32.map_share) == (
        10 / 2**11,
        10 / 2**11,
        2 / 2**11,
        10 / 2**11,
    )
    assert precision.tolerances("float16") == tf32
    assert precision.tolerances("bfloat16").score == 10 / 2**8
    assert tf32._replace(score=1e-3, mask_probability=1e-3, box_share=0.0, map_share=1e-3) == Tolerances()


def test_tolerances_allow_cells_that_are_chosen_otherwise_where_the_head_chooses():
    for name in ("float32", "tf32"):
        chosen = precision.tolerances(name, refines_cells=True)
        assert chosen == precision.tolerances(name)._replace(chosen_share=0.005)


def test_tolerances_allow_a_grey_value_where_resizing_rounds():
    # 1 / 255 = 0.0039; the noise of TF32, 10 * 2**-11 = 0.0049, is more
    assert precision.tolerances("float32", image_resize="truncated").mask_probability == pytest.approx(0.0039, abs=5e-5)
    assert precision.tolerances("float32", image_resize="smoothed").score == pytest.approx(0.0039, abs=5e-5)
    assert precision.tolerances("float32", image_resize="exact").score == 1e-3
    assert precision.tolerances("tf32", image_resize="truncated") == precision.tolerances("tf32")
