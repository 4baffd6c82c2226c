"""Names, shapes and parameter counts of detectron2's tensors; counted on its models at 02b5c4e2, 80 classes."""

import numpy as np
import pytest

from mrcnn.config.family import check_model
from mrcnn.models.build import build_model
from mrcnn.weights import apply
from mrcnn.weights.foreign import ForeignFile, state_dict_of
from mrcnn.weights.maps import detectron2
from mrcnn.weights.maps.entries import Form, to_layers, to_tensors

BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
PARAMETERS = {"resnet50": 44_343_216, "resnet101": 63_283_120}  # statistics, factors and shifts of batch norm excluded
GROUPS = {
    "backbone.fpn_lateral2": 65_792,
    "backbone.fpn_output2": 590_080,
    "backbone.fpn_lateral5": 524_544,
    "proposal_generator.rpn_head": 593_935,
    "roi_heads.box_head": 13_895_680,
    "roi_heads.box_predictor": 411_025,
    "roi_heads.mask_head": 2_643_280,
}
BACKBONE = {"resnet50": 23_454_912, "resnet101": 42_394_816}
HEADS = {
    "proposal_generator.rpn_head.conv": (256, 256, 3, 3),
    "proposal_generator.rpn_head.objectness_logits": (3, 256, 1, 1),
    "proposal_generator.rpn_head.anchor_deltas": (12, 256, 1, 1),
    "roi_heads.box_head.fc1": (1024, 12544),
    "roi_heads.box_head.fc2": (1024, 1024),
    "roi_heads.box_predictor.cls_score": (81, 1024),
    "roi_heads.box_predictor.bbox_pred": (320, 1024),
    **{f"roi_heads.mask_head.mask_fcn{number}": (256, 256, 3, 3) for number in (1, 2, 3, 4)},
    "roi_heads.mask_head.deconv": (256, 256, 2, 2),
    "roi_heads.mask_head.predictor": (80, 256, 1, 1),
}


def shapes(backbone):
    """Lists every tensor of a published Mask R-CNN."""
    found = dict(unit("backbone.bottom_up.stem.conv1", (64, 3, 7, 7)))
    channels = 64
    for stage, (count, width) in enumerate(zip(BLOCKS[backbone], (64, 128, 256, 512), strict=True), start=2):
        for block in range(count):
            name = f"backbone.bottom_up.res{stage}.{block}"
            if block == 0:
                found |= unit(f"{name}.shortcut", (4 * width, channels, 1, 1))
            found |= unit(f"{name}.conv1", (width, channels, 1, 1))
            found |= unit(f"{name}.conv2", (width, width, 3, 3))
            found |= unit(f"{name}.conv3", (4 * width, width, 1, 1))
            channels = 4 * width
    pyramid = {f"backbone.fpn_lateral{level}": (256, 2**level * 64, 1, 1) for level in (2, 3, 4, 5)}
    pyramid |= {f"backbone.fpn_output{level}": (256, 256, 3, 3) for level in (2, 3, 4, 5)}
    for name, shape in (pyramid | HEADS).items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return found


def unit(name, shape):
    norm = {f"{name}.norm.{part}": shape[:1] for part in ("weight", "bias", "running_mean", "running_var")}
    return {f"{name}.weight": shape, **norm}


def seeded(backbone, seed=5):
    generator = np.random.default_rng(seed)
    return {name: generator.standard_normal(shape, np.float32) for name, shape in shapes(backbone).items()}


def parameters(tensors, prefix=""):
    counted = [shape for name, shape in tensors.items() if name.startswith(prefix) and ".norm." not in name]
    return sum(int(np.prod(shape)) for shape in counted)


@pytest.mark.parametrize("backbone", BLOCKS)
def test_entries_have_as_many_parameters_as_detectron2(backbone):
    tensors = shapes(backbone)
    assert {entry.tensor for entry in detectron2.entries(Form(backbone))} >= set(tensors)
    assert parameters(tensors) == PARAMETERS[backbone]
    assert parameters(tensors, "backbone.bottom_up") == BACKBONE[backbone]
    assert {group: parameters(tensors, f"{group}.") for group in GROUPS} == GROUPS


