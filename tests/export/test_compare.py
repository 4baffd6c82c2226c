"""Differences between two lists of detections, with worked numbers."""

import numpy as np
import pytest

from mrcnn.export import compare, precision
from mrcnn.export.compare import Live
from mrcnn.export.precision import Tolerances
from mrcnn.export.proof import Proof
from mrcnn.ops import mask_paste
from mrcnn.structures import OutputRules
from tests.fields import toy

from . import helpers

SIZE = (40, 50)
BOXES = [[0, 0, 20, 20], [10, 10, 30, 40], [5, 30, 25, 45]]


def live(scores=(0.9, 0.8, 0.75), class_ids=(1, 2, 1)):
    return helpers.make_detections(BOXES[: len(scores)], class_ids[: len(scores)], scores, size=SIZE)


def run(left, exported, *, probabilities=None, **kwargs):
    grids = np.ones((len(left.scores), 4, 4), np.float32) if probabilities is None else probabilities
    left = Live(left, grids, OutputRules())
    options = {"score_threshold": 0.7, "most": 100, "tolerances": Tolerances(), **kwargs}
    return compare.compare(left, exported, name="photo", signature="encoded", **options)


def test_equal_lists():
    result = run(live(), helpers.outputs(live()))
    assert (result.image, result.signature, result.height, result.width) == ("photo", "encoded", 40, 50)
    assert (result.live, result.exported, result.paired, result.borderline, result.unpaired) == (3, 3, 3, 0, 0)
    assert (result.box_px, result.score, result.mask_pixels, result.mask_iou, result.masks_off) == (0, 0, 0, 1, 0)


def test_pixels_of_a_map_that_differ_are_counted():
    drawn = np.zeros(SIZE, np.uint8)
    left = live()._replace(maps={"semantic": drawn})
    other = drawn.copy()
    other[0, :4] = 1  # of 40 * 50 pixels
    assert run(left, helpers.outputs(left) | {"semantic": drawn}).map_share == 0.0
    assert run(left, helpers.outputs(left) | {"semantic": other}).map_share == 4 / 2000
    with pytest.raises(ValueError, match=r"`semantic` of shape \(40, 50\) is missing"):
        run(left, helpers.outputs(left))
    with pytest.raises(ValueError, match=r"`semantic` must have the shape \(40, 50\), got \(20, 50\)"):
        run(left, helpers.outputs(left) | {"semantic": drawn[:20]})


@pytest.mark.parametrize(("share", "cells", "off"), [(0.125, 2, 0), (0.125, 3, 1), (0.0, 1, 1)])
def test_a_share_of_the_cells_may_differ_where_the_head_chooses_cells(share, cells, off):
    """0.125 of 4 x 4 cells are two."""
    left, grids = live(), np.full((3, 4, 4), 0.9, np.float32)
    others = grids.copy()
    others[1].flat[:cells] = 0.8
    exported = helpers.outputs(left) | {"probabilities": others}
    result = run(left, exported, probabilities=grids, tolerances=Tolerances(chosen_share=share))
    assert result.masks_off == off
    assert result.mask_probability == pytest.approx(0.1 * off, abs=1e-6)


def test_no_detections():
    nothing = helpers.make_detections([], [], [], size=SIZE)
    result = run(nothing, helpers.outputs(nothing))
    assert (result.paired, result.unpaired, result.box_px, result.mask_iou) == (0, 0, 0, 1)


def test_largest_differences():
    exported = helpers.outputs(live())
    exported["boxes"][1] += [0, 0.25, -0.375, 0]
    exported["scores"] += np.float32([0.125, 0, -0.0625])
    exported["masks"][0, 0, :6] = 0  # 6 of 20 * 20 pixels
    exported["masks"][2, 39, 0] = 1  # 1 pixel more than 20 * 15
    result = run(live(), exported)
    assert (result.paired, result.box_px, result.score, result.mask_pixels) == (3, 0.375, 0.125, 6)
    assert result.mask_iou == pytest.approx(1 - 6 / 400)
    assert result.boxes_off == 1  # 0.375 > 0.1
    assert result.masks_off == 1  # 6 > 2; 1 pixel is within


def test_a_whole_edge_may_be_rounded_the_other_way():
    exported = helpers.outputs(live())
    exported["boxes"][1] += [0, 1, 0, 0]
    exported["masks"][1, 10:30, 10] = 0  # the column that the box lost
    exported["boxes"][2] += [0, 0, 0.25, 0]
    result = run(live(), exported, rounding_px=1.0)
    assert (result.paired, result.rounded, result.box_px, result.masks_off) == (3, 2, 0, 0)
    result = run(live(), exported)
    assert (result.paired, result.rounded, result.box_px, result.masks_off) == (3, 0, 1, 0)
    assert result.boxes_off == 2  # 1 and 0.25 pixels; the masks are those of the boxes


