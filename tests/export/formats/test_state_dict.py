"""Exported state dicts: their names and values, and the same detections as of this project's model in torchvision."""

import json
import os
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest
import skimage.data

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.families.torchvision import Detectron2Config, TorchvisionConfig, TorchvisionV2Config
from mrcnn.config.keypoints import numbered
from mrcnn.errors import UserError
from mrcnn.export import run
from mrcnn.export.exportable import DetectorSettings, Exportable
from mrcnn.export.formats.table import FORMATS
from mrcnn.ops import boxes as box_ops
from mrcnn.predict.predictor import Predictor
from mrcnn.structures import Choices
from mrcnn.weights import foreign, state_dict, state_dict_write
from tests.export.families import FAMILIES, NAMES, make_bundle
from tests.weights import foreign_examples

TORCH = os.environ.get("MRCNN_TORCH_PYTHON")


class Variable:
    def __init__(self, values):
        self.values = values

    def numpy(self):
        return self.values


def settings_of(config):
    return DetectorSettings(NAMES, min_dim=128, max_dim=160, shape="rectangle", fit=config.image_fit, model=config)


@pytest.fixture
def written(tmp_path):
    """Writes a model of small tensors with seeded values; returns its folder and the tensors that it came from."""

    def write(family, **changes):
        record, code_base, fields = FAMILIES[family]
        random = np.random.default_rng(0)
        tensors = {
            name: random.normal(size=values.shape).astype(np.float32)
            for name, values in foreign_examples.detector(code_base, num_classes=4, **fields).items()
        }
        file = foreign.ForeignFile("x", "PyTorch", code_base, True, tensors)
        layout = [(layer, [(n, Variable(v)) for n, v in weights.items()]) for layer, weights in file.layers().items()]
        network = SimpleNamespace(weight_layout=lambda: layout)
        config = record(**changes)
        model = Exportable(network, settings_of(config), {}, choices=Choices.of(config))
        FORMATS[code_base].write(model, tmp_path)
        return tmp_path, tensors

    return write


@pytest.mark.parametrize("family", FAMILIES)
def test_write_keeps_names_order_and_values(written, family):
    folder, tensors = written(family)
    found = state_dict.read_state_dict(folder / "model.pth").tensors
    counters = [name for name in found if name.endswith("num_batches_tracked")]
    assert [name for name in found if name not in counters] == list(tensors)
    for name, values in tensors.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)
    assert len(counters) == (69 if family == "torchvision_v2" else 0)  # as `maskrcnn_resnet50_fpn_v2` has them
    for name in counters:
        assert (found[name].dtype, found[name].shape, int(found[name])) == (np.int64, (), 0)
        before = list(found)[list(found).index(name) - 1]
        assert before == name.replace("num_batches_tracked", "running_var")


@pytest.mark.parametrize(
    ("family", "files"),
    [
        ("torchvision", ["README.md", "model.pth", "model.safetensors"]),
        ("detectron2", ["README.md", "model.pth"]),
    ],
)
def test_write_makes_the_files_of_the_code_base(written, family, files):
    folder, _ = written(family)
    assert sorted(path.name for path in folder.iterdir()) == files
    assert "2 plate" in (folder / "README.md").read_text()
    stored = [state_dict.read_state_dict(folder / name).tensors for name in files[1:]]
    for name, values in stored[0].items():
        for other in stored:
            np.testing.assert_array_equal(other[name], values)


def test_open_refuses_files_that_differ(written):
    folder, tensors = written("torchvision")
    changed = dict(tensors)
    changed["rpn.head.bbox_pred.bias"] = changed["rpn.head.bbox_pred.bias"] + 1
    for other, name in (
        (changed, "rpn.head.bbox_pred.bias"),
        ({**tensors, "more": np.zeros(1, np.float32)}, "more"),
        ({key: tensors[key] for key in list(tensors)[:-1]}, list(tensors)[-1]),
    ):
        state_dict_write.write_safetensors(folder / "model.safetensors", other)
        with pytest.raises(UserError, match=rf"model\.safetensors does not hold the tensor {name} of .*model\.pth"):
            FORMATS["torchvision"].open(folder, settings_of(TorchvisionConfig()))


@pytest.mark.parametrize(
    ("format", "config", "message"),
    [
        (
            "torchvision",
            MatterportConfig(),
            "a model of family matterport cannot be a state dict of torchvision, whose network",
        ),
        (
            "detectron2",
            MatterportConfig(),
            "a model of family matterport cannot be a state dict of detectron2, whose network",
        ),
        (
            "torchvision",
            Detectron2Config(),
            "family torchvision or torchvision_v2, this one is detectron2: give --format",
        ),
        ("detectron2", TorchvisionV2Config(), "this one is torchvision_v2: give --format torchvision"),
        ("torchvision", TorchvisionConfig(extra_heads=("toy",)), "has no names for the extra heads toy"),
        ("detectron2", Detectron2Config(mask_head="pointrend"), "has no names for `model.mask_head` pointrend"),
        ("detectron2", Detectron2Config(mask_head="hourglass20"), "has no names for `model.mask_head` hourglass20"),
        ("torchvision", TorchvisionConfig(box_head="cascade"), "has no names for the stages of `box_head` cascade"),
        (
            "torchvision",
            TorchvisionConfig(class_loss="sigmoid"),
            "by softmax, not as `model.class_loss` sigmoid",
        ),
    ],
)
def test_limits_refuse_what_has_no_form(format, config, message):
    with pytest.raises(UserError, match=message) as caught:
        FORMATS[format].limits(settings_of(config))
    assert "\n" not in str(caught.value)


