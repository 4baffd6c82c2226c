"""An hourglass that learns masks from the objects' own boxes: it overfits, and works in all that follows a training.

Minutes, so marked slow.
"""

import csv
import json

import cv2
import numpy as np
import pytest

from mrcnn.annotate import run as annotating
from mrcnn.config.load import load_inference_config, load_mode, load_train_config
from mrcnn.data.sources.source import DataPaths
from mrcnn.evaluate import run as scoring
from mrcnn.export import run as exporting
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from mrcnn.project.annotation import Annotation
from mrcnn.project.meta import ProjectMeta
from mrcnn.serve.service import Service
from mrcnn.train import run as training
from tests import projects
from tests.train.conftest import HeardLog

pytestmark = pytest.mark.slow
SIDE, IMAGES, COPIES = 128, 4, 10  # an epoch writes half a gigabyte, so it has a step for each copy of the images
CONFIG = {
    "lr": 0.0015,
    "epochs": 8,
    "batch_size": {"train": 4, "val": 4},
    "input_size": {"min_dim": SIDE, "max_dim": SIDE},
    "weights_init_type": "random",
    "allowed_mask_classes": ["disc"],
    "model": {
        "backbone": "resnet50", "batch_norm": "trained", "anchor_sizes": [16, 32, 64, 96, 128], "fpn_channels": 64,
        "rpn_channels": 64, "box_fc_channels": 256, "pre_nms_topk": 500, "post_nms_topk_train": 200,
        "post_nms_topk": 50, "roi_samples": 32, "max_gt_instances": 4, "detections_per_image": 10,
        "mask_head": "hourglass20", "mask_pool_size": 16, "mask_train_boxes": "ground_truth", "score_threshold": 0.05,
        "detection_nms_iou_threshold": 0.3,
    },
    "optimizer": {"name": "adam"},
    "lr_schedule": {"name": "cosine", "warmup_steps": 20, "final_fraction": 0.02},
    "validation": {"every_epochs": 8},
    "checkpoints": {"keep": 1},
}  # fmt: skip


def draw(index):
    """Draws a disc and a triangle beside each other on a dark ground: the image and the masks by class."""
    random = np.random.default_rng(index)
    image = random.integers(0, 50, (SIDE, SIDE, 3)).astype(np.uint8)
    masks = {name: np.zeros((SIDE, SIDE), np.uint8) for name in ("disc", "triangle")}
    (disc_x, triangle_x) = (32, 96) if index % 2 else (96, 32)
    y, radius = int(random.integers(36, 92)), int(random.integers(18, 28))
    cv2.circle(masks["disc"], (disc_x, y), radius, 1, -1)
    y, half = int(random.integers(36, 92)), int(random.integers(18, 28))
    corners = np.array([[triangle_x, y - half], [triangle_x - half, y + half], [triangle_x + half, y + half]])
    cv2.fillPoly(masks["triangle"], [corners], 1)
    for mask, colour in zip(masks.values(), ((250, 210, 80), (90, 170, 230)), strict=True):
        image[mask > 0] = colour
    return image, masks


def write_coco(folder, *, copies=1):
    """Writes copies of the images as COCO data: the annotation file and the folder of images."""
    (folder / "img").mkdir(parents=True)
    images, annotations = [], []
    for index in range(copies * IMAGES):
        image, masks = draw(index % IMAGES)
        cv2.imwrite(str(folder / "img" / f"{index}.png"), image[..., ::-1])
        images.append({"id": index, "file_name": f"{index}.png", "height": SIDE, "width": SIDE})
        for category, mask in enumerate(masks.values(), start=1):
            edges = np.flatnonzero(np.diff(mask.T.reshape(-1), prepend=0, append=0))
            counts = np.diff(edges, prepend=0, append=mask.size).tolist()
            annotations.append({
                "id": len(annotations) + 1, "image_id": index, "category_id": category, "iscrowd": 0,
                "segmentation": {"size": [SIDE, SIDE], "counts": counts},
            })  # fmt: skip
    categories = [{"id": 1, "name": "disc"}, {"id": 2, "name": "triangle"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "a.json").write_text(json.dumps(content))
    return folder / "a.json", folder / "img"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Trains once: the output and the paths of the data."""
    folder = tmp_path_factory.mktemp("hourglass")
    data, images = write_coco(folder / "data")
    log = HeardLog()
    paths = DataPaths(*write_coco(folder / "train", copies=COPIES), data, images)
    training.train(load_train_config(CONFIG), data=paths, output_dir=folder / "out", log=log)
    assert "`allowed_mask_classes`: the masks of triangle train nothing" in log.messages
    return folder / "out", data, images


def test_train_overfits_the_masks_of_the_class_that_teaches_them(trained):
    output, data, images = trained
    with (output / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["mrcnn_mask_loss"]) < float(rows[0]["mrcnn_mask_loss"]) / 4
    metrics = scoring.evaluate_model(
        output,
        DataPaths(data, images),
        tag=None,
        mode=scoring.FULL_IMAGE,
        names={"classes": None, "input_size": None},
        loading={"device": "cpu"},
        batch_size=4,
        log=HeardLog(),
    )
    print(metrics["groups"], metrics["box_ap"])
    assert metrics["groups"]["seen"]["mask_ap"] >= 0.9
    assert metrics["groups"]["seen"]["objects"] == metrics["groups"]["unseen"]["objects"] == IMAGES
    assert metrics["box_ap"] >= 0.9  # boxes learn all classes


@pytest.mark.parametrize("mode", projects.MODES)
def test_apply_of_an_hourglass_in_every_mode(trained, tmp_path, mode):
    config = projects.mode_config(mode)
    if mode == "bboxes":
        config["mode"]["from_classes"] = ["a bitmap"]
    source = sources.open_project(projects.make_every_shape(tmp_path / "source"))
    summary = annotating.apply(
        Predictor.load(trained[0]), source, tmp_path / "out", config=load_inference_config(config), log=HeardLog(),
        options=annotating.Options(),
    )  # fmt: skip
    assert (summary.images, summary.skipped) == (len(source.entries), [])


def test_export_of_an_hourglass_is_equal_to_the_live_model(trained, tmp_path):
    output, _, images = trained
    result = exporting.export(output, tmp_path / "saved_model", log=HeardLog(), images=images, device="cpu")
    assert not any(proof.failures for proof in result.proofs)
    assert result.proofs[0].paired


def test_service_of_an_hourglass_returns_masks(trained):
    service = Service(Predictor.load(trained[0]), batch_size=1, wait_seconds=0.001)
    try:
        found = service.annotate(draw(0)[0], Annotation(None), meta=ProjectMeta(), mode=load_mode({}))
    finally:
        service.close()
    areas = [int(label.geometry.mask.sum()) for label in found.labels]
    assert len(areas) >= 2
    assert min(areas[:2]) > 200  # of a disc of radius 18 and a triangle of half side 18 at least
