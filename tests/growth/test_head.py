"""A head that is defined in a test file alone trains, and its field reaches every result."""

import csv
import json

import cv2
import numpy as np
import pytest
import requests
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mrcnn.annotate import run as annotating
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.load import load_inference_config, load_train_config
from mrcnn.errors import UserError
from mrcnn.export import run as exporting
from mrcnn.models.build import build_model
from mrcnn.models.trainable import select_trainable
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from mrcnn.project.reader import Project
from mrcnn.train import plots
from mrcnn.train import run as training
from tests.growth import offset_head
from tests.heads import parts as small
from tests.serve.helpers import running
from tests.train import tiny
from tests.train.conftest import HeardLog

LOSS = "mrcnn_offset_loss"
MARKS = {"disc": [3.0, -2.0], "bar": [0.0, 5.0]}  # (dy, dx) from the centre of the box
CONFIG = {
    **tiny.CONFIG,
    "epochs": 1,
    "augmentation": [{"name": "Fliplr", "args": {"p": 0.5}}],
    "model": {**tiny.CONFIG["model"], "extra_heads": [offset_head.NAME], "score_threshold": 0.0},
}


@pytest.fixture(scope="module")
def registered():
    with pytest.MonkeyPatch.context() as patch:
        offset_head.register(patch)
        yield


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The tiny project, with the mark of each object in its annotation."""
    folder = tiny.write_project(tmp_path_factory.mktemp("project") / "shapes")
    for path in folder.rglob("ann/*.json"):
        content = json.loads(path.read_text())
        for item in content["objects"]:
            item[offset_head.NAME] = MARKS[item["classTitle"]]
        path.write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def trained(registered, project, tmp_path_factory):
    """The output folder and the log of a training run."""
    output, log = tmp_path_factory.mktemp("output") / "run", HeardLog()
    training.train(load_train_config(CONFIG), project_dir=project, output_dir=output, log=log)
    return output, log


@pytest.fixture(scope="module")
def predictor(trained):
    return Predictor.load(trained[0])


@pytest.fixture(scope="module")
def image(project):
    return sorted(project.glob("ds/img/*.png"))[0]


@pytest.mark.slow
def test_loss_of_a_toy_head_is_in_log_history_curves_and_tensorboard(trained, tmp_path):
    output, log = trained
    assert {event["type"] for event in log.events if LOSS in event.get("metrics", ())} == {"train", "val"}
    with (output / "history.csv").open() as file:
        [row] = csv.DictReader(file)
    assert float(row[LOSS]) > 0
    assert float(row[f"val_{LOSS}"]) > 0
    for part in ("train", "validation"):
        found = EventAccumulator(str(output / "tensorboard" / part)).Reload().Tags()
        assert any(LOSS in tag for tag in (*found["scalars"], *found["tensors"])), part
    known = {name: float(value) for name, value in row.items() if value} | {"epoch": int(row["epoch"])}
    others = {name: value for name, value in known.items() if name.removeprefix("val_") != LOSS}
    for shown, is_same in ((known, True), (others, False)):
        plots.draw_curves([shown], tmp_path / "curves.png")
        pictures = [cv2.imread(str(folder / "curves.png")) for folder in (output, tmp_path)]
        assert np.array_equal(*pictures) == is_same


@pytest.mark.slow
def test_select_trainable_finds_the_layers_of_a_toy_head(predictor):
    assert "mrcnn_offset" in select_trainable(predictor.bundle.model, "heads")


@pytest.mark.slow
def test_predict_has_the_field_and_a_reloaded_model_the_same(predictor, trained, image):
    [found] = predictor.predict([image])
    assert len(found.scores)
    assert found.extras["offset"].shape == (len(found.scores), 2)
    assert np.abs(found.extras["offset"]).max() > 0
    [again] = Predictor.load(trained[0]).predict([image])
    np.testing.assert_array_equal(found.extras["offset"], again.extras["offset"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "mode",
    [
        {"name": "full_image", "flip": True},
        {
            "name": "sliding_window",
            "window": {"width": 48, "height": 48},
            "min_overlap": {"x": 16, "y": 16},
            "save": True,
        },
    ],
)
def test_apply_writes_the_field_into_project_and_coco_json(predictor, project, tmp_path, mode):
    config = load_inference_config({"mode": mode})
    annotating.apply(
        predictor, sources.open_images(project / "ds" / "img"), tmp_path / "out", config=config, log=HeardLog(),
        options=annotating.Options(overlay=True),
    )  # fmt: skip
    result = Project.open(tmp_path / "out" / "img")
    labels = [label for item in result.items for label in item.read_annotation(result.meta).labels]
    values = [label.extra["offset"] for label in labels if label.geometry.shape == "bitmap"]
    assert values
    assert {len(value) for value in values} == {2}
    content = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert sorted(map(tuple, values)) == sorted(tuple(item["offset"]) for item in content["annotations"])
    overlays = [cv2.imread(str(path)) for path in (tmp_path / "out" / "overlay").rglob("*.png")]
    assert len(overlays) == 7
    assert any((picture == (255, 0, 255)).all(axis=-1).any() for picture in overlays)  # the field's dots


@pytest.mark.slow
def test_export_proves_the_field_too(trained, image, tmp_path):
    (tmp_path / "img").mkdir()
    large = cv2.resize(cv2.imread(str(image)), None, fx=2, fy=2)  # the field is scaled back from the input
    cv2.imwrite(str(tmp_path / "img" / "large.png"), large)
    result = exporting.export(
        trained[0], tmp_path / "exported", log=HeardLog(), images=tmp_path / "img", score_threshold=0.0
    )
    assert result.proofs[0].failures == []
    assert result.proofs[0].paired > 0
    outputs = tf.saved_model.load(str(result.path)).signatures["serving_default"].structured_outputs
    assert outputs["offset"].shape.as_list() == [None, 2]


@pytest.mark.slow
def test_service_answers_with_the_field(predictor, image):
    pixels = cv2.imread(str(image))[..., ::-1]
    with running(predictor) as found:
        answer = requests.post(
            f"{found.url}/v1/models/mrcnn:predict", json={"inputs": {"image": pixels.tolist()}}, timeout=300
        )
    assert answer.status_code == 200, answer.text
    outputs = answer.json()["outputs"]
    assert np.shape(outputs["offset"]) == (len(outputs["scores"]), 2)
    [live] = predictor.predict([image])
    np.testing.assert_allclose(outputs["offset"], live.extras["offset"], atol=1e-3)


@pytest.mark.slow
def test_unknown_head_ends_the_training_in_one_line(project, tmp_path):
    config = load_train_config({**CONFIG, "model": {**CONFIG["model"], "extra_heads": ["keypoint"]}})
    with pytest.raises(UserError, match=r"^`model.extra_heads`: 'keypoint' is none of the known heads"):
        training.train(config, project_dir=project, output_dir=tmp_path / "run", log=HeardLog())


@pytest.fixture(scope="module", params=["minus_one", "pixels"])
def of_frame(registered, request):
    """A model with the toy head whose own heads use this frame; the objects' boxes are among its regions."""
    settings = {**small.SETTINGS, "extra_heads": [offset_head.NAME], "roi_add_gt_boxes": True}
    settings |= {"post_nms_topk_train": 20, "roi_samples": 70}  # so that every object region is in the sample
    return build_model(MatterportConfig(box_normalization=request.param, **settings), num_classes=3)


