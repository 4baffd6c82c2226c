import numpy as np

from mrcnn.weights.maps import caffe2, detectron2


def test_is_backbone_recognises_the_blobs():
    assert caffe2.is_backbone(["conv1_w", "res2_0_branch2a_w"])
    assert not caffe2.is_backbone(["conv1_w"])
    assert not caffe2.is_backbone([])


def test_as_detectron2_renames_and_adds_statistics():
    tensors = {
        "conv1_w": np.zeros((64, 3, 7, 7), np.float32),
        "res_conv1_bn_s": np.array([2.0], np.float32),
        "res_conv1_bn_b": np.array([3.0], np.float32),
        "res2_0_branch1_w": np.ones(1, np.float32),
        "res4_22_branch2b_bn_s": np.array([0.5], np.float32),
        "res5_2_branch2c_bn_b": np.ones(1, np.float32),
        "fc1000_w": np.ones(1, np.float32),
    }
    got = caffe2.as_detectron2(tensors)
    assert list(got) == [
        "stem.conv1.weight",
        "stem.conv1.norm.weight",
        "stem.conv1.norm.running_mean",
        "stem.conv1.norm.running_var",
        "stem.conv1.norm.bias",
        "res2.0.shortcut.weight",
        "res4.22.conv2.norm.weight",
        "res4.22.conv2.norm.running_mean",
        "res4.22.conv2.norm.running_var",
        "res5.2.conv3.norm.bias",
        "fc1000_w",
    ]
    # (x - 0) / sqrt(1 - 1e-5 + 1e-5) * 2 + 3 is the factor and the shift alone
    mean, variance = got["stem.conv1.norm.running_mean"], got["stem.conv1.norm.running_var"]
    np.testing.assert_allclose((5.0 - mean) / np.sqrt(variance + caffe2.EPSILON) * 2.0 + 3.0, 13.0, rtol=1e-7)


def test_as_detectron2_names_are_those_of_detectron2s_backbone():
    entries = list(detectron2.backbone_entries("resnet50", prefix=""))
    blobs = [
        f"res{stage}_{block}_branch{branch}_{end}"
        for stage, count in zip((2, 3, 4, 5), (3, 4, 6, 3), strict=True)
        for block in range(count)
        for branch in ("1", "2a", "2b", "2c")[0 if block == 0 else 1 :]
        for end in ("w", "bn_s", "bn_b")
    ]
    blobs += ["conv1_w", "res_conv1_bn_s", "res_conv1_bn_b"]
    got = caffe2.as_detectron2({blob: np.zeros(1, np.float32) for blob in blobs})
    assert set(got) == {entry.tensor for entry in entries}
