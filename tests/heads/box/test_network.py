import numpy as np

from mrcnn.heads.box.network import BoxHead


def test_box_head_outputs_per_region_and_class():
    head = BoxHead(num_classes=3, pool_size=2, channels=4)
    regions = np.ones((5, 2, 2, 6), "float32")
    head(regions)
    head.box_deltas.kernel.assign(np.zeros((4, 12)))
    head.box_deltas.bias.assign(np.arange(12.0))  # column 4 c + j
    logits, deltas = head(regions)
    assert logits.shape == (5, 3)
    np.testing.assert_array_equal(np.asarray(deltas)[4], np.arange(12).reshape(3, 4))


def test_box_head_no_region():
    head = BoxHead(num_classes=2, pool_size=2, channels=4)
    logits, deltas = head(np.zeros((0, 2, 2, 6), "float32"))
    assert (logits.shape, deltas.shape) == ((0, 2), (0, 2, 4))
