import re

import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.weights import foreign, inspect, inspect_foreign, state_dict_write
from mrcnn.weights.maps.entries import Form
from tests.weights import foreign_examples


@pytest.fixture
def lines_of(tmp_path):
    """Writes tensors to a file and returns the lines about it without the first."""

    def lines(tensors, name="m.pth"):
        state_dict_write.write_torch(tmp_path / name, tensors)
        found = inspect_foreign.lines(foreign.read(tmp_path / name))
        assert found[0] == str(tmp_path / name)
        return found[1:]

    return lines


def test_lines_of_a_whole_torchvision_model(lines_of):
    tensors = foreign_examples.detector("torchvision", num_classes=5)
    total = sum(values.size for values in tensors.values())
    assert lines_of(tensors) == [
        "  form: PyTorch, whole model of torchvision",
        # the ResNet: 53 convolutions, each with a kernel and 4 of its norm; 8 convolutions of the pyramid, 3 layers of
        # the RPN, 2 + 2 of the box head and 4 + 2 of the mask head, each with a bias
        f"  content: {53 * 5 + 2 * (8 + 3 + 4 + 6)} tensors, {total:,} parameters",
        "  family: torchvision",
        "  backbone: resnet50",
        "  classes with background: 5",
        "  anchors per location: 3",
        "  input channels: 3",
        "  heads: boxes, masks",
        "  sizes: fpn_channels 2, rpn_channels 2, box_fc_channels 2, box_pool_size 7",
        "  loads: everything into a torchvision model with resnet50, 5 classes and heads ['masks']; without a model "
        "folder, --classes must name the 4 besides the background",
    ]


@pytest.mark.parametrize(
    ("code_base", "fields", "family", "heads"),
    [
        ("torchvision", {"form": foreign_examples.SECOND}, "torchvision_v2", "boxes, masks"),
        ("torchvision", {"heads": ("keypoints",)}, "torchvision", "boxes, keypoints"),
        ("detectron2", {"heads": ("masks", "keypoints")}, "detectron2", "boxes, masks, keypoints"),
        ("detectron2", {"heads": ()}, "detectron2", "boxes"),
    ],
)
def test_lines_name_family_and_heads_of_a_whole_model(lines_of, code_base, fields, family, heads):
    lines = lines_of(foreign_examples.detector(code_base, **fields))
    assert f"  family: {family}" in lines
    assert f"  heads: {heads}" in lines
    assert not [line for line in lines if "needs" in line or "not of this" in line]
    assert lines[-1].startswith(f"  loads: everything into a {family} model with resnet50, 3 classes")


def test_lines_say_where_the_class_names_are_known(lines_of):
    coco = lines_of(foreign_examples.detector("detectron2", num_classes=81))[-1]
    assert coco.endswith("--classes must name the 80 besides the background; without it COCO's are assumed")
    name = "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth"
    published = lines_of(foreign_examples.detector("torchvision", num_classes=91), name)[-1]
    assert published.endswith("it is a published file, whose class names are known")


def test_lines_list_missing_and_unknown_tensors(lines_of):
    lacking = ("backbone.body.layer1.0.bn1.weight", "rpn.head.cls_logits.weight", "roi_heads.mask_head.3.0.bias")
    tensors = foreign_examples.detector("torchvision", drop=lacking)
    lines = lines_of({**tensors, "extra.weight": np.zeros(2), "extra.num_batches_tracked": np.zeros(1)})
    assert "  anchors per location: unknown" in lines
    assert "  not of this model: 1: extra.weight" in lines
    assert f"  the model also needs 3 tensors: {', '.join(lacking)}" in lines
    assert lines[-1] == "  loads: not by itself, the model is not complete"


def test_lines_of_a_model_without_class_layer(lines_of):
    lines = lines_of(foreign_examples.detector("torchvision", drop=("roi_heads.box_predictor.cls_score.weight",)))
    assert "  classes with background: unknown" in lines
    assert lines[-1] == "  loads: not by itself, the model is not complete"


@pytest.mark.parametrize("code_base", ["torchvision", "detectron2"])
def test_lines_of_a_backbone_say_where_it_can_be_used(lines_of, code_base):
    tensors = foreign_examples.backbone(code_base, depth="resnet101")
    assert lines_of({**tensors, "fc.weight": np.zeros((3, 2))}) == [
        f"  form: PyTorch, ResNet of {code_base}",
        f"  content: {104 * 5 + 1} tensors, {sum(values.size for values in tensors.values()) + 6:,} parameters",
        "  backbone: resnet101",
        "  not of this model: 1: fc.weight",
        "  loads: as `imagenet_weights`, into the resnet101 of every family",
    ]
    part = foreign_examples.backbone(code_base, drop=(list(tensors)[7],))
    assert lines_of(part)[-1] == "  loads: not by itself, the backbone is not complete"


def test_main_inspects_a_file_of_each_kind(tmp_path, capsys):
    state_dict_write.write_safetensors(tmp_path / "m.safetensors", foreign_examples.detector("torchvision"))
    state_dict_write.write_torch(tmp_path / "other.pth", {"linear.weight": np.zeros((2, 2), np.float32)})
    assert inspect.main([str(tmp_path / "m.safetensors"), str(tmp_path / "other.pth")]) == 1
    printed = capsys.readouterr()
    assert "form: safetensors, whole model of torchvision" in printed.out
    assert printed.err.startswith(
        f"error: {tmp_path / 'other.pth'} holds 1 tensors (linear.weight) of an unknown model"
    )


def test_lines_of_a_damaged_tensor_are_an_error(lines_of):
    tensors = foreign_examples.detector("torchvision")
    tensors["rpn.head.bbox_pred.weight"] = np.zeros(3, np.float32)
    with pytest.raises(UserError, match="is no whole model of torchvision, or is damaged"):
        lines_of(tensors)


def test_lines_of_a_file_before_torchvision_0_13_are_the_same(lines_of):
    """The published files of the first version have these names."""
    tensors = foreign_examples.detector("torchvision")
    older = {}
    for name, values in tensors.items():
        name = re.sub(r"(inner_blocks|layer_blocks)\.(\d)\.0", r"\1.\2", name.replace("head.conv.0.0", "head.conv"))
        older[re.sub(r"mask_head\.(\d)\.0", lambda found: f"mask_head.mask_fcn{int(found[1]) + 1}", name)] = values
    assert len(older.keys() - tensors.keys()) == 2 * (8 + 1 + 4)  # of the pyramid, the RPN and the mask head
    assert lines_of(older) == lines_of(tensors)


def test_lines_count_the_stages_of_a_cascade(lines_of):
    form = Form("resnet50", class_agnostic_boxes=True, box_stages=3)
    lines = lines_of(foreign_examples.detector("detectron2", form=form))
    assert "  heads: boxes (cascade of 3 stages), masks" in lines
    assert lines[-1].startswith("  loads: everything into a detectron2 model with resnet50, 3 classes")


def test_lines_name_pointrend_and_a_semantic_head(lines_of):
    form = Form("resnet50", pointrend=True, semantic=True)
    lines = lines_of(foreign_examples.detector("detectron2", form=form))
    assert "  heads: boxes, masks (pointrend), semantic" in lines
    assert "classes and heads ['masks', 'semantic'];" in lines[-1]
