import json

import pytest

from mrcnn.errors import UserError
from mrcnn.export import metadata
from mrcnn.predict import exported_rules, exported_settings
from tests.export import helpers


def test_read_the_rules_of_an_export():
    exportable = helpers.several_exportable()
    rules = exported_rules.read(exported_settings.read(metadata.texts(exportable)))
    assert rules.of_input() == exportable.settings.of_input()
    assert (rules.class_names, rules.rules, rules.maps) == (
        exportable.settings.class_names, exportable.settings.rules, ("semantic",)
    )  # fmt: skip


@pytest.mark.parametrize("lost", ["image_resize", "shape", "round_boxes"])
def test_read_names_a_file_without_a_setting(lost):
    texts = metadata.texts(helpers.several_exportable())
    settings = json.loads(texts["settings"])
    del settings[lost]
    known = exported_settings.read({**texts, "settings": json.dumps(settings)})
    with pytest.raises(UserError, match="the file has no metadata of `mrcnn export`"):
        exported_rules.read(known)
