"""Whether computations run on a GPU.

Some forms of an operation are fast on a CPU only, others on a GPU only.
"""

from mrcnn.ops.backend.current import native


def is_visible() -> bool:
    """Checks whether computations may use a GPU; it initializes none on TensorFlow."""
    return bool(native.visible_gpus())


def prefers_fixed_shapes() -> bool:
    """Checks whether a head should run on the same number of regions in every batch."""
    return native.prefers_fixed_shapes()
