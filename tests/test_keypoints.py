"""Keypoints of a COCO file or a project through training, evaluation and inference, with the real head."""

import json
import shutil

import cv2
import numpy as np
import pytest
import requests
import tensorflow as tf

from mrcnn.annotate import run as annotating
from mrcnn.config.load import load_inference_config, load_train_config
from mrcnn.convert import coco as converting
from mrcnn.data.coco.file import read_coco
from mrcnn.data.sources import table
from mrcnn.data.sources.source import DataPaths
from mrcnn.errors import UserError
from mrcnn.evaluate import run as evaluating
from mrcnn.evaluate.text_table import text_table
from mrcnn.export import run as exporting
from mrcnn.fields import table as fields
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from mrcnn.project.reader import Project
from mrcnn.structures import RawDetections
from mrcnn.train import run as training
from mrcnn.train.check import Start, check_data
from tests.predict.helpers import make_bundle
from tests.serve import helpers
from tests.train import tiny
from tests.train.conftest import HeardLog

NAME, LOSS = "keypoints", "mrcnn_keypoint_loss"
NAMES = ["middle", "left_end", "right_end"]
CATEGORY = {"keypoints": NAMES, "skeleton": [[1, 2], [1, 3]]}
MODEL = {**tiny.CONFIG["model"], "extra_heads": [NAME], "keypoint_channels": [8, 8], "score_threshold": 0.0}
CONFIG = {**tiny.CONFIG, "epochs": 1, "model": MODEL}