def test_outputs_of_a_toy_head_are_those_of_regions_in_pixels(of_frame):
    batch = {
        **small.batch([[8, 8, 40, 40], [10, 20, 51, 62]], [2, 1]),
        "gt_offset": np.zeros((1, 2, 2), "float32"),
        "images": np.random.default_rng(0).integers(0, 256, (1, small.SIDE, small.SIDE, 3), "uint8"),
        "windows": np.array([[0, 0, small.SIDE, small.SIDE]], "float32"),
    }
    outputs = of_frame(batch, training=True)
    regions, toy = outputs.box.targets, outputs.heads[1]
    is_own = (np.asarray(regions.rois)[0, :, None] == batch["gt_boxes"][0]).all(axis=2)
    assert is_own.sum(axis=0).tolist() == [1, 1]
    own = is_own.any(axis=1)
    # an object's own box has the object's centre, which is its mark; a pixel less at the end would be 0.5 / 31
    assert np.abs(np.asarray(toy.target)[own]).max() == 0
    assert np.asarray(toy.weight)[own].tolist() == [1, 1]


def test_decode_of_a_toy_head_has_the_boxes_of_the_detections(of_frame, monkeypatch):
    seen, decode = [], offset_head.Offsets.decode

    def listening(head, pyramid, boxes, *rest, **more):
        seen.append(np.asarray(boxes))
        return decode(head, pyramid, boxes, *rest, **more)

    monkeypatch.setattr(offset_head.Offsets, "decode", listening)
    images = np.random.default_rng(0).integers(0, 256, (1, small.SIDE, small.SIDE, 3), "uint8")
    found = of_frame({"images": images, "windows": np.array([[0, 0, small.SIDE, small.SIDE]], "float32")})
    assert np.asarray(found.valid).any()
    np.testing.assert_array_equal(seen[0], np.asarray(found.boxes))
