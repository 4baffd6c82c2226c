"""The merge of detections and a semantic map: detectron2's result, and each of its rules alone."""

import numpy as np
import pytest

from mrcnn.predict import panoptic
from mrcnn.structures import CompactDetections, CroppedMask, SemanticRules

RULES = SemanticRules(("sky", "road"), stuff_area=4)

# computed by detectron2 (02b5c4e2), `combine_semantic_and_instance_outputs`, with a stuff area of 4; # is a true pixel
MASKS = (
    ("####....", "####....", "####....", "........", "........", "........"),
    ("........", "..####..", "..####..", "..####..", "........", "........"),
    ("##......", "##......", "........", "........", "........", "........"),
)
SCORES, CLASS_IDS = np.float32([0.9, 0.8, 0.7]), np.array([1, 2, 1])
SEMANTIC = ("00000011", "00000011", "00000011", "00000011", "22222211", "22222211")
EXPECTED = ("11110033", "11112233", "11112233", "00222233", "44444433", "44444433")


def cropped(rows):
    return CroppedMask.from_pixels(np.array([[pixel == "#" for pixel in row] for row in rows]))


def numbers(rows):
    return np.array([[int(pixel) for pixel in row] for row in rows])


def merge(*masks, scores=None, semantic=None, rules=RULES):
    scores = np.linspace(0.9, 0.6, len(masks)) if scores is None else np.float32(scores)
    size = len(masks[0]), len(masks[0][0])
    semantic = np.zeros(size, np.uint8) if semantic is None else numbers(semantic)
    crops = list(map(cropped, masks))
    return panoptic.merge(crops, scores, np.ones(len(masks), int), semantic=semantic, rules=rules)


def test_merge_equals_detectron2():
    found = panoptic.merge(list(map(cropped, MASKS)), SCORES, CLASS_IDS, semantic=numbers(SEMANTIC), rules=RULES)
    np.testing.assert_array_equal(found.ids, numbers(EXPECTED))
    # the second object has 12 pixels, of which 4 lie in the first; the third one lies in the first and is left out
    assert found.segments == (
        (1, True, 12, 0, pytest.approx(0.9)),
        (2, True, 8, 1, pytest.approx(0.8)),
        (1, False, 12, None, None),
        (2, False, 12, None, None),
    )


def test_merge_starts_with_the_best_detection():
    found = merge(("##..",), (".##.",), scores=[0.6, 0.9])
    assert [segment.row for segment in found.segments] == [1, 0]
    assert found.ids.tolist() == [[2, 1, 1, 0]]


@pytest.mark.parametrize(("covered", "kept"), [("#...", True), ("##..", True), ("###.", False), ("####", False)])
def test_merge_drops_a_detection_that_is_covered_by_more_than_half(covered, kept):
    # 1, 2, 3 and 4 of its 4 pixels: shares 1/4, 1/2, 3/4 and 1 against 1/2
    found = merge((covered,), ("####",))
    assert len(found.segments) == 1 + kept


def test_merge_drops_scores_below_the_threshold():
    found = merge(("#...",), (".#..",), ("..#.",), scores=[0.5, 0.49, 0.9])
    assert [segment.row for segment in found.segments] == [2, 0]


@pytest.mark.parametrize(("area", "kept"), [(4, True), (5, False)])
def test_merge_drops_stuff_with_few_free_pixels(area, kept):
    # 6 pixels of stuff, of which the object covers 2
    found = merge(("##....",), semantic=("111111",), rules=RULES._replace(stuff_area=area))
    assert found.ids.tolist() == [[1, 1, *[2 * kept] * 4]]
    assert found.segments[1:] == (((1, False, 4, None, None),) if kept else ())


def test_merge_without_detections_and_stuff():
    nothing = panoptic.merge([], np.zeros(0), np.zeros(0), semantic=np.zeros((2, 3), np.uint8), rules=RULES)
    assert nothing.ids.tolist() == [[0, 0, 0]] * 2
    assert nothing.segments == ()


def test_merge_drops_stuff_without_a_pixel_and_an_empty_mask():
    found = merge(("....",), scores=[0.9], rules=RULES._replace(stuff_area=0))
    assert found.segments == ()


def test_of_detections_needs_a_semantic_map():
    found = CompactDetections(
        np.zeros((0, 4)), np.zeros(0, int), (), np.zeros(0), (), size=(1, 4), maps={"semantic": numbers(("1111",))}
    )
    assert panoptic.of_detections(found, RULES).segments == ((1, False, 4, None, None),)
    assert panoptic.of_detections(found._replace(maps={}), RULES) is None