def points_of(index):
    """The points of a bar: its middle, left end (hidden) and right end; the middle of every third one is missing."""
    _, columns = np.nonzero(tiny.draw(index)[1])
    rows, _ = np.nonzero(tiny.draw(index)[1])
    y, x1, x2 = int(rows.min()), int(columns.min()), int(columns.max())
    middle = [0, 0, 0] if index % 3 == 0 else [(x1 + x2) // 2, y, 2]
    return [*middle, x1, y, 1, x2, y, 2]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """COCO files of the tiny images; bars have points, discs have none."""
    train, val, images = tiny.write_coco(tmp_path_factory.mktemp("coco"))
    for path in (train, val):
        content = json.loads(path.read_text())
        for item in content["annotations"]:
            is_bar = item["category_id"] == 9
            item[NAME] = points_of(item["image_id"]) if is_bar else []
            item["num_keypoints"] = 3 if is_bar else 0
        content["categories"][1] |= CATEGORY
        path.write_text(json.dumps(content))
    return DataPaths(train, images, val)


@pytest.fixture(scope="module")
def project(files, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "project"
    splits = [
        converting.Split("train", files.data, files.images),
        converting.Split("val", files.val_data, files.images),
    ]
    converting.convert(splits, out, HeardLog())
    return out


def checked(paths, log=None, **settings):
    config = load_train_config({**CONFIG, **settings})
    begin = Start(config=config, model=None, resumed=None, classes=None)
    return check_data(begin, lambda needed: table.open_source(paths, needed), log=log or HeardLog())


@pytest.mark.parametrize("kind", ["coco", "project"])
def test_check_data_finds_the_points_in_the_data_and_says_so(files, project, kind):
    log = HeardLog()
    found = checked(files if kind == "coco" else DataPaths(project), log)
    template = found.config.model.keypoints
    assert template.names == tuple(NAMES)
    assert template.pairs == (("left_end", "right_end"),)
    assert template.skeleton == (("middle", "left_end"), ("middle", "right_end"))
    assert template.class_points == (tuple(NAMES), ())  # classes by name: bar, disc
    assert any("3 points (middle, left_end, right_end); a mirrored image exchanges left_end and right_end" in line
               for line in log.messages)  # fmt: skip
    for sample in (*found.samples.train, *found.samples.val):
        index = int(sample.image_path.rsplit("/", 1)[1][0])
        expected = np.zeros((3, 3)) if index % 2 else np.reshape(points_of(index), (3, 3))
        expected = np.where(expected[:, 2:] > 0, expected + np.array([0.5, 0.5, 0]), 0)
        assert sample.extras[NAME].tolist() == [expected.tolist()]
        assert sample.labels[0].to_mask(48, 64)[0].sum() == tiny.draw(index)[1].sum()  # without the nodes


def test_check_data_keeps_the_points_of_the_config_and_refuses_data_without_points(files, tmp_path):
    model = {**MODEL, NAME: {"names": ["right_end", "left_end"], "pairs": []}}
    found = checked(files, model=model)
    assert found.config.model.keypoints.names == ("right_end", "left_end")
    bar = next(sample for sample in found.samples.train if sample.extras[NAME].any())
    assert bar.extras[NAME].shape == (1, 2, 3)
    train, val, images = tiny.write_coco(tmp_path)
    with pytest.raises(UserError, match=r"^no class of the data has keypoints, which the head `keypoints` needs"):
        checked(DataPaths(train, images, val))


def test_convert_writes_the_template_into_the_project(project):
    meta = {item.title: item for item in Project.open(project).meta.classes}
    assert (meta["bar"].shape, meta["disc"].shape) == ("any", "bitmap")
    assert [node["label"] for node in meta["bar"].extra["geometry_config"]["nodes"].values()] == NAMES
    assert meta["bar"].extra["geometry_config"]["edges"][1]["dst"] == "right_end"


@pytest.fixture(scope="module")
def trained(files, tmp_path_factory):
    output, log = tmp_path_factory.mktemp("trained"), HeardLog()
    flip = [{"name": "Fliplr", "args": {"p": 0.5}}]
    config = load_train_config({**CONFIG, "augmentation": flip, "validation": {"ap": True}})
    training.train(config, data=files, output_dir=output, log=log)
    return output


def test_train_writes_the_points_to_the_model_folder_and_the_loss_to_the_history(trained):
    history = (trained / "history.csv").read_text().splitlines()
    assert LOSS in history[0]
    assert "val_keypoint_ap" in history[0]
    predictor = Predictor.load(trained)
    assert predictor.bundle.config.keypoints.names == tuple(NAMES)
    assert predictor.fields[NAME].shape == (3, 3)
    found = predictor.predict([tiny.draw(0)[0]])[0]
    assert found.extras[NAME].shape == (len(found.boxes), 3, 3)
    for name, box, points in zip(found.class_names, found.boxes, found.extras[NAME], strict=True):
        y1, x1, y2, x2 = box
        if name == "disc":
            assert not points[:, 2].any()
        else:
            assert ((points[:, 0] > x1 - 1) & (points[:, 0] < x2 + 1)).all()
            assert ((points[:, 1] > y1 - 1) & (points[:, 1] < y2 + 1)).all()
            assert (points[:, 2] > 0).all()


@pytest.mark.slow
def test_train_goes_on_with_the_points_of_the_stopped_run(trained, files, tmp_path):
    shutil.copytree(trained, tmp_path / "out", symlinks=True)
    flip = [{"name": "Fliplr", "args": {"p": 0.5}}]
    config = load_train_config({**CONFIG, "epochs": 2, "augmentation": flip, "validation": {"ap": True}})
    training.train(config, data=files, output_dir=tmp_path / "out", resume=True, log=HeardLog())
    assert len((tmp_path / "out" / "history.csv").read_text().splitlines()) == 3


def both_ends(batch):
    """Finds the whole image; the score is the brightness of its right half, and so is that of its right end."""
    score = tf.reduce_mean(batch["images"][:, 8:56, 32:, 0], axis=(1, 2))[:, None] / 255.0
    ends = tf.constant([[[32, 32, 0.5], [16, 20, 0.25], [48, 40, 0.75]]])  # the input has 8 rows of padding above
    count = tf.shape(score)[0]
    return RawDetections(
        boxes=batch["windows"][:, None],
        class_ids=tf.ones_like(score, tf.int32),
        scores=score,
        valid=tf.ones_like(score, tf.bool),
        masks=tf.ones([count, 1, 4, 4]),
        extras={NAME: tf.tile(ends[None], [count, 1, 1, 1])},
    )


TEMPLATE = {"names": NAMES, "skeleton": [["middle", "left_end"]]}
STRAIGHT = [[32, 24, 0.5], [16, 12, 0.25], [48, 32, 0.75]]
# x becomes 64 - x, and left and right are exchanged
TURNED = [[32, 24, 0.5], [16, 32, 0.75], [48, 12, 0.25]]


@pytest.fixture
def predictor():
    return Predictor(make_bundle(both_ends, extra_heads=(NAME,), keypoints=TEMPLATE))


@pytest.mark.parametrize(("mode", "expected"), [({}, STRAIGHT), ({"flip": True}, TURNED)])
def test_apply_writes_keypoints_into_project_coco_json_and_pictures(predictor, tmp_path, mode, expected):
    (tmp_path / "in").mkdir()
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, :32] = 200  # the model is surer of the mirrored image
    image[:, 32:] = 50
    cv2.imwrite(str(tmp_path / "in" / "a.png"), image)
    annotating.apply(
        predictor, sources.open_images(tmp_path / "in"), tmp_path / "out",
        config=load_inference_config({"mode": {"name": "full_image", **mode}}),
        log=HeardLog(), options=annotating.Options(overlay=True),
    )  # fmt: skip
    made = Project.open(tmp_path / "out" / "in")
    bitmap, graph = made.items[0].read_annotation(made.meta).labels
    assert {key: node["loc"] for key, node in graph.geometry.nodes.items()} == {
        name: [x - 0.5, y - 0.5] for name, (x, y, _) in zip(NAMES, expected, strict=True)
    }
    assert bitmap.extra["instance"] == graph.extra["instance"]
    (meta, _) = made.meta.classes
    assert [node["label"] for node in meta.extra["geometry_config"]["nodes"].values()] == NAMES
    content = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert content["categories"][0][NAME] == NAMES
    (written,) = content["annotations"]
    assert written[NAME] == [part for x, y, _ in expected for part in (x - 0.5, y - 0.5, 2)]
    assert (written["num_keypoints"], written["keypoint_scores"]) == (3, [score for _, _, score in expected])
    (found,) = read_coco(tmp_path / "out" / "predictions.json", tmp_path / "in").images[0].objects
    assert found.extras[NAME][:, :2].tolist() == [[x, y] for x, y, _ in expected]
    picture = cv2.imread(str(tmp_path / "out" / "overlay" / "a.png"))
    factor = picture.shape[0] // 48
    blue = [picture[round(y * factor), round(x * factor)].tolist() for x, y, _ in expected]
    assert blue == [[255, 140, 60], [80, 200, 0], [0, 140, 255]]  # BGR: middle, left, right


def test_sliding_windows_select_each_point_from_the_window_with_its_highest_score(predictor, tmp_path):
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), np.full((48, 96, 3), 200, np.uint8))
    mode = {"name": "sliding_window", "window": {"width": 64, "height": 48}, "min_overlap": {"x": 32, "y": 0}}
    annotating.apply(
        predictor, sources.open_images(tmp_path / "in"), tmp_path / "out",
        config=load_inference_config({"mode": mode}), log=HeardLog(), options=annotating.Options(),
    )  # fmt: skip
    (written,) = json.loads((tmp_path / "out" / "predictions.json").read_text())["annotations"]
    assert written["bbox"] == [0, 0, 96, 48]
    assert written["keypoint_scores"] == [0.5, 0.25, 0.75]


