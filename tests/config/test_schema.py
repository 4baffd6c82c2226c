"""The JSON schemas: up to date, every key described, with its default and range; old keys marked."""

import subprocess
import sys
from pathlib import Path

import pytest

from mrcnn.config import schema

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "schemas"
SCHEMAS = schema.all_schemas()


def test_the_files_are_those_of_this_code():
    files = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert files == {name: schema.as_text(content) for name, content in SCHEMAS.items()}, "run `make schemas`"


def test_the_command_writes_the_files(tmp_path):
    command = [sys.executable, "-m", "mrcnn", "schema", str(tmp_path / "new")]
    subprocess.run(command, check=True, cwd=ROOT)
    assert {path.name: path.read_text() for path in (tmp_path / "new").iterdir()} == {
        path.name: path.read_text() for path in FOLDER.iterdir()
    }


def keys(node, way=""):
    """Yields the way to every key, with what is said of it."""
    for key, item in node.get("properties", {}).items():
        if isinstance(item, dict):
            yield f"{way}.{key}", item
            yield from keys(item, f"{way}.{key}")
    below = [node[word] for word in ("then", "else", "items") if word in node]
    for item in (*below, *node.get("anyOf", []), *node.get("allOf", [])):
        yield from keys(item, way)


@pytest.mark.parametrize("name", ["train.json", "inference.json", "deploy.json"])
def test_all_schemas_every_key_says_what_it_means(name):
    (*found,) = keys(SCHEMAS[name])
    assert [way for way, item in found if len(item.get("description", "")) < 15] == []
    assert len(found) > 5


def test_all_schemas_keys_of_an_augmenter_say_what_they_mean():
    augmenter = SCHEMAS["train.json"]["$defs"]["AugmenterConfig"]["properties"]
    assert {key: item["description"] for key, item in augmenter.items()}.keys() == {"name", "args", "children"}


def test_all_schemas_defaults_enums_ranges_and_patterns_are_there():
    train, inference = SCHEMAS["train.json"]["properties"], SCHEMAS["inference.json"]["properties"]
    assert train["epochs"]["default"] == 2
    assert (train["input_size"]["properties"]["max_dim"]["minimum"], train["lr"]["exclusiveMinimum"]) == (1, 0)
    assert train["train_layers"]["enum"] == ["all", "3+", "4+", "5+", "heads", "2+"]
    modes = {item["then"]["properties"]["name"]["const"]: item["then"] for item in inference["mode"]["allOf"]}
    assert modes["roi"]["properties"]["bounds"]["properties"]["left"]["pattern"] == "^([0-9]{1,9}|-0{1,9})(px|%)$"
    suffixes = {name: mode["properties"]["model_tags"]["properties"]["add_suffix"] for name, mode in modes.items()}
    assert [suffixes[name]["default"] for name in ("full_image", "roi")] == ["_maskrcnn", ""]
    names = modes["bboxes"]["properties"]["from_classes"]
    assert names["anyOf"][0] == {"const": "__all__"}
    assert names["default"] == "__all__"
    assert modes["sliding_window"]["properties"]["nms_after"]["properties"]["iou_threshold"]["default"] == 0.3
    assert modes["sliding_window_det"]["properties"]["nms_after"]["properties"]["iou_threshold"]["default"] == 0.0


@pytest.mark.parametrize(
    ("name", "old"),
    [
        ("train.json", {".val_every", ".data_workers", ".validate_with_model_eval",
                        ".input_size.width", ".input_size.height"}),
        ("inference.json", {".gpu_device", ".gpu_devices", ".confidence_tag_name", ".min_confidence_threshold",
                            ".score_floor", ".max_image_mb", ".runtime", ".tta", ".existing_objects", ".model_classes",
                            ".mode.source",
                            *(f".mode.{key}.save_classes" for key in ("model_classes", "model_tags",
                                                                      "existing_objects"))}),
        ("deploy.json", {".connection", ".model_settings", ".model",
                         *(f"{form}.{key}" for form in ("", ".model_settings", ".model")
                           for key in ("gpu_devices", "existing_objects", "mode", "model_classes"))}),
    ],
)  # fmt: skip
def test_all_schemas_old_keys_are_marked(name, old):
    assert {way for way, item in keys(SCHEMAS[name]) if item.get("deprecated")} == old
