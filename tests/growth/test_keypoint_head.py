"""A keypoint field and head defined in this file alone: read, flipped, trained and written again.

A field and a head are defined here and added to the public tables. The two keypoints of an object, its left and its
right end, are `keypoints` and `num_keypoints` in COCO JSON, and a `graph` beside the `bitmap` in a project.
"""

import json
from typing import NamedTuple

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mrcnn.annotate import run as annotating
from mrcnn.config.load import load_inference_config, load_train_config
from mrcnn.convert import coco as converting
from mrcnn.data import pipeline
from mrcnn.data.coco.file import read_coco
from mrcnn.data.skipped import Skipped
from mrcnn.data.sources import samples, table
from mrcnn.data.sources.source import DataPaths, Settings
from mrcnn.errors import UserError
from mrcnn.fields.field import Field
from mrcnn.fields.table import FIELDS
from mrcnn.heads.head import Head
from mrcnn.heads.roi_features import RoiFeatures
from mrcnn.models.build import build_model
from mrcnn.models.extra_heads import HEADS, HeadType
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from mrcnn.project.geometry import Graph
from mrcnn.project.reader import Project
from mrcnn.structures import RawDetections, Tensor
from mrcnn.train import run as training
from tests.predict.helpers import make_bundle
from tests.train import tiny
from tests.train.conftest import HeardLog

NAME, LOSS = "keypoints", "mrcnn_keypoint_loss"
ENDS = ("left", "right")
Y, X, SEEN = np.eye(3, dtype=np.float32)  # of a keypoint: (y, x, v), v as in COCO: 0 nowhere, 1 hidden, 2 visible


class Keypoints(Field):
    """The left and the right end of an object."""

    name = NAME
    shape = (2, 3)
    shapes = ("graph",)

    def transformed(self, values, *, scale, shift):
        return values * (scale[0] * Y + scale[1] * X + SEEN) + shift[0] * Y + shift[1] * X

    def augmented(self, values, warp):
        places = warp(values[..., :2].reshape(-1, 2)).reshape(-1, 2, 2)
        return np.concatenate([places, values[..., 2:]], axis=-1)

    def mirrored(self, values):
        return values[:, ::-1]

    def from_coco(self, annotation):
        if NAME not in annotation:
            return None
        x, y, v = self._checked(np.reshape(annotation[NAME], (-1, 3)), f"`{NAME}`").T
        return np.stack([y, x, v], axis=1)

    def to_coco(self, value):
        flat = [float(part) for y, x, v in value for part in (x, y, round(v))]
        return {NAME: flat, "num_keypoints": int((value[:, 2] >= 0.5).sum())}

    def to_coco_category(self):
        return {NAME: [*ENDS], "skeleton": [[1, 2]]}

    def to_label(self, label, value):
        return label

    def figure(self, value):
        nodes = {
            end: {"loc": [float(x), float(y)], **({"disabled": True} if v < 1.5 else {})}
            for end, (y, x, v) in zip(ENDS, value, strict=True)
            if v >= 0.5
        }
        return Graph(nodes) if nodes else None

    def from_figures(self, figures):
        value = np.zeros(self.shape, np.float32)
        for nodes in (figure.geometry.nodes for figure in figures if figure.geometry.shape == "graph"):
            for row, end in enumerate(ENDS):
                if end in nodes:
                    x, y = nodes[end]["loc"]
                    value[row] = y, x, 1 if nodes[end].get("disabled") else 2
        return value


class Outputs(NamedTuple):
    """Predicted and true ends `[P, 2, 2]` in sides of the regions, and weights `[P]`."""

    predicted: Tensor
    target: Tensor
    weight: Tensor


