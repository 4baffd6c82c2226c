"""Model folders and weight files: what is read, built, loaded and refused."""

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.errors import UserError
from mrcnn.model_folder import read
from mrcnn.models import build
from mrcnn.structures import Choices
from mrcnn.weights import download, hdf5
from tests import old_weights

CONTENT = {
    "settings": {
        "lr": 0.001,
        "input_size": {"min_dim": 64, "max_dim": 128, "width": 0, "height": 0},
        "special_classes": {"background": "bg", "neutral": "fog"},
    },
    "classes": [
        {"title": "kiwi", "shape": "bitmap", "color": "#00FF00", "geometry_config": {}},
        {"title": "bg", "shape": "bitmap", "color": "#222222", "geometry_config": {}},
        {"title": "Lemon", "shape": "bitmap", "color": "#FFFF00", "geometry_config": {}},
    ],
    "class_title_to_idx": {"bg": 0, "kiwi": 2, "Lemon": 1},
}


class TinyModel:
    """Has two layers with weights, and remembers how it was built."""

    def __init__(self, config, num_classes):
        self.config, self.num_classes = config, num_classes
        self.policy = keras.config.dtype_policy().name
        self.variables = {name: keras.Variable(np.zeros(shape, np.float32)) for name, shape in
                          {"conv1": (2, 2), "mrcnn_mask": (num_classes,)}.items()}  # fmt: skip

    def weight_layout(self):
        return [(name, [(f"{name}/kernel:0", variable)]) for name, variable in self.variables.items()]


@pytest.fixture(autouse=True)
def tiny_models(monkeypatch):
    monkeypatch.setattr(build, "build_model", lambda config, num_classes: TinyModel(config, num_classes))


def write_folder(path, content=None, *, layers=("conv1", "mrcnn_mask"), num_classes=3, **changes):
    (path / "model_weights").mkdir(parents=True)
    (path / "config.json").write_text(json.dumps(CONTENT | changes if content is None else content))
    shapes = {"conv1": (2, 2), "mrcnn_mask": (num_classes,), "res4w_branch2a": (1,), "mrcnn_mask_bn9": (1,)}
    layout = [(name, [(f"{name}/kernel:0", keras.Variable(np.full(shapes[name], 7.0)))]) for name in layers]
    hdf5.write_file(path / "model_weights" / "model.h5", layout)
    return path


def load_folder(path, **arguments):
    return read.load_model(read.read_model(path), **arguments)


def test_read_model_folder_of_the_original_gets_the_plugins_network(tmp_path):
    folder = read.read_model(write_folder(tmp_path / "model"))
    assert folder.weights == tmp_path / "model" / "model_weights" / "model.h5"
    assert folder.class_names == ("bg", "Lemon", "kiwi")
    assert [(item.title, item.color) for item in folder.class_metas] == [("kiwi", "#00FF00"), ("Lemon", "#FFFF00")]
    assert (folder.input_size.min_dim, folder.input_size.max_dim) == (64, 128)
    assert folder.config == MatterportConfig(compatibility="supervisely", backbone="resnet101")
    assert (folder.config.anchor_offset, folder.config.mask_paste) == (0, "stretched")
    assert folder.neutral == "fog"


@pytest.mark.parametrize("model", [{}, {"backbone": "resnet50"}, {"compatibility": "matterport"}])
def test_read_model_model_key_is_all_that_counts(tmp_path, model):
    assert read.read_model(write_folder(tmp_path / "model", model=model)).config == MatterportConfig(**model)


def test_read_model_model_key_is_read(tmp_path):
    numbers = MatterportConfig(backbone="resnet50", score_threshold=0.4)
    folder = read.read_model(write_folder(tmp_path / "model", model=numbers.model_dump(mode="json")))
    assert folder.config == numbers


def test_read_model_class_that_is_not_listed_is_added(tmp_path):
    folder = read.read_model(write_folder(tmp_path / "model", classes=[{"title": "kiwi", "shape": "polygon"}]))
    assert [(item.title, item.shape) for item in folder.class_metas] == [("kiwi", "bitmap"), ("Lemon", "bitmap")]


