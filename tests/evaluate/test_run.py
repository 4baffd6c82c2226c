"""AP of a model on a project."""

import pytest

from mrcnn.config.load import load_inference_config
from mrcnn.config.tta import TtaConfig
from mrcnn.errors import UserError
from mrcnn.evaluate import coco
from mrcnn.evaluate import run as scoring
from mrcnn.evaluate.coco import CocoEvaluator
from mrcnn.evaluate.text_table import text_table
from mrcnn.events import JsonLog
from mrcnn.model_folder import read
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from tests.predict import helpers
from tests.predict.helpers import whole
from tests.predict.tta import networks


@pytest.fixture
def project(tmp_path):
    return helpers.write_scored_project(tmp_path)


def run(source, **kwargs):
    return scoring.evaluate(Predictor(helpers.make_bundle()), source, log=JsonLog(), **kwargs)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_worked_case(project, batch_size):
    metrics = run(sources.with_tag(sources.open_project(project), "val"), batch_size=batch_size)
    assert (metrics["images"], metrics["skipped"]) == (2, 0)
    assert metrics["per_class"]["cat"]["mask_ap"] == 1.0
    # the dog of a.png scores 100/255 and is right, that of b.png 50/255 and comes behind it: AP 1
    assert metrics["per_class"]["dog"]["box_ap"] == 1.0
    assert (metrics["per_class"]["dog"]["objects"], metrics["per_class"]["dog"]["detections"]) == (1, 2)
    assert metrics["mask_ap"] == 1.0


def windows_of(side, **settings):
    values = {"name": "sliding_window", "window": {"width": side, "height": side}, **settings}
    return load_inference_config({"model": {}, "mode": values}).mode


# every window is a cat: joined along the borders they are the one of the image, alone each is too small
@pytest.mark.parametrize(("join", "expected"), [(0.5, 1.0), (None, 0.0)])
def test_a_mode_is_scored_as_it_looks(project, join, expected):
    source = sources.with_tag(sources.open_project(project), "val")
    metrics = run(source, mode=windows_of(12, join_iou_threshold=join))
    assert metrics["per_class"]["cat"]["mask_ap"] == expected


def test_every_detection_of_many_windows_counts(tmp_path):
    # 121 windows of one pixel, all cats of equal score, and the last one is an object: COCO would stop after 100
    images = {"ds/a.png": (11, 11, 200, [helpers.rectangle("cat", 10, 10, 10, 10)], [])}
    root = helpers.write_project(tmp_path / "p", images, classes=(("cat", "rectangle"),))
    mode = windows_of(1, join_iou_threshold=None)
    assert run(sources.open_project(root), mode=mode)["per_class"]["cat"]["mask_ap"] == pytest.approx(1 / 121, rel=0.01)


def test_an_image_that_the_mode_does_not_fit_is_counted(project, capsys):
    mode = load_inference_config({"model": {}, "mode": {"name": "roi", "bounds": {"left": "25px"}}}).mode
    metrics = run(sources.open_project(project), mode=mode)
    assert (metrics["images"], metrics["skipped"]) == (1, 2)
    assert "ds/b.png is skipped" in capsys.readouterr().err


def test_images_without_objects_count(project):
    metrics = run(sources.open_project(project))
    assert metrics["images"] == 3
    # c.png has the best cat (250/255) and no object, so precision is 1/2 at recall 1/2 and 2/3 at recall 1; AP takes
    # at each recall the best precision from there on
    assert metrics["per_class"]["cat"]["mask_ap"] == pytest.approx(2 / 3)
    assert metrics["per_class"]["dog"]["mask_ap"] == pytest.approx(1 / 2)


def test_an_image_annotated_in_another_size_is_left_out_and_told(project, capsys):
    helpers.write_image(project / "ds" / "img" / "b.png", 20, 12, 100)  # half of what its annotation is for
    metrics = run(sources.with_tag(sources.open_project(project), "val"))
    assert (metrics["images"], metrics["skipped"]) == (1, 1)
    expected = "ds/b.png is skipped: its annotation is for (40, 24) pixels (height, width) but the image has (20, 12)"
    assert expected in capsys.readouterr().err


def test_class_the_model_does_not_know_is_told_and_left_out(project, capsys):
    run(sources.open_project(project))
    assert "the model does not have 1 of the project's classes (fox): their objects are left out" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("titles", [("fox", "hen", "owl", "yak"), ("bg", "fox", "hen", "owl", "yak")])
def test_a_project_without_any_class_of_the_model_is_an_error(tmp_path, titles):
    classes = tuple((title, "rectangle") for title in titles)
    root = helpers.write_project(
        tmp_path / "p", {"ds/a.png": (20, 30, 240, [whole("fox", 20, 30)], [])}, classes=classes
    )
    with pytest.raises(
        UserError, match=r"none of the project's classes \(fox, hen, owl, …; the model's are cat, dog\)"
    ):
        run(sources.open_project(root))


