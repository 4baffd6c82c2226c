import numpy as np
import pytest
import tensorflow as tf

from mrcnn.heads.mask.pointrend import CoarseHead, FineFeatures, PointHead, PointRendNetwork
from tests.traced import both

CHANNELS = 5


def build(**settings):
    network = PointRendNetwork(num_classes=3, pool_size=4, **settings)
    network.build((None, None, None, CHANNELS))
    return network


def values_of(layer):
    return {weight.path.split("/")[-2] + "/" + weight.name: weight for weight in layer.trainable_variables}


def test_pointrend_network_has_the_published_parameters():
    network = PointRendNetwork(num_classes=80)
    network.build((None, None, None, 256))
    # a 2x2 convolution, fully connected layers of 7 x 7 x 256 and 1024 inputs, 80 masks of 7 x 7
    coarse = (4 * 256 + 1) * 256 + (49 * 256 + 1) * 1024 + (1024 + 1) * 1024 + (1024 + 1) * 80 * 49
    # each layer reads 256 features and 80 coarse logits
    points = 3 * (256 + 80 + 1) * 256 + (256 + 80 + 1) * 80
    assert sum(np.prod(weight.shape) for weight in network.trainable_variables) == coarse + points == 18_461_856
    assert network(np.zeros((2, 14, 14, 256), "float32")).shape == (2, 7, 7, 80)


def test_pointrend_network_names_the_layers_that_depend_on_the_classes():
    start = "mrcnn_mask_point"
    network = build()
    assert network.class_layers == ("mrcnn_mask_coarse", f"{start}_fc1", f"{start}_fc2", f"{start}_fc3", start)
    other = PointRendNetwork(num_classes=7, pool_size=4)
    other.build((None, None, None, CHANNELS))
    shapes = [{path: tuple(weight.shape) for path, weight in values_of(each).items()} for each in (network, other)]
    differ = {path.split("/")[0] for path, shape in shapes[0].items() if shapes[1][path] != shape}
    assert differ == set(network.class_layers)
    assert build(class_agnostic=True).class_layers == ()


def test_pointrend_network_may_have_one_mask_for_all_classes():
    network = build(class_agnostic=True)
    coarse = network(np.ones((2, 4, 4, CHANNELS), "float32"))
    assert coarse.shape == (2, 2, 2, 1)
    assert network.at(np.ones((2, 6, CHANNELS), "float32"), coarse, np.zeros((2, 6, 2), "float32")).shape == (2, 6, 1)


def test_coarse_head_worked_numbers():
    head = CoarseHead(num_masks=2, pool_size=2, channels=1, hidden=1)
    head.build((None, None, None, 1))
    weights = values_of(head)
    weights["mrcnn_mask_coarse_conv/kernel"].assign(np.float32([1, 2, 3, 4]).reshape(2, 2, 1, 1))
    weights["mrcnn_mask_coarse_fc1/kernel"].assign([[[[2.0]]]])
    weights["mrcnn_mask_coarse_fc1/bias"].assign([-10.0])
    weights["mrcnn_mask_coarse_fc2/kernel"].assign([[[[0.5]]]])
    weights["mrcnn_mask_coarse/kernel"].assign([[[[1.0, -1.0]]]])
    regions = np.float32([[1, 1, 1, 1], [1, 0, 0, 0]]).reshape(2, 2, 2, 1)
    # 1 + 2 + 3 + 4 = 10, 2 * 10 - 10 = 10, 0.5 * 10 = 5; and 1, 2 * 1 - 10 = -8, which the ReLU makes 0
    got = both(head, regions, unknown_batch=True)
    np.testing.assert_allclose(got, np.float32([[5, -5], [0, 0]]).reshape(2, 1, 1, 2))


def test_coarse_head_keeps_rows_before_columns():
    # the last layer's bias alone: cell by cell, row by row, a value for each class
    head = CoarseHead(num_masks=2, pool_size=4, channels=1, hidden=1)
    head.build((None, None, None, 1))
    values_of(head)["mrcnn_mask_coarse/bias"].assign(np.arange(8, dtype="float32"))
    got = np.asarray(head(np.zeros((1, 4, 4, 1), "float32")))
    np.testing.assert_array_equal(got[0, :, :, 0], [[0, 2], [4, 6]])


