"""Exported files in the place of a model folder: the same detections in Python, in every mode, and in each command."""

import base64
import json
from dataclasses import replace

import numpy as np
import pytest
import requests

from mrcnn import OnnxPredictor
from mrcnn.annotate import run as annotating
from mrcnn.annotate import video as on_video
from mrcnn.commands import evaluate, infer
from mrcnn.config.inference import MODES
from mrcnn.config.load import load_inference_config
from mrcnn.config.serve import ServeConfig
from mrcnn.errors import UserError
from mrcnn.evaluate import run as scoring
from mrcnn.events import JsonLog
from mrcnn.export import run as exporting
from mrcnn.export.formats.onnx import Onnx
from mrcnn.export.precision import Tolerances
from mrcnn.predict import compact, modes, sources
from mrcnn.predict.exported import ExportedPredictor
from mrcnn.predict.pipeline import Pipeline
from mrcnn.predict.predictor import Predictor
from mrcnn.project.annotation import Annotation, Label
from mrcnn.project.geometry import Rectangle
from mrcnn.serve import app
from tests.export.helpers import photo
from tests.images.test_video import write as write_video
from tests.predict import helpers, one_dog
from tests.serve import helpers as serving
from tests.train.conftest import HeardLog

THRESHOLD = 0.25
TOLERANCES = Tolerances()  # of the proof in float32
WINDOWS = {"window": {"width": 24, "height": 20}, "min_overlap": {"x": 8, "y": 4}}
SETTINGS = {
    "full_image": {"flip": True},
    "roi": {"bounds": {"left": "20%", "top": "3px"}},
    "bboxes": {"padding": {"left": "2px", "bottom": "10%"}},
    "sliding_window": WINDOWS,
    "sliding_window_det": WINDOWS,
}


def bundle_of():
    bundle = helpers.make_bundle(helpers.Thresholded(THRESHOLD), score_threshold=THRESHOLD)
    return replace(bundle, class_metas=bundle.class_metas[::-1])  # the folder's order is not that of the ids


@pytest.fixture(scope="module")
def live():
    return Predictor(bundle_of())


@pytest.fixture(scope="module")
def onnx(tmp_path_factory):
    """An ONNX file of the live model."""
    pytest.importorskip("tf2onnx")
    folder = tmp_path_factory.mktemp("onnx")
    exporting.write(bundle_of(), folder, format=Onnx())
    return folder / "model.onnx"


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    """The folder of a SavedModel of the live model."""
    folder = tmp_path_factory.mktemp("saved") / "1"
    exporting.write(bundle_of(), folder)
    return folder


@pytest.fixture(params=["onnx", "saved_model"])
def exported(request):
    return request.getfixturevalue(request.param)


def check_same(found, expected):
    """Compares compact detections within the tolerances of the proof of an export."""
    assert found.class_names == expected.class_names
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=TOLERANCES.box_px)
    np.testing.assert_allclose(found.scores, expected.scores, atol=TOLERANCES.score)
    ours, theirs = (compact.to_dense(each).masks for each in (found, expected))
    assert ((ours != theirs).sum(axis=(1, 2)) <= TOLERANCES.mask_pixels).all()


@pytest.mark.parametrize(("height", "width"), [(50, 40), (1, 1), (30, 200), (300, 301)])
def test_load_returns_a_predictor_with_the_detections_of_the_live_model(live, exported, height, width):
    predictor = Predictor.load(exported)
    assert isinstance(predictor, ExportedPredictor)
    assert predictor.facts == live.facts
    image = np.maximum(photo(height, width), 100)
    [found], [expected] = predictor.predict_compact([image]), live.predict_compact([image])
    assert len(expected.masks) >= 1
    check_same(found, expected)
    [dense] = predictor.predict([image])
    assert dense.masks.shape == (len(expected.masks), height, width)
    [found] = predictor.with_choices(score_threshold=1.0).predict([image])
    assert (len(found.scores), found.masks.shape) == (0, (0, height, width))