# a crowd of cats excuses cats only: the dog found in it is wrong and ranks first, so the dogs' AP is 1/2
@pytest.mark.parametrize(("how", "expected"), [("neutral", 1.0), ("crowd", (1 + 1 / 2) / 2)])
def test_regions_to_ignore_excuse_detections(tmp_path, how, expected):
    region = whole("fog", 20, 30) if how == "neutral" else whole("cat", 20, 30, tags=["iscrowd"])
    images = {
        "ds/a.png": (20, 30, 240, [region], []),
        "ds/b.png": (20, 30, 100, [whole("cat", 20, 30), whole("dog", 10, 30)], []),
    }
    classes = (("cat", "rectangle"), ("dog", "rectangle"), ("fog", "rectangle"))
    root = helpers.write_project(tmp_path / "p", images, classes=classes, tags=(("iscrowd", "none"),))
    metrics = run(sources.open_project(root), neutral="fog" if how == "neutral" else None)
    assert metrics["mask_ap"] == metrics["box_ap"] == expected
    assert metrics["per_class"]["cat"]["objects"] == 1


@pytest.mark.parametrize(("given", "counted"), [(5, 100), (100, 100), (400, 400)])
def test_model_of_many_detections_is_scored_with_all(project, monkeypatch, given, counted):
    limits = []

    class Evaluator(CocoEvaluator):
        def __init__(self, num_classes, *, max_detections):
            limits.append(max_detections)
            super().__init__(num_classes, max_detections=max_detections)

    monkeypatch.setattr(coco, "CocoEvaluator", Evaluator)
    predictor = Predictor(helpers.make_bundle(detections_per_image=given))
    scoring.evaluate(predictor, sources.open_project(project), log=JsonLog())
    assert limits == [counted]


def test_bad_image_is_counted(project):
    (project / "ds" / "img" / "c.png").write_bytes(b"broken")
    metrics = run(sources.open_project(project))
    assert (metrics["images"], metrics["skipped"]) == (2, 1)


def test_no_usable_image(project):
    for path in project.rglob("*.png"):
        path.write_bytes(b"broken")
    with pytest.raises(UserError, match="none of the 3 images could be used"):
        run(sources.open_project(project))


def test_folder_has_no_objects(tmp_path):
    helpers.write_image(tmp_path / "a.png", 8, 8, 9)
    with pytest.raises(UserError, match="no annotated objects to evaluate against"):
        run(sources.open_images(tmp_path))


def test_evaluate_averages_over_groups_of_classes(project):
    source = sources.with_tag(sources.open_project(project), "val")
    assert "groups" not in run(source)
    metrics = run(source, groups={"pets": ("cat", "dog"), "dogs": ("dog",)})
    assert metrics["groups"]["dogs"]["box_ap"] == metrics["per_class"]["dog"]["box_ap"]
    assert metrics["groups"]["pets"]["mask_ap"] == metrics["mask_ap"]
    with pytest.raises(UserError, match="the group 'pets' must list classes of the model, got \"cow\""):
        run(source, groups={"pets": ("cow",)})


def test_evaluate_model_with_test_time_augmentation(project, tmp_path, monkeypatch, capsys):
    network = networks.Halves(networks.shares((0, 0, 1, 1, 1, 0.9)), networks.constant([[1.0]]))
    bundle = helpers.make_bundle(network, score_threshold=0.05)
    monkeypatch.setattr(read, "read_model", lambda model, **arguments: helpers.make_stored(tmp_path, bundle))
    monkeypatch.setattr(read, "load_model", lambda stored, **arguments: bundle)
    metrics = scoring.evaluate_model(
        "m", project, tag="val", mode=scoring.FULL_IMAGE, names={}, loading={}, batch_size=2, log=JsonLog(),
        tta=TtaConfig(min_dims=(64, 96)),
    )  # fmt: skip
    assert metrics["per_class"]["cat"]["mask_ap"] == 1.0
    assert metrics["per_class"]["cat"]["detections"] == 2  # one in each image, not one of each view
    assert [shape[1:3] for shape in network.found] == [(64, 64), (64, 64), (128, 128), (128, 128)]
    assert "test-time augmentation: 4 views" in capsys.readouterr().err


def test_evaluate_leaves_mask_ap_out_where_a_model_of_points_meets_boxes(project, tmp_path, capsys):
    source = sources.with_tag(sources.open_project(project), "val")
    predictor = Predictor(helpers.make_bundle(mask_supervision="points"))
    metrics = scoring.evaluate(predictor, source, log=JsonLog(), groups={"pets": ("cat", "dog")})
    assert "mask AP is left out: 3 objects of the data are boxes" in capsys.readouterr().err
    for values in (metrics, metrics["per_class"]["cat"], metrics["groups"]["pets"]):
        assert "box_ap" in values
        assert not [name for name in values if name.startswith("mask_")]
    assert "mask_ap" not in text_table(metrics).splitlines()[0]
    assert "mask_ap" in run(source)  # for other models a rectangle is a mask


def test_evaluate_measures_the_masks_of_a_model_of_points(tmp_path, capsys):
    ring = {"exterior": [[0, 0], [29, 0], [29, 19], [0, 19]], "interior": []}
    polygon = {"classTitle": "cat", "tags": [], "points": ring}
    images = {"ds/a.png": (20, 30, 200, [polygon], [])}
    root = helpers.write_project(tmp_path / "p", images, classes=(("cat", "polygon"),))
    predictor = Predictor(helpers.make_bundle(mask_supervision="points"))
    metrics = scoring.evaluate(predictor, sources.open_project(root), log=JsonLog())
    assert metrics["per_class"]["cat"]["mask_ap"] == 1.0
    assert "left out" not in capsys.readouterr().err