def test_a_box_may_move_by_a_pixel_of_the_model_input():
    exported = helpers.outputs(live())
    exported["boxes"][0] += [0, 0, 3, 0]
    result = run(live(), exported, rounding_px=3.0)
    assert (result.paired, result.rounded, result.unpaired) == (3, 1, 0)
    result = run(live(), exported)
    assert (result.paired, result.unpaired) == (2, 2)


@pytest.mark.parametrize("side", [4, 40])
@pytest.mark.parametrize(("wrong", "off"), [(2, 0), (3, 1)])
def test_mask_tolerance_is_two_pixels(side, wrong, off):
    small = helpers.make_detections([[0, 0, side, side]], [1], [0.9], size=SIZE)
    exported = helpers.outputs(small)
    exported["masks"][0, 0, :wrong] = 0
    assert run(small, exported).masks_off == off


def test_one_is_paired_only_once():
    both = helpers.make_detections([[0, 0, 20, 20], [0, 1, 20, 20]], [1, 1], [0.9, 0.8], size=SIZE)
    exported = {key: value[:1] for key, value in helpers.outputs(both).items()}
    result = run(both, exported)
    assert (result.paired, result.unpaired) == (1, 1)


def test_order_does_not_matter():
    exported = {key: value[[2, 0, 1]] for key, value in helpers.outputs(live()).items()}
    result = run(live(), exported)
    assert (result.paired, result.box_px, result.score, result.mask_pixels) == (3, 0, 0, 0)


def test_nearest_of_two_neighbours_is_paired():
    both = helpers.make_detections([[0, 0, 20, 20], [0, 1, 20, 20]], [1, 1], [0.9, 0.8], size=SIZE)
    exported = {key: value[::-1] for key, value in helpers.outputs(both).items()}
    result = run(both, exported)
    assert (result.paired, result.box_px) == (2, 0)


def test_another_class_or_place_is_no_pair():
    exported = helpers.outputs(live())
    exported["class_ids"][0] = 2
    exported["boxes"][1] += 1.5
    result = run(live(), exported)
    assert (result.paired, result.unpaired, result.borderline) == (1, 4, 0)
    assert result.box_px == 0


def test_missing_one():
    fewer = {key: value[:2] for key, value in helpers.outputs(live()).items()}
    assert run(live(), fewer).unpaired == 1
    more = run(live(scores=(0.9, 0.8)), helpers.outputs(live()))
    assert (more.live, more.exported, more.unpaired) == (2, 3, 1)


def test_missing_one_at_the_threshold_is_borderline():
    fewer = {key: value[:2] for key, value in helpers.outputs(live()).items()}
    near = live(scores=(0.9, 0.8, 0.7005))
    result = run(near, fewer)
    assert (result.borderline, result.unpaired) == (1, 0)
    assert run(live(scores=(0.9, 0.8, 0.702)), fewer).unpaired == 1


def test_exchange_at_the_end_of_a_full_list_is_borderline():
    exported = helpers.outputs(live())
    exported["boxes"][2] += 5  # another object made it into the list, with a score as low
    full = run(live(), exported, most=3)
    assert (full.borderline, full.unpaired) == (2, 0)
    assert run(live(), exported, most=4).unpaired == 2


@pytest.mark.parametrize("key", ["boxes", "class_ids", "masks"])
def test_outputs_of_a_wrong_shape(key):
    exported = helpers.outputs(live())
    exported[key] = exported[key][:, None] if key == "class_ids" else exported[key][:, 1:]
    with pytest.raises(ValueError, match=f"the output `{key}` must have the shape"):
        run(live(), exported)