def test_load_names_what_a_file_cannot_follow(exported, tmp_path):
    for arguments in ({"precision": "mixed_float16"}, {"classes": ["a"]}, {"score_threshold": 0.1}):
        with pytest.raises(UserError) as error:
            Predictor.load(exported, **arguments)
        assert str(exported) in str(error.value)
    [found] = Predictor.load(exported, score_threshold=0.75).predict([np.full((9, 9, 3), 255, np.uint8)])
    assert found.class_names == ("cat",)  # the dog scores half as much, 0.5
    damaged = tmp_path / "model.onnx"
    damaged.write_bytes(b"no model")
    with pytest.raises(UserError, match=r"model\.onnx cannot be opened as an ONNX file, export it again: "):
        Predictor.load(damaged)


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_finds_the_same(live, exported, mode):
    config = load_inference_config({"mode": {"name": mode, **SETTINGS[mode]}})
    labels = [Label("fox", Rectangle(((6, 5), (50, 40)))), Label("fox", Rectangle(((0, 0), (69, 20))))]
    picture = sources.Picture(0, photo(61, 70), Annotation((61, 70), labels=tuple(labels)))
    found = []
    for predictor in (Predictor.load(exported), live):
        with Pipeline(predictor) as pipeline:
            [(_, one)] = modes.RUNNERS[mode](pipeline, [picture], config.mode, batch_size=2)
        found.append(one)
    assert [part.label for part in found[0].parts] == [part.label for part in found[1].parts]
    assert len(found[1].detections.masks) >= 1
    check_same(found[0].detections, found[1].detections)


def objects_of(folder):
    """Lists the class, the score and the place of the objects of a project by annotation file."""
    read = {}
    for path in sorted(folder.glob("*/ann/*.json")):
        objects = json.loads(path.read_text())["objects"]
        read[path.name] = [
            (item["classTitle"], [round(tag["value"], 2) for tag in item["tags"] if "value" in tag], item.get("bitmap"))
            for item in objects
        ]
    return read


def apply_live(live, source, output, config, **options):
    options = annotating.Options(**options)
    annotating.apply(live, source, output, config=load_inference_config(config), log=JsonLog(), options=options)


