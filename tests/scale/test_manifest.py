"""The list of images: each kind of place, order, and what is refused."""

import io
import json
import os
import uuid

import pytest

pytest.importorskip("pyarrow", reason="the extra `scale` is not installed")
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from mrcnn.errors import UserError
from mrcnn.scale import manifest, storage
from mrcnn.scale.manifest import Manifest
from tests.scale import toy


@pytest.fixture
def images(tmp_path):
    """A folder with two images, one more in a subfolder, and a text file."""
    toy.write_images(tmp_path / "images", 2)
    toy.write_images(tmp_path / "images" / "sub", 1)
    (tmp_path / "images" / "notes.md").write_text("no image")
    return tmp_path / "images"


def below(images, found):
    return [image.removeprefix(f"{images}/") for image in found.images]


def test_find_in_a_folder(images):
    found = manifest.find([images])
    assert below(images, found) == ["0000.png", "0001.png"]
    assert found.base == f"{images}/"
    assert len(found.warnings) == 1
    assert "notes.md" in found.warnings[0]
    assert below(images, manifest.find([images], recursive=True)) == ["0000.png", "0001.png", "sub/0000.png"]


def test_find_by_pattern_and_file_in_any_order(images):
    found = manifest.find([images / "sub" / "0000.png", f"{images}/*1.png"])
    assert below(images, found) == ["0001.png", "sub/0000.png"]


def test_find_uses_an_image_once(images):
    found = manifest.find([images, f"{images}/0001.png", f"{images}/*.png"])
    assert below(images, found) == ["0000.png", "0001.png"]
    listed = images.parent / "twice.txt"
    listed.write_text("images/0001.png\nimages/0001.png\n")
    assert manifest.find([listed]).warnings == ("1 image listed more than once, each is used once",)


def test_find_in_a_text_list(images):
    listed = images.parent / "list.txt"
    listed.write_text(f"\ufeff\n{images}/0001.png\r\nimages/./gone.png\n  \ns3://bucket/a b.png\n", encoding="utf-8")
    # the list is not looked up: an image that is gone fails later, alone
    assert manifest.find([listed]).images == (f"{images}/0001.png", f"{images}/gone.png", "s3://bucket/a b.png")


@pytest.mark.parametrize("column", ["image", "path", "file_name"])
def test_find_in_a_parquet_list(images, column):
    pq.write_table(pa.table({"other": [1, 2, 3], column: ["b.png", None, "a.png"]}), images.parent / "list.parquet")
    assert manifest.find([images.parent / "list.parquet"]).images == (
        f"{images.parent}/a.png",
        f"{images.parent}/b.png",
    )


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("list.txt", b"\n \n", "the list of images is empty"),
        ("list.txt", b"\xff\xfe", "list.txt must be UTF-8 text: invalid start byte; save it as UTF-8"),
        ("list.parquet", b"no parquet", "cannot read the list of images .*list.parquet: .*[Pp]arquet"),
    ],
)
def test_find_refuses_broken_lists(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=reason):
        manifest.find([tmp_path / name])


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({"a": ["x"], "b": ["y"]}, "needs a column image with the images, it has a, b; rename one"),
        ({"image": [1]}, "the column image of .*list.parquet must hold text, got int64"),
    ],
)
def test_find_refuses_parquet_without_images(tmp_path, table, reason):
    pq.write_table(pa.table(table), tmp_path / "list.parquet")
    with pytest.raises(UserError, match=reason):
        manifest.find([tmp_path / "list.parquet"])


def test_find_on_storage(images):
    name = uuid.uuid4().hex
    system = fsspec.filesystem("memory")
    for path in ("a.png", "b.JPG", "notes.md", "sub/c.png"):
        system.pipe_file(f"/{name}/{path}", b"x")
    url = f"memory://{name}"
    assert [image.rpartition(f"{name}/")[2] for image in manifest.find([url]).images] == ["a.png", "b.JPG"]
    assert len(manifest.find([url], recursive=True).images) == 3
    assert len(manifest.find([f"{url}/*.png"]).images) == 1
    [one] = manifest.find([f"{url}/a.png"]).images
    assert storage.read_bytes(one) == b"x"
    mixed = manifest.find([url, images])
    assert len(mixed.images) == 4
    assert mixed.base == "/"  # nothing is common to a path and a URL
    with pytest.raises(UserError, match=r"^memory://.*/none has no image; these kinds are read: "):
        manifest.find([f"{url}/none"])