def test_point_head_reads_the_coarse_logits_in_each_layer():
    head = PointHead(num_masks=1, channels=1)
    head.build((None, None, None, 1))
    kernels = {"_fc1": [2, 3], "_fc2": [1, 2], "_fc3": [-1, 1], "": [1, 4]}  # of the features and the coarse logits
    for name, values in kernels.items():
        values_of(head)[f"mrcnn_mask_point{name}/kernel"].assign(np.float32(values).reshape(1, 1, 2, 1))
    fine, coarse = np.float32([[[1], [-1]]]), np.float32([[[0.5], [0.5]]])
    # 2 * 1 + 3 * 0.5 = 3.5, 3.5 + 2 * 0.5 = 4.5, -4.5 + 0.5 = -4 -> 0, 0 + 4 * 0.5 = 2;
    # -2 + 1.5 = -0.5 -> 0, 1, -1 + 0.5 -> 0, 2
    np.testing.assert_allclose(both(head, fine, coarse, unknown_batch=True), [[[2], [2]]])
    values_of(head)["mrcnn_mask_point_fc3/kernel"].assign(np.float32([1, 1]).reshape(1, 1, 2, 1))
    # 4.5 + 0.5 = 5, 5 + 2 = 7; 1 + 0.5 = 1.5, 3.5
    np.testing.assert_allclose(head(fine, coarse), [[[7], [3.5]]])


def test_pointrend_network_at_reads_the_coarse_mask_at_the_places():
    network = build()
    random = np.random.default_rng(0)
    fine, coarse = (random.normal(size=shape).astype("float32") for shape in ((1, 1, CHANNELS), (1, 2, 2, 3)))
    on_a_middle = network.at(fine, coarse, np.float32([[[0.75, 0.25]]]))
    np.testing.assert_allclose(on_a_middle, network.point(fine, coarse[:, :1, 1]), atol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_pointrend_network_computes_in_the_feature_dtype_and_returns_float32(dtype):
    network = build(feature_dtype=dtype)
    coarse = network(tf.ones((1, 4, 4, CHANNELS), dtype))
    assert coarse.dtype == tf.float32
    assert network.at(tf.ones((1, 2, CHANNELS), dtype), coarse, np.zeros((1, 2, 2), "float32")).dtype == tf.float32


def test_pointrend_network_keeps_its_arguments_through_a_config():
    network = PointRendNetwork(num_classes=4, pool_size=6, class_agnostic=True, initial_values="balanced")
    again = PointRendNetwork.from_config(network.get_config())
    assert (again.num_classes, again.pool_size, again.class_agnostic) == (4, 6, True)
    assert again.coarse.logits.kernel_initializer == "lecun_normal"
    assert FineFeatures.from_config(FineFeatures(output_size=6).get_config()).output_size == 6


def test_fine_features_reads_the_finest_map_at_the_middles_of_a_grid():
    # the map's value is its column; cells of 4 pixels, so the value at x pixels is x / 4 - 0.5
    column = np.tile(np.arange(8, dtype="float32")[None, None, :, None], (1, 8, 1, 1))
    coarser = np.full((1, 4, 4, 1), 99, "float32")
    layer = FineFeatures(output_size=2)
    rois, image = np.float32([[4, 6, 12, 14], [0, 0, 32, 32]]), np.int32([0, 0])
    got = np.asarray(layer([column, coarser], rois, image, image_size=(32, 32)))
    # middles at x = 8 and 12, and at 8 and 24
    np.testing.assert_allclose(got[..., 0], [[[1.5, 2.5]] * 2, [[1.5, 5.5]] * 2])
    at = layer.at([column], rois, image, places=np.float32([[[0, 0.5]], [[0.5, 0.5]]]), image_size=(32, 32))
    np.testing.assert_allclose(np.asarray(at)[..., 0], [[1], [3.5]])
