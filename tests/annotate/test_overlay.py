"""The pictures of an inference."""

import numpy as np
import pytest

from mrcnn import optional
from mrcnn.annotate import labels
from mrcnn.annotate.overlay import Overlay
from mrcnn.config.load import load_mode
from mrcnn.errors import UserError
from mrcnn.predict.predictor import Predictor
from mrcnn.predict.regions import Found, Part
from tests.predict import helpers

SIZE = (1000, 1000)


def naming(**choice):
    return labels.name_labels(["cat", "dog"], load_mode({"model_classes": choice}), confidence_tag="c")


def found(boxes, names):
    return Found((Part(helpers.make_compact(boxes, names, [0.9] * len(names), size=SIZE)),), SIZE)


def test_objects_of_written_classes_are_drawn():
    image = np.full((*SIZE, 1), 100, np.uint8)
    overlay = Overlay(Predictor(helpers.make_bundle()), naming(save_classes=["dog"]))
    picture = overlay.draw(image, found([[200, 200, 500, 500], [600, 600, 900, 900]], ["cat", "dog"]))
    assert picture.shape == (*SIZE, 3)  # grey is expanded
    assert picture[350, 350].tolist() == [100] * 3
    np.testing.assert_allclose(picture[750, 750], [55, 0.45 * 255 + 55, 55], atol=1)  # #00FF00
    assert overlay.encode(picture, ".png").startswith(b"\x89PNG")


def test_objects_of_a_single_class_have_their_own_colours_unless_told():
    image, boxes = np.full((*SIZE, 3), 100, np.uint8), [[200, 200, 500, 500], [600, 600, 900, 900]]
    predictor = Predictor(helpers.make_bundle(names=("bg", "cat")))
    plain, by_class = (
        Overlay(predictor, naming(), by_class=chosen).draw(image, found(boxes, ["cat", "cat"]))
        for chosen in (False, True)
    )
    assert plain[350, 350].tolist() != plain[750, 750].tolist()
    assert by_class[350, 350].tolist() == by_class[750, 750].tolist()


def test_missing_packages_are_named_with_the_line_that_installs_them(monkeypatch):
    monkeypatch.setattr(optional, "missing", lambda extra: ["supervision"])
    with pytest.raises(UserError, match=r"--overlay needs the package supervision; install it by .*mrcnn\[draw\]"):
        Overlay(Predictor(helpers.make_bundle()), naming())
