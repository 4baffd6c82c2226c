"""Supervisely's own SDK opens every project that we write, and reads the same classes, tags and masks.

The SDK's pins are not ours, so it lives in an environment of its own: `make sdk-test` makes it and runs these tests.
MRCNN_SDK_PYTHON names its Python; MRCNN_PROJECTS may name more projects, which are copied by our reader and writer.
"""

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from mrcnn.annotate import run
from mrcnn.config.load import load_inference_config
from mrcnn.convert import coco, coins, masks, nuclei
from mrcnn.events import JsonLog
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from mrcnn.project import tag
from mrcnn.project.geometry import Unsupported
from mrcnn.project.reader import Project
from mrcnn.project.skeletons import Graph
from mrcnn.project.writer import ProjectWriter
from tests.convert import drawn_masks
from tests.predict import helpers
from tests.projects import HEIGHT, MODES, OWN, WIDTH, make_every_shape, mode_config

SDK = os.environ.get("MRCNN_SDK_PYTHON")
FOUND = [f"found {number} by {mode}" for mode in MODES for number in ("once", "twice")]
KINDS = ["every shape", "tagged", "found in a folder", "coco", "masks", "nuclei", "coins", *FOUND]

pytestmark = pytest.mark.skipif(not SDK, reason="MRCNN_SDK_PYTHON names no Python with the SDK: make sdk-test does")


class Reading(NamedTuple):
    """What we read of a project that we wrote, of the project it is a copy of (or itself), and what the SDK read."""

    ours: Project
    original: Project
    theirs: dict


def _copy(source, target):
    project = Project.open(source)
    with ProjectWriter(target, project.meta) as writer:
        for item in project.items:
            writer.add(item.dataset, item.name, item.image_path, annotation=item.read_annotation(project.meta))
    return target


def _infer(source, output, mode="full_image"):
    run.apply(
        Predictor(helpers.make_bundle()),
        source,
        output,
        config=load_inference_config(mode_config(mode)),
        log=JsonLog(),
        options=run.Options(),
    )
    return output / source.name


def _coco(root):
    helpers.write_image(root / "images" / "1.jpg", HEIGHT, WIDTH, 50)
    content = {
        "images": [{"id": 1, "file_name": "1.jpg", "height": HEIGHT, "width": WIDTH}],
        "categories": [{"id": 3, "name": "cat"}],
        "annotations": [
            {"image_id": 1, "category_id": 3, "iscrowd": crowd, "segmentation": [[2.5, 2.5, 40.2, 3, 33, 30]]}
            for crowd in (0, 1)
        ],
    }
    (root / "coco.json").write_text(json.dumps(content))
    arguments = ["--annotations", root / "coco.json", "--images", root / "images", "--tag", "train"]
    assert coco.main(["convert", *map(str, arguments), "--out", str(root / "out")]) == 0
    return root / "out"


def _nuclei(root):
    for name in "ab":
        helpers.write_image(root / "source" / name / "images" / f"{name}.png", HEIGHT, WIDTH, 30)
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.circle(mask, (20, 15), 8, 255, -1)
        (root / "source" / name / "masks").mkdir()
        cv2.imwrite(str(root / "source" / name / "masks" / "1.png"), mask)
    assert nuclei.main(["--source", str(root / "source"), "--out", str(root / "out"), "--val", "1"]) == 0
    return root / "out"


