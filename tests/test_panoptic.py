"""Semantic maps from a network through prediction, evaluation and inference, and a training on drawn scenes."""

import csv
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import requests
import tensorflow as tf

from mrcnn.annotate import run as annotating
from mrcnn.config.load import load_inference_config, load_train_config
from mrcnn.config.tta import TtaConfig
from mrcnn.data.sources import table
from mrcnn.data.sources.source import DataPaths
from mrcnn.errors import UserError
from mrcnn.evaluate import run as evaluating
from mrcnn.evaluate.text_table import text_table
from mrcnn.export import proof
from mrcnn.export import run as exporting
from mrcnn.export.formats.saved_model import SavedModel
from mrcnn.export.pictures import Picture
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from mrcnn.predict.tta.predictor import predictor_of
from mrcnn.project.annotation import Annotation, Label
from mrcnn.project.geometry import Bitmap
from mrcnn.project.meta import ClassMeta, ProjectMeta
from mrcnn.project.reader import Project
from mrcnn.project.writer import ProjectWriter
from mrcnn.structures import RawDetections
from mrcnn.train import run as training
from tests import stuff_scenes
from tests.models.test_mask_rcnn import SETTINGS
from tests.predict import helpers
from tests.predict.tta import networks
from tests.serve import helpers as serving
from tests.train.conftest import HeardLog

SIDE = 64
GREY = {"sky": 100, "road": 200}  # an image's value, by which the network below finds its classes
CAT = (16, 16, 48, 40)  # the network's only object
WHOLE = {"name": "full_image"}
PART = {"name": "roi", "bounds": {"left": "25%"}}
WINDOWS = {"name": "sliding_window", "window": {"height": SIDE, "width": SIDE}}  # one window holds the image


def network(batch):
    """Finds stuff by an image's values, and a cat at the same place of each."""
    images = batch["images"]
    count, values = tf.shape(images)[0], tf.range(3, dtype=tf.float32) * 100.0
    return RawDetections(
        boxes=tf.tile(tf.constant([[CAT]], tf.float32), [count, 1, 1]),
        class_ids=tf.ones([count, 1], tf.int32),
        scores=tf.ones([count, 1]) * 0.75,
        valid=tf.ones([count, 1], tf.bool),
        masks=tf.ones([count, 1, 4, 4]),
        maps={"semantic": -tf.abs(images[:, ::4, ::4, :1] - values)},
    )


@pytest.fixture
def predictor():
    bundle = helpers.make_bundle(
        network,
        max_dim=SIDE,
        extra_heads=("semantic",),
        stuff_classes=tuple(GREY),
        panoptic={"stuff_area": 500},
    )
    metas = tuple(ClassMeta(title, "bitmap", f"#{value:06X}") for title, value in GREY.items())
    return Predictor(replace(bundle, stuff_metas=metas))


@pytest.fixture
def project(tmp_path):
    """An image of 32 rows of sky above 32 of road, with a cat of 32 x 24 pixels, all annotated."""
    masks = {title: np.zeros((SIDE, SIDE), bool) for title in ("sky", "road", "cat")}
    masks["sky"][:32] = masks["road"][32:] = True
    masks["cat"][CAT[0] : CAT[2], CAT[1] : CAT[3]] = True
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    for title, value in GREY.items():
        image[masks[title]] = value
    with ProjectWriter(tmp_path / "p", ProjectMeta(tuple(map(ClassMeta, masks)))) as writer:
        labels = tuple(Label(title, Bitmap((0, 0), mask)) for title, mask in masks.items())
        pixels = cv2.imencode(".png", image)[1].tobytes()
        writer.add("ds", "a.png", pixels, annotation=Annotation((SIDE, SIDE), (), labels))
    return tmp_path / "p"


def image_of(project):
    return cv2.imread(str(project / "ds" / "img" / "a.png"))


