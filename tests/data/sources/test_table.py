"""The choice of a format by what a path is."""

import json

import pytest

from mrcnn.data.formats.table import READERS
from mrcnn.data.sources import coco_folder, table
from mrcnn.data.sources.source import DataPaths
from mrcnn.errors import UserError
from tests.data.coco import cases
from tests.data.formats.test_table import make_of_each
from tests.train import tiny


@pytest.mark.parametrize("inside", ["project", "."])
def test_find_and_open_source_of_a_project(tmp_path, inside):
    tiny.write_project(tmp_path / "project", train=1, val=1)
    assert table.find(tmp_path / inside) is table.FORMATS["supervisely"]
    source = table.open_source(DataPaths(tmp_path / inside))
    assert (source.name, source.kind, len(source.items)) == ("project", "project", 2)


def test_find_and_open_source_of_a_json_file(tmp_path):
    path, images = cases.write(tmp_path, cases.content())
    assert table.find(path) is table.FORMATS["coco"]
    source = table.open_source(DataPaths(path, images))
    assert (source.name, source.kind, len(source.items)) == ("a", "COCO file", 2)


def test_find_tells_what_is_read(tmp_path):
    (tmp_path / "a.txt").touch()
    for path in (tmp_path, tmp_path / "a.txt"):
        with pytest.raises(UserError) as caught:
            table.find(path)
        known = f"a COCO instance file (.json); {coco_folder.WHAT}; {READERS['png_masks'].what}; "
        start = f"{path} is in none of the known formats of annotated images; give one of: {known}"
        assert str(caught.value).startswith(start)
        assert str(caught.value).endswith(f"{READERS['labelme'].what}; a Supervisely project (a folder with meta.json)")
    with pytest.raises(UserError, match=r"the data .*none does not exist"):
        table.find(tmp_path / "none")


def test_find_asks_formats_of_others_too(tmp_path, monkeypatch):
    own = table.Format("a text", lambda path: path.suffix == ".txt", lambda paths: None)
    monkeypatch.setitem(table.FORMATS, "text", own)
    assert table.find(tmp_path / "a.txt") is own


def test_open_source_of_a_project_with_what_belongs_to_coco(tmp_path):
    (tmp_path / "meta.json").write_text(json.dumps({"classes": [], "tags": []}))
    with pytest.raises(UserError, match=r"is a project, which holds its images.* leave out --images, --val-data"):
        table.open_source(DataPaths(tmp_path, images=tmp_path))


def test_check_paths_reads_no_file_and_names_what_is_missing(tmp_path):
    (tmp_path / "a.json").write_text("no JSON")
    (tmp_path / "images").mkdir()
    table.check_paths(DataPaths(tmp_path / "a.json", tmp_path / "images"))
    with pytest.raises(UserError, match=r"cannot read the annotation file .*v\.json"):
        table.check_paths(DataPaths(tmp_path / "a.json", tmp_path / "images", tmp_path / "v.json"))
    with pytest.raises(UserError, match=r"the images' folder .*none does not exist; name .* images of .*a\.json"):
        table.check_paths(DataPaths(tmp_path / "a.json", tmp_path / "none"))
    with pytest.raises(UserError, match=r"the data .*none does not exist"):
        table.check_paths(DataPaths(tmp_path / "none"))


def test_find_each_label_format_before_coco(tmp_path):
    for name, path in make_of_each(tmp_path).items():
        assert table.find(path) is table.FORMATS[name]


def test_find_a_project_before_a_label_format(tmp_path):
    tiny.write_project(tmp_path, train=1, val=1)
    (tmp_path / "data.yaml").write_text("names: [a]")
    assert table.find(tmp_path) is table.FORMATS["supervisely"]