def _masks(root):
    source = drawn_masks.write_penn_fudan(root / "source", count=4)
    folders = [str(source / "PNGImages"), str(source / "PedMasks")]
    assert masks.main([*folders, "--out", str(root / "out"), "--class-name", "pedestrian"]) == 0
    return root / "out"


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Writes every kind of project and reads it, by kind."""
    root = tmp_path_factory.mktemp("projects")
    source = make_every_shape(root / "source")
    projects = {
        "every shape": _copy(source, root / "copied"),
        "found in a folder": _infer(sources.open_images(source / "second" / "img"), root / "folder"),
        "coco": _coco(root / "coco"),
        "masks": _masks(root / "masks"),
        "nuclei": _nuclei(root / "nuclei"),
        "coins": coins.make_coins_project(root / "coins", train_tiles=2),
    }
    for mode in MODES:
        once = _infer(sources.open_project(source), root / mode, mode)
        projects[f"found once by {mode}"] = once
        projects[f"found twice by {mode}"] = _infer(sources.open_project(once), root / f"{mode} again", mode)
    assert tag.main([str(source), str(root / "tagged")]) == 0
    projects["tagged"] = root / "tagged"
    projects |= {str(path): _copy(path, root / f"own{number}") for number, path in enumerate(OWN)}
    command = [SDK, str(Path(__file__).with_name("sdk_reader.py")), *map(str, projects.values())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    theirs = json.loads(done.stdout)["projects"]
    originals = {"every shape": source} | {str(path): path for path in OWN}
    return {
        kind: Reading(Project.open(path), Project.open(originals.get(kind, path)), found)
        for (kind, path), found in zip(projects.items(), theirs, strict=True)
    }


@pytest.mark.parametrize("kind", [*KINDS, *map(str, OWN)])
def test_the_sdk_reads_the_same_classes_and_tags(read, kind):
    ours, _, theirs = read[kind]
    classes = [[item.title, item.shape, list(bytes.fromhex(item.color[1:]))] for item in ours.meta.classes]
    tags = [[item.name, item.value_type, item.values and list(item.values)] for item in ours.meta.tags]
    assert (theirs["classes"], theirs["tags"]) == (classes, tags)


@pytest.mark.parametrize("kind", [*KINDS, *map(str, OWN)])
def test_the_sdk_reads_the_same_annotations(read, kind):
    _, ours, theirs = read[kind]
    assert set(theirs["items"]) == {f"{item.dataset}/{item.name}" for item in ours.items}
    for item in ours.items:
        annotation, found = item.read_annotation(ours.meta), theirs["items"][f"{item.dataset}/{item.name}"]
        height, width = found["image_hw"]
        assert found["size_hw"] == list(annotation.size_hw or (None, None))
        assert found["description"] == annotation.description
        assert _sorted(found["tags"]) == _sorted([tag.name, tag.value] for tag in annotation.tags)
        labels = [label for label in annotation.labels if label.geometry.to_mask(height, width) is not None]
        for label, other in zip(labels, found["objects"], strict=True):
            assert not isinstance(label.geometry, Unsupported)
            assert (other["class"], other["shape"]) == (label.class_title, label.geometry.shape)
            assert _sorted(other["tags"]) == _sorted([tag.name, tag.value] for tag in label.tags)
            assert other["binding"] == label.extra.get("instance")
            _compare(label.geometry, other, height=height, width=width)


def _sorted(tags):
    return sorted(tags, key=repr)


def _compare(geometry, other, *, height, width):
    """Compares where two readings put an object; the SDK draws of graphs and new cuboids no area, but lines."""
    if isinstance(geometry, Graph):
        places = np.floor(geometry.locations()).tolist()
        nodes = zip(geometry.nodes.items(), places, strict=True)
        assert other["nodes"] == {key: [*place, bool(node.get("disabled"))] for (key, node), place in nodes}
    elif "mask" in other:
        packed = np.frombuffer(base64.b64decode(other["mask"]), np.uint8)
        theirs = np.unpackbits(packed, count=height * width).reshape(height, width)
        mask, (y, x) = geometry.to_mask(height, width)
        ours = np.zeros((height, width), np.uint8)
        ours[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
        if geometry.shape == "oriented_bbox":  # its turned corners are rounded down there, to the nearest here
            around = np.ones((3, 3), np.uint8)
            assert not (ours & ~cv2.dilate(theirs, around)).any()
            assert not (theirs & ~cv2.dilate(ours, around)).any()
        else:
            np.testing.assert_array_equal(ours, theirs)
