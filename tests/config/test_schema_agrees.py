"""The JSON schemas against the loaders: no stricter, and no laxer but for known rules."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn.config import load, schema
from mrcnn.errors import UserError

from . import published, strategies

jsonschema = pytest.importorskip("jsonschema", reason="`make install-dev` installs it")
referencing = pytest.importorskip("referencing")

ROOT = Path(__file__).parents[2]
SCHEMAS = schema.all_schemas()
LOADERS = {"train": load.load_train_config, "inference": load.load_inference_config, "deploy": load.load_deploy_config}
REGISTRY = referencing.Registry().with_resources(
    (name, referencing.Resource.from_contents(content)) for name, content in SCHEMAS.items()
)
VALIDATORS = {
    name.removesuffix(".json"): jsonschema.Draft202012Validator(content, registry=REGISTRY)
    for name, content in SCHEMAS.items()
}
# What only the loader checks: rules between keys, and how deep a config is.
RULES = re.compile(
    r"must be a multiple of 64|must be a multiple of \d+ with `mask_head`|so on with `mask_head` pointrend|"
    r"must be the first of `cascade_|"
    r"must be true with `box_head` cascade|entries, one for each stage of `cascade_ious`|"
    r"must be twice `mask_pool|must not exceed `rpn_pos|must hold one number per channel|must be 1 with `roi_align`"
    r"|`lr_schedule.milestone(s|_steps)` must (increase|list)|must differ from `background`|needs `validation.ap` true"
    r"|give `.+` or `.+`, not both|must be \"decoupled\" for adamw|max_scale` must be at least|must be null with `"
    r"|needs 3 `model.channels`|must be less than `window\.|^`mode.nms_after.confidence_tag_name` must be"
    r"|nested more than 32 levels"
    r"|stuff` must list other classes, each once"
    r"|must name each point once|which is not in `names`|must hold each point once|must hold one number per name"
    r"|must name each head once|`model.heads` must name keypoints as"
)


def accepts(kind, values):
    return VALIDATORS[kind].is_valid(values)


def problem(kind, values):
    """Finds why the loader refuses a config; None where it does not."""
    try:
        LOADERS[kind](values)
    except UserError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one(name):
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])


@pytest.mark.parametrize("path", sorted((ROOT / "presets").glob("*.json")), ids=lambda path: path.name)
def test_a_preset_validates(path):
    kind = path.stem if path.stem == "predefined_run_configs" else path.stem.split("_")[0]
    assert list(VALIDATORS.get(kind, VALIDATORS["train"]).iter_errors(json.loads(path.read_text()))) == []


@pytest.mark.parametrize(
    "preset",
    [
        {"title": "a", "type": "train", "config": {"epoch": 1}},
        {"title": "a", "type": "inference", "config": {"lr": 1}},
        {"title": "a", "type": "other", "config": {}},
        {"title": "a", "type": "train"},
    ],
)
def test_a_wrong_preset_does_not(preset):
    assert not accepts("predefined_run_configs", [preset])


DOCUMENTED = [
    pytest.param(text, id=f"{path.name} {index}")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    for index, text in enumerate(re.findall(r"```json\n(.*?)```", path.read_text(), re.DOTALL))
    if path.name not in ("export.md", "serving.md")  # requests and answers
]


@pytest.mark.parametrize("text", DOCUMENTED)
def test_a_documented_config_validates(text):
    values = json.loads(text)
    assert list(VALIDATORS["model_folder" if "settings" in values else "train"].iter_errors(values)) == []


def test_there_are_documented_configs():
    assert len(DOCUMENTED) >= 4


OLD = [
    *(("train", values) for values in (*published.TRAIN_CONFIGS.values(), published.DEPRECATED_TRAIN)),
    ("train", published.OTHER_PLUGINS_TRAIN),
    *(("inference", values) for values in (*published.INFERENCE_CONFIGS.values(), published.FIRST_FORM_INFERENCE)),
    ("inference", {"model": {}, "gpu_device": "ignored", "note": 1, "existing_objects": {}}),
    *(("deploy", values) for values in (published.TASK_DEPLOY, published.FLAT_DEPLOY, published.EARLIEST_TASK_DEPLOY)),
    ("deploy", {"gpu_devices": [1], "existing_objects": {}}),
    ("deploy", {"model_settings": {"cache_limit": 3}}),
]


@pytest.mark.parametrize(("kind", "values"), OLD)
def test_what_a_user_of_the_original_holds_validates(kind, values):
    assert problem(kind, values) is None
    VALIDATORS[kind].validate(values)


@pytest.mark.parametrize("kind", LOADERS)
def test_the_editors_own_key_is_accepted_and_has_no_effect(kind):
    lines = []
    values = {"$schema": f"../docs/schemas/{kind}.json"}
    assert LOADERS[kind](values, warn=lines.append) == LOADERS[kind]({})
    assert lines == []
    VALIDATORS[kind].validate(values)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("train", {"epoch": 1}),
        ("train", {"epochs": True}),
        ("train", {"epochs": 1.5}),
        ("train", {"lr": 0}),
        ("train", {"gpu_devices": []}),
        ("train", {"input_size": {"max_dim": 0}}),
        ("train", {"train_layers": "1+"}),
        ("train", {"special_classes": {"background": ""}}),
        ("train", {"model": {"anchor_sizes": [1, 2, 3, 4]}}),
        ("train", {"model": {"box_delta_std": [1, 1, 1]}}),
        ("train", {"augmentation": [{"name": "Fliplrr"}]}),
        ("train", {"augmentation": [{"name": "Sometimes"}]}),
        ("train", {"augmentation": [{"name": "Fliplr", "args": {"seed": 1}}]}),
        ("train", {"augmentation": [{"name": "Fliplr", "children": [{"name": "Add"}]}]}),
        ("train", {"augmentation": [{"name": "OneOf", "children": [{"name": "Ad"}]}]}),
        ("train", {"val_every": 0}),
        ("inference", {"modell": {}}),
        ("inference", {"model": {"gpu_devices": [0]}}),
        ("inference", {"gpu_devices": []}),
        ("inference", {"mode": {"name": "bboxes_ocr"}}),
        ("inference", {"mode": {"bounds": {}}}),
        ("inference", {"mode": {"name": "roi", "bounds": {"left": "2.5%"}}}),
        ("inference", {"mode": {"name": "roi", "bounds": {"left": "-1px"}}}),
        ("inference", {"mode": {"source": "roi", "bounds": {"left": "-1px"}}}),
        ("inference", {"mode": {"model_classes": {"save_names": "all"}}}),
        ("inference", {"mode": {"name": "bboxes", "from_classes": None}}),
        ("inference", {"mode": {"existing_objects": {"suffix": ""}}}),
        ("deploy", {"cache_limit": 0}),
        ("deploy", {"model_settings": {"gpu_device": "0"}}),
        ("deploy", {"model": {"gpu": 0}}),
        ("deploy", {"threshold": 0.5}),
    ],
)
def test_an_editor_marks_what_the_loader_refuses(kind, values):
    assert problem(kind, values)
    assert not accepts(kind, values)


FOLDER = {  # as the original wrote it
    "settings": {"lr": 0.001, "val_every": 1, "input_size": {"min_dim": 256, "max_dim": 256, "width": 0, "height": 0}},
    "classes": [{"title": "bg", "shape": "bitmap", "color": "#222222", "geometry_config": {}}],
    "class_title_to_idx": {"bg": 0, "car": 1},
}


def test_a_model_folders_config_validates():
    for values in (FOLDER, FOLDER | {"model": {"compatibility": "matterport"}, "other": 1}):
        assert list(VALIDATORS["model_folder"].iter_errors(values)) == []


@pytest.mark.parametrize(  # tests/model_folder/test_read.py sees them refused
    "changes",
    [
        {"class_title_to_idx": None},
        {"class_title_to_idx": {"bg": 0}},
        {"class_title_to_idx": {"bg": 0, "car": True}},
        {"settings": {}},
        {"settings": {"input_size": {"max_dim": 0}}},
        {"classes": {}},
        {"classes": [{"title": "car"}]},
        {"model": {"bakbone": "resnet50"}},
    ],
)
def test_a_wrong_model_folders_config_does_not(changes):
    assert not accepts("model_folder", FOLDER | changes)


WHOLE = {
    "train": [strategies.FULL_TRAIN],
    "inference": [*strategies.FULL_INFERENCE, *strategies.FIRST_FORMS],
    "deploy": strategies.FULL_DEPLOY,
}
HOW = settings(max_examples=200, deadline=None, derandomize=True, database=None)


@pytest.mark.parametrize("kind", LOADERS)
def test_whole_configs_are_accepted_by_both(kind):
    for values in WHOLE[kind]:
        assert problem(kind, values) is None
        VALIDATORS[kind].validate(values)


@pytest.mark.parametrize("kind", LOADERS)
@given(st.data())
@HOW
def test_what_the_schema_refuses_the_loader_refuses(kind, data):
    values = data.draw(strategies.changed(WHOLE[kind]) | strategies.OBJECTS)
    if not accepts(kind, values):
        assert problem(kind, values)


@pytest.mark.parametrize("kind", LOADERS)
@given(st.data())
@HOW
def test_what_the_schema_allows_loads_but_for_rules_between_keys(kind, data):
    values = data.draw(strategies.allowed(today(kind), SCHEMAS[f"{kind}.json"]))
    assert accepts(kind, values)
    for line in (problem(kind, values) or "").split("; `"):
        assert not line or RULES.search(line if line.startswith("`") else f"`{line}"), line


def today(kind):
    """Returns a schema without its older forms."""
    content = {key: value for key, value in SCHEMAS[f"{kind}.json"].items() if key not in ("if", "then", "else")}
    if kind == "deploy":
        flat = SCHEMAS["deploy.json"]["else"]["else"]["properties"]
        content["properties"] = {**flat, **content["properties"]}
    return content