def test_evaluate_reads_nodes_by_the_labels_of_the_projects_template(predictor, tmp_path):
    """The nodes of the project have other ids than the names of the points."""
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), np.full((48, 64, 3), 200, np.uint8))
    title = predictor.bundle.class_names[1]
    nodes = {f"n{row}": {"loc": [x - 0.5, y - 0.5]} for row, (x, y, _) in enumerate(STRAIGHT)}
    labels = {f"n{row}": {"label": name, "loc": [0, 0]} for row, name in enumerate(NAMES)}
    whole = {"classTitle": title, "instance": "one", "tags": []}
    box = {**whole, "geometryType": "rectangle", "points": {"exterior": [[0, 0], [63, 47]], "interior": []}}
    graph = {**whole, "geometryType": "graph", "nodes": nodes}
    meta = {"classes": [{"title": title, "shape": "any", "color": "#FF0000",
                         "geometry_config": {"nodes": labels, "edges": []}}], "tags": []}  # fmt: skip
    folder = tmp_path / "project"
    for name in ("img", "ann"):
        (folder / "ds" / name).mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps(meta))
    (tmp_path / "in" / "a.png").rename(folder / "ds" / "img" / "a.png")
    content = {"description": "", "tags": [], "size": {"height": 48, "width": 64}, "objects": [box, graph]}
    (folder / "ds" / "ann" / "a.png.json").write_text(json.dumps(content))
    result = evaluating.evaluate(predictor, sources.open_project(folder), log=HeardLog())
    assert result["keypoint_ap"] == pytest.approx(1.0)
    assert "keypoint_ap" in text_table(result)


def test_of_model_binds_the_fields_of_two_models_side_by_side(predictor):
    other = Predictor(make_bundle(both_ends, extra_heads=(NAME,), keypoints={"names": ["a"]}))
    assert (predictor.fields[NAME].shape, other.fields[NAME].shape) == ((3, 3), (1, 3))
    assert fields.FIELDS[NAME].template is None


def test_make_sample_of_a_class_without_points_has_zeros(files):
    found = checked(files)
    disc = next(sample for sample in found.samples.train if sample.class_ids == (2,))
    assert disc.extras[NAME].tolist() == [[[0, 0, 0]] * 3]


def test_service_answers_with_keypoints(predictor):
    with helpers.running(predictor) as service:
        url = f"{service.url}/v1/models/mrcnn"
        found = requests.get(f"{url}/metadata", timeout=60).json()
        shape = found["metadata"]["signature_def"]["signature_def"]["serving_default"]["outputs"][NAME]["tensor_shape"]
        assert [side["size"] for side in shape["dim"]] == ["-1", "3", "3"]
        pixels = np.full((48, 64, 3), 200, np.uint8).tolist()
        answer = requests.post(f"{url}:predict", json={"instances": [pixels]}, timeout=60).json()
        assert answer["predictions"][0][NAME] == [STRAIGHT]
        image = cv2.imencode(".png", np.full((48, 64, 3), 200, np.uint8))[1].tobytes()
        annotation = requests.post(f"{service.url}/model/inference", files={"image": image}, timeout=60).json()
        _, graph = annotation["objects"]
        assert graph["nodes"]["left_end"]["loc"] == [15.5, 11.5]


@pytest.mark.slow
def test_export_gives_the_same_keypoints(trained, tmp_path):
    (tmp_path / "in").mkdir()
    for index in (0, 2):
        cv2.imwrite(str(tmp_path / "in" / f"{index}.png"), tiny.draw(index)[0])
    found = exporting.export(trained, tmp_path / "out", log=HeardLog(), images=tmp_path / "in", score_threshold=0.0)
    assert all(proof.paired for proof in found.proofs)
    assert not any(proof.failures for proof in found.proofs)
