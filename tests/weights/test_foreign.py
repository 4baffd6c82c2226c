import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.weights import foreign, state_dict_write
from mrcnn.weights.maps.entries import Form
from tests.weights import family_examples as examples
from tests.weights import foreign_examples

USES = {
    "num_classes": lambda file: file.num_classes,
    "settings": foreign.ForeignFile.settings,
    "layers": foreign.ForeignFile.layers,
}
WRITE = {".pth": state_dict_write.write_torch, ".safetensors": state_dict_write.write_safetensors}


def written(path, tensors):
    WRITE[path.suffix](path, tensors)
    return path


@pytest.mark.parametrize("suffix", WRITE)
@pytest.mark.parametrize("code_base", foreign.CODE_BASES)
def test_read_a_detector(tmp_path, suffix, code_base):
    path = written(tmp_path / f"a{suffix}", examples.detector(code_base))
    assert foreign.is_foreign(path)
    file = foreign.read(path)
    assert (file.path, file.code_base, file.is_detector) == (str(path), code_base, True)
    assert (file.backbone, file.num_classes) == ("resnet50", 3)
    assert file.settings()["heads"] == ["masks"]
    assert file.unknown == ()
    assert file.form


@pytest.mark.parametrize("code_base", foreign.CODE_BASES)
@pytest.mark.parametrize("depth", ["resnet50", "resnet101"])
def test_read_a_backbone(tmp_path, code_base, depth):
    tensors = examples.backbone(code_base, depth) | {"fc.weight": np.zeros((4, 2), np.float32)}
    file = foreign.read(written(tmp_path / "a.pth", tensors))
    assert (file.code_base, file.is_detector, file.backbone) == (code_base, False, depth)
    assert file.unknown == ("fc.weight",)
    layers = file.layers()
    assert set(layers["conv1"]) == {"conv1/kernel:0"}
    assert set(layers["fc.weight"]) == {"fc.weight"}  # keeps its name, so that a report lists it


def test_read_a_backbone_of_caffe2(tmp_path):
    blobs = {"conv1_w": np.zeros((2, 3, 1, 1), np.float32), "res2_0_branch2a_w": np.ones((2, 3, 1, 1), np.float32)}
    file = foreign.read(written(tmp_path / "a.pth", blobs | {"res_conv1_bn_s": np.ones(2, np.float32)}))
    assert (file.code_base, file.is_detector) == ("detectron2", False)
    assert set(file.layers()["bn_conv1"]) == {
        f"bn_conv1/{part}:0" for part in ("gamma", "moving_mean", "moving_variance")
    }


def test_read_takes_off_the_prefix_of_data_parallel_training(tmp_path):
    tensors = {f"module.{name}": values for name, values in examples.detector().items()}
    assert foreign.read(written(tmp_path / "a.pth", tensors)).num_classes == 3


def test_unknown_tensors_are_listed_but_for_counters(tmp_path):
    tensors = examples.detector() | {"extra.bias": np.zeros(1, np.float32)}
    tensors["backbone.body.bn1.num_batches_tracked"] = np.zeros((), np.int64)
    file = foreign.read(written(tmp_path / "a.pth", tensors))
    assert file.unknown == ("extra.bias",)
    assert set(file.layers()["extra.bias"]) == {"extra.bias"}


def test_layers_and_state_dict_of_are_each_others_inverse(tmp_path):
    for code_base in foreign.CODE_BASES:
        tensors = examples.detector(code_base)
        layers = foreign.read(written(tmp_path / "a.pth", tensors)).layers()
        back = foreign.state_dict_of(layers, code_base=code_base, form=Form("resnet50"))
        assert set(back) == set(tensors)
        assert all(np.array_equal(back[name], tensors[name]) for name in tensors)


def test_layers_of_a_detector_without_mask_head(tmp_path):
    tensors = {name: values for name, values in examples.detector().items() if "mask" not in name}
    file = foreign.read(written(tmp_path / "a.pth", tensors))
    assert file.settings()["heads"] == []
    assert not [layer for layer in file.layers() if "mask" in layer]


@pytest.mark.parametrize(
    ("name", "values", "use"),
    [
        ("roi_heads.box_predictor.cls_score.weight", None, "num_classes"),
        ("roi_heads.box_predictor.cls_score.weight", np.float32(1), "num_classes"),
        ("backbone.body.conv1.weight", np.zeros(5, np.float32), "settings"),
        ("backbone.body.conv1.weight", np.zeros(5, np.float32), "layers"),
        ("roi_heads.box_head.fc6.weight", np.zeros((2, 701), np.float32), "layers"),
        ("rpn.head.bbox_pred.bias", np.zeros(7, np.float32), "layers"),
    ],
)
def test_a_damaged_detector_is_refused_in_one_line(tmp_path, name, values, use):
    tensors = examples.detector()
    del tensors[name]
    path = written(tmp_path / "a.pth", tensors if values is None else tensors | {name: values})
    with pytest.raises(UserError, match=rf"^{path} is no whole model of torchvision, or is damaged: .+$") as caught:
        USES[use](foreign.read(path))
    assert "\n" not in str(caught.value)


def test_read_refuses_other_models(tmp_path):
    path = written(tmp_path / "a.pth", {f"layer.{number}": np.zeros(1, np.float32) for number in range(6)})
    with pytest.raises(UserError) as caught:
        foreign.read(path)
    assert str(caught.value) == (
        f"{path} holds 6 tensors (layer.0, layer.1, layer.2, layer.3, …) of an unknown model: give a Mask R-CNN "
        "or Keypoint R-CNN of torchvision or detectron2 with a ResNet-50 or ResNet-101 and a feature pyramid"
    )


def test_is_foreign_is_false_for_other_files(tmp_path):
    assert not foreign.is_foreign(tmp_path)
    assert not foreign.is_foreign(tmp_path / "missing.pth")
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    assert not foreign.is_foreign(tmp_path / "a.h5")


@pytest.mark.parametrize(
    ("code_base", "classes", "expected"),
    [("torchvision", 91, True), ("detectron2", 81, True), ("torchvision", 81, False), ("detectron2", 91, False)],
)
def test_is_coco_by_the_number_of_classes(tmp_path, code_base, classes, expected):
    tensors = foreign_examples.detector(code_base, num_classes=classes)
    assert foreign.read(written(tmp_path / "a.pth", tensors)).is_coco is expected


def test_num_keypoints_of_a_damaged_head_is_refused_in_one_line(tmp_path):
    tensors = foreign_examples.detector("torchvision", heads=("keypoints",))
    tensors["roi_heads.keypoint_predictor.kps_score_lowres.weight"] = np.zeros(3, np.float32)
    with pytest.raises(UserError, match="is no whole model of torchvision, or is damaged"):
        assert foreign.read(written(tmp_path / "a.pth", tensors)).num_keypoints


@pytest.mark.parametrize("code_base", ["torchvision", "detectron2"])
def test_num_keypoints_is_that_of_the_keypoint_head(tmp_path, code_base):
    with_points = foreign_examples.detector(code_base, heads=("keypoints",))
    assert foreign.read(written(tmp_path / "a.pth", with_points)).num_keypoints == 2
    assert foreign.read(written(tmp_path / "b.pth", foreign_examples.detector(code_base))).num_keypoints == 0