@pytest.mark.parametrize("backbone", ["resnet50", pytest.param("resnet101", marks=pytest.mark.slow)])
def test_entries_bring_every_tensor_to_its_layer_and_back(backbone):
    state = seeded(backbone)
    known = list(detectron2.entries(detectron2.form_of(state)))
    model = build_model(check_model(detectron2.settings_of(state)), num_classes=detectron2.num_classes(state))
    report = apply.assign(model.weight_layout(), to_layers(known, state), source="seeded")
    assert report.missing == report.left_over == report.notes == ()
    stored = {layer: {weight: value.numpy() for weight, value in weights} for layer, weights in model.weight_layout()}
    back = to_tensors(known, stored)
    assert set(back) == set(state)
    assert all(np.array_equal(values, state[tensor]) for tensor, values in back.items())


def zeros():
    """Fake of a state dict that needs no memory."""
    return {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes("resnet50").items()}


def test_settings_of_a_detector():
    expected = {"family": "detectron2", "backbone": "resnet50", "heads": ["masks"], "channels": 3}
    assert detectron2.settings_of(zeros()) == expected
    assert detectron2.num_classes(zeros()) == 81


def test_settings_of_a_detector_with_one_mask_for_all_classes():
    tensors = zeros() | {"roi_heads.mask_head.predictor.weight": np.zeros((1, 256, 1, 1))}
    assert detectron2.settings_of(tensors)["class_agnostic_masks"] is True


def test_settings_of_a_detector_with_deeper_heads_and_norms():
    """The form of detectron2's large-scale-jitter baselines."""
    deeper = ["proposal_generator.rpn_head.conv.conv0", "proposal_generator.rpn_head.conv.conv1"]
    deeper += [f"roi_heads.box_head.conv{number}" for number in (1, 2, 3, 4)]
    deeper += ["backbone.fpn_lateral2.norm", "roi_heads.mask_head.mask_fcn1.norm"]
    found = detectron2.settings_of(zeros() | {f"{name}.weight": np.zeros(1) for name in deeper})
    assert found["rpn_convolutions"] == 2
    assert found["box_convolutions"] == 4
    assert (found["fpn_norm"], found["mask_norm"]) == (True, True)


def test_entries_bring_one_box_and_mask_for_all_classes_to_their_layers_and_back():
    generator = np.random.default_rng(1)
    shared = {"box_predictor.bbox_pred": (4, 1024), "mask_head.predictor": (1, 256, 1, 1)}
    state = {}
    for name, shape in shared.items():
        state[f"roi_heads.{name}.weight"] = generator.standard_normal(shape, np.float32)
        state[f"roi_heads.{name}.bias"] = generator.standard_normal(shape[:1], np.float32)
    known = list(detectron2.entries(detectron2.form_of(zeros() | state)))
    layers = to_layers(known, state)
    assert layers["mrcnn_bbox_fc"]["mrcnn_bbox_fc/kernel:0"].shape == (1024, 4)
    assert layers["mrcnn_mask"]["mrcnn_mask/kernel:0"].shape == (1, 1, 256, 1)
    back = to_tensors(known, layers)
    assert set(back) == set(state)
    assert all(np.array_equal(values, state[tensor]) for tensor, values in back.items())


def test_settings_of_a_detector_with_one_box_for_all_classes():
    tensors = zeros() | {"roi_heads.box_predictor.bbox_pred.weight": np.zeros((4, 1024))}
    assert detectron2.settings_of(tensors)["class_agnostic_boxes"] is True
    # with one class of objects it is the same as a box for each
    tensors["roi_heads.box_predictor.cls_score.weight"] = np.zeros((2, 1024))
    assert "class_agnostic_boxes" not in detectron2.settings_of(tensors)


