from typing import NamedTuple

import numpy as np
import pytest

from mrcnn.config.load import load_train_config
from mrcnn.data.sources.source import Source
from mrcnn.errors import UserError
from mrcnn.fields.table import FIELDS
from mrcnn.project.annotation import Annotation, Label
from mrcnn.project.geometry import Point, Rectangle
from mrcnn.project.meta import ClassMeta, ProjectMeta
from mrcnn.train import fields
from tests.fields import toy
from tests.train.conftest import HeardLog

FACTS = {"cat": {"keypoints": ["nose", "l_ear", "r_ear"]}, "ant": {}, "bg": {"keypoints": ["none"]}}
CONFIG = load_train_config({"model": {"extra_heads": ["keypoints"]}})


def source(facts):
    return Source("data", ProjectMeta(tuple(map(ClassMeta, facts))), (), None, class_facts=facts)


def test_settle_finds_points_in_the_order_of_the_class_ids():
    log = HeardLog()
    settled = fields.settle(CONFIG, ["keypoints"], source(FACTS), known=None, log=log)
    template = settled.model.keypoints
    assert template.names == ("nose", "l_ear", "r_ear")  # without those of the background
    assert template.class_points == ((), template.names)  # ant, cat
    assert log.messages == [
        "`model.keypoints`: 3 points (nose, l_ear, r_ear); a mirrored image exchanges l_ear and r_ear (`pairs` sets "
        "others)"
    ]
    known = fields.settle(CONFIG, ["keypoints"], source(FACTS), known={"bg": 0, "cat": 1, "ant": 2}, log=log)
    assert known.model.keypoints.class_points == (template.names, ())


def test_settle_keeps_settings_that_are_given_and_needs_none_for_other_fields(monkeypatch):
    monkeypatch.setitem(FIELDS, "point", toy.Point())
    given = load_train_config({"model": {"extra_heads": ["keypoints"], "keypoints": {"names": ["a"]}}})
    assert fields.settle(given, ["keypoints", "point"], source(FACTS), known=None, log=HeardLog()) is given
    assert fields.settle(CONFIG, ["point"], source({"cat": {}}), known=None, log=HeardLog()) is CONFIG
    assert fields.settle(CONFIG, [], source({"cat": {}}), known=None, log=HeardLog()) is CONFIG


def test_settle_refuses_data_without_points():
    with pytest.raises(UserError, match=r"^no class of the data has keypoints"):
        fields.settle(CONFIG, ["keypoints"], source({"cat": {}}), known=None, log=HeardLog())


class Image(NamedTuple):
    """An image of a made up source; without labels its annotation is broken."""

    labels: tuple | None

    def read_annotation(self, meta):
        if self.labels is None:
            raise UserError("it is broken")
        return Annotation((8, 9), (), self.labels)


def test_settle_counts_the_points_of_the_objects_of_all_images():
    box, bound = Rectangle(np.array([[1, 1], [5, 6]])), {"instance": "x"}
    object_ = Label("cat", box, extra={**bound, "point_coords": [[1, 2]], "point_labels": [1]})
    point = Label("cat", Point([[2, 3]]), extra=bound)
    items = (Image((object_, point)), Image(None), Image(()), Image((Label("cat", box),)))
    data = Source("data", ProjectMeta((ClassMeta("cat", "any"),)), items, None)
    config, log = load_train_config({"model": {"mask_supervision": "points"}}), HeardLog()
    assert fields.settle(config, ["mask_points"], data, known=None, log=log).model.mask_points == 2
    assert log.messages == ["`model.mask_points` 2: 1 of 2 objects have labelled points"]


def test_of_run_adapts_fields_to_the_model_and_the_data():
    given = load_train_config({"model": {"extra_heads": ["keypoints"], "keypoints": {"names": ["nose"]}}})
    facts = {"cat": {"geometry_config": {"nodes": {"n1": {"label": "nose"}}}}}
    field = fields.of_run(given, ["keypoints"], source(facts))["keypoints"]
    assert (field.template.names, field.nodes) == (("nose",), {"cat": {"n1": "nose"}})
