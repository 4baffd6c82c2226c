"""Properties of reading projects: what is valid survives, and anything else works or is one clear line."""

import base64
import copy
import json
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mrcnn.errors import UserError
from mrcnn.project import bitmap, geometry
from mrcnn.project.annotation import Annotation, read
from mrcnn.project.meta import ProjectMeta
from mrcnn.project.reader import Project, read_json
from mrcnn.project.skeletons import CORNERS_2D
from mrcnn.project.writer import ProjectWriter

HEIGHT, WIDTH = 24, 32
ABSENT = object()
SHAPES = (*geometry._READERS, "mesh")
META = {
    "classes": [{"title": shape, "shape": shape, "color": "#102030"} for shape in (*SHAPES, "any")],
    "tags": [
        {"name": "none", "value_type": "none"},
        {"name": "number", "value_type": "any_number"},
        {"name": "text", "value_type": "any_string"},
        {"name": "one of", "value_type": "oneof_string", "values": ["a", "b"]},
    ],
    "projectType": "images",
}
CLASSES = ProjectMeta.from_json(META)

words = st.text(max_size=5)
scalars = st.none() | st.booleans() | st.integers() | st.integers(-(10**400), 10**400) | st.floats() | words
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3))
unknown = st.dictionaries(st.sampled_from(["id", "createdAt", "nnCreated", "of 2030"]), anything, max_size=2)

whole = st.integers(-8, WIDTH + 8)
numbers = whole | st.floats(-8, WIDTH + 8) | st.sampled_from([10**12, -1e300])
points = st.tuples(numbers, numbers).map(list)
rings = st.lists(points, min_size=1, max_size=6)
outlines = st.fixed_dictionaries({"exterior": rings, "interior": st.lists(rings, max_size=2)})
nodes = st.fixed_dictionaries({"loc": points}, optional={"disabled": st.booleans()})
masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))


def _rings(low, high):
    exterior = st.lists(points, min_size=low, max_size=high)
    return st.fixed_dictionaries({"points": st.fixed_dictionaries({"exterior": exterior, "interior": st.just([])})})


@st.composite
def _bitmaps(draw):
    mask, zipped = draw(masks), draw(st.booleans())
    png = cv2.imencode(".png", mask.astype(np.uint8) * 255)[1].tobytes()
    data = base64.b64encode(zlib.compress(png) if zipped else png).decode()
    return {"bitmap": {"origin": draw(points), "data": data}}


@st.composite
def _cuboids(draw):
    corners = draw(st.lists(points, min_size=3, max_size=7))
    faces = st.lists(st.integers(0, len(corners) - 1), min_size=1, max_size=4)
    return {"points": corners, "faces": draw(st.lists(faces, min_size=1, max_size=3))}


GEOMETRIES = {
    "bitmap": _bitmaps(),
    "alpha_mask": _bitmaps(),
    "polygon": st.fixed_dictionaries({"points": outlines}),
    "multipolygon": st.fixed_dictionaries({"parts": st.lists(outlines, min_size=1, max_size=3)}),
    "rectangle": _rings(2, 2),
    "oriented_bbox": st.fixed_dictionaries(
        {"points": st.lists(points, min_size=2, max_size=2), "angle": st.floats(-10, 10) | st.integers(-4, 4)}
    ),
    "line": _rings(1, 5),
    "point": _rings(1, 1),
    "graph": st.fixed_dictionaries({"nodes": st.dictionaries(words, nodes, min_size=1, max_size=4)}),
    "cuboid": _cuboids(),
    "cuboid_2d": st.fixed_dictionaries({"vertices": st.fixed_dictionaries(dict.fromkeys(CORNERS_2D, nodes))}),
    "mesh": st.fixed_dictionaries({"faces": anything}),
}
tags = st.lists(
    st.sampled_from(["none", {"name": "number", "value": 0.5}, {"name": "text", "value": "x", "id": 3}])
    | st.fixed_dictionaries(
        {"name": st.text(min_size=1, max_size=5), "value": scalars}, optional={"createdAt": scalars}
    ),
    max_size=3,
)
sizes = st.sampled_from([(HEIGHT, WIDTH), (float(HEIGHT), float(WIDTH)), (None, None), (None, WIDTH)])


