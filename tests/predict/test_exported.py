"""The predictor of exported files, on a function in the place of a runtime."""

import json
import tracemalloc

import numpy as np
import pytest

from mrcnn.errors import OutOfMemory, UserError
from mrcnn.predict import batch_size
from mrcnn.predict.exported import ExportedPredictor
from mrcnn.structures import SEMANTIC

from .one_dog import SETTINGS

NAMES = ("boxes", "class_ids", "scores", "masks", "probabilities")
LABELS = {
    "classes": [{"id": 0, "title": "bg"}, {"id": 1, "title": "cat", "color": "#FF0000"}, {"id": 2, "title": "dog"}]
}


class Runtime:
    """Finds in each image three objects of one pixel row each; notes what it was asked for."""

    def __init__(self, **further):
        self.asked, self.further = [], further

    def __call__(self, image, names):
        self.asked.append((image.shape, image.dtype.name, tuple(names)))
        masks = np.zeros((3, *image.shape[:2]), np.uint8)
        for row in range(3):
            masks[row, row] = 1
        boxes = np.float32([[row, 0, row + 1, image.shape[1]] for row in range(3)])
        found = {
            "boxes": boxes, "class_ids": np.int32([2, 1, 2]), "scores": np.float32([0.75, 0.5, 0.25]), "masks": masks,
            **self.further,
        }  # fmt: skip
        return {name: found[name] for name in names}


def make(runtime=None, *, outputs=NAMES, labels=LABELS, files=(), **settings):
    texts = {"settings": json.dumps({**SETTINGS, **settings}), "labels": json.dumps(labels)}
    return ExportedPredictor(runtime or Runtime(), outputs, properties=texts, name="a.onnx", files=files)


def image(height=4, width=6):
    return np.zeros((height, width, 3), np.uint8)


def test_exported_predictor_has_the_facts_of_its_file():
    predictor = make()
    assert predictor.class_names == ("bg", "cat", "dog")
    assert [item.title for item in predictor.facts.class_metas] == ["cat", "dog"]
    assert predictor.facts.class_metas[0].color == "#FF0000"
    assert predictor.facts.choices.score_threshold == predictor.least_score == 0.25
    assert (predictor.maps, predictor.fields) == ({}, {})


def test_predict_and_predict_compact_find_the_same():
    runtime = Runtime()
    predictor = make(runtime)
    [dense], [compact] = predictor.predict([image()]), predictor.predict_compact([image()])
    assert dense.masks.sum(axis=(1, 2)).tolist() == [mask.area for mask in compact.masks] == [6, 6, 6]
    assert dense.class_names == compact.class_names == ("dog", "cat", "dog")
    assert [found.scores.tolist() for found in (dense, compact)] == [[0.75, 0.5, 0.25]] * 2
    # one image at a time, and never the probabilities
    assert runtime.asked == [((4, 6, 3), "uint8", NAMES[:4])] * 2
    assert predictor.predict([]) == []


def test_predict_holds_the_masks_of_one_image_whatever_the_batch():
    order, runtime = [], Runtime()
    predictor = make(lambda image, names: order.append("run") or runtime(image, names))
    for _ in predictor.predict_iter([image(), image()], batch_size=4):
        order.append("found")
    assert order == ["run", "found", "run", "found"]
    assert make().mask_bits == 16


def test_predict_iter_reads_as_needed_and_refuses_at_the_call():
    runtime = Runtime()
    found = make(runtime).predict_iter(iter([image(), image(9, 9)]))
    next(found)
    assert len(runtime.asked) == 1
    with pytest.raises(ValueError, match=r"`batch_size` must be at least 1, got 0"):
        make().predict_iter([image()], batch_size=0)


def test_prepare_gives_each_image_alone_with_the_channels_of_the_model():
    grey = np.zeros((4, 6), np.uint8)
    assert [one.shape for one in make().prepare([grey, image(2, 2)])] == [(4, 6, 3), (2, 2, 3)]
    assert [one.shape for one in make(channels=1).prepare([grey])] == [(4, 6, 1)]
    for wrong, text in (
        (image().astype(np.float32), "must be uint8 .* got float32"),
        (image()[..., :2], "3 channels, got 2"),
        (image(0, 6), r"got \[0, 6, 3\]"),
    ):
        with pytest.raises(ValueError, match=f"image 1: .*{text}"):
            make().prepare([image(), wrong])


def test_with_choices_raises_the_score_threshold_and_keeps_the_predictor():
    predictor = make()
    stricter = predictor.with_choices(score_threshold=0.5)  # 0.5 itself is kept, as by the live model
    assert [found.scores.tolist() for found in stricter.predict([image()])] == [[0.75, 0.5]]
    assert [mask.sum() for mask in stricter.predict([image()])[0].masks] == [6, 6]
    assert [len(found.scores) for found in predictor.predict([image()])] == [3]
    assert len(stricter.with_choices(score_threshold=0.25).predict([image()])[0].scores) == 3
    assert stricter.with_choices(score_threshold=1.0).predict([image()])[0].masks.shape == (0, 4, 6)