def test_read_model_best_checkpoint_of_a_training_run(tmp_path):
    write_folder(tmp_path / "00000002")
    (tmp_path / "best").symlink_to("00000002")
    assert read.read_model(tmp_path).path == tmp_path / "best"
    assert read.read_model(tmp_path / "00000002").path == tmp_path / "00000002"


def test_load_model_weights_are_loaded(tmp_path):
    bundle = load_folder(write_folder(tmp_path / "model"))
    assert bundle.model.num_classes == 3
    np.testing.assert_array_equal(bundle.model.variables["mrcnn_mask"].numpy(), [7, 7, 7])
    assert bundle.class_names == ("bg", "Lemon", "kiwi")
    assert bundle.config.score_threshold == bundle.model.config.score_threshold == 0.7


@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.9, 1])
def test_load_model_score_threshold_can_be_raised_and_lowered(tmp_path, threshold):
    bundle = load_folder(write_folder(tmp_path / "model"), score_threshold=threshold)
    assert bundle.config.score_threshold == bundle.model.config.score_threshold == threshold


def test_with_choices_shares_the_network_and_detects_by_the_config(tmp_path):
    calls = []
    bundle = replace(load_folder(write_folder(tmp_path / "model")), model=lambda batch, choices: calls.append(choices))
    changed = bundle.with_choices(score_threshold=0.25, detections_per_image=7)
    bundle.detect({})
    changed.detect({})
    assert calls == [Choices(), Choices(score_threshold=0.25, detections_per_image=7)]
    assert changed.model is bundle.model
    assert changed.choices == Choices.of(changed.config) == calls[1]
    assert bundle.config.score_threshold == 0.7


def test_with_choices_refuses_other_names_and_values(tmp_path):
    bundle = load_folder(write_folder(tmp_path / "model"))
    with pytest.raises(UserError, match=r"'min_score' is no run-time choice; those are score_threshold, "):
        bundle.with_choices(min_score=0.5)
    with pytest.raises(UserError, match=r"model.score_threshold"):
        bundle.with_choices(score_threshold=1.5)


def test_load_model_precision_holds_for_the_model_only(tmp_path):
    before = keras.config.dtype_policy().name
    bundle = load_folder(write_folder(tmp_path / "model"), precision="mixed_bfloat16")
    assert bundle.model.policy == "mixed_bfloat16"
    assert keras.config.dtype_policy().name == before == "float32"


def test_load_model_chooses_tf32(tmp_path, monkeypatch):
    chosen = []
    monkeypatch.setattr(read.precisions, "choose_tf32", chosen.append)
    load_folder(write_folder(tmp_path / "model"))
    load_folder(tmp_path / "model", tf32=False)
    assert chosen == [None, False]


def test_missing_layer_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"model\.h5 lacks 1 layers of the model, the first is mrcnn_mask"):
        load_folder(write_folder(tmp_path / "model", layers=("conv1",)))
    with pytest.raises(UserError, match=r"model\.h5 lacks 1 layer of the backbone \(conv1\), which would stay random"):
        load_folder(write_folder(tmp_path / "other", layers=("mrcnn_mask",)))


def test_load_model_left_over_layer_is_told(tmp_path):
    lines = []
    load_folder(write_folder(tmp_path / "m", layers=("conv1", "mrcnn_mask", "mrcnn_mask_bn9")), warn=lines.append)
    (line,) = lines
    assert line.endswith("holds 1 layers that the model lacks, the first is mrcnn_mask_bn9; they have no effect")


def test_load_model_backbone_of_the_other_depth_is_refused(tmp_path):
    with pytest.raises(
        UserError, match=r"holds a ResNet-101, the model has a ResNet-50: set `model\.backbone` to resne"
    ):
        load_folder(write_folder(tmp_path / "m", layers=("conv1", "mrcnn_mask", "res4w_branch2a")))