@st.composite
def objects(draw):
    """Makes an object of a class of its shape, or of the class `any`."""
    shape = draw(st.sampled_from(SHAPES))
    naming = draw(st.sampled_from([{"classTitle": shape}, {"classTitle": "any", "geometryType": shape}]))
    return {**draw(unknown), **draw(GEOMETRIES[shape]), **naming, "tags": draw(tags)}


@st.composite
def annotations(draw):
    """Makes the content of a valid annotation file."""
    height, width = draw(sizes)
    size = {"height": height, "width": width}
    return {**draw(unknown), "size": size, "tags": draw(tags), "objects": draw(st.lists(objects(), max_size=3))}


def _same(one, other):
    """Checks whether two JSON values are equal; NaN equals itself, as nothing else does here."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _masks(annotation):
    drawn = [label.geometry.to_mask(HEIGHT, WIDTH) for label in annotation.labels]
    return [None if piece is None else (piece[0].tolist(), piece[1]) for piece in drawn]


def _places(value, way=()):
    """Yields the ways to all values inside a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*way, key)
        yield from _places(inner, (*way, key))


@st.composite
def spoiled(draw, valid):
    """Replaces or removes one to three values somewhere inside a valid JSON value."""
    value = copy.deepcopy(draw(valid))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(value))
        if not places:
            break
        *way, last = draw(st.sampled_from(places))
        holder = value
        for key in way:
            holder = holder[key]
        new = draw(anything | st.just(ABSENT) | st.sampled_from([json.loads(json.dumps(holder))]))
        if new is ABSENT:
            del holder[last]
        else:
            holder[last] = new
    return value


def _attempt(function, *arguments):
    """Calls a function; gives what it returns and None, or None and the text of its `UserError`, one clear line."""
    try:
        return function(*arguments), None
    except UserError as error:
        text = str(error)
    assert text.splitlines() == [text]
    assert len(text) < 800
    return None, text


quick = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(annotations())
def test_a_valid_annotation_survives(content):
    source = copy.deepcopy(content)
    annotation = Annotation.from_json(content, CLASSES)
    written = json.loads(json.dumps(annotation.to_json()))
    again = Annotation.from_json(written, CLASSES)
    assert _same(content, source)
    assert _same(again.to_json(), written)
    assert _masks(again) == _masks(annotation)
    for before, after in zip(content["objects"], written["objects"], strict=True):
        unread = before.keys() - {"tags", *geometry.json_keys(before.get("geometryType", before["classTitle"]))}
        assert _same({key: after[key] for key in unread}, {key: before[key] for key in unread})


@quick
@given(spoiled(annotations()) | anything)
@example({"size": {"height": 10**400, "width": 3}, "tags": [], "objects": []})
@example({"size": {"height": float("inf"), "width": 3}, "tags": [], "objects": []})
def test_an_annotation_works_or_is_one_clear_line(content):
    annotation, refused = _attempt(Annotation.from_json, content, CLASSES)
    problems = read(content, CLASSES).problems
    assert all(problem.splitlines() == [problem] for problem in problems)
    assert refused == (problems[0] if problems else None)
    if annotation is not None:
        written = json.loads(json.dumps(annotation.to_json()))
        assert _masks(Annotation.from_json(written, CLASSES)) == _masks(annotation)


@quick
@given(spoiled(st.just(META)) | anything)
@example({"classes": [{"title": "\ud800", "shape": "any"}]})
def test_a_meta_works_or_is_one_clear_line(content):
    meta, _ = _attempt(ProjectMeta.from_json, content)
    if meta is not None:
        written = json.loads(json.dumps(meta.to_json()))
        assert _same(ProjectMeta.from_json(written).to_json(), written)
        for tag in meta.tags:
            assert tag.accepts([]) in (True, False)


