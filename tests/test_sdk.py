"""Supervisely's own SDK opens every project that we write, and reads the same classes, tags and masks.

The SDK's pins are not ours, so it lives in an environment of its own: `make sdk-test` makes it and runs these tests.
MRCNN_SDK_PYTHON names its Python; MRCNN_SDK_PROJECTS may name more projects, which are copied by our reader and writer.
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

from mrcnn.config.load import load_inference_config
from mrcnn.data import coco, demo, nuclei
from mrcnn.events import JsonLog
from mrcnn.infer import run, sources
from mrcnn.infer.predictor import Predictor
from mrcnn.project import tag
from mrcnn.project.geometry import Bitmap, Unsupported
from mrcnn.project.reader import Project
from mrcnn.project.skeletons import CORNERS_2D, Graph
from mrcnn.project.writer import ProjectWriter
from tests.infer import helpers

SDK = os.environ.get("MRCNN_SDK_PYTHON")
MORE = [Path(path) for path in os.environ.get("MRCNN_SDK_PROJECTS", "").split(os.pathsep) if path]
KINDS = ["every shape", "tagged", "found in a project", "found in a folder", "coco", "nuclei", "coins"]

pytestmark = pytest.mark.skipif(not SDK, reason="MRCNN_SDK_PYTHON names no Python with the SDK: make sdk-test does")

HEIGHT, WIDTH = 40, 60
RING = [[5, 4], [30, 4], [34, 20], [12, 33]]
HOLE = [[15, 8], [22, 8], [20, 14]]
ALPHA = cv2.imencode(".png", np.arange(0, 240, 4, dtype=np.uint8).reshape(6, 10))[1].tobytes()
BLOB = np.add.outer(np.arange(9), np.arange(14)) % 3 > 0
POINTS = {"exterior": [[7, 8]], "interior": []}
SHAPES = {
    "bitmap": {"bitmap": Bitmap((20, 10), BLOB).to_json()["bitmap"], "points": {"exterior": [], "interior": []}},
    "alpha_mask": {"bitmap": {"origin": [3, 5], "data": base64.b64encode(ALPHA).decode()}},
    "polygon": {"points": {"exterior": RING, "interior": [HOLE]}, "bitmap": None},
    "multipolygon": {"parts": [{"exterior": HOLE, "interior": []}, {"exterior": [[40, 30], [50, 30], [45, 38]]}]},
    "rectangle": {"points": {"exterior": [[30.0, 25.9], [10.7, 3.2]], "interior": []}},
    "oriented_bbox": {"points": [[10, 12], [41, 25]], "angle": 0.4},
    "line": {"points": {"exterior": [[2, 3], [30, 17], [50, 5]], "interior": []}},
    "point": {"points": POINTS},
    "graph": {"nodes": {"a": {"loc": [3, 4]}, "b": {"loc": [9.6, 4], "disabled": True}}},
    "cuboid": {
        "points": [[1, 3], [15, 3], [15, 17], [1, 17], [8, 1], [22, 1], [22, 15]],
        "faces": [[0, 1, 2, 3], [0, 4, 5, 1], [1, 5, 6, 2]],
    },
    "cuboid_2d": {"vertices": {name: {"loc": [5 + index, 30 - index]} for index, name in enumerate(CORNERS_2D)}},
}
NEEDING_A_TEMPLATE = ("graph", "cuboid_2d")  # the SDK takes them in a class of their own only, with its template
TAGS = [
    {"name": "train", "value_type": "none", "color": "#00FF00"},
    {"name": "count", "value_type": "any_number"},
    {"name": "note", "value_type": "any_string"},
    {"name": "kind", "value_type": "oneof_string", "values": ["a", "b"]},
]


class Reading(NamedTuple):
    """What we read of a project that we wrote, of the project it is a copy of (or itself), and what the SDK read."""

    ours: Project
    original: Project
    theirs: dict


def _object(title, geometry, tags=()):
    return {"classTitle": title, "description": "", "tags": list(tags), **geometry, "id": 5, "labelerLogin": "me"}


def _make_source(root):
    """Writes a project as exports of many years hold them: every shape, old and new tags, nested data sets."""
    classes = [{"title": f"a {shape}", "shape": shape, "color": "#BE55CE"} for shape in SHAPES]
    graph = next(item for item in classes if item["shape"] == "graph")
    graph["geometry_config"] = {
        "nodes": {"a": {"label": "a", "loc": [0, 0]}, "b": {"label": "b", "loc": [1, 1]}},
        "edges": [],
    }
    classes.append({"title": "any", "shape": "any", "color": "none"})
    tags = [
        *TAGS[1:3],
        "note",
        {"name": "count", "value": 3.5},
        {"name": "note", "value": "x"},
        {"name": "note", "value": "y"},
    ]
    objects = [_object(f"a {shape}", geometry, tags[4:]) for shape, geometry in SHAPES.items()]
    free = [shape for shape in SHAPES if shape not in NEEDING_A_TEMPLATE]
    anything = [{**_object("any", SHAPES[shape]), "geometryType": shape} for shape in free]
    outside = [_object("a rectangle", {"points": {"exterior": [[70, 50], [80, 60]], "interior": []}})]
    bound = [{**_object("a rectangle", SHAPES["rectangle"]), "instance": "one"} for _ in range(2)]
    (root / "img_info").mkdir(parents=True)
    (root / "meta.json").write_text(json.dumps({"classes": classes, "tags": TAGS, "projectType": "images"}))
    many = [{"name": "count", "value": 1}, {"name": "count", "value": 2}, {"name": "kind", "value": "b"}, "train"]
    undeclared = ["forgotten", {"name": "score", "value": 0.25, "id": 9}]
    for dataset, name, size, image_tags, content in (
        ("first", "a.b.png", (HEIGHT, WIDTH), many, objects),
        ("first/datasets/child", "a.png", (HEIGHT, WIDTH), undeclared, anything),
        ("second", "b.jpg", (HEIGHT, WIDTH), ["train"], [*outside, *bound]),
        ("second", "c.png", (None, None), [], [_object("a bitmap", SHAPES["bitmap"])]),
    ):
        helpers.write_image(root / dataset / "img" / name, HEIGHT, WIDTH, 90)
        (root / dataset / "ann").mkdir(exist_ok=True)
        annotation = {"size": dict(zip(("height", "width"), size, strict=True)), "tags": image_tags, "objects": content}
        annotation |= {"description": "ä", "customBigData": {"a": [1]}, "imageId": 7}
        (root / dataset / "ann" / f"{name}.json").write_text(json.dumps(annotation))
    return root


def _copy(source, target):
    project = Project.open(source)
    with ProjectWriter(target, project.meta) as writer:
        for item in project.items:
            writer.add(item.dataset, item.name, item.image_path, item.read_annotation(project.meta))
    return target


def _infer(source, output):
    run.apply(
        Predictor(helpers.make_bundle()),
        source,
        output,
        config=load_inference_config({}),
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


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Writes every kind of project and reads it, by kind."""
    root = tmp_path_factory.mktemp("projects")
    source = _make_source(root / "source")
    projects = {
        "every shape": _copy(source, root / "copied"),
        "found in a project": _infer(sources.open_project(source), root / "found"),
        "found in a folder": _infer(sources.open_images(source / "second" / "img"), root / "folder"),
        "coco": _coco(root / "coco"),
        "nuclei": _nuclei(root / "nuclei"),
        "coins": demo.make_coins_project(root / "coins", train_tiles=2),
    }
    assert tag.main([str(source), str(root / "tagged")]) == 0
    projects["tagged"] = root / "tagged"
    projects |= {str(path): _copy(path, root / f"more{number}") for number, path in enumerate(MORE)}
    command = [SDK, str(Path(__file__).with_name("sdk_reader.py")), *map(str, projects.values())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    theirs = json.loads(done.stdout)["projects"]
    originals = {"every shape": source} | {str(path): path for path in MORE}
    return {
        kind: Reading(Project.open(path), Project.open(originals.get(kind, path)), found)
        for (kind, path), found in zip(projects.items(), theirs, strict=True)
    }


@pytest.mark.parametrize("kind", [*KINDS, *map(str, MORE)])
def test_the_sdk_reads_the_same_classes_and_tags(read, kind):
    ours, _, theirs = read[kind]
    classes = [[item.title, item.shape, list(bytes.fromhex(item.color[1:]))] for item in ours.meta.classes]
    tags = [[item.name, item.value_type, item.values and list(item.values)] for item in ours.meta.tags]
    assert (theirs["classes"], theirs["tags"]) == (classes, tags)


@pytest.mark.parametrize("kind", [*KINDS, *map(str, MORE)])
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
