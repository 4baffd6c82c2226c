import base64
import json
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn.errors import UserError
from mrcnn.project import bitmap
from mrcnn.serve.limits.bodies import Body
from mrcnn.serve.protocols import supervisely
from mrcnn.serve.responses import RequestError

from ..helpers import image_bytes
from ..limits.test_images import png_header

META = {"classes": [{"title": "road", "shape": "bitmap", "color": "#112233"}], "tags": []}
MASK = "eJzrDPBz5+WS4mJgYOD19HAJAtLMIMwIInOeqf8BUmwBPiGuQPr///9Lb86/C2QxlgT5BTM4PLuRBuTwebo4hlTMSa44cOHAB6DqY0yORgq8YkAZBk9XP5d1TglNANAFGzA="  # noqa: E501 - 3x3, rows 111/100/111


def annotation(data=MASK, title="road"):
    item = {"classTitle": title, "tags": [], "bitmap": {"origin": [0, 0], "data": data}}
    return {"size": {"height": 9, "width": 9}, "tags": [], "objects": [item]}


def read(body, parameters=None, **options):
    return supervisely.read_request(body, parameters or {}, **{"generation": "2020", "max_pixels": 10_000, **options})


def text(value):
    return json.dumps(value).encode()


WAYS = {
    "fields": lambda image, **values: (Body({"image": image, **{k: text(v) for k, v in values.items()}}), {}),
    "query": lambda image, **values: (Body({"image": image}), {k: json.dumps(v) for k, v in values.items()}),
    "json": lambda image, **values: (
        Body(document=text({"image": base64.b64encode(image).decode(), **values})), {},
    ),
    "texts in json": lambda image, **values: (
        Body(document=text({"image": base64.b64encode(image).decode()} | {k: json.dumps(values[k]) for k in values})),
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_supervisely_read_request_of_every_way_to_send_is_the_same(way):
    mode = {"name": "full_image", "model_classes": {"add_suffix": "_x"}}
    query = read(*WAYS[way](b"bytes", meta=META, mode=mode, annotation=annotation()))
    assert query.images == (b"bytes",)
    assert query.meta.classes[0].title == "road"
    assert (query.mode.model_classes.add_suffix, query.mode.model_tags.add_suffix) == ("_x", "_model")
    assert query.annotation.labels[0].geometry.mask.astype(int).tolist() == [[1, 1, 1], [1, 0, 0], [1, 1, 1]]


@pytest.mark.parametrize(
    "parts",
    [Body(), Body(document=b""), Body(document=b'{"mode": null}'), Body({"mode": b"", "meta": b" "})],
)
@pytest.mark.parametrize(("generation", "suffix"), [("2020", "_model"), ("2019", "")])
def test_supervisely_read_request_has_defaults_for_missing_empty_and_null(parts, generation, suffix):
    query = read(parts, generation=generation)
    assert (query.images, query.annotation, query.meta.classes) == ((), None, ())
    assert (query.mode.name, query.mode.model_classes.add_suffix) == ("full_image", suffix)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mode": b"{"}, "`mode` is not JSON: line 1 column 2"),
        ({"mode": b"[]"}, "`mode` must be an object, got []"),
        (
            {"mode": text({"name": "roi", "bounds": {"left": "-5px"}})},
            '`mode.bounds.left` must not be below 0, got "-5px"',
        ),
        ({"mode": text({"name": "rooms"})}, "`mode.name` must be one of full_image, roi, bboxes, sliding_window, "),
        ({"mode": text({"nam": "roi"})}, "unknown key `mode.nam`; did you mean `name`"),
        ({"meta": b"{}"}, "`meta`: the project's meta must be a JSON object with a list `classes`"),
        ({"meta": text({"classes": [{"title": "a"}]})}, "`meta`: each class of meta.json needs a text `shape`"),
        ({"meta": text(META), "annotation": b"[]"}, "`annotation`: an annotation must be a JSON object, got []"),
        ({"meta": text(META), "annotation": b"{}"}, "`annotation`: an annotation needs a list `objects`, got None"),
        (
            {"meta": text(META), "annotation": text(annotation(title="sea"))},
            "`annotation`: object 0: class 'sea' is not in the project's meta.json (there: road)",
        ),
        ({"annotation": text(annotation())}, "`annotation`: object 0: class 'road' is not in the project's meta.json"),
        (
            {"meta": text(META), "annotation": text(annotation("x"))},
            "`annotation`: object 0: a bitmap's `data` must be",
        ),
    ],
)
def test_read_request_reports_a_mistake_in_one_line(values, message):
    with pytest.raises(UserError) as caught:
        read(Body(values))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"[]", "the body must be a JSON object, got []"),
        (b'{"image": 5}', "`image` must be base64 text of an image file, got 5"),
        (b'{"image": "?"}', '`image` must be base64 text of an image file, got "?"'),
    ],
)
def test_read_request_reports_a_wrong_json_body(document, message):
    with pytest.raises(RequestError) as caught:
        read(Body(document=document))
    assert str(caught.value) == message


def test_read_request_of_an_empty_annotation_needs_no_meta():
    empty = {"size": {"height": 9, "width": 9}, "tags": [], "objects": []}
    assert read(Body({"annotation": text(empty)})).annotation.labels == ()