def test_load_model_other_number_of_classes_is_refused(tmp_path):
    with pytest.raises(UserError, match="mrcnn_mask"):
        load_folder(write_folder(tmp_path / "model", num_classes=81))


def test_load_model_missing_weights(tmp_path):
    folder = write_folder(tmp_path / "model")
    (folder / "model_weights" / "model.h5").unlink()
    with pytest.raises(UserError, match=r"has no model_weights/model\.h5; copy the weights there"):
        load_folder(folder)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"score_threshold": 1.5}, r"score threshold must be in 0\.\.1, got 1\.5"),
        ({"score_threshold": float("nan")}, r"must be in 0\.\.1, got nan"),
        ({"precision": "float16"}, "precision must be one of float32, .* got 'float16'"),
    ],
)
def test_load_model_wrong_arguments(tmp_path, arguments, message):
    with pytest.raises(UserError, match=message):
        load_folder(write_folder(tmp_path / "model"), **arguments)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_title_to_idx": None}, "`class_title_to_idx` must give a whole number for each title, got null"),
        ({"class_title_to_idx": {"bg": 0, "kiwi": 1.0}}, "must give a whole number"),
        ({"class_title_to_idx": {"bg": 0, "kiwi": True}}, "must give a whole number"),
        ({"class_title_to_idx": {"bg": 0, "kiwi": 2}}, r"without a gap, got \[0, 2\]"),
        ({"class_title_to_idx": {"bg": 1, "kiwi": 2}}, r"got \[1, 2\]"),
        ({"class_title_to_idx": {"bg": 0, "kiwi": 1, "x": 1}}, r"got \[0, 1, 1\]"),
        ({"class_title_to_idx": {"bg": 0}}, r"got \[0\]"),
        ({"settings": None}, "`settings` must be an object, got null"),
        ({"settings": {}}, "`input_size` must be an object"),
        (
            {"settings": {"input_size": {"min_dim": 1, "max_dim": 250}}},
            r"settings\.input_size\.max_dim.* multiple of 64",
        ),
        ({"classes": {}}, "`classes` must be a list"),
        ({"classes": [{"title": "kiwi"}]}, "needs a text `shape`"),
        ({"model": {"backbone": "vgg"}}, r"model\.backbone"),
        ({"model": {"bakbone": "resnet50"}}, r"bakbone"),
        ({"model": []}, "`model` must be an object"),
    ],
)
def test_read_model_malformed_config_names_the_file_and_the_key(tmp_path, changes, message):
    with pytest.raises(UserError, match=rf"config\.json: .*{message}"):
        read.read_model(write_folder(tmp_path / "model", **changes))


