"""Model folders: what is read, built, loaded and refused."""

import json

import keras
import numpy as np
import pytest

from mrcnn.config.model import ModelConfig
from mrcnn.events import UserError
from mrcnn.infer import load
from mrcnn.models import build
from mrcnn.weights import hdf5

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
    shapes = {"conv1": (2, 2), "mrcnn_mask": (num_classes,), "res4w_branch2a": (1,)}
    layout = [(name, [(f"{name}/kernel:0", keras.Variable(np.full(shapes[name], 7.0)))]) for name in layers]
    hdf5.write_file(path / "model_weights" / "model.h5", layout)
    return path


def test_folder_of_the_original_gets_matterports_numbers(tmp_path):
    folder = load.read_folder(write_folder(tmp_path / "model"))
    assert folder.class_names == ("bg", "Lemon", "kiwi")
    assert [(item.title, item.color) for item in folder.class_metas] == [("kiwi", "#00FF00"), ("Lemon", "#FFFF00")]
    assert (folder.input_size.min_dim, folder.input_size.max_dim) == (64, 128)
    assert folder.config == ModelConfig()
    assert folder.neutral == "fog"


def test_model_key_is_read(tmp_path):
    numbers = ModelConfig(backbone="resnet50", score_threshold=0.4)
    folder = load.read_folder(write_folder(tmp_path / "model", model=numbers.model_dump(mode="json")))
    assert folder.config == numbers


def test_class_that_is_not_listed_is_added(tmp_path):
    folder = load.read_folder(write_folder(tmp_path / "model", classes=[{"title": "kiwi", "shape": "polygon"}]))
    assert [(item.title, item.shape) for item in folder.class_metas] == [("kiwi", "bitmap"), ("Lemon", "bitmap")]


def test_best_checkpoint_of_a_training_run(tmp_path):
    write_folder(tmp_path / "00000002")
    (tmp_path / "best").symlink_to("00000002")
    assert load.read_folder(tmp_path).path == tmp_path / "best"
    assert load.read_folder(tmp_path / "00000002").path == tmp_path / "00000002"


def test_weights_are_loaded(tmp_path):
    bundle = load.load_model_dir(write_folder(tmp_path / "model"))
    assert bundle.model.num_classes == 3
    np.testing.assert_array_equal(bundle.model.variables["mrcnn_mask"].numpy(), [7, 7, 7])
    assert bundle.class_names == ("bg", "Lemon", "kiwi")
    assert bundle.config.score_threshold == bundle.model.config.score_threshold == 0.7


@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.9, 1])
def test_score_threshold_can_be_raised_and_lowered(tmp_path, threshold):
    bundle = load.load_model_dir(write_folder(tmp_path / "model"), score_threshold=threshold)
    assert bundle.config.score_threshold == bundle.model.config.score_threshold == threshold


def test_precision_holds_for_the_model_only(tmp_path):
    before = keras.config.dtype_policy().name
    bundle = load.load_model_dir(write_folder(tmp_path / "model"), precision="mixed_bfloat16")
    assert bundle.model.policy == "mixed_bfloat16"
    assert keras.config.dtype_policy().name == before == "float32"


def test_missing_layer_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"model\.h5 lacks 1 layers of the model, the first is mrcnn_mask"):
        load.load_model_dir(write_folder(tmp_path / "model", layers=("conv1",)))


def test_left_over_layer_is_told(tmp_path):
    lines = []
    load.load_model_dir(
        write_folder(tmp_path / "m", layers=("conv1", "mrcnn_mask", "res4w_branch2a")), warn=lines.append
    )
    assert len(lines) == 1
    assert "the first is res4w_branch2a; check `model.backbone` in config.json, now resnet101" in lines[0]


def test_other_number_of_classes_is_refused(tmp_path):
    with pytest.raises(UserError, match="mrcnn_mask"):
        load.load_model_dir(write_folder(tmp_path / "model", num_classes=81))


def test_missing_weights(tmp_path):
    folder = write_folder(tmp_path / "model")
    (folder / "model_weights" / "model.h5").unlink()
    with pytest.raises(UserError, match=r"has no model_weights/model\.h5; copy the weights there"):
        load.load_model_dir(folder)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"score_threshold": 1.5}, r"score threshold must be in 0\.\.1, got 1\.5"),
        ({"score_threshold": float("nan")}, r"must be in 0\.\.1, got nan"),
        ({"precision": "float16"}, "precision must be one of float32, .* got 'float16'"),
    ],
)
def test_wrong_arguments(tmp_path, arguments, message):
    with pytest.raises(UserError, match=message):
        load.load_model_dir(write_folder(tmp_path / "model"), **arguments)


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
def test_malformed_config_names_the_file_and_the_key(tmp_path, changes, message):
    with pytest.raises(UserError, match=rf"config\.json: .*{message}"):
        load.read_folder(write_folder(tmp_path / "model", **changes))


def test_no_model_folder(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        load.read_folder(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"has neither config\.json nor best/config\.json; train a model first"):
        load.read_folder(tmp_path)
    write_folder(tmp_path / "00000000")
    write_folder(tmp_path / "00000001")
    with pytest.raises(UserError, match=r"name one of the folders inside it, e\.g\. .*/00000001$"):
        load.read_folder(tmp_path)
    (tmp_path / "00000001" / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config\.json is not JSON"):
        load.read_folder(tmp_path / "00000001")