def test_predict_has_the_map_of_the_image(predictor, project):
    [found] = predictor.predict([image_of(project)])
    assert found.maps["semantic"].shape == (SIDE, SIDE)
    assert found.maps["semantic"].dtype == np.uint8
    assert (found.maps["semantic"][:30] == 1).all()
    assert (found.maps["semantic"][34:] == 2).all()
    assert found.class_names == ("cat",)


def test_predict_of_another_size_has_the_map_of_the_image(predictor):
    image = np.full((20, 40, 3), 200, np.uint8)
    [found] = predictor.predict([image])
    assert found.maps["semantic"].shape == (20, 40)
    assert (found.maps["semantic"][3:-3] == 2).all()  # the black padding is a thing and blurs into the edges


def test_evaluate_measures_panoptic_quality(predictor, project):
    result = evaluating.evaluate(predictor, sources.open_project(project), log=HeardLog())
    # the cat is found exactly; of the stuff the blurred rows between the halves may differ
    assert result["pq_things"] == 1.0
    assert result["pq_stuff"] == pytest.approx(1.0, abs=0.05)
    assert result["per_class"]["cat"]["pq"] == 1.0
    assert (result["per_class"]["road"]["objects"], result["per_class"]["road"]["detections"]) == (1, 1)
    # things are nowhere in the map: 0; sky and road have 16 rows of 24 of their 64 x 32 pixels in the cat
    expected = (64 * 32 - 16 * 24) / (64 * 32)
    assert result["semantic_iou"] == pytest.approx((0 + expected + expected) / 3, abs=0.02)
    rows = {line.split()[0]: line.split() for line in text_table(result).splitlines()[1:]}
    assert rows["sky"][1:3] == ["1", "1"]
    assert rows["cat"][-1] == "-"
    assert rows["all"][1:3] == ["3", "3"]


def test_an_export_has_the_map_of_the_image_and_its_classes(predictor, project, tmp_path):
    bundle, folder = predictor.bundle, tmp_path / "export"
    exporting.write(bundle, folder)
    labels = json.loads((folder / "labels.json").read_text())
    assert labels["stuff"] == [
        {"id": 1, "title": "sky", "color": "#000064"},
        {"id": 2, "title": "road", "color": "#0000C8"},
    ]
    assert labels["panoptic"] == {"score_threshold": 0.5, "overlap": 0.5, "stuff_area": 500}
    opened = SavedModel().open(folder, exporting.detector_settings(bundle))
    pictures = [Picture("halves", image_of(project)), Picture("wide", np.full((20, 40, 3), 200, np.uint8))]
    result = proof.prove(predictor, opened, pictures, log=HeardLog())
    assert result.failures == []
    assert len(result.comparisons) == 6  # two signatures and the function with probabilities
    [live] = predictor.predict([pictures[0].image])
    found = opened["serving_default"](pictures[0].image)["semantic"]
    assert (found == live.maps["semantic"]).mean() > 0.999
    assert set(np.unique(found)) == {1, 2}


@pytest.mark.parametrize("mode", [PART, WINDOWS])
def test_evaluate_in_modes_of_regions_has_no_panoptic_quality(predictor, project, mode):
    mode = load_inference_config({"mode": mode}).mode
    result = evaluating.evaluate(predictor, sources.open_project(project), log=HeardLog(), mode=mode)
    assert "pq" not in result
    assert "box_ap" in result


def test_evaluate_of_a_model_without_map_leaves_stuff_out(project):
    result = evaluating.evaluate(Predictor(helpers.make_bundle()), sources.open_project(project), log=HeardLog())
    assert set(result["per_class"]) == {"cat", "dog"}


def apply(predictor, project, folder, mode):
    names = {"save_classes": "__all__", "add_suffix": "_maskrcnn"}
    config, log = load_inference_config({"mode": {"model_classes": names, **mode}}), HeardLog()
    source, options = sources.open_project(project), annotating.Options()
    annotating.apply(predictor, source, folder, config=config, log=log, options=options)
    result = Project.open(folder / "p")
    [item] = result.items
    return result.meta, item.read_annotation(result.meta).labels


