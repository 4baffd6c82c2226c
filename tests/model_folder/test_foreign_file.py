import numpy as np
import pytest

from mrcnn.config.families.torchvision import Detectron2Config, TorchvisionConfig
from mrcnn.errors import UserError
from mrcnn.model_folder import class_names, foreign_file
from mrcnn.weights import state_dict_write
from mrcnn.weights.foreign import ForeignFile
from mrcnn.weights.maps.entries import Form
from tests.weights import family_examples as examples
from tests.weights import foreign_examples


def file_of(path="a.pth", *, code_base="torchvision", classes=3, **tensors):
    """Makes a read file of so many classes."""
    found = examples.detector(code_base)
    weight = "roi_heads.box_predictor.cls_score.weight"
    found |= {weight: np.broadcast_to(np.float32(0), (classes, 2))} | tensors
    return ForeignFile(str(path), "PyTorch", code_base, True, found)


def test_read_detector_refuses_a_backbone(tmp_path):
    path = tmp_path / "a.pth"
    state_dict_write.write_torch(path, examples.backbone("detectron2"))
    with pytest.raises(UserError) as caught:
        foreign_file.read_detector(path)
    assert str(caught.value).startswith(f"{path} holds the backbone of a model alone, a resnet50 of detectron2: give a")
    state_dict_write.write_torch(path, examples.detector())
    assert foreign_file.read_detector(path).is_detector


def test_model_config_is_the_familys_with_the_parts_of_the_file():
    assert foreign_file.model_config(file_of()) == TorchvisionConfig(**examples.SIZES)
    assert foreign_file.model_config(file_of(code_base="detectron2")) == Detectron2Config(**examples.SIZES)


def test_model_config_of_a_published_file_has_its_epsilon():
    assert foreign_file.model_config(file_of("x/maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth")).norm_epsilon == 0.0
    assert foreign_file.model_config(file_of("x/maskrcnn_resnet50_fpn.pth")).norm_epsilon == 1e-5


def test_model_config_of_impossible_channels_names_the_file():
    changed = {"backbone.body.conv1.weight": np.zeros((2, 5, 1, 1), np.float32)}
    with pytest.raises(UserError, match=r"^`?a\.pth: model"):
        foreign_file.model_config(file_of(**changed))


def test_class_titles_as_given():
    assert foreign_file.class_titles(file_of(), classes="cat,dog")[1:] == ("cat", "dog")
    with pytest.raises(UserError, match=r"a\.pth"):
        foreign_file.class_titles(file_of(), classes="cat")


def test_class_titles_must_be_given_for_other_numbers():
    with pytest.raises(UserError) as caught:
        foreign_file.class_titles(file_of(), classes=None)
    assert str(caught.value) == (
        "a.pth is a weight file alone and does not contain the names of its 2 classes: give them by --classes, as "
        "name,name,... or a JSON file with a list, or coco for COCO's 80"
    )


@pytest.mark.parametrize("classes", [None, "coco"])
def test_class_titles_of_coco_follow_the_numbers_of_the_code_base(classes):
    theirs = foreign_file.class_titles(file_of(code_base="detectron2", classes=81), classes=classes)
    assert theirs[1:] == class_names.COCO_NAMES
    by_id = foreign_file.class_titles(file_of(classes=91), classes=classes)
    # ids of COCO: 1 person, 11 fire hydrant, 12 is not used, 13 stop sign, 90 toothbrush
    assert len(by_id) == 91
    assert (by_id[1], by_id[11], by_id[12], by_id[13]) == ("person", "fire hydrant", "unused 12", "stop sign")
    assert (by_id[44], by_id[62], by_id[72], by_id[90]) == ("bottle", "chair", "tv", "toothbrush")
    assert sum(name.startswith("unused") for name in by_id) == 10


def test_class_titles_of_a_published_file():
    file = file_of("keypointrcnn_resnet50_fpn_coco-fc266e95.pth", classes=2)
    assert foreign_file.class_titles(file, classes=None)[1:] == ("person",)


@pytest.mark.parametrize(
    ("code_base", "name"),
    [
        ("torchvision", "backbone.body.layer3.23.conv1.weight"),  # of a ResNet-152
        ("detectron2", "backbone.bottom_up.res5.0.conv2_offset.weight"),  # a deformable convolution
        ("torchvision", "roi_heads.mask_head.4.0.weight"),
        ("detectron2", "proposal_generator.rpn_head.conv.conv3.weight"),
    ],
)
def test_read_detector_refuses_layers_that_no_model_here_has(tmp_path, code_base, name):
    tensors = foreign_examples.detector(code_base) | {name: np.zeros(1, np.float32)}
    state_dict_write.write_torch(tmp_path / "m.pth", tensors)
    with pytest.raises(UserError, match=rf"m.pth has 1 tensors of layers that this project's model lacks \({name}\)"):
        foreign_file.read_detector(tmp_path / "m.pth")


def test_read_detector_passes_over_what_does_not_act_on_detections(tmp_path):
    more = ("roi_heads_ema.box_head.fc1.weight", "proposal_generator.anchor_generator.cell_anchors.0", "pixel_mean")
    tensors = foreign_examples.detector("detectron2") | {name: np.zeros(3, np.float32) for name in more}
    state_dict_write.write_torch(tmp_path / "m.pth", tensors)
    assert sorted(foreign_file.read_detector(tmp_path / "m.pth").unknown) == sorted(more)


def test_input_size_is_the_published_one_unless_given():
    size = foreign_file.input_size(None)
    assert (size.min_dim, size.max_dim, size.shape) == (800, 1333, "rectangle")
    assert foreign_file.input_size((400, 500)).max_dim == 500
    with pytest.raises(UserError, match="input_size"):
        foreign_file.input_size((0, 500))


def test_assumptions_are_listed_unless_the_file_is_published():
    (epsilon,) = foreign_file.assumptions(file_of(), classes="cat,dog")
    assert "does not contain the epsilon of its batch norms: 1e-05 is assumed" in epsilon
    names, _ = foreign_file.assumptions(file_of(classes=91), classes=None)
    assert "COCO's are assumed" in names
    (images,) = foreign_file.assumptions(file_of(code_base="detectron2", classes=81), classes="coco")
    assert "BGR without division and the stride in the 1x1 convolutions are assumed" in images
    assert foreign_file.assumptions(file_of("maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth", classes=91), classes=None) == ()


def cascade(stages):
    """Makes a read file of detectron2's names with a cascade of so many stages, three classes."""
    form = Form("resnet50", class_agnostic_boxes=True, box_stages=stages)
    return ForeignFile("c.pkl", "pickle", "detectron2", True, foreign_examples.detector("detectron2", form=form))


def test_model_config_of_a_cascade_has_the_published_stages():
    config = foreign_file.model_config(cascade(3))
    assert config == Detectron2Config(box_head="cascade", **foreign_examples.SIZES)
    two = foreign_file.model_config(cascade(2))
    assert (two.cascade_ious, len(two.cascade_delta_std), two.last_delta_std) == ((0.5, 0.6), 2, (0.05, 0.05, 0.1, 0.1))
    with pytest.raises(UserError, match=r"^c\.pkl has a cascade of 4 stages but not their numbers, which"):
        foreign_file.model_config(cascade(4))


def test_assumptions_of_a_cascade_name_its_numbers():
    lines = foreign_file.assumptions(cascade(3), classes="a,b")
    assert [line for line in lines if "cascade" in line] == [
        "c.pkl does not contain the numbers of its cascade's stages: detectron2's are assumed; to set others, give a "
        "model folder with `model.cascade_ious` and `model.cascade_delta_std`"
    ]
