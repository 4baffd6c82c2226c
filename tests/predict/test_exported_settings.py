"""The metadata of exported files: what `export.metadata` writes, and what others put in its place."""

import json
from dataclasses import replace

import pytest

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.keypoints import KeypointTemplate
from mrcnn.errors import UserError
from mrcnn.export import metadata, run
from mrcnn.export.exportable import Exportable
from mrcnn.predict import exported_settings, live
from tests.predict import helpers

from .one_dog import SETTINGS

TEMPLATE = KeypointTemplate(names=("left_eye", "right_eye"))


def written(trained=None, **config):
    bundle = replace(helpers.make_bundle(), config=MatterportConfig(**config))
    model = Exportable(bundle.model, run.detector_settings(bundle), run.labels(bundle), bundle.choices, trained or {})
    return bundle, exported_settings.read(metadata.texts(model))


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"channels": 1, "image_mean": (9.0,), "image_range": 4095, "score_threshold": 0.4, "mask_threshold": 0.3},
        {"extra_heads": ("semantic",), "stuff_classes": ("sky", "road"), "detections_per_image": 7},
        {"extra_heads": ("keypoints",), "keypoints": TEMPLATE, "mask_supervision": "points"},
    ],
)
def test_read_finds_the_facts_of_the_live_model(config):
    bundle, found = written(**config)
    facts = live.facts_of(bundle)
    assert replace(found.facts, stuff_metas=()) == replace(facts, stuff_metas=())
    assert [item.title for item in found.facts.stuff_metas] == list(config.get("stuff_classes", ()))
    assert found.field_settings.keys() == bundle.extra_fields.keys()


@pytest.mark.parametrize(
    ("order", "titles"),
    [(["dog", "cat"], ["dog", "cat"]), (None, ["cat", "dog"]), (["dog"], ["cat", "dog"]), ("dog", ["cat", "dog"])],
)
def test_read_lists_the_classes_in_the_order_of_the_folder(order, titles):
    found = written({} if order is None else {"class_order": order})[1]
    assert [item.title for item in found.facts.class_metas] == titles
    assert found.facts.class_names == ("bg", "cat", "dog")


def test_read_finds_the_weights_and_the_model_that_they_are_of():
    found = written({"made_of": {"weights": "ab"}})[1]
    assert (found.weights, found.made_of) == ("float32", {"weights": "ab"})
    older = exported_settings.read({"settings": json.dumps(SETTINGS), "labels": "{}"})
    assert (older.weights, older.made_of) == (None, {})


def test_read_finds_what_the_evaluation_must_know():
    found = written({"neutral": "crowd", "mask_classes": ("cat",)})[1]
    assert (found.neutral, found.mask_classes) == ("crowd", ("cat",))
    found = written()[1]
    assert (found.neutral, found.mask_classes) == (None, None)


def test_read_accepts_files_of_before_the_settings_of_fields():
    found = exported_settings.read({"settings": json.dumps(SETTINGS), "labels": "{}"})
    assert (found.field_settings, found.facts.needs, found.facts.maps) == ({}, (), {})


def damaged(**changes):
    settings = {**SETTINGS, **changes}
    return {name: value for name, value in settings.items() if value != "left out"}


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"settings": json.dumps(SETTINGS)},
        {"settings": "[", "labels": "{}"},
        {"settings": "[]", "labels": "{}"},
        {"settings": "7", "labels": "{}"},
        {"settings": json.dumps(SETTINGS), "labels": "[]"},
        {"settings": json.dumps(SETTINGS), "labels": '{"classes": [1]}'},
        {"settings": json.dumps(damaged(channels="left out")), "labels": "{}"},
        {"settings": json.dumps(damaged(max_dim=None)), "labels": "{}"},
        {"settings": json.dumps(damaged(class_names=None)), "labels": "{}"},
        {"settings": json.dumps(damaged(score_threshold="left out")), "labels": "{}"},
    ],
)
def test_read_refuses_other_metadata(properties):
    with pytest.raises(UserError, match=r"^the file has no metadata of `mrcnn export`; export the model with this"):
        exported_settings.read(properties)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_read_refuses_another_version(version):
    texts = {"settings": json.dumps(damaged(format_version=version)), "labels": "{}"}
    with pytest.raises(UserError, match=f"^the metadata has version {version}, this program reads 1; export the model"):
        exported_settings.read(texts)