def test_limits_allow_the_heads_that_the_code_base_has():
    config = TorchvisionConfig(heads=("masks", "keypoints"), keypoints={"names": ("nose",)})
    assert config.extra_heads == ("keypoints",)
    assert FORMATS["torchvision"].limits(settings_of(config)) == []


def test_limits_list_unusual_settings():
    format = FORMATS["torchvision"]
    assert format.limits(settings_of(TorchvisionConfig(norm_epsilon=0.0, image_mean=(0, 0, 0)))) == []
    assert format.limits(settings_of(TorchvisionConfig(stride_in="1x1", mask_paste="bilinear"))) == [
        "torchvision must use these settings, which differ from its own model's (see README.md): stride_in 1x1, "
        "mask_paste bilinear"
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("torchvision", {}),
        ("detectron2", {}),
        ("torchvision", {"fpn_channels": 64}),
        ("detectron2", {"class_agnostic_boxes": True, "class_agnostic_masks": True}),
        ("cascade", {}),
    ],
)
def test_open_detects_as_the_written_model(tmp_path, family, changes):
    bundle = make_bundle(family, detections_per_image=10, **changes)
    format, settings = FORMATS[FAMILIES[family][1]], run.detector_settings(bundle)
    run.write(bundle, tmp_path, format=format)
    assert json.loads((tmp_path / "labels.json").read_text())["classes"][2]["title"] == "plate"
    image = skimage.data.coffee()[:200, :240]
    [found] = [detect(image) for detect in format.open(tmp_path, settings).values()]
    live = Predictor(bundle).predict([image])[0]
    assert len(live.scores) >= 5
    for key in ("boxes", "class_ids", "scores"):
        np.testing.assert_array_equal(found[key], getattr(live, key))
    np.testing.assert_array_equal(found["masks"], live.masks.astype(np.uint8))


RUN = """
import re, sys
import numpy as np, torch
code = re.search(r"```python\\n(.*?)```", open("README.md").read(), re.DOTALL)[1]
space = {}
exec(code, space)
model = space["model"]
own = list(model.state_dict())
stored = torch.load("model.pth", weights_only=True)
image = torch.from_numpy(np.load(sys.argv[1])).permute(2, 0, 1) / 255
with torch.no_grad():
    [found] = model([image])
np.savez(
    sys.argv[2],
    order=[name for name in own if name in stored] == list(stored),
    unmatched=[name for name in own if name not in stored],
    boxes=found["boxes"].numpy()[:, [1, 0, 3, 2]],
    class_ids=found["labels"].numpy(),
    scores=found["scores"].numpy(),
    **({"masks": found["masks"].numpy()[:, 0] >= 0.5} if "masks" in found else {}),
    **({"keypoints": found["keypoints"].numpy()} if "keypoints" in found else {}),
)
"""


@pytest.mark.slow
@pytest.mark.skipif(not TORCH, reason="set MRCNN_TORCH_PYTHON to a Python with PyTorch and torchvision")
@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("torchvision", {}),
        ("torchvision_v2", {}),
        ("torchvision", {"heads": ("keypoints",), "keypoints": numbered(5), "score_threshold": 0.05}),
    ],
)
def test_write_is_loaded_by_torchvision_with_the_same_detections(tmp_path, family, changes):
    """The code of README.md builds and loads the model, strictly; the limits are ten times what rounding explains."""
    bundle = make_bundle(family, detections_per_image=20, **changes)
    run.write(bundle, tmp_path, format=FORMATS["torchvision"])
    image = skimage.data.coffee()[:200, :240]
    np.save(tmp_path / "image.npy", image)
    subprocess.run([TORCH, "-c", RUN, "image.npy", "found.npz"], cwd=tmp_path, check=True, timeout=300)
    live = Predictor(bundle).predict([image])[0]
    with np.load(tmp_path / "found.npz") as theirs:
        assert theirs["order"]
        assert all(name.endswith("num_batches_tracked") for name in theirs["unmatched"])
        assert (len(theirs["unmatched"]) == 0) == (family == "torchvision_v2")
        assert len(live.scores) == len(theirs["scores"]) == 20
        overlaps = np.asarray(box_ops.iou(live.boxes, theirs["boxes"]))
        overlaps = overlaps * (live.class_ids[:, None] == theirs["class_ids"])
        partner = overlaps.argmax(axis=1)
        assert sorted(partner) == list(range(20))
        worst = (
            np.abs(live.scores - theirs["scores"][partner]).max(),
            np.abs(live.boxes - theirs["boxes"][partner]).max(),
            _agreement(live, theirs, partner),
        )
        print(f"{family}: scores {live.scores.min():.3f}..{live.scores.max():.3f}, worst {worst}")
    assert worst[0] < 5e-3
    assert worst[1] < 0.05  # pixels
    assert worst[2] >= 0.99


def _agreement(live, theirs, partner):
    """Computes the smallest IoU of two masks of an object, or the share of points within a pixel of each other."""
    if "masks" in theirs:
        masks = theirs["masks"][partner]
        both, either = (op(live.masks, masks).sum(axis=(1, 2)) for op in (np.logical_and, np.logical_or))
        return (both / np.maximum(either, 1))[either > 0].min()
    index = 0.5 * 200 / 128  # theirs are indices of pixels of the model input of 128 rows, ours positions
    away = np.abs(live.extras["keypoints"][..., :2] - index - theirs["keypoints"][partner][..., :2])
    return (away.max(axis=-1) <= 1).mean()
