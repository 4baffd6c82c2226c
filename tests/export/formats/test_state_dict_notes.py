import re

import pytest

from mrcnn.config.families.torchvision import Detectron2Config, TorchvisionConfig, TorchvisionV2Config
from mrcnn.export.exportable import DetectorSettings
from mrcnn.export.formats import state_dict_notes

SETTINGS = DetectorSettings(("bg", "cat", "dog"), min_dim=128, max_dim=160)


def code_of(config):
    found = re.search(r"```python\n(.*?)```", state_dict_notes.text(config, SETTINGS), re.DOTALL)[1]
    compile(found, "README.md", "exec")
    return found


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (TorchvisionConfig(), "maskrcnn_resnet50_fpn"),
        (TorchvisionConfig(heads=("keypoints",)), "keypointrcnn_resnet50_fpn"),
        (TorchvisionConfig(heads=()), "fasterrcnn_resnet50_fpn"),
        (TorchvisionV2Config(), "maskrcnn_resnet50_fpn_v2"),
    ],
)
def test_text_names_torchvision_s_function_and_its_arguments(config, name):
    code = code_of(config)
    assert f"from torchvision.models.detection import {name}\n" in code
    assert f"model = {name}(\n" in code
    # 123.675 / 255 = 0.485, 58.395 / 255 = 0.229: torchvision's images are 0..1
    for argument in ("num_classes=3", "min_size=128", "max_size=160", "image_mean=[0.485, 0.456, 0.406]",
                     "image_std=[0.229, 0.224, 0.225]", "box_score_thresh=0.05", "box_nms_thresh=0.5"):  # fmt: skip
        assert f"    {argument},\n" in code
    assert "eps" not in code
    assert "AnchorGenerator" not in code


def test_text_gives_epsilon_and_anchors_where_they_are_not_torchvision_s():
    code = code_of(TorchvisionConfig(norm_epsilon=0.0, anchor_aspect_ratios=(4.0, 1.0, 0.5)))
    assert "        module.eps = 0\n" in code
    # height / width there: 1 / 4, 1, 1 / 0.5
    assert "AnchorGenerator(((32.0,), (64.0,), (128.0,), (256.0,), (512.0,)), ((0.25, 1.0, 2.0),) * 5)" in code


@pytest.mark.parametrize(
    "config",
    [
        TorchvisionConfig(heads=("masks", "keypoints")),
        TorchvisionConfig(backbone="resnet101"),
        TorchvisionV2Config(heads=("keypoints",)),
    ],
)
def test_text_says_where_torchvision_has_no_function(config):
    text = state_dict_notes.text(config, SETTINGS)
    assert "```python" not in text
    assert "for which torchvision has no function" in text


def test_text_gives_detectron2_s_keys():
    code = code_of(Detectron2Config(backbone="resnet101", score_threshold=0.3))
    assert "COCO-InstanceSegmentation/mask_rcnn_R_101_FPN_3x.yaml" in code
    for line in ("cfg.MODEL.ROI_HEADS.NUM_CLASSES = 2", "cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.3",
                 'cfg.INPUT.FORMAT = "BGR"', "cfg.INPUT.MIN_SIZE_TEST = 128", 'cfg.MODEL.WEIGHTS = "model.pth"',
                 "cfg.MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS = [[0.5, 1.0, 2.0]]"):  # fmt: skip
        assert f"{line}\n" in code
    assert "COCO-Keypoints/keypoint_rcnn_R_50_FPN_3x.yaml" in code_of(Detectron2Config(heads=("keypoints",)))


def test_text_lists_classes_thresholds_and_unusual_settings():
    text = state_dict_notes.text(TorchvisionConfig(score_threshold=0.25, stride_in="1x1"), SETTINGS)
    assert "```\n0 bg\n1 cat\n2 dog\n```" in text
    assert "a score of at least 0.25; a pixel belongs to the object from a probability of 0.5 on" in text
    assert "must be set there as well: stride_in 1x1." in text


def test_unusual_is_empty_for_the_defaults_and_for_arguments():
    assert state_dict_notes.unusual(Detectron2Config()) == ""
    assert state_dict_notes.unusual(TorchvisionConfig(norm_epsilon=0.0, heads=())) == ""
    assert state_dict_notes.unusual(TorchvisionV2Config(rpn_convolutions=1)) == "rpn_convolutions 1"


def test_text_gives_the_number_of_points():
    fields = {"heads": ("keypoints",), "keypoints": {"names": ("nose", "tail")}}
    assert "    num_keypoints=2,\n" in code_of(TorchvisionConfig(**fields))
    assert "cfg.MODEL.ROI_KEYPOINT_HEAD.NUM_KEYPOINTS = 2\n" in code_of(Detectron2Config(**fields))
    assert state_dict_notes.unusual(TorchvisionConfig(**fields)) == ""


def test_text_gives_detectron2_s_keys_of_a_cascade():
    config = Detectron2Config(box_head="cascade")
    code = code_of(config)
    for line in ('cfg.MODEL.ROI_HEADS.NAME = "CascadeROIHeads"', "cfg.MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG = True",
                 "cfg.MODEL.ROI_HEADS.IOU_THRESHOLDS = [0.5]", "cfg.MODEL.ROI_BOX_CASCADE_HEAD.IOUS = [0.5, 0.6, 0.7]",
                 "cfg.MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS = "
                 "[[10.0, 10.0, 5.0, 5.0], [20.0, 20.0, 10.0, 10.0], [30.0, 30.0, 15.0, 15.0]]"):  # fmt: skip
        assert f"{line}\n" in code
    assert state_dict_notes.unusual(config) == ""
    assert "Cascade" not in code_of(Detectron2Config())
    # detectron2's weights are of x, y, w, h
    std = ((0.1, 0.2, 0.4, 0.5), (0.1, 0.1, 0.1, 0.1))
    uneven = Detectron2Config(box_head="cascade", cascade_ious=(0.5, 0.6), cascade_delta_std=std, box_delta_std=std[0])
    assert "BBOX_REG_WEIGHTS = [[5.0, 10.0, 2.0, 2.5], [10.0, 10.0, 10.0, 10.0]]\n" in code_of(uneven)
