import pytest
import tensorflow as tf

from mrcnn.ops import accelerator


@pytest.mark.parametrize(("gpus", "expected"), [([], False), (["GPU:0"], True)])
def test_is_visible_and_fixed_shapes_follow_the_gpus_that_tensorflow_may_use(monkeypatch, gpus, expected):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: {"GPU": gpus}[kind])
    assert accelerator.is_visible() is expected
    assert accelerator.prefers_fixed_shapes() is expected
