"""Models of older code, from their files to detections, a SavedModel and further training, with real networks."""

import dataclasses
import json

import numpy as np
import pytest

from mrcnn.annotate import run
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.inference import InferenceConfig
from mrcnn.config.load import load_train_config
from mrcnn.errors import UserError
from mrcnn.events import JsonLog
from mrcnn.export import run as exporting
from mrcnn.model_folder import read
from mrcnn.models import build
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from mrcnn.train import run as training
from mrcnn.weights import apply, hdf5
from tests import old_weights
from tests.train import tiny

SIZES = {"fpn_channels": 16, "rpn_channels": 8, "box_fc_channels": 32}
FEW = {"pre_nms_topk": 200, "post_nms_topk": 20, "detections_per_image": 5, "score_threshold": 0.0}
SIDE = 128
NAMES = ("cat", "dog")


def photo(height=100, width=120):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def assert_equal(found, expected):
    assert len(expected.scores)
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.class_ids, expected.class_ids)
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_array_equal(found.masks, expected.masks)


@pytest.fixture(scope="module")
def lone_file(tmp_path_factory):
    return old_weights.write_network(tmp_path_factory.mktemp("old") / "old.h5", 50, 3, **SIZES)


def test_a_lone_file_finds_what_its_network_finds(lone_file):
    predictor = Predictor.load(lone_file, classes=NAMES, input_size=(SIDE, SIDE), score_threshold=0.0)
    config = MatterportConfig(compatibility="matterport", backbone="resnet50", score_threshold=0.0, **SIZES)
    assert predictor.bundle.config == config
    network = build.build_model(config, num_classes=3)
    apply.load_into(network.weight_layout(), lone_file)
    live = Predictor(dataclasses.replace(predictor.bundle, model=network))
    (found,), (expected,) = predictor.predict([photo()]), live.predict([photo()])
    assert_equal(found, expected)
    assert set(found.class_names) <= set(NAMES)
    np.testing.assert_array_equal(found.boxes, np.round(found.boxes))  # whole pixels, as Matterport gave them


@pytest.mark.slow
def test_a_lone_file_is_exported(lone_file, tmp_path):
    given = {"classes": "cat,dog", "input_size": [SIDE, SIDE], "score_threshold": 0.0}
    result = exporting.export(lone_file, tmp_path / "1", log=JsonLog(), **given)
    labels = json.loads((result.path / "labels.json").read_text())
    assert [item["title"] for item in labels["classes"]] == ["bg", "cat", "dog"]
    assert result.proofs[0].paired


@pytest.mark.slow
@pytest.mark.parametrize("num_classes", [2, 5, 81])
@pytest.mark.parametrize("depth", [50, 101])
def test_an_old_file_and_our_checkpoint_of_it_give_the_same_bits(tmp_path, depth, num_classes):
    config = MatterportConfig(compatibility="matterport", backbone=f"resnet{depth}", **FEW)
    batch = {
        "images": np.random.default_rng(1).uniform(0, 255, (1, SIDE, SIDE, 3)).astype(np.float32),
        "windows": np.float32([[0, 0, SIDE, SIDE]]),
    }
    old_weights.write_network(tmp_path / "old.h5", depth, num_classes)
    outputs = []
    for path in (tmp_path / "old.h5", tmp_path / "ours.h5"):
        network = build.build_model(config, num_classes=num_classes)  # every time with other random weights
        report = apply.load_into(network.weight_layout(), path)
        assert report.missing == report.left_over == ()
        hdf5.write_file(tmp_path / "ours.h5", network.weight_layout())
        outputs.append(network(batch))
    assert outputs[0].valid.numpy().all()
    for field, value in outputs[0]._asdict().items():
        np.testing.assert_array_equal(getattr(outputs[1], field), value, err_msg=field)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return tiny.write_project(tmp_path_factory.mktemp("data") / "shapes", train=2, val=1)


@pytest.fixture(scope="module")
def plugin_folder(tmp_path_factory):
    """A model folder as the plugin left it after training on the drawn project."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "model_weights").mkdir()
    old_weights.write_network(folder / "model_weights" / "model.h5", 101, 3)
    content = {
        "settings": {
            "lr": 0.001,
            "epochs": 5,
            "batch_size": {"val": 1, "train": 1},
            "input_size": {"max_dim": 64, "min_dim": 64, "width": 0, "height": 0},
            "gpu_devices": [0],
            "train_layers": "all",
            "dataset_tags": {"val": "val", "train": "train"},
            "special_classes": {"background": "bg"},
            "weights_init_type": "transfer_learning",
        },
        "classes": [
            {"title": "disc", "shape": "bitmap", "color": "#FF0000", "geometry_config": {}},
            {"title": "bar", "shape": "bitmap", "color": "#00FF00", "geometry_config": {}},
            {"title": "bg", "shape": "bitmap", "color": "#222222", "geometry_config": {}},
        ],
        "class_title_to_idx": {"bg": 0, "disc": 1, "bar": 2},
    }
    (folder / "config.json").write_text(json.dumps(content, indent=4))
    return folder


@pytest.mark.slow
def test_a_plugin_folder_is_applied_and_exported(plugin_folder, project, tmp_path):
    source = sources.open_project(project)
    log = JsonLog()
    options = run.Options(score_threshold=0.0)
    summary = run.run_inference(
        plugin_folder, source, tmp_path / "out", config=InferenceConfig(), log=log, options=options
    )
    assert summary.images == 3
    assert set(summary.scores) <= {"disc", "bar"}
    result = exporting.export(
        plugin_folder, tmp_path / "1", log=log, images=project / "ds" / "img", score_threshold=0.0
    )
    assert result.proofs[0].paired


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "mapping"),
    [("transfer_learning", {"bg": 0, "bar": 1, "disc": 2}), ("continue_training", {"bg": 0, "disc": 1, "bar": 2})],
)
def test_a_plugin_folder_is_trained_on(plugin_folder, project, tmp_path, kind, mapping):
    values = {
        "epochs": 1,
        "input_size": {"min_dim": 64, "max_dim": 64},
        "train_layers": "heads",
        "weights_init_type": kind,
        "lr": 1e-5,
    }
    training.train(
        load_train_config(values),
        project_dir=project,
        output_dir=tmp_path / "out",
        log=JsonLog(),
        model=str(plugin_folder),
    )
    stored = read.read_model(tmp_path / "out")
    assert stored.config == MatterportConfig(compatibility="supervisely")
    assert {name: index for index, name in enumerate(stored.class_names)} == mapping
    with hdf5.read_file(stored.weights) as new, hdf5.read_file(plugin_folder / "model_weights" / "model.h5") as old:
        name = "res4w_branch2a/kernel:0"  # a layer that does not train
        np.testing.assert_array_equal(new.layers["res4w_branch2a"][name], old.layers["res4w_branch2a"][name])
        name = "mrcnn_class_logits/kernel:0"
        close = np.allclose(new.layers["mrcnn_class_logits"][name], old.layers["mrcnn_class_logits"][name], atol=1e-2)
    assert close == (kind == "continue_training")


@pytest.mark.slow
def test_a_plugin_folder_with_another_depth_inside_is_refused(plugin_folder, tmp_path):
    (tmp_path / "model_weights").mkdir()
    (tmp_path / "config.json").write_bytes((plugin_folder / "config.json").read_bytes())
    old_weights.write_network(tmp_path / "model_weights" / "model.h5", 50, 3)
    with pytest.raises(UserError, match=r"holds a ResNet-50, the model has a ResNet-101: set `model\.backbone` to "):
        Predictor.load(tmp_path)
