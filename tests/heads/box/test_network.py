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


def test_box_head_convolutions_come_before_one_connected_layer():
    head = BoxHead(num_classes=3, pool_size=3, channels=2, convolutions=2, batch_norm="frozen", epsilon=0.0)
    head(np.zeros((1, 3, 3, 1), "float32"))
    assert [unit.conv.name for unit in head.convolutions] == ["mrcnn_box_conv1", "mrcnn_box_conv2"]
    assert [unit.norm.name for unit in head.convolutions] == ["mrcnn_box_bn1", "mrcnn_box_bn2"]
    assert all(unit.conv.bias is None for unit in head.convolutions)
    assert head.first.conv.bias is not None
    assert head.first.norm is head.second is None
    assert head.first.conv.kernel.shape == (3, 3, 256, 2)
    # ones: the first sums 4, 6 or 9 cells, the second those sums, each into channel 0 alone
    for unit in head.convolutions:
        kernel = np.zeros(unit.conv.kernel.shape)
        kernel[:, :, 0, 0] = 1
        unit.conv.kernel.assign(kernel)
    middle = np.zeros((3, 3, 256, 2))
    middle[1, 1, 0, 1] = 1
    head.first.conv.kernel.assign(middle)
    head.first.conv.bias.assign([0.0, 0.5])
    head.class_logits.kernel.assign([[0, 0, 0], [0, 1, 0]])
    logits, _ = head(np.ones((1, 3, 3, 1), "float32"))
    np.testing.assert_allclose(logits[0], [0, 4 + 6 + 4 + 6 + 9 + 6 + 4 + 6 + 4 + 0.5, 0], rtol=1e-6)


def test_box_head_convolutions_without_norm_have_a_bias():
    head = BoxHead(num_classes=2, pool_size=3, channels=2, convolutions=1, batch_norm=None)
    assert head.convolutions[0].norm is None
    assert head.convolutions[0].conv.use_bias


def test_box_head_without_norm_has_two_connected_layers():
    head = BoxHead(num_classes=2, pool_size=2, channels=4, batch_norm=None)
    head(np.zeros((1, 2, 2, 6), "float32"))
    assert head.first.norm is head.second.norm is None
    assert head.convolutions == []
    assert len(head.weights) == 2 * 4


def test_box_head_class_agnostic_has_one_box_for_all_classes():
    head = BoxHead(num_classes=3, pool_size=2, channels=4, class_agnostic=True)
    head(np.ones((2, 2, 2, 6), "float32"))
    assert head.box_deltas.kernel.shape == (4, 4)
    head.box_deltas.kernel.assign(np.zeros((4, 4)))
    head.box_deltas.bias.assign([1.0, 2, 3, 4])
    _, deltas = head(np.ones((2, 2, 2, 6), "float32"))
    np.testing.assert_array_equal(deltas, np.broadcast_to([1, 2, 3, 4], (2, 3, 4)))


def test_box_head_names_its_layers_by_stage():
    head = BoxHead(num_classes=2, pool_size=2, channels=4, stage=2)
    head(np.zeros((1, 2, 2, 6), "float32"))
    parts = (head.first.conv, head.first.norm, head.second.conv, head.second.norm, head.class_logits, head.box_deltas)
    plain = ("class_conv1", "class_bn1", "class_conv2", "class_bn2", "class_logits", "bbox_fc")
    assert [part.name for part in parts] == [f"mrcnn_{name}_stage2" for name in plain]
    deep = BoxHead(num_classes=2, convolutions=1, stage=3).convolutions[0]
    assert (deep.conv.name, deep.norm.name) == ("mrcnn_box_conv1_stage3", "mrcnn_box_bn1_stage3")


def test_start_sigmoids_at_sets_the_first_score_of_every_class():
    head = BoxHead(num_classes=3, pool_size=2, channels=4)
    head.start_sigmoids_at(0.2)
    head.build((None, 2, 2, 4))
    np.testing.assert_allclose(head.class_logits.bias, [-np.log(4)] * 3, rtol=1e-6)  # 1 / (1 + 4) = 0.2