@quick
@given(masks)
def test_a_bitmap_survives_json(mask):
    written = json.loads(json.dumps(geometry.Bitmap((3, 4), mask).to_json()))
    again = geometry.from_json("bitmap", written)
    assert again.origin_xy == (3, 4)
    np.testing.assert_array_equal(again.mask, mask)


@quick
@given(outlines)
def test_a_polygon_survives_json_and_becoming_a_bitmap(outline):
    polygon = geometry.from_json("polygon", {"points": outline})
    again = geometry.from_json("polygon", json.loads(json.dumps(polygon.to_json())))
    drawn, redrawn = polygon.to_mask(HEIGHT, WIDTH), again.to_mask(HEIGHT, WIDTH)
    assert (drawn is None) == (redrawn is None)
    if drawn is not None:
        mask, (y, x) = drawn
        pasted = geometry.from_json("bitmap", geometry.Bitmap((x, y), mask).to_json()).to_mask(HEIGHT, WIDTH)
        for other in (redrawn, pasted):
            assert other[1] == (y, x)
            np.testing.assert_array_equal(other[0], mask)


VALID_PNG = zlib.decompress(base64.b64decode(bitmap.encode(np.eye(5, dtype=bool))))


@st.composite
def damaged(draw):
    """Makes the text of a bitmap whose bytes were changed or cut off, or are no image at all."""
    content = bytearray(VALID_PNG if draw(st.booleans()) else draw(st.binary(max_size=40)))
    for _ in range(draw(st.integers(0, 3)) if content else 0):
        # not the size in the header: a large one costs memory, not correctness
        place = draw(st.integers(0, len(content) - 1).filter(lambda index: not 16 <= index < 24))
        content[place] = draw(st.integers(0, 255))
    content = content[: draw(st.integers(0, len(content)))]
    packed = zlib.compress(bytes(content)) if draw(st.booleans()) else bytes(content)
    return base64.b64encode(packed[: draw(st.integers(0, len(packed)))]).decode()


@quick
@given(damaged() | words)
@pytest.mark.parametrize("decode", [bitmap.decode, bitmap.decode_alpha])
def test_a_bitmap_s_text_works_or_is_one_clear_line(decode, text):
    mask, refused = _attempt(decode, text)
    if refused is None:
        assert (mask.dtype, mask.ndim) == (bool, 2)


@quick
@given(st.binary(max_size=60) | anything.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")))
def test_the_bytes_of_a_json_file_work_or_are_one_clear_line(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(content)
    _, refused = _attempt(read_json, path)
    assert refused is None or str(path) in refused


@settings(quick, max_examples=20)
@given(st.dictionaries(st.sampled_from(["a.png", "b.c.jpg", "ä.webp"]), annotations(), min_size=1), st.booleans())
def test_a_project_survives_copying(tmp_path_factory, contents, nested):
    root = tmp_path_factory.mktemp("project")
    dataset = "outer/inner" if nested else "outer"
    with ProjectWriter(root / "one", CLASSES) as writer:
        for name, content in contents.items():
            writer.add(dataset, name, b"pixels", annotation=Annotation.from_json(content, CLASSES))
    one = Project.open(root)
    with ProjectWriter(root / "two", one.meta) as writer:
        for item in one.items:
            writer.add(item.dataset, item.name, item.image_path, annotation=item.read_annotation(one.meta))
    two = Project.open(root / "two")
    assert one.meta.to_json() == two.meta.to_json()
    assert {tag.name for item in two.items for tag in item.read_annotation(two.meta).all_tags()} <= {
        tag.name for tag in two.meta.tags
    }
    for first, second in zip(one.items, two.items, strict=True):
        assert (first.dataset, first.name) == (second.dataset, second.name) == (dataset, second.name)
        assert first.ann_path.read_bytes() == second.ann_path.read_bytes()