def test_find_in_coco(images, tmp_path):
    content = {"images": [{"id": 1, "file_name": "sub/0000.png"}, {"id": 2, "file_name": "gone.png"}]}
    (tmp_path / "x.json").write_text(json.dumps(content))
    found = manifest.find_in_coco(tmp_path / "x.json", images)
    assert below(images, found) == ["sub/0000.png"]
    assert "gone.png" in found.warnings[0]
    on_storage = manifest.find_in_coco(tmp_path / "x.json", "s3://bucket/photos")
    assert on_storage.images == ("s3://bucket/photos/gone.png", "s3://bucket/photos/sub/0000.png")


@pytest.mark.parametrize("content", ["no json", "[]", '{"images": [{}]}', '{"images": 3}'])
def test_find_in_coco_refuses_other_files(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(UserError, match=r"x\.json is no COCO file: it needs a list `images`"):
        manifest.find_in_coco(tmp_path / "x.json", "s3://bucket")


def test_write_makes_a_row_group_of_each_shard(tmp_path):
    images = tuple(f"/x/{number}.png" for number in range(7))
    data = manifest.write(Manifest(images), shard_size=3)
    assert pq.ParquetFile(io.BytesIO(data)).num_row_groups == 3  # 3 + 3 + 1
    (tmp_path / "m.parquet").write_bytes(data)
    shards = [manifest.read_shard(str(tmp_path / "m.parquet"), shard) for shard in range(3)]
    assert shards == [list(images[:3]), list(images[3:6]), [images[6]]]


def test_checksum_depends_on_names_and_their_borders():
    sums = {Manifest(names).checksum() for names in (("a", "b"), ("ab",), ("a",), ("a", "c"))}
    assert len(sums) == 4
    assert Manifest(("a", "b")).checksum() in sums


def test_base_is_a_folder():
    assert Manifest(("/a/bc/x.png", "/a/bd/y.png")).base == "/a/"
    assert Manifest(("s3://b/x.png",)).base == "s3://b/"


def test_find_leaves_out_names_that_are_no_text(images):
    bad = os.fsencode(images) + b"/caf\xe9.png"
    with open(bad, "wb"):
        pass
    found = manifest.find([images])
    assert below(images, found) == ["0000.png", "0001.png"]
    line = f"1 image left out, with names that are not UTF-8; rename {images}/caf\\udce9.png"
    assert line in found.warnings
    manifest.write(found, shard_size=1)
    with pytest.raises(UserError, match=r"^1 image left out, with names"):
        manifest.find([os.fsdecode(bad)])


def test_find_begins_at_the_folder_of_the_list_and_leaves_no_dots(images, tmp_path, monkeypatch):
    (tmp_path / "lists").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "lists")
    for folder in ("lists", "link"):
        (tmp_path / folder / "list.txt").write_text("../images/0001.png\nown.png\n")
    root = tmp_path.resolve()
    listed = manifest.find([tmp_path / "lists" / "list.txt"])
    assert listed.images == (f"{root}/images/0001.png", f"{root}/lists/own.png")
    assert manifest.find([tmp_path / "link" / "list.txt"]).images[0] == f"{root}/images/0001.png"
    system = fsspec.filesystem("memory")
    system.pipe_file("/dots/lists/list.txt", b"../images/a.png\n")
    assert manifest.find(["memory://dots/lists/list.txt"]).images == ("memory://dots/images/a.png",)
    monkeypatch.chdir(tmp_path / "lists")
    assert manifest.find(["../images"]).images == tuple(f"{root}/images/000{number}.png" for number in (0, 1))