class TestNoise:
    """Rounding in TF32, 1e-3 of a probability, is accepted; faults that change as few numbers are not.

    Two discs in boxes of 60 and 30 pixels, whose probabilities fall from 1 to 0 within twelve cells.
    """

    SIZE = (80, 120)
    TF32 = precision.tolerances("tf32")
    FLOAT32 = precision.tolerances("float32")

    def detect(self, noise=0.0):
        """Makes detections of these discs; with noise their boxes, scores and masks are computed less exactly."""
        random = np.random.default_rng(3)
        boxes = np.float32([[5, 8, 65, 68], [30.5, 80.25, 60.5, 110.25]])
        y, x = np.mgrid[:28, :28]
        disc = np.clip(1 - (np.hypot(y - 13.5, x - 12.5) - 4) / 12, 0, 1).astype(np.float32)
        grids = np.stack([disc, disc.T]) + random.uniform(-noise, noise, (2, 28, 28)).astype(np.float32)
        grids = np.clip(grids, 0, 1)
        boxes = boxes + (random.uniform(-0.2, 0.2, (2, 4)) * noise * [[60], [30]]).astype(np.float32)
        pasted = [
            mask_paste.paste_values(grid, box, height=self.SIZE[0], width=self.SIZE[1])
            for grid, box in zip(grids, boxes, strict=True)
        ]
        drawn = np.zeros((2, *self.SIZE), bool)
        for canvas, (values, (top, left)) in zip(drawn, pasted, strict=True):
            canvas[top : top + values.shape[0], left : left + values.shape[1]] = values >= 0.5
        scores = np.float32([0.9, 0.8]) + random.uniform(-noise, noise, 2).astype(np.float32)
        found = helpers.make_detections(boxes, [1, 2], scores, size=self.SIZE)
        return found._replace(masks=drawn), grids

    def compare(self, tolerances, *, noise=0.0, fault=lambda outputs: None):
        found, grids = self.detect()
        other, other_grids = self.detect(noise)
        exported = {**helpers.outputs(other), "probabilities": other_grids.copy()}
        fault(exported)
        result = run(found, exported, probabilities=grids, tolerances=tolerances)
        return Proof(0.7, tolerances, (result,)), result

    @pytest.mark.parametrize("noise", [0.0, 1e-3, 2e-3])
    def test_noise_is_accepted(self, noise):
        proof, result = self.compare(self.TF32, noise=noise)
        assert proof.failures == []
        assert (result.paired, result.mask_pixels) == (2, 0)
        assert result.mask_probability == pytest.approx(noise, abs=0.1 * noise)

    def test_noise_moves_pixels_at_the_threshold(self):
        before, after = self.detect()[0].masks, self.detect(1e-3)[0].masks
        assert (before ^ after).sum() > 0  # so that counting all of them would tell noise from nothing

    def test_noise_of_tf32_is_too_much_for_float32(self):
        proof, result = self.compare(self.FLOAT32, noise=4e-3)
        assert "scores by 0.00" in proof.failures[0]
        assert (result.score, result.mask_probability) > (1e-3, 3e-3)
        assert result.masks_off == 2

    @pytest.mark.parametrize("noise", [0.0, 1e-3])
    @pytest.mark.parametrize("name", ["mask", "mask of a grid", "class", "box", "scores", "probabilities"])
    def test_faults_are_refused(self, name, noise):
        def fault(outputs):
            if name == "mask":
                outputs["masks"][0] = np.roll(outputs["masks"][0], 1, axis=1)
            elif name == "mask of a grid":
                outputs["probabilities"][0] = np.roll(outputs["probabilities"][0], 1, axis=0)
            elif name == "class":
                outputs["class_ids"][0] = 2
            elif name == "box":
                outputs["boxes"][1] += [0, 1, 0, 1]
            elif name == "scores":
                outputs["scores"] = outputs["scores"][::-1]
            else:
                outputs["probabilities"] = outputs["probabilities"] ** 1.1

        assert self.compare(self.TF32, noise=noise, fault=fault)[0].failures

    def test_a_large_mask_shifted_by_a_pixel_is_refused(self):
        """Its 800 pixels were less than a hundredth of the mask."""
        found = helpers.make_detections([[0, 0, 400, 400]], [1], [0.9], size=(420, 420))
        exported = helpers.outputs(found)
        exported["masks"][0] = np.roll(exported["masks"][0], 1, axis=0)
        assert run(found, exported, tolerances=self.TF32).masks_off == 1


def test_compare_counts_pairs_whose_extra_fields_differ(monkeypatch):
    toy.register(monkeypatch)
    found = live()._replace(extras=toy.extras((1, 1, 5, 5), (2, 2, 6, 6), (3, 3, 7, 7)))
    exported = helpers.outputs(live()) | {
        name: values.copy() for name, values in toy.extras((1, 1, 5, 5), (2, 2.05, 6, 6), (3, 3, 7.2, 7)).items()
    }
    assert run(found, exported).fields_off == 1  # 0.05 is within the tolerance of 0.1, 0.2 is not
    exported["point"][0] = 9
    assert run(found, exported).fields_off == 2
    assert run(live(), helpers.outputs(live())).fields_off == 0