def test_read_model_no_model_folder(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read.read_model(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"has neither config\.json nor best/config\.json; train a model first"):
        read.read_model(tmp_path)
    write_folder(tmp_path / "00000000")
    write_folder(tmp_path / "00000001")
    with pytest.raises(UserError, match=r"name one of the folders inside it, e\.g\. .*/00000001$"):
        read.read_model(tmp_path)
    (tmp_path / "00000001" / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config\.json is not JSON"):
        read.read_model(tmp_path / "00000001")


def test_read_model_file_alone(tmp_path):
    path = old_weights.write_skeleton(tmp_path / "old.h5")
    stored = read.read_model(path, classes="cat,dog")
    assert (stored.path, stored.weights) == (path, path)
    assert stored.class_names == ("bg", "cat", "dog")
    assert [(item.title, item.shape) for item in stored.class_metas] == [("cat", "bitmap"), ("dog", "bitmap")]
    assert (stored.input_size.min_dim, stored.input_size.max_dim) == (800, 1024)
    assert stored.config == MatterportConfig(compatibility="matterport", backbone="resnet50")
    assert (stored.neutral, stored.warnings) == (None, ())
    assert read.read_model(path, classes=["cat", "dog"], input_size=(128, 192)).input_size.max_dim == 192


def test_load_model_what_had_to_be_assumed_is_told_when_it_is_loaded(tmp_path, monkeypatch):
    path = old_weights.write_skeleton(tmp_path / "old.h5", conv1_kernel=(7, 7, 1, 1))
    monkeypatch.setattr(read.apply, "load_into", lambda layout, weights: read.apply.LoadReport("x", ("conv1",)))
    lines = []
    bundle = read.load_model(read.read_model(path, classes="cat,dog"), warn=lines.append)
    assert bundle.model.num_classes == 3
    assert bundle.model.config.channels == 1
    assert len(lines) == 1
    assert "takes images of 1 channels" in lines[0]


def test_read_model_file_alone_needs_the_names_of_its_classes(tmp_path):
    path = old_weights.write_skeleton(tmp_path / "old.h5", mrcnn_class_logits_kernel=(1, 81))
    with pytest.raises(
        UserError, match=r"does not contain the names of its 80 classes: give them by --classes, as name,"
    ):
        read.read_model(path)
    with pytest.raises(UserError, match=r"^2 class names are given, but .*old\.h5 has 80 classes besides the backgrou"):
        read.read_model(path, classes="cat,dog")
    assert read.read_model(path, classes="coco").class_names[80] == "toothbrush"


def test_read_model_coco_file_brings_its_names(tmp_path, monkeypatch):
    path = old_weights.write_skeleton(tmp_path / "coco.h5", mrcnn_class_logits_kernel=(1, 81))
    monkeypatch.setattr(download, "matterport_coco_file", lambda: str(path))
    monkeypatch.chdir(tmp_path)
    assert read.read_model("coco").class_names[:2] == ("bg", "person")
    assert read.read_model("coco").weights == path
    write_folder(tmp_path / "coco")
    assert read.read_model("coco").class_names == ("bg", "Lemon", "kiwi")


def test_read_model_file_inside_a_model_folder_stands_for_it(tmp_path, monkeypatch):
    weights = write_folder(tmp_path / "model") / "model_weights" / "model.h5"
    assert read.read_model(weights) == read.read_model(tmp_path / "model")
    monkeypatch.chdir(weights.parent)
    assert read.read_model("model.h5").class_names == ("bg", "Lemon", "kiwi")


@pytest.mark.parametrize("arguments", [{"classes": "a,b"}, {"input_size": (64, 64)}])
def test_a_folder_has_its_own_classes_and_size(tmp_path, arguments):
    with pytest.raises(UserError, match=r"has its classes and its input size in config\.json: leave out --classes and"):
        read.read_model(write_folder(tmp_path / "model"), **arguments)


@pytest.mark.parametrize("name", ["model.h5", "model.hdf5"])
def test_a_missing_file_is_no_folder(tmp_path, name):
    with pytest.raises(UserError, match=rf"the weight file .*{name} does not exist"):
        read.read_model(tmp_path / name, classes="cat")
    with pytest.raises(UserError, match=r"the model folder .* does not exist"):
        read.read_model(tmp_path / "model")


@pytest.mark.parametrize("share", [0.3, 0.99])
def test_bad_files_alone(tmp_path, share):
    data = old_weights.write_skeleton(tmp_path / "old.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(data[: int(share * len(data))])
    (tmp_path / "page.h5").write_text("<html>")
    with pytest.raises(UserError, match=r"cut\.h5 is damaged or cut short"):
        read.read_model(tmp_path / "cut.h5", classes="cat,dog")
    with pytest.raises(UserError, match=r"page\.h5 is not an HDF5 file: it starts with b'<html>'"):
        read.read_model(tmp_path / "page.h5", classes="cat,dog")


def test_the_folder_on_the_page_is_read(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "weights.md").read_text()
    content = json.loads(page.split("```json\n")[1].split("```")[0])
    stored = read.read_model(write_folder(tmp_path / "model", content))
    assert stored.class_names == ("bg", "square", "circle", "triangle")
    assert (stored.config.compatibility, len(stored.config.anchor_aspect_ratios)) == ("matterport", 5)