def masks_of(labels, suffix="_maskrcnn"):
    found = {}
    for label in labels:
        if label.class_title.endswith(suffix):
            drawn = np.zeros((SIDE, SIDE), bool)
            mask, (y, x) = label.geometry.to_mask(SIDE, SIDE)
            drawn[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
            found[label.class_title.removesuffix(suffix)] = drawn
    return found


def test_apply_writes_a_figure_of_each_stuff_class(predictor, project, tmp_path):
    meta, labels = apply(predictor, project, tmp_path / "out", WHOLE)
    masks = masks_of(labels)
    assert list(masks) == ["sky", "road", "cat"]  # things lie above
    assert not (masks["sky"] & masks["cat"]).any()
    assert not (masks["sky"] & masks["road"]).any()
    assert (masks["sky"] | masks["road"] | masks["cat"]).all()
    colors = {item.title: item.color for item in meta.classes}
    assert colors["sky_maskrcnn"] == "#000064"
    tags = {label.class_title: len(label.tags) for label in labels}
    assert (tags["sky_maskrcnn"], tags["cat_maskrcnn"]) == (0, 1)


def test_apply_keeps_the_map_of_the_image_beside_its_mirror_image(predictor, project, tmp_path):
    masks = masks_of(apply(predictor, project, tmp_path / "out", {**WHOLE, "flip": True})[1])
    assert masks["sky"][:30, :16].all()
    assert not masks["sky"][34:].any()


def test_apply_writes_the_selected_stuff_alone(predictor, project, tmp_path):
    mode = {**WHOLE, "model_classes": {"save_classes": ["road"], "add_suffix": "_maskrcnn"}}
    meta, labels = apply(predictor, project, tmp_path / "out", mode)
    masks = masks_of(labels)
    assert list(masks) == ["road"]
    assert not masks["road"][32:48, 16:40].any()  # the cat covers the road though it is not written
    assert "sky_maskrcnn" not in {item.title for item in meta.classes}


def test_the_overlay_shows_stuff_below_the_objects(predictor, project, tmp_path):
    names = {"save_classes": "__all__", "add_suffix": "_maskrcnn"}
    config, options = (
        load_inference_config({"mode": {"model_classes": names, **WHOLE}}),
        annotating.Options(overlay=True),
    )
    source = sources.open_project(project)
    annotating.apply(predictor, source, tmp_path / "out", config=config, log=HeardLog(), options=options)
    drawn = cv2.imread(str(tmp_path / "out" / "overlay" / "ds" / "a.png"))[..., ::-1]
    assert drawn.shape == (15 * SIDE, 15 * SIDE, 3)  # enlarged to at least 900 pixels
    # sky is grey 100, road grey 200; the colours of the classes are #000064 and #0000C8, of which 0.45 are painted
    assert drawn[20, 10].tolist() == pytest.approx([55, 55, 100], abs=1)
    assert drawn[-10, 10].tolist() == pytest.approx([110, 110, 200], abs=1)
    # the cat, #00FF00, is painted over the plain image: stuff lies only where no detection is
    assert drawn[30 * 15, 28 * 15].tolist() == pytest.approx([55, 170, 55], abs=1)


@pytest.mark.parametrize("mode", [PART, WINDOWS])
def test_apply_in_modes_of_regions_writes_no_stuff(predictor, project, tmp_path, mode):
    masks = masks_of(apply(predictor, project, tmp_path / "out", mode)[1])
    assert list(masks) == ["cat"]


def test_predictor_of_with_test_time_augmentation_has_no_maps(predictor):
    lines = []
    bundle = replace(predictor.bundle, model=networks.Halves(None, None))
    augmented = predictor_of(bundle, TtaConfig(min_dims=(64,), max_dim=64), say=lines.append)
    assert augmented.maps == {}
    assert lines[-1] == "test-time augmentation has no maps of whole images: semantic is left out"


def test_apply_to_a_folder_writes_coco_panoptic_data(predictor, project, tmp_path):
    config = load_inference_config({"mode": WHOLE})
    source, out = sources.open_images(project / "ds" / "img"), tmp_path / "out"
    annotating.apply(predictor, source, out, config=config, log=HeardLog(), options=annotating.Options())
    data = table.open_source(DataPaths(out / "panoptic.json", project / "ds" / "img"))
    assert data.class_facts["road"]["isthing"] == 0
    [item] = data.items
    labels = item.read_annotation(data.meta).labels
    assert [label.class_title for label in labels] == ["cat", "sky", "road"]
    assert not (out / "panoptic.json.partial").exists()


def test_apply_to_a_folder_does_not_overwrite_panoptic_data(predictor, project, tmp_path):
    config, source = load_inference_config({"mode": WHOLE}), sources.open_images(project / "ds" / "img")
    (tmp_path / "panoptic.json").write_text("{}")
    with pytest.raises(UserError, match=r"panoptic\.json is there already; move it away or name another output"):
        annotating.apply(predictor, source, tmp_path, config=config, log=HeardLog(), options=annotating.Options())
    plain = Predictor(helpers.make_bundle())  # which has no panoptic results
    annotating.apply(plain, source, tmp_path, config=config, log=HeardLog(), options=annotating.Options())
    assert (tmp_path / "panoptic.json").read_text() == "{}"


def test_service_writes_stuff_into_annotations(predictor, project):
    with serving.running(predictor) as service:
        image = cv2.imencode(".png", image_of(project))[1].tobytes()
        answer = requests.post(f"{service.url}/model/inference", files={"image": image}, timeout=60).json()
    titles = [item["classTitle"] for item in answer["objects"]]
    assert titles == ["sky_model", "road_model", "cat_model"]


CONFIG = {
    "lr": 0.02,
    "epochs": 1,
    "batch_size": {"train": 2, "val": 2},
    "input_size": {"min_dim": stuff_scenes.SIDE, "max_dim": stuff_scenes.SIDE},
    "weights_init_type": "random",
    "special_classes": {"stuff": list(stuff_scenes.STUFF)},
    "lr_schedule": {"name": "cosine", "final_fraction": 0.1},
    "model": {
        **SETTINGS,
        "extra_heads": ["semantic"],
        "panoptic": {"stuff_area": 100},
    },
}


@pytest.mark.slow
def test_a_training_on_drawn_scenes_reaches_a_panoptic_quality_of_nine_tenths(tmp_path):
    """Trains from random weights for 120 steps on two scenes; just under 3 CPU minutes."""
    project, output, log = stuff_scenes.write_project(tmp_path / "scenes", repeats=120), tmp_path / "run", HeardLog()
    training.train(load_train_config(CONFIG), project_dir=project, output_dir=output, log=log)
    with (output / "history.csv").open() as file:
        [row] = csv.DictReader(file)
    assert float(row["mrcnn_semantic_loss"]) > 0
    assert float(row["val_pq"]) >= 0.9
    assert float(row["val_semantic_iou"]) >= 0.9
    config = json.loads((next(output.glob("*/config.json"))).read_text())
    assert config["model"]["stuff_classes"] == list(stuff_scenes.STUFF)
    predictor = Predictor.load(output)
    assert [item.color for item in predictor.bundle.stuff_metas] == ["#000000", "#000010"]
    [found] = predictor.predict([stuff_scenes.draw(0)[..., ::-1]])
    masks = stuff_scenes.masks_of(0)
    things = masks["disc"] | masks["bar"]
    expected = np.where(things, 0, np.where(masks["sky"], 1, 2))
    assert (found.maps["semantic"] == expected).mean() >= 0.95
