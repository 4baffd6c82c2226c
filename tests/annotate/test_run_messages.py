"""What a run refuses, leaves out and warns of; what it writes is in `test_run.py`."""

import json

import cv2
import numpy as np
import pytest

from mrcnn.annotate import draw, run
from mrcnn.config.load import load_inference_config
from mrcnn.errors import UserError
from mrcnn.events import JsonLog
from mrcnn.model_folder import read
from mrcnn.predict import batch_size, sources
from mrcnn.project.reader import Project
from tests.predict import helpers

from .runs import events, run_on


def test_one_bad_image_is_reported_and_left_out(project, tmp_path, capsys):
    (project / "ds1" / "img" / "a.png").write_bytes(b"broken")
    summary = run_on(sources.open_project(project), tmp_path / "out", batch_size=4)
    assert summary.skipped == ["ds1/a.png"]
    assert summary.images == 2
    assert len(Project.open(tmp_path / "out").items) == 2
    lines = events(capsys)
    assert any(line["level"] == "error" and "ds1/a.png is skipped" in line["message"] for line in lines)
    assert any(line["message"] == "4 objects in 2 images, 1 skipped" for line in lines)
    assert [line["current"] for line in lines if line["message"] == "progress"] == [1, 2, 3]


def test_no_usable_image_is_an_error_and_leaves_nothing(project, tmp_path):
    for path in project.rglob("*.png"):
        path.write_bytes(b"broken")
    with pytest.raises(UserError, match="none of the 3 images could be used"):
        run_on(sources.open_project(project), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_events(project, tmp_path, capsys):
    run_on(sources.open_project(project), tmp_path / "out")
    lines = events(capsys)
    progress = [(line["subtask"], line["current"], line["total"]) for line in lines if line["message"] == "progress"]
    assert progress == [("inference", 1, 3), ("inference", 2, 3), ("inference", 3, 3)]
    assert lines[-1]["message"] == "model applied"
    assert lines[-2]["message"].startswith("written to ")
    assert lines[-1]["event_type"] == "EventType.MODEL_APPLIED"
    # (200 + 100 + 240) / 3 / 255 = 0.706
    assert lines[-4]["message"] == "cat: 3 objects in 3 images, mean score 0.706"
    assert lines[-4]["mean_score"] == pytest.approx(540 / 3 / 255, abs=1e-4)
    assert lines[-5]["message"] == "6 objects in 3 images"


def test_output_that_is_not_empty_is_refused(project, tmp_path):
    helpers.write_image(tmp_path / "out" / "animals" / "old.png", 4, 4, 0)
    with pytest.raises(UserError, match=r"out/animals must be new or an empty folder"):
        run_on(sources.open_project(project), tmp_path / "out")


def test_batch_size_must_be_one_at_least():
    with pytest.raises(UserError, match="batch size must be at least 1, got 0"):
        run.Options(batch_size=0)


@pytest.mark.parametrize("size", ["big", 1.5])
def test_options_refuse_a_batch_size_that_is_neither_a_number_nor_auto(size):
    with pytest.raises(UserError, match=f"^the batch size must be a whole number or auto, got {size}$"):
        run.Options(batch_size=size)


@pytest.mark.parametrize(("mode", "regions"), [({"name": "full_image"}, 2), ({"name": "sliding_window"}, None)])
def test_batch_size_auto_is_chosen_once_and_told(project, tmp_path, capsys, monkeypatch, mode, regions):
    source, asked = sources.open_images(project / "ds1" / "img"), []
    monkeypatch.setattr(batch_size, "choose", lambda predictor, *, regions: asked.append(regions) or 2)
    summary = run_on(source, tmp_path / "out", config={"mode": mode}, batch_size="auto")
    assert (summary.images, asked) == (2, [regions])
    told = [line["message"] for line in events(capsys) if "batch size" in line["message"]]
    assert told == ["batch size 2, chosen by measurement"]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_run_reports_bad_images_in_the_place_where_they_are_read(tmp_path, capsys, size):
    for index in range(5):
        helpers.write_image(tmp_path / "photos" / f"{index}.png", 20, 30, 100)
    for index in (1, 4):
        (tmp_path / "photos" / f"{index}.png").write_bytes(b"broken")
    run_on(sources.open_images(tmp_path / "photos"), tmp_path / "out", batch_size=size)
    told = [(line["message"][:5], line.get("current")) for line in events(capsys)]
    first, bad = ("1.png", None), ("4.png", None)
    done = [("progr", count) for count in range(1, 6)]  # a skipped image counts as done
    expected = {
        1: [done[0], first, *done[1:4], bad, done[4]],
        2: [first, *done[:3], bad, *done[3:]],  # 1 is read before the batch of 0 and 2, 4 before that of 3
        3: [first, *done[:4], bad, done[4]],
    }
    assert [line for line in told if line[0] in ("progr", "1.png", "4.png")] == expected[size]


def test_a_project_is_not_written_where_its_pictures_are(tmp_path):
    helpers.write_image(tmp_path / "overlay" / "x.png", 9, 9, 50)
    source = sources.open_images(tmp_path / "overlay")
    with pytest.raises(UserError, match="the input is named 'overlay', as one of the run's other outputs is"):
        run_on(source, tmp_path / "out", overlay=True)
    assert run_on(source, tmp_path / "out").images == 1


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("model_classes", "has no class of the model (there: cat, dog): nothing that it finds is written"),
        ("existing_objects", "has no class of the input (there: cat): none of its objects is kept"),
    ],
)
@pytest.mark.parametrize(("names", "warned"), [("__all__", 0), (["cat", "fox"], 0), (["catt"], 1), ([], 1)])
def test_names_that_select_nothing_are_reported(project, tmp_path, capsys, key, expected, names, warned):
    mode = {"name": "full_image", "model_classes": {"add_suffix": "!"}}
    mode[key] = {**mode.get(key, {}), "save_names": names}
    run_on(sources.open_project(project), tmp_path / "out", config={"model": {}, "mode": mode})
    lines = [line["message"] for line in events(capsys) if line["level"] == "warn"]
    assert lines.count(f"`mode.{key}` {expected}") == warned