class Ends(Head):
    """One dense layer on a region's features."""

    loss_names = (LOSS,)
    needs = (NAME,)
    gives = (NAME,)

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.features = RoiFeatures(output_size=3)
        self.dense = keras.layers.Dense(4, name="mrcnn_keypoint")

    def build(self, input_shape):
        self.dense.build((None, 9 * input_shape[-1]))

    def outputs(self, pyramid, regions, batch, *, image_size, training):
        truth = ops.take_along_axis(batch["gt_keypoints"], regions.matched_idx[..., None, None], axis=1)
        rois = ops.reshape(regions.rois, (-1, 4))
        target = (ops.reshape(truth[..., :2], (-1, 2, 2)) - rois[:, None, :2]) / _sides(rois)
        weight = ops.cast(ops.reshape(regions.class_ids, (-1,)) > 0, "float32")
        return Outputs(self._predict(pyramid, regions.rois, image_size), target, weight)

    def losses(self, outputs, *, across):
        error = ops.sum(ops.abs(outputs.predicted - outputs.target), axis=(1, 2)) * outputs.weight
        return {LOSS: ops.sum(error) / ops.maximum(across(ops.sum(outputs.weight)), 1.0)}

    def decode(self, pyramid, boxes, class_ids, *, valid, image_size):
        flat = ops.reshape(boxes, (-1, 4))
        places = self._predict(pyramid, boxes, image_size) * _sides(flat) + flat[:, None, :2]
        both = ops.concatenate([places, ops.full_like(places[..., :1], 2.0)], axis=-1)
        return {NAME: ops.where(valid[..., None, None], ops.reshape(both, (*boxes.shape[:2], 2, 3)), 0.0)}

    def _predict(self, pyramid, boxes, image_size):
        image = ops.repeat(ops.arange(boxes.shape[0], dtype="int32"), boxes.shape[1])
        features = self.features(pyramid, ops.reshape(boxes, (-1, 4)), image, image_size=image_size)
        return ops.reshape(self.dense(ops.reshape(features, (-1, 9 * features.shape[-1]))), (-1, 2, 2))


def _sides(boxes):
    return ops.maximum(boxes[:, None, 2:] - boxes[:, None, :2], 1.0)


CONFIG = {
    **tiny.CONFIG,
    "model": {**tiny.CONFIG["model"], "extra_heads": [NAME], "loss_weights": {LOSS: 3.0}, "score_threshold": 0.0},
}


@pytest.fixture(scope="module", autouse=True)
def registered():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FIELDS, NAME, Keypoints())
        patch.setitem(HEADS, NAME, HeadType(Ends, lambda settings, **_: Ends(name="ends")))
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """COCO files of the tiny images, whose objects have keypoints; that on the right is hidden."""
    train, val, images = tiny.write_coco(tmp_path_factory.mktemp("coco"))
    for path in (train, val):
        content = json.loads(path.read_text())
        for item in content["annotations"]:
            _, columns = np.nonzero(tiny.draw(item["image_id"])[1])
            item[NAME] = [int(columns.min()), 20, 2, int(columns.max()), 22, 1]
            item["num_keypoints"] = 2
        path.write_text(json.dumps(content))
    return DataPaths(train, images, val)


@pytest.fixture(scope="module")
def loaded(files):
    return samples.load_samples(table.open_source(files), Settings(fields=(NAME,)))


def first_batch(found, **settings):
    config = load_train_config({**CONFIG, **settings})
    dataset, _ = pipeline.train_dataset(found, config, batch_size=2, skipped=Skipped(len(found), max_share=0))
    return {name: value.numpy() for name, value in next(iter(dataset)).items()}


def test_load_samples_reads_keypoints_of_coco_json_and_of_the_project_made_of_it(files, loaded, tmp_path):
    splits = [
        converting.Split("train", files.data, files.images),
        converting.Split("val", files.val_data, files.images),
    ]
    converting.convert(splits, tmp_path / "project", HeardLog())
    source = table.open_source(DataPaths(tmp_path / "project"))
    labels = source.items[0].read_annotation(source.meta).labels
    assert [label.geometry.shape for label in labels] == ["bitmap", "graph"]
    assert labels[1].geometry.nodes["right"]["disabled"]
    again = samples.load_samples(source, Settings(fields=(NAME,)))
    assert [sample.extras[NAME].shape for sample in loaded.train] == [(1, 2, 3)] * 4
    for ours, theirs in zip((*loaded.train, *loaded.val), (*again.train, *again.val), strict=True):
        columns = np.flatnonzero(tiny.draw(int(ours.image_path.split("/")[-1][0]))[1].any(axis=0))
        assert ours.extras[NAME].tolist() == [[[20, columns[0], 2], [22, columns[-1], 1]]]
        np.testing.assert_array_equal(ours.extras[NAME], theirs.extras[NAME])
        drawn, place = theirs.labels[0].to_mask(48, 64)
        np.testing.assert_array_equal(drawn, ours.labels[0].to_mask(48, 64)[0])  # without the nodes
        assert place == ours.labels[0].to_mask(48, 64)[1]


def test_train_dataset_exchanges_left_and_right_of_a_flipped_image(loaded):
    plain = first_batch(loaded.train)
    flipped = first_batch(loaded.train, augmentation=[{"name": "Fliplr", "args": {"p": 1.0}}])
    assert plain["image_ids"].tolist() == flipped["image_ids"].tolist()
    left, right = np.moveaxis(plain["gt_keypoints"][:, 0], 1, 0)
    assert left[:, 0].tolist() == [28, 28]  # 8 rows of padding above
    expected = np.stack([right, left], axis=1) * (1, -1, 1) + (0, 64, 0)
    np.testing.assert_array_equal(flipped["gt_keypoints"][:, 0], expected)
    assert (expected[:, 0, 1] < expected[:, 1, 1]).all()