BOMBS = {
    "many pixels, zipped": base64.b64encode(zlib.compress(png_header(30_000, 30_000))).decode(),
    "many pixels": base64.b64encode(png_header(30_000, 30_000)).decode(),
    "many bytes": base64.b64encode(zlib.compress(b"\x00" * 20_000_000)).decode(),
}


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS)
def test_read_request_refuses_a_mask_bomb_before_unpacking(data):
    with pytest.raises(RequestError) as caught:
        read(Body({"meta": text(META), "annotation": text(annotation(data))}))
    assert caught.value.status == 413
    assert str(caught.value).startswith("a mask of `annotation`")


def outlines(shape, points):
    ring = [[index % 7, index % 5] for index in range(points)]
    square = [[0, 0], [9, 0], [9, 9]]
    content = {
        "polygon": {"points": {"exterior": ring, "interior": []}},
        "hole": {"points": {"exterior": square, "interior": [square, ring]}},
        "multipolygon": {"parts": [{"exterior": square, "interior": []}, {"exterior": ring, "interior": []}]},
    }[shape]
    shape = "polygon" if shape == "hole" else shape
    meta = {"classes": [{"title": "cat", "shape": shape, "color": "#FF0000"}], "tags": []}
    objects = [{"classTitle": "cat", "tags": [], **content}]
    known = {"size": {"height": 10, "width": 10}, "tags": [], "objects": objects}
    return Body({"meta": text(meta), "annotation": text(known)})


@pytest.mark.parametrize("shape", ["polygon", "hole", "multipolygon"])
def test_read_request_refuses_an_outline_of_too_many_points(shape):
    assert len(read(outlines(shape, supervisely.MOST_POINTS)).annotation.labels) == 1
    with pytest.raises(RequestError) as caught:
        read(outlines(shape, supervisely.MOST_POINTS + 1))
    assert caught.value.status == 413
    assert str(caught.value) == "object 0 of `annotation` has an outline of 10001 points, more than 10000"


def test_read_request_accepts_base64_in_lines():
    body = base64.encodebytes(b"bytes " * 30).decode()
    assert body.count("\n") > 1
    assert read(Body(document=text({"image": f" {body}\r\n"}))).images == (b"bytes " * 30,)


def test_read_request_accepts_a_mask_as_large_as_an_image():
    mask = bitmap.encode([[True] * 100] * 100)
    query = read(Body({"meta": text(META), "annotation": text(annotation(mask))}))
    assert query.annotation.labels[0].geometry.mask.shape == (100, 100)


LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | st.just(MASK)
KEYS = st.sampled_from(
    ["classes", "tags", "title", "shape", "color", "objects", "classTitle", "size", "height", "width", "points", "name",
     "exterior", "interior", "bitmap", "origin", "data", "value", "value_type", "values", "nodes", "loc", "faces",
     "tags_images", "parts", "geometryType", "description"]
)  # fmt: skip
SHAPES = [
    "bitmap",
    "polygon",
    "rectangle",
    "line",
    "point",
    "graph",
    "cuboid",
    "any",
    "alpha_mask",
    "multipolygon",
    "new",
]
ANYTHING = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
OBJECTS = st.fixed_dictionaries(
    {"classTitle": st.sampled_from(SHAPES), "tags": st.just([]) | ANYTHING}, optional={
        "points": ANYTHING, "bitmap": ANYTHING, "nodes": ANYTHING, "faces": ANYTHING, "parts": ANYTHING,
        "geometryType": st.sampled_from(SHAPES) | ANYTHING,
    }
)  # fmt: skip


def read_or_line(values):
    """Reads a request; returns the query, or the one line of its refusal."""
    try:
        return read(Body(document=text(values)))
    except UserError as error:
        return str(error)


@settings(max_examples=300, deadline=None)
@given(st.fixed_dictionaries({}, optional={"meta": ANYTHING, "mode": ANYTHING, "annotation": ANYTHING}))
def test_read_request_reads_or_refuses_whatever_comes(values):
    query = read_or_line(values)
    if not isinstance(query, str):
        assert json.dumps([query.meta.to_json(), query.annotation and query.annotation.to_json()])


@settings(max_examples=300, deadline=None)
@given(st.lists(OBJECTS, max_size=3))
def test_read_request_reads_or_refuses_whatever_an_object_holds(objects):
    meta = {"classes": [{"title": shape, "shape": shape} for shape in SHAPES]}
    values = {"meta": meta, "annotation": {"size": {"height": 9, "width": 9}, "tags": [], "objects": objects}}
    query = read_or_line(values)
    if not isinstance(query, str):
        assert len(json.loads(json.dumps(query.annotation.to_json()))["objects"]) == len(objects)


def test_working_bytes_counts_every_value_but_not_the_image():
    image = image_bytes() * 1000
    assert supervisely.working_bytes(Body({"image": image}), {}) == 0
    for parts in (Body({"image": image, "meta": b"[1,2]"}), Body({"mode": b"[1,2]"}), Body(document=b"[1,2]")):
        assert supervisely.working_bytes(parts, {}) == 5 + 32 + 96  # the text, a comma, a list
    assert supervisely.working_bytes(Body(), {"mode": "[1,2]"}) == 5 + 32 + 96