@pytest.mark.parametrize(("classes", "warned"), [("__all__", 0), (["cat", "fox"], 0), (["fox"], 1), ([], 1)])
def test_boxes_of_classes_that_are_not_there_are_reported(project, tmp_path, capsys, classes, warned):
    config = {"model": {}, "mode": {"name": "bboxes", "from_classes": classes, "model_classes": {"add_suffix": "!"}}}
    run_on(sources.open_project(project), tmp_path / "out", config=config)
    lines = [line["message"] for line in events(capsys) if line["level"] == "warn"]
    expected = "`mode.from_classes` has no class of the input (there: cat), so nothing is predicted"
    assert [line for line in lines if line.startswith("`mode.")] == [expected] * warned


@pytest.fixture
def loaded(monkeypatch, tmp_path):
    """Replaces the loading of a model; lists the arguments of each call."""
    calls = []
    bundle = helpers.make_bundle()

    def load_model(stored, **arguments):
        calls.append(arguments)
        return bundle

    stored = helpers.make_stored(tmp_path, bundle)
    monkeypatch.setattr(read, "read_model", lambda model, classes, input_size: stored)
    monkeypatch.setattr(read, "load_model", load_model)
    return calls


@pytest.mark.parametrize(
    ("model", "options", "threshold", "device"),
    [
        ({}, {}, 0.7, "auto"),
        ({"min_confidence_threshold": 0.2, "gpu_device": 0}, {}, 0.7, 0),
        ({"min_confidence_threshold": 0.9, "gpu_device": 1}, {}, 0.9, 1),
        ({"score_floor": 0.1, "min_confidence_threshold": 0.2}, {}, 0.2, "auto"),
        ({"min_confidence_threshold": 0.9}, {"score_threshold": 0.0, "device": "cpu"}, 0.0, "cpu"),
    ],
)
def test_run_inference_threshold_and_device(project, tmp_path, loaded, model, options, threshold, device):
    run.run_inference(
        "anywhere",
        sources.open_project(project),
        tmp_path / "out",
        config=load_inference_config({"model": model}),
        log=JsonLog(),
        options=run.Options(**options),
    )
    assert (loaded[0]["score_threshold"], loaded[0]["device"]) == (threshold, device)
    assert (tmp_path / "out" / "animals" / "meta.json").exists()


def test_run_inference_clash_of_names_is_known_before_the_model_is_loaded(project, tmp_path, loaded):
    config = load_inference_config({"model": {}, "mode": {"model_classes": {"add_suffix": ""}}})
    with pytest.raises(UserError, match="'cat' has shape rectangle"):
        run.run_inference("anywhere", sources.open_project(project), tmp_path / "out", config=config, log=JsonLog())
    assert loaded == []


def test_run_inference_output_that_is_not_empty_is_known_before_the_model_is_loaded(project, tmp_path, loaded):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "animals").write_text("a file")
    with pytest.raises(UserError, match="out/animals must be new or an empty folder"):
        run.run_inference(
            "anywhere", sources.open_project(project), tmp_path / "out", config=load_inference_config({}), log=JsonLog()
        )
    assert loaded == []


