"""Whether computations run on a GPU.

Some forms of an operation are fast on a CPU only, others on a GPU only.
"""

import tensorflow as tf


def is_visible() -> bool:
    """Checks whether TensorFlow may use a GPU; it initializes none."""
    return bool(tf.config.get_visible_devices("GPU"))