def test_settings_of_a_detector_without_masks():
    tensors = {name: values for name, values in zeros().items() if "mask" not in name}
    assert detectron2.settings_of(tensors)["heads"] == []
    tensors["roi_heads.keypoint_head.score_lowres.weight"] = np.zeros((512, 17, 4, 4))
    assert detectron2.settings_of(tensors)["heads"] == ["keypoints"]


def test_form_of_counts_convolutions():
    assert detectron2.form_of(zeros()) == Form("resnet50")
    names = [
        "proposal_generator.rpn_head.conv.conv1.weight",
        "roi_heads.box_head.conv1.weight",
        "roi_heads.box_head.conv2.weight",
        "backbone.bottom_up.res4.22.conv1.weight",
    ]
    tensors = {name: np.zeros(1) for name in names}
    assert detectron2.form_of(tensors) == Form("resnet101", rpn_convolutions=2, box_convolutions=2)


@pytest.mark.parametrize(
    ("names", "is_detector", "is_backbone"),
    [
        (["backbone.bottom_up.stem.conv1.weight"], True, False),
        (["stem.conv1.weight", "res2.0.conv1.weight"], False, True),
        (["stem.conv1.weight"], False, False),
        ([], False, False),
    ],
)
def test_is_detector_and_is_backbone(names, is_detector, is_backbone):
    assert detectron2.is_detector(names) is is_detector
    assert detectron2.is_backbone(names) is is_backbone


def test_backbone_entries_names():
    by_tensor = {entry.tensor: entry.layer for entry in detectron2.backbone_entries("resnet50", prefix="")}
    assert len(by_tensor) == 5 * 53
    assert by_tensor["stem.conv1.norm.weight"] == "bn_conv1"
    assert by_tensor["res2.0.shortcut.weight"] == "res2a_branch1"
    assert by_tensor["res4.5.conv3.norm.running_var"] == "bn4f_branch2c"


CASCADE_GROUPS = {"roi_heads.box_head": 41_687_040, "roi_heads.box_predictor": 261_375}
CASCADE_PARAMETERS = 71_984_926  # of cascade_mask_rcnn_R_50_FPN


def cascade_shapes():
    """Lists every tensor of detectron2's Cascade Mask R-CNN, whose three box heads are in lists."""
    found = {name: shape for name, shape in shapes("resnet50").items() if "roi_heads.box" not in name}
    for stage in range(3):
        for name, shape in (
            (f"roi_heads.box_head.{stage}.fc1", (1024, 12544)),
            (f"roi_heads.box_head.{stage}.fc2", (1024, 1024)),
            (f"roi_heads.box_predictor.{stage}.cls_score", (81, 1024)),
            (f"roi_heads.box_predictor.{stage}.bbox_pred", (4, 1024)),
        ):
            found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return found


def test_entries_of_a_cascade_have_as_many_parameters_as_detectron2():
    tensors = cascade_shapes()
    form = detectron2.form_of({name: np.broadcast_to(np.float32(0), shape) for name, shape in tensors.items()})
    assert form == Form("resnet50", class_agnostic_boxes=True, box_stages=3)
    known = [entry.tensor for entry in detectron2.entries(form)]
    assert set(known) >= set(tensors)
    assert not [name for name in known if "box" in name and name not in tensors and "norm" not in name]
    assert parameters(tensors) == CASCADE_PARAMETERS
    assert {group: parameters(tensors, f"{group}.") for group in CASCADE_GROUPS} == CASCADE_GROUPS