def test_an_image_the_mode_cannot_look_at_is_left_out(project, tmp_path, capsys):
    bounds = {"top": "9px", "bottom": "8px"}
    config = {"model": {}, "mode": {"name": "roi", "bounds": bounds, "model_classes": {"add_suffix": "!"}}}
    summary = run_on(sources.open_project(project), tmp_path / "out", config=config, batch_size=2)
    assert summary.skipped == ["ds2/a.png"]
    (line,) = (line["message"] for line in events(capsys) if line["level"] == "error")
    assert line.startswith("ds2/a.png is skipped: `mode.bounds` leaves nothing of an image of 16 x 16 pixels")


@pytest.mark.parametrize("error", [cv2.error("too large"), MemoryError("too large"), RecursionError("too large")])
def test_a_picture_that_cannot_be_drawn_is_left_out(project, tmp_path, monkeypatch, capsys, error):
    draw_one = draw.draw

    def fail(image, *args, **kwargs):
        if image.shape[0] == 40:
            raise error
        return draw_one(image, *args, **kwargs)

    monkeypatch.setattr(draw, "draw", fail)
    assert run_on(sources.open_project(project), tmp_path / "out", overlay=True).skipped == ["ds1/b.png"]
    expected = f"ds1/b.png is skipped: {type(error).__name__}: too large"
    assert any(expected in line["message"] for line in events(capsys))


def warnings_of(capsys):
    return [event["message"] for event in events(capsys) if event["level"] == "warn"]


def test_images_with_as_many_objects_as_they_may_have_are_named(project, tmp_path, capsys):
    # the small model finds two objects in each image
    source = sources.open_project(project)
    summary = run_on(source, tmp_path / "out", bundle=helpers.make_bundle(detections_per_image=2))
    assert summary.full == ["ds1/a.png", "ds1/b.png", "ds2/a.png"]
    (line,) = [text for text in warnings_of(capsys) if "as many objects" in text]
    assert line == (
        "in 3 images (ds1/a.png, ds1/b.png, ds2/a.png) the model found as many objects as it may, 2, so there may be "
        "more: raise `model.detections_per_image` in the model's config.json"
    )
    run_on(source, tmp_path / "more", bundle=helpers.make_bundle(detections_per_image=3))
    assert warnings_of(capsys) == []


@pytest.mark.parametrize(
    ("model", "options", "key"),
    [
        ({}, {"score_threshold": 0.9}, "--score-threshold"),
        ({"score_floor": 0.9}, {}, "`model.score_floor` of the config, or --score-threshold,"),
        (
            {"min_confidence_threshold": 0.9},
            {},
            "`model.min_confidence_threshold` of the config, or --score-threshold,",
        ),
    ],
)
def test_a_run_that_finds_nothing_says_what_lower_scores_would_give(tmp_path, capsys, model, options, key):
    helpers.write_image(tmp_path / "photos" / "a.png", 8, 8, 204)  # a cat of 0.8, a dog of 0.4
    bundle = helpers.make_bundle(helpers.Thresholded(0.9), score_threshold=0.9)
    run_on(
        sources.open_images(tmp_path / "photos"), tmp_path / "out", bundle=bundle, config={"model": model}, **options
    )
    assert warnings_of(capsys) == [
        "no object scores at least 0.9 in 1 images; in them 2 score at least 0.3 and 2 score at least 0.1; "
        f"{key} sets the limit"
    ]


def test_dark_images_are_named_and_the_models_range_makes_them_bright(tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "x.png"), np.full((20, 20), 4095, np.uint16))
    source = sources.open_images(tmp_path / "photos")
    run_on(source, tmp_path / "dark", bundle=helpers.make_bundle(score_threshold=0))
    assert any("no value above 4095" in event["message"] for event in events(capsys))
    run_on(source, tmp_path / "bright", bundle=helpers.make_bundle(image_range=4095))
    assert not any("no value above" in event["message"] for event in events(capsys))
    found = json.loads((tmp_path / "bright" / "predictions.json").read_text())["annotations"]
    assert max(item["score"] for item in found) == pytest.approx(1)  # the small model's score is the brightness


def test_an_image_over_the_limit_is_named_and_left_out(tmp_path, capsys):
    for name, side in (("small.png", 8), ("large.png", 1000)):
        helpers.write_image(tmp_path / "photos" / name, side, side, 100)
    source = sources.open_images(tmp_path / "photos")
    summary = run_on(source, tmp_path / "out", config={"model": {"max_image_mb": 1}})
    assert summary.skipped == ["large.png"]
    assert "large.png would take 3 MB when decoded, more than 1 MB" in "".join(e["message"] for e in events(capsys))
    assert run_on(source, tmp_path / "again", config={"model": {"max_image_mb": 3}}).skipped == []