def test_infer_adds_to_a_project_what_the_live_model_finds(live, exported, tmp_path):
    project = helpers.write_scored_project(tmp_path)
    config = {"mode": {"model_classes": {"save_classes": ["dog"]}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    args = ["--model", str(exported), "--project", str(project), "--output", str(tmp_path / "out")]
    args += ["--config", str(tmp_path / "config.json"), "--batch-size", "auto"]
    log = HeardLog()
    infer.infer(infer.parse(args), log)
    assert not any("building the graph" in line for line in log.messages)
    apply_live(live, sources.open_project(project), tmp_path / "live", config)
    found = objects_of(tmp_path / "out" / "animals")
    assert found == objects_of(tmp_path / "live" / "animals")
    # 200 / 255 / 2 = 0.39, 250 / 255 / 2 = 0.49; of 100 / 255 / 2 = 0.2 none
    scores = [[item[1] for item in items if item[0] == "dog_maskrcnn"] for items in found.values()]
    assert scores == [[[0.39]], [], [[0.49]]]


def test_infer_reads_a_folder_and_resumes(live, onnx, tmp_path):
    for name, grey in (("a.png", 200), ("b.png", 240)):
        helpers.write_image(tmp_path / "in" / name, 20, 30, grey)
    args = ["--model", str(onnx), "--images", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    infer.infer(infer.parse(args), JsonLog())
    apply_live(live, sources.open_images(tmp_path / "in"), tmp_path / "live", {})
    ours, theirs = (json.loads((tmp_path / name / "predictions_results.json").read_text()) for name in ("out", "live"))
    assert len(ours) == len(theirs) == 4
    for one, other in zip(ours, theirs, strict=True):
        assert one["segmentation"] == other["segmentation"]
        assert one["score"] == pytest.approx(other["score"], abs=TOLERANCES.score)
    log = HeardLog()
    infer.infer(infer.parse([*args, "--resume"]), log)
    assert any(line.startswith("nothing to do") for line in log.messages)


def test_infer_reads_a_video(live, onnx, tmp_path):
    clip = write_video(tmp_path / "clip.mp4", [(grey,) * 3 for grey in (200, 60)], rate=10)
    infer.infer(
        infer.parse(["--model", str(onnx), "--images", str(clip), "--output", str(tmp_path / "out")]), JsonLog()
    )
    config, options = load_inference_config({}), annotating.Options()
    opened = on_video.check(clip, tmp_path / "live", config=config, options=options)
    on_video.apply(live, opened, tmp_path / "live", config=config, log=JsonLog(), options=options)
    ours, theirs = (
        [json.loads(line) for line in (tmp_path / name / "clip.jsonl").read_text().splitlines()]
        for name in ("out", "live")
    )
    names = [[item["category"] for item in row["objects"]] for row in ours]
    assert names == [[item["category"] for item in row["objects"]] for row in theirs] == [["cat", "dog"], []]


def test_infer_says_how_to_get_lower_scores(onnx, tmp_path):
    helpers.write_image(tmp_path / "in" / "a.png", 20, 30, 20)  # 20 / 255 = 0.08
    log = HeardLog()
    infer.infer(
        infer.parse(["--model", str(onnx), "--images", str(tmp_path / "in"), "--output", str(tmp_path / "out")]), log
    )
    assert (
        "no object scores at least 0.25 in 1 images, and the exported file drops what scores less than 0.25; export "
        "the model again with a lower --score-threshold"
    ) in log.messages


def test_infer_says_where_more_objects_of_an_image_are_allowed(tmp_path):
    file = one_dog.write(tmp_path / "model.onnx", settings={**one_dog.SETTINGS, "detections_per_image": 1})
    helpers.write_image(tmp_path / "in" / "a.png", 20, 30, 200)
    log = HeardLog()
    infer.infer(
        infer.parse(["--model", str(file), "--images", str(tmp_path / "in"), "--output", str(tmp_path / "out")]), log
    )
    text = "raise `model.detections_per_image` in the config.json of the model, and export it again"
    assert any(line.endswith(text) for line in log.messages)


def test_evaluate_has_the_metrics_of_the_live_model(live, exported, tmp_path, capsys):
    project = helpers.write_scored_project(tmp_path)
    args = ["--model", str(exported), "--project", str(project), "--tag", "val"]
    args += ["--output", str(tmp_path / "metrics.json"), "--report", str(tmp_path / "report.html")]
    log = HeardLog()
    evaluate.evaluate(evaluate.parse(args), log)
    source = sources.with_tag(sources.open_project(project), "val")
    expected = scoring.jsonable(scoring.evaluate(live, source, log=JsonLog()))
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert found.pop("score_threshold") == 0.05
    assert found == json.loads(json.dumps(expected))
    assert any("drops what scores less than 0.25, which AP counts down to 0.05" in line for line in log.messages)
    assert "<section" in (tmp_path / "report.html").read_text()
    with pytest.raises(UserError, match=r"has no objects that score less than 0\.25, got the score threshold 0\.1"):
        evaluate.evaluate(evaluate.parse([*args[:6], "--score-threshold", "0.1"]), JsonLog())
    evaluate.evaluate(evaluate.parse([*args, "--score-threshold", "0.6"]), JsonLog())
    assert json.loads((tmp_path / "metrics.json").read_text())["per_class"]["cat"]["detections"] == 1  # 200 / 255


def test_evaluate_knows_the_class_that_was_ignored_in_training(tmp_path):
    trained = {"neutral": "fox", "mask_classes": ["cat"]}
    exporting.write(bundle_of(), tmp_path / "1", known=trained)
    project = helpers.write_scored_project(tmp_path)
    loading = {"score_threshold": 0.25}
    prepared = scoring.prepare(tmp_path / "1", project, tag=None, names={}, loading=loading, log=JsonLog())
    assert prepared.neutral == "fox"
    assert prepared.groups == {"seen": ("cat",), "unseen": ("dog",)}


def test_the_service_answers_as_with_the_live_model(live, exported):
    predictor = app.load_predictor(None, ServeConfig(model=str(exported), score_threshold=0.3), log=serving.ListLog())
    image = serving.image_bytes(value=200)
    body = {"signature_name": "encoded", "inputs": {"encoded": {"b64": base64.b64encode(image).decode()}}}
    answers = []
    for each in (predictor, live.with_choices(score_threshold=0.3)):
        with serving.running(each) as service:
            assert requests.get(f"{service.url}/limits", timeout=60).json()["score_threshold"] == 0.3
            answer = requests.post(f"{service.url}/v1/models/mrcnn:predict", json=body, timeout=60)
            assert answer.status_code == 200
            answers.append(answer.json()["outputs"])
    assert answers[0]["class_ids"] == answers[1]["class_ids"] == [1, 2]
    np.testing.assert_allclose(answers[0]["scores"], answers[1]["scores"], atol=TOLERANCES.score)
    assert answers[0]["masks"] == answers[1]["masks"]


def test_onnx_predictor_is_the_same_without_tensorflow(live, onnx):
    image = np.maximum(photo(50, 40), 100)
    check_same(OnnxPredictor.load(onnx).predict_compact([image])[0], live.predict_compact([image])[0])
