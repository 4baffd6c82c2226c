"""What is written of each image."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mrcnn.annotate import labels, results
from mrcnn.annotate.output import Output
from mrcnn.annotate.results import ResultWriter
from mrcnn.config.load import load_mode
from mrcnn.errors import UserError
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from mrcnn.predict.regions import Found, Part
from tests.predict import helpers


def write(tmp_path, *, with_overlay=False, with_results=False):
    helpers.write_image(tmp_path / "photos" / "a.png", 8, 10, 100)
    source, bundle = sources.open_images(tmp_path / "photos"), helpers.make_bundle()
    naming = labels.name_labels(
        bundle.class_names[1:], load_mode({"model_classes": {"save_names": ["dog"]}}), confidence_tag="c"
    )
    found = helpers.make_compact([[1, 2, 4, 6], [0, 0, 2, 2]], ["dog", "cat"], [0.5, 0.25], size=(8, 10))
    with Output(
        tmp_path / "out" / "p", labels.output_meta(source.meta, bundle.class_metas, naming), source.entries, identity={}
    ) as out:
        writer = ResultWriter(
            out,
            naming,
            tmp_path / "out",
            predictor=Predictor(bundle),
            with_overlay=with_overlay,
            with_results=with_results,
        )
        writer.write(
            source.entries[0], helpers.make_picture(np.zeros((8, 10), np.uint8)), Found((Part(found),), (8, 10))
        )
        if with_results:
            writer.write_results(source.entries)
    return out


def test_result_writer_what_is_remembered_of_an_image(tmp_path):
    out = write(tmp_path)
    assert out.done == {"ds/a.png": {"size": (8, 10), "found": [("dog", 0.5)], "most": 0}}
    content = json.loads((tmp_path / "out" / "p" / "ds" / "ann" / "a.png.json").read_text())
    assert [item["classTitle"] for item in content["objects"]] == ["dog_model"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["p"]


def test_result_writer_pictures_and_results_where_asked_for(tmp_path):
    write(tmp_path, with_overlay=True, with_results=True)
    assert (tmp_path / "out" / "overlay" / "a.png").is_file()
    content = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert [(item["image_id"], item["category_id"], item["bbox"]) for item in content["annotations"]] == [
        (1, 2, [2.0, 1.0, 4.0, 3.0])
    ]


@pytest.fixture
def photos(tmp_path):
    helpers.write_image(tmp_path / "photos" / "a.png", 20, 30, 50)
    return sources.open_images(tmp_path / "photos")


def check(folder, source, *, with_overlay=True, with_results=True, resume=False):
    results.check(folder, source, with_overlay=with_overlay, with_results=with_results, resume=resume)


@pytest.mark.parametrize("name", ["overlay", "predictions.json", "predictions_results.json"])
def test_check_refuses_an_input_named_like_an_output(tmp_path, photos, name):
    with pytest.raises(UserError, match=f"the input is named '{name}', as one of the run's other outputs is; rename"):
        check(tmp_path / "out", replace(photos, name=name))
    check(tmp_path / "out", replace(photos, name=name), with_overlay=False, with_results=False)


def test_check_refuses_what_is_there_already(tmp_path, photos):
    out = tmp_path / "out"
    out.mkdir()
    (out / "predictions.json").touch()
    with pytest.raises(UserError, match=r"predictions.json is there already; move it away or name another output"):
        check(out, photos)
    check(out, photos, resume=True)
    (out / "overlay").touch()
    with pytest.raises(UserError, match=r"overlay, where --overlay draws, must be a folder"):
        check(out, photos, resume=True)
    check(out, photos, with_overlay=False, resume=True)


def test_check_refuses_images_among_what_is_written(tmp_path):
    helpers.write_image(tmp_path / "photos.partial" / "a.png", 20, 30, 50)
    source = replace(sources.open_images(tmp_path / "photos.partial"), name="photos")
    with pytest.raises(UserError, match=r"the image .*a.png of the input lies where the output is written"):
        check(tmp_path, source)
    check(tmp_path, replace(source, name="other"))
