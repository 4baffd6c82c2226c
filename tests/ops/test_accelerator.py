import tensorflow as tf

from mrcnn.ops import accelerator


def test_is_visible_follows_the_gpus_that_tensorflow_may_use(monkeypatch):
    for gpus, expected in (([], False), (["GPU:0"], True)):
        monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind, gpus=gpus: {"GPU": gpus}[kind])
        assert accelerator.is_visible() is expected