def test_entries_bring_every_tensor_of_a_cascade_to_its_layer_and_back():
    """One random state dict of the published shapes: every value is loaded, none is left over or missing."""
    generator = np.random.default_rng(7)
    state = {name: generator.standard_normal(shape, np.float32) for name, shape in cascade_shapes().items()}
    file = ForeignFile("cascade.pkl", "pickle", "detectron2", True, state)
    assert file.missing == file.unknown == ()
    assert (file.num_classes, file.box_stages) == (81, 3)
    model = build_model(check_model(file.settings()), num_classes=file.num_classes)
    layers = file.layers()
    report = apply.assign(model.weight_layout(), layers, source="seeded")
    assert report.missing == report.left_over == report.notes == ()
    statistics = sum(values.size for name, values in state.items() if ".norm." in name)
    # the background's row of masks is zeros here, and detectron2 has none: 256 weights and a bias
    assert report.parameters == CASCADE_PARAMETERS + statistics + 257
    stored = {layer: {weight: value.numpy() for weight, value in weights} for layer, weights in model.weight_layout()}
    # the second stage: detectron2's background is the last of 81 classes, its deltas are dx, dy, dw, dh
    theirs = "roi_heads.box_predictor.1"
    logits = stored["mrcnn_class_logits_stage2"]["mrcnn_class_logits_stage2/kernel:0"]
    assert np.array_equal(logits[:, 1:].T, state[f"{theirs}.cls_score.weight"][:80])
    assert np.array_equal(logits[:, 0], state[f"{theirs}.cls_score.weight"][80])
    deltas = stored["mrcnn_bbox_fc_stage2"]["mrcnn_bbox_fc_stage2/kernel:0"]
    assert np.array_equal(deltas.T, state[f"{theirs}.bbox_pred.weight"][[1, 0, 3, 2]])
    back = state_dict_of(stored, code_base="detectron2", form=detectron2.form_of(state))
    assert set(back) == set(state)
    assert all(np.array_equal(values, state[tensor]) for tensor, values in back.items())


def test_settings_of_a_cascade():
    tensors = {name: np.broadcast_to(np.float32(0), shape) for name, shape in cascade_shapes().items()}
    found = detectron2.settings_of(tensors)
    assert found == {
        "family": "detectron2", "backbone": "resnet50", "heads": ["masks"], "channels": 3, "box_head": "cascade",
        "class_agnostic_boxes": True,
    }  # fmt: skip
    assert detectron2.num_classes(tensors) == 81
    # with one class of objects, one box for all classes is not one for each: all stages share theirs
    for stage in range(3):
        tensors[f"roi_heads.box_predictor.{stage}.cls_score.weight"] = np.zeros((2, 1024))
    assert detectron2.settings_of(tensors)["class_agnostic_boxes"] is True
    assert detectron2.num_classes(tensors) == 2


def test_entries_of_a_cascade_with_convolutions_and_norms():
    """The box heads of detectron2's large-scale-jitter recipe, three times."""
    form = Form("resnet50", box_convolutions=4, class_agnostic_boxes=True, box_stages=3)
    by_tensor = {entry.tensor: entry.layer for entry in detectron2.entries(form)}
    assert by_tensor["roi_heads.box_head.2.conv4.weight"] == "mrcnn_box_conv4_stage3"
    assert by_tensor["roi_heads.box_head.0.conv1.norm.running_var"] == "mrcnn_box_bn1"
    assert by_tensor["roi_heads.box_head.1.conv1.norm.bias"] == "mrcnn_box_bn1_stage2"
    convolutions = {f"roi_heads.box_head.0.conv{number}.weight": np.zeros(1) for number in (1, 2, 3, 4)}
    tensors = {name: np.broadcast_to(np.float32(0), shape) for name, shape in cascade_shapes().items()}
    assert detectron2.form_of(tensors | convolutions) == form


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_entries_of_a_cascade_name_what_a_stage_lacks(stage):
    lacking = f"roi_heads.box_predictor.{stage}.bbox_pred.weight"
    tensors = {name: np.broadcast_to(np.float32(0), shape) for name, shape in cascade_shapes().items()}
    file = ForeignFile("a", "b", "detectron2", True, {k: v for k, v in tensors.items() if k != lacking})
    assert file.missing == (lacking,)
