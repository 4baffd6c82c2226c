"""Modes: what they look at and what becomes of it, with a predictor that finds bright blobs."""

from dataclasses import replace

import numpy as np
import pytest

from mrcnn.config.inference import MODES
from mrcnn.config.load import load_mode
from mrcnn.errors import UserError
from mrcnn.predict import compact, modes
from mrcnn.project.annotation import Annotation, Label
from mrcnn.project.geometry import Polygon, Rectangle, Unsupported

from . import helpers


def run(pictures, *, predictor=None, batch_size=3, **mode):
    settings = load_mode(mode, default_suffix="")
    runner = modes.RUNNERS[settings.name]
    return [
        found for _, found in runner(predictor or helpers.BlobPredictor(), pictures, settings, batch_size=batch_size)
    ]


def make_scene(seed=1):
    """Draws twelve discs of different values that do not touch; gives the grey image and their masks, best first."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((60, 90))
    grey = np.zeros((60, 90), np.uint8)
    for index in range(12):
        y, x = 10 + 20 * (index // 4) + rng.integers(-1, 2), 11 + 22 * (index % 4) + rng.integers(-1, 2)
        grey[(rows - y) ** 2 + (columns - x) ** 2 <= rng.integers(4, 9) ** 2] = 10 + 20 * index + index % 2
    return grey, [grey == value for value in sorted(set(grey.ravel()) - {0}, reverse=True)]


def test_every_mode_of_the_config_has_a_runner():
    assert modes.RUNNERS.keys() == MODES.keys()


def test_full_image():
    grey, masks = make_scene()
    (found,) = run([helpers.make_picture(grey)], name="full_image")
    assert [(part.label, part.box) for part in found.parts] == [(None, None)]
    assert len(masks) == 12
    np.testing.assert_array_equal(compact.to_dense(found.detections).masks, masks)


@pytest.mark.parametrize("save", [False, True])
def test_roi_looks_inside_its_bounds_in_pixels_of_the_image(save):
    grey = np.zeros((40, 50), np.uint8)
    grey[0:20, 5:30] = 100  # 0..7 and 5..9 are cut off
    grey[35:38, 2:8] = 200  # outside
    bounds = {"left": "20%", "top": "8px", "right": "2px", "bottom": "25%"}
    (found,) = run([helpers.make_picture(grey)], name="roi", bounds=bounds, save=save)
    assert [mask.box for mask in found.detections.masks] == [(8, 10, 20, 30)]
    np.testing.assert_array_equal(found.detections.boxes, [[8, 10, 20, 30]])
    assert [part.box for part in found.parts] == [(8, 10, 30, 48) if save else None]


def test_roi_is_of_the_image_whatever_size_its_annotation_tells():
    picture = replace(helpers.make_picture(np.zeros((40, 50), np.uint8)), annotation=Annotation((400, 500)))
    (found,) = run([picture], name="roi", bounds={"left": "20%", "bottom": "25%"}, save=True)
    assert [part.box for part in found.parts] == [(0, 10, 30, 50)]


def test_roi_of_an_image_that_is_too_small_is_an_error_of_this_image():
    with pytest.raises(UserError, match="leaves nothing of an image of 4 x 50"):
        run([helpers.make_picture(np.zeros((4, 50), np.uint8))], name="roi", bounds={"top": "4px"})


def make_labels():
    return [
        Label("car", Rectangle([[10, 5], [19, 14]])),  # rows 5..14, columns 10..19
        Label("tree", Rectangle([[0, 0], [49, 39]])),
        Label("car", Rectangle([[60, 5], [70, 14]])),  # outside
        Label("car", Unsupported("cube")),
        Label("car", Polygon([[40, 30], [60, 30], [60, 38], [40, 38]])),  # partly outside
    ]


def test_bboxes_looks_around_the_chosen_objects():
    grey = np.zeros((40, 50), np.uint8)
    grey[2:10, 8:22] = 100  # 2 rows above the first padded box
    grey[20, 20] = 200  # in no box of a car
    grey[35:40, 45:50] = 150
    padding = {"left": "1px", "top": "10%", "right": "20%"}
    (found,) = run(
        [helpers.make_picture(grey, labels=make_labels())],
        name="bboxes",
        from_classes=["car"],
        padding=padding,
        save=True,
    )
    assert [(part.label, part.box) for part in found.parts] == [(0, (4, 9, 15, 22)), (4, (30, 39, 39, 50))]
    assert [[mask.box for mask in part.detections.masks] for part in found.parts] == [
        [(4, 9, 10, 22)],
        [(35, 45, 39, 50)],
    ]


def test_bboxes_of_every_class_is_the_default_and_nothing_is_saved():
    (found,) = run([helpers.make_picture(np.zeros((40, 50), np.uint8), labels=make_labels())], name="bboxes")
    assert [(part.label, part.box) for part in found.parts] == [(0, None), (1, None), (4, None)]


def test_bboxes_without_objects_runs_nothing():
    predictor = helpers.BlobPredictor()
    pictures = [helpers.make_picture(np.full((4, 5), 100, np.uint8), index=index) for index in range(3)]
    assert [found.parts for found in run(pictures, predictor=predictor, name="bboxes")] == [(), (), ()]
    assert predictor.batches == []


SLIDING = ["sliding_window", "sliding_window_det"]


@pytest.mark.parametrize("name", SLIDING)
@pytest.mark.parametrize(
    ("window", "min_overlap"),
    [((32, 32), (0, 0)), ((32, 32), (8, 8)), ((40, 25), (20, 13)), ((1000, 20), (0, 5)), ((90, 60), (0, 0))],
)
def test_objects_that_windows_cut_are_whole_again(name, window, min_overlap):
    grey, masks = make_scene()
    (found,) = run(
        [helpers.make_picture(grey)],
        name=name,
        window={"width": window[0], "height": window[1]},
        min_overlap={"x": min_overlap[0], "y": min_overlap[1]},
    )
    (part,) = found.parts
    np.testing.assert_array_equal(compact.to_dense(part.detections).masks, masks)
    assert np.all(np.diff(part.detections.scores) < 0)


def test_sliding_window_without_joining_leaves_the_pieces():
    grey = np.zeros((20, 40), np.uint8)
    grey[5:15, 10:30] = 100
    (found,) = run(
        [helpers.make_picture(grey)],
        name="sliding_window",
        window={"width": 20, "height": 20},
        join_iou_threshold=None,
    )
    assert [mask.box for mask in found.detections.masks] == [(5, 10, 15, 20), (5, 20, 15, 30)]


class DoubtfulPredictor(helpers.BlobPredictor):
    """Finds each blob once more, two rows shorter and less sure."""

    def _find(self, grey):
        found = super()._find(grey)
        again = found._replace(scores=found.scores / 2, masks=np.roll(found.masks, 2, axis=1) & found.masks)
        return type(found)(
            np.concatenate([found.boxes, again.boxes]),
            np.concatenate([found.class_ids, again.class_ids]),
            found.class_names + again.class_names,
            np.concatenate([found.scores, again.scores]),
            np.concatenate([found.masks, again.masks]),
        )


@pytest.mark.parametrize(
    ("nms_after", "expected"),
    [
        (None, {"sliding_window": 1, "sliding_window_det": 2}),
        ({"enable": True}, {"sliding_window": 1, "sliding_window_det": 1}),
        ({"enable": False}, {"sliding_window": 2, "sliding_window_det": 2}),
        # 8 of 10 rows: IoU 0.8
        ({"enable": True, "iou_threshold": 0.8}, {"sliding_window": 2, "sliding_window_det": 2}),
    ],
)
@pytest.mark.parametrize("name", SLIDING)
def test_what_overlaps_is_thinned_out_as_the_mode_says(name, nms_after, expected):
    grey = np.zeros((20, 20), np.uint8)
    grey[5:15, 3:9] = 100
    mode = {} if nms_after is None else {"nms_after": nms_after}
    (found,) = run([helpers.make_picture(grey)], predictor=DoubtfulPredictor(), name=name, **mode)
    assert len(found.detections.masks) == expected[name]
    np.testing.assert_allclose(found.detections.scores[0], 100 / 255)


@pytest.mark.parametrize("name", SLIDING)
def test_windows_are_saved(name):
    (found,) = run(
        [helpers.make_picture(np.zeros((20, 40), np.uint8))],
        name=name,
        window={"width": 20, "height": 50},
        min_overlap={"x": 5, "y": 10},
        save=True,
    )
    assert [part.box for part in found.parts] == [None, (0, 0, 20, 20), (0, 15, 20, 35), (0, 20, 20, 40)]


def test_sliding_window_windows_run_in_batches_across_pictures():
    predictor = helpers.BlobPredictor()
    pictures = [helpers.make_picture(np.zeros((20, 30), np.uint8), index=index) for index in range(3)]
    run(pictures, predictor=predictor, batch_size=4, name="sliding_window", window={"width": 10, "height": 20})
    assert predictor.batches == [4, 4, 1]  # 3 windows a picture


def test_flip_adds_what_only_the_mirror_image_shows():
    class LeftHalf(helpers.BlobPredictor):
        def _find(self, grey):
            return super()._find(np.where(np.arange(grey.shape[1]) < grey.shape[1] * 0.6, grey, 0))

    grey = np.zeros((20, 40), np.uint8)
    grey[2:8, 3:9], grey[2:8, 31:36], grey[10:15, 17:22] = 100, 120, 140
    picture = helpers.make_picture(grey)
    assert len(run([picture], predictor=LeftHalf(), name="full_image")[0].detections.masks) == 2
    (found,) = run([picture], predictor=LeftHalf(), name="full_image", flip=True)
    # best first; the one in the middle is seen twice and counts once
    assert [mask.box for mask in found.detections.masks] == [(10, 17, 15, 22), (2, 31, 8, 36), (2, 3, 8, 9)]
    np.testing.assert_array_equal(found.detections.boxes[1], [2, 31, 8, 36])