def test_with_choices_refuses_what_an_exported_file_has_fixed():
    predictor = make()
    for changes, text in (
        ({"score_threshold": 0.2}, r"a.onnx has no objects that score less than 0.25, got the score threshold 0.2; "
                                   r"export the model again with --score-threshold 0.2$"),
        ({"score_threshold": 1.5}, r"must be in 0..1, got 1.5"),
        ({"detection_nms_iou_threshold": 0.5}, r"`detection_nms_iou_threshold` of the exported file a.onnx is 0.3 and "
                                               r"cannot be 0.5; use the model folder$"),
        ({"speed": 2}, r"'speed' is no run-time choice; those are score_threshold, "),
    ):  # fmt: skip
        with pytest.raises(UserError, match=text):
            predictor.with_choices(**changes)
    same = predictor.with_choices(mask_threshold=0.5, detections_per_image=100)
    assert same.facts == predictor.facts


def test_finish_drops_empty_masks_and_filters_fields_but_not_maps():
    keypoints, semantic = np.arange(9, dtype=np.float32).reshape(3, 1, 3), np.ones((4, 6), np.uint8)
    runtime = Runtime(keypoints=keypoints, semantic=semantic)
    labels = {**LABELS, "stuff": [{"id": 1, "title": "sky", "color": "#0000FF"}], "panoptic": {"overlap": 0.25}}
    predictor = make(runtime, outputs=(*NAMES, "keypoints", SEMANTIC), labels=labels, maps=[SEMANTIC])
    [found] = predictor.with_choices(score_threshold=0.5).predict([image()])
    assert found.extras["keypoints"].tolist() == keypoints[:2].tolist()
    assert found.maps[SEMANTIC].tolist() == semantic.tolist()
    assert predictor.maps[SEMANTIC].stuff == predictor.facts.stuff_classes == ("sky",)
    assert predictor.maps[SEMANTIC].overlap == 0.25
    assert [item.color for item in predictor.facts.stuff_metas] == ["#0000FF"]
    assert list(predictor.fields) == ["keypoints"]
    empty = Runtime(masks=np.zeros((3, 4, 6), np.uint8))
    assert make(empty).predict_compact([image()])[0].masks == ()


def test_finish_needs_memory_for_one_more_mask_only():
    count, side = 50, 400
    found = {
        "boxes": np.tile(np.float32([0, 0, 4, 4]), (count, 1)), "class_ids": np.ones(count, np.int32),
        "scores": np.ones(count, np.float32), "masks": np.zeros((count, side, side), np.uint8),
    }  # fmt: skip
    found["masks"][:, :4, :4] = 1
    tracemalloc.start()
    [objects] = make().finish([image(side, side)], [found])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [mask.area for mask in objects.masks] == [16] * count
    assert (objects.size, objects.class_names[0]) == ((side, side), "cat")
    assert peak < 5 * side * side  # all masks have 50 times as many pixels as one


def test_detect_reports_what_the_runtime_could_not_do_in_one_line():
    def failing(kind, text):
        def run(image, names):
            raise kind(text)

        return make(run)

    with pytest.raises(RuntimeError, match=r"^a.onnx failed for an image of 4x6 pixels: bad node second line$"):
        failing(KeyError.__base__, "bad node\nsecond line").predict([image()])
    with pytest.raises(OutOfMemory, match=r"^out of memory for an image of 4x6 pixels: use smaller images or windows"):
        failing(MemoryError, "").predict([image()])


def test_an_output_that_is_missing_is_named():
    with pytest.raises(UserError, match=r"^the file has no output `masks`; export the model again$"):
        make(outputs=NAMES[:3])
    with pytest.raises(UserError, match=r"^the file has no output `semantic`; export the model again$"):
        make(maps=[SEMANTIC])


def test_load_refuses_what_is_no_export(tmp_path):
    for path in (tmp_path, tmp_path / "model.h5"):
        with pytest.raises(
            UserError, match=r"is no exported model; give one of these files, or its folder: model.onnx"
        ):
            ExportedPredictor.load(path)


def test_identity_changes_with_the_bytes_and_the_choices(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2")
    first, second = make(files=[tmp_path / "a"]), make(files=[tmp_path / "b"])
    assert first.identity() == make(files=[tmp_path / "a"]).identity()
    assert first.identity() != second.identity()
    assert first.identity() != first.with_choices(score_threshold=0.5).identity()
    assert json.loads(json.dumps(first.identity()))["exported"]["settings"]["channels"] == 3


def test_a_batch_size_chosen_by_trials_is_one():
    runtime = Runtime()
    assert batch_size.choose(make(runtime), regions=50) == 1
    assert runtime.asked == []
