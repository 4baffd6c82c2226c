"""Damaged label files: a reader raises nothing but `UserError`, whatever a value or a byte becomes."""

import contextlib
import copy
import json
import random

import pytest

from mrcnn.data.formats import table
from mrcnn.data.formats.record import Job
from mrcnn.errors import UserError
from tests.data.formats.test_table import make_of_each

ROUNDS = 60
JUNK = [
    None, True, False, 0, -1, 7, 1e300, -2.5, float("nan"), float("inf"), 10**30, "", "x", "../../a.png", "\ud83d", [],
    [[]], [None], [1, 2, 3], {}, {"a": 1}, {"x": {"y": []}}, "1,2;3", "%PDF", "0" * 50,
]  # fmt: skip
BYTES = [b"", b"\x00", b"\xff\xfe", b"<", b"{", b"]", b"999999999999", b"nan", b"-1", b",,", b"\n", b"'", b'"', b"&x;"]
JSON = {"labelme", "via", "label_studio", "labelbox"}


def places(value, path=()):
    """Lists the paths of all values inside a JSON value."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in children for place in places(child, (*path, key)))]


def damaged(content, generator):
    """Copies JSON with one value replaced or removed."""
    content = copy.deepcopy(content)
    *parents, last = generator.choice(places(content)[1:])
    node = content
    for key in parents:
        node = node[key]
    if generator.random() < 0.2:
        del node[last]
    else:
        node[last] = generator.choice(JUNK)
    return content


def read(kind, path):
    """Reads data; an object must be drawn and named like any other."""
    job = Job(path, boxes_as_masks=True)
    items = []
    with contextlib.suppress(UserError):
        items = table.read(kind, job)
    for item in items:
        for label in item.annotation.labels:
            assert label.geometry.to_mask(*item.annotation.size_hw)[0].any()
            json.dumps(label.to_json())


@pytest.mark.parametrize("kind", sorted(table.READERS))
def test_read_of_damaged_bytes(tmp_path, kind):
    path = make_of_each(tmp_path)[kind]
    suffixes = {".json", ".xml", ".yaml", ".txt", ".ndjson", ".png"}
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.suffix in suffixes)
    originals = {file: file.read_bytes() for file in files}
    generator = random.Random(5)
    for _ in range(ROUNDS):
        file = generator.choice(files)
        data = originals[file]
        start = generator.randrange(len(data))
        end = start + generator.choice([0, 1, 1, 3, 20, len(data)])
        file.write_bytes(data[:start] + generator.choice(BYTES) + data[end:])
        read(kind, path)
        file.write_bytes(data)


@pytest.mark.parametrize("kind", sorted(JSON))
def test_read_of_damaged_values(tmp_path, kind):
    path = make_of_each(tmp_path)[kind]
    content = json.loads(path.read_text())
    generator = random.Random(7)
    for _ in range(3 * ROUNDS):
        path.write_text(json.dumps(damaged(content, generator)))
        read(kind, path)