def test_losses_of_has_the_weight_of_the_config(loaded):
    model = build_model(load_train_config(CONFIG).model, num_classes=3)
    batch = first_batch(loaded.train)
    total, parts = model.losses_of(model(batch, training=True))
    parts = {name: float(value) for name, value in parts.items()}
    assert parts[LOSS] > 0
    assert float(total) == pytest.approx(sum(parts.values()) + 2 * parts[LOSS], rel=1e-5)
    found = model({name: batch[name] for name in ("images", "windows")})
    assert found.extras[NAME].shape == (2, 5, 2, 3)


def test_train_refuses_the_weight_of_no_loss(tmp_path):
    config = load_train_config({**CONFIG, "model": {**CONFIG["model"], "loss_weights": {"keypoint_loss": 3.0}}})
    with pytest.raises(UserError, match=f"^`model.loss_weights`: 'keypoint_loss' is no loss of .*_mask_loss, {LOSS}$"):
        training.train(config, project_dir=tmp_path / "none", output_dir=tmp_path / "out", log=HeardLog())


def right_is_bright(batch):
    """Finds the whole image; the score is the brightness of its right half. The right end is hidden."""
    height, width = 48.0, 64.0
    score = tf.reduce_mean(batch["images"][:, 8:56, 32:, 0], axis=(1, 2))[:, None] / 255.0
    ends = tf.constant([[[8 + height / 2, width / 4, 2], [8 + height / 2, width * 3 / 4, 1]]])
    count = tf.shape(score)[0]
    return RawDetections(
        boxes=batch["windows"][:, None],
        class_ids=tf.ones_like(score, tf.int32),
        scores=score,
        valid=tf.ones_like(score, tf.bool),
        masks=tf.ones([count, 1, 4, 4]),
        extras={NAME: tf.tile(ends[None], [count, 1, 1, 1])},
    )


@pytest.mark.parametrize(("mode", "seen"), [({}, (2, 1)), ({"flip": True}, (1, 2))])
def test_apply_writes_keypoints_into_project_and_coco_json_that_are_read_back(tmp_path, mode, seen):
    (tmp_path / "in").mkdir()
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, :32] = 200  # the model is surer of the mirrored image
    image[:, 32:] = 50
    cv2.imwrite(str(tmp_path / "in" / "a.png"), image)
    predictor = Predictor(make_bundle(right_is_bright, extra_heads=(NAME,)))
    annotating.apply(
        predictor, sources.open_images(tmp_path / "in"), tmp_path / "out",
        config=load_inference_config({"mode": {"name": "full_image", **mode}}),
        log=HeardLog(), options=annotating.Options(),
    )  # fmt: skip
    expected = [[[24, 16, seen[0]], [24, 48, seen[1]]]]
    project = Project.open(tmp_path / "out" / "in")
    (item,) = project.items
    annotation = item.read_annotation(project.meta)
    assert [label.geometry.shape for label in annotation.labels] == ["bitmap", "graph"]
    title = annotation.labels[0].class_title
    sample = samples.make_sample(item, annotation, class_title_to_idx={"bg": 0, title: 1}, fields=[NAME])
    assert sample.extras[NAME].tolist() == expected
    (found,) = read_coco(tmp_path / "out" / "predictions.json", tmp_path / "in").images[0].objects
    assert [found.extras[NAME].tolist()] == expected
    content = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert [item[NAME] for item in content["categories"]] == [["left", "right"]] * 2
    (written,) = content["annotations"]
    assert (written[NAME], written["num_keypoints"]) == ([16, 24, seen[0], 48, 24, seen[1]], 2)
    assert _keypoint_precision(tmp_path / "out") == pytest.approx(1.0)


def _keypoint_precision(folder):
    """Evaluates the results list of a run against its data set, with COCO's own code."""
    truth = COCO(str(folder / "predictions.json"))
    assert truth.loadCats([1])[0]["skeleton"] == [[1, 2]]
    scorer = COCOeval(truth, truth.loadRes(str(folder / "predictions_results.json")), "keypoints")
    scorer.params.kpt_oks_sigmas = np.array([0.1, 0.1])
    scorer.evaluate()
    scorer.accumulate()
    return scorer.eval["precision"][..., 0, 0, 0].mean()  # of the first class, objects of all sizes
