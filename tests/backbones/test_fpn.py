import numpy as np

from mrcnn.backbones.fpn import FeaturePyramid, upsample


def test_upsample_repeats_cells():
    got = np.asarray(upsample(np.array([[1.0, 2], [3, 4]], "float32").reshape(1, 2, 2, 1)))[0, ..., 0]
    np.testing.assert_array_equal(got, [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]])


def test_feature_pyramid_levels_add_up_from_the_top():
    layer = FeaturePyramid(channels=1)
    maps = [np.full((1, side, side, 1), value, "float32") for side, value in ((16, 1), (8, 10), (4, 100), (2, 1000))]
    layer(maps)
    for convolution in (*layer.lateral, *layer.smooth):
        kernel = np.zeros(convolution.conv.kernel.shape)
        kernel[kernel.shape[0] // 2, kernel.shape[1] // 2] = 1  # passes its input on
        convolution.conv.kernel.assign(kernel)
    got = [np.unique(np.asarray(level)).tolist() for level in layer(maps)]
    assert got == [[1111], [1110], [1100], [1000], [1000]]


def test_feature_pyramid_p6_takes_every_second_cell_of_p5():
    layer = FeaturePyramid(channels=2)
    maps = [np.random.default_rng(0).normal(size=(1, side, side, 3)).astype("float32") for side in (32, 16, 8, 4)]
    *_, p5, p6 = layer(maps)
    np.testing.assert_array_equal(np.asarray(p6), np.asarray(p5)[:, ::2, ::2])


def test_feature_pyramid_with_norm_has_no_bias():
    layer = FeaturePyramid(channels=1, batch_norm="frozen", epsilon=0.0)
    maps = [np.full((1, side, side, 1), value, "float32") for side, value in ((16, 1), (8, 10), (4, 100), (2, 1000))]
    layer(maps)
    for unit in (*layer.lateral, *layer.smooth):
        kernel = np.zeros(unit.conv.kernel.shape)
        kernel[kernel.shape[0] // 2, kernel.shape[1] // 2] = 1  # passes its input on
        unit.conv.kernel.assign(kernel)
        assert unit.conv.bias is None
    # P5's lateral convolution gives (1000 - 200) / sqrt(4) * 3 + 5, its last one as much again
    top = layer.lateral[3].norm
    for variable, value in ((top.gamma, 3), (top.beta, 5), (top.moving_mean, 200), (top.moving_variance, 4)):
        variable.assign([float(value)])
    merged = (1000 - 200) / 2 * 3 + 5
    got = [np.unique(np.asarray(level)).tolist() for level in layer(maps)]
    assert got == [[merged + 111], [merged + 110], [merged + 100], [merged], [merged]]
    assert layer.lateral[0].norm.name == "fpn_c2p2_bn"
    assert layer.smooth[3].norm.name == "fpn_p5_bn"


def test_feature_pyramid_without_norm_has_a_bias():
    layer = FeaturePyramid(channels=1)
    assert all(unit.norm is None and unit.conv.use_bias for unit in (*layer.lateral, *layer.smooth))
