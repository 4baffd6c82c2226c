import numpy as np
import pytest

from mrcnn.evaluate import coco
from mrcnn.evaluate.analysis import seen
from mrcnn.evaluate.analysis.seen import Collector
from mrcnn.structures import Detections, GroundTruth, Instances


def rectangles(*boxes, size=(10, 10)):
    masks = np.zeros((len(boxes), *size), bool)
    for mask, (y1, x1, y2, x2) in zip(masks, boxes, strict=True):
        mask[y1:y2, x1:x2] = True
    return np.array(boxes, np.float32).reshape(-1, 4), masks


def truth(*boxes, ignore=None, size=(10, 10)):
    corners, masks = rectangles(*boxes, size=size)
    crops = tuple(mask[y1:y2, x1:x2] for mask, (y1, x1, y2, x2) in zip(masks, corners.astype(int), strict=True))
    ignored = np.array(ignore if ignore is not None else [False] * len(boxes), bool)
    return GroundTruth(*size, Instances(corners, np.ones(len(boxes), np.int32), crops, ignored))


def detections(*boxes, scores, size=(10, 10)):
    corners, masks = rectangles(*boxes, size=size)
    return Detections(corners, np.ones(len(boxes), np.int32), ("cat",) * len(boxes), np.array(scores), masks)


def test_overlaps_of_masks_and_boxes():
    collector = Collector()
    # the second detection covers columns 2-6 of the object's columns 0-4 in the same rows: 2 of 6 columns
    collector.add(7, truth((0, 0, 4, 4)), detections((0, 2, 4, 6), (0, 0, 4, 4), scores=[0.5, 0.9]))
    found = seen.overlaps(collector.images[0])
    assert (found.image_id, found.scores.tolist()) == (7, [0.9, 0.5])  # sorted
    assert found.ious.tolist() == [[1.0], [pytest.approx(8 / 24)]]
    assert seen.overlaps(collector.images[0], kind=seen.BOX).ious.tolist() == [[1.0], [pytest.approx(8 / 24)]]
    assert seen.areas(collector.images[0]).tolist() == [16]


def test_overlaps_tell_masks_from_boxes():
    collector = Collector()
    given = detections((0, 0, 4, 4), scores=[0.9])
    given.masks[0, :, 2:] = False  # half of its box
    collector.add(0, truth((0, 0, 4, 4)), given)
    assert seen.overlaps(collector.images[0]).ious.tolist() == [[0.5]]
    assert seen.overlaps(collector.images[0], kind=seen.BOX).ious.tolist() == [[1.0]]


def test_overlaps_with_a_region_to_ignore_are_shares_of_the_detection():
    collector = Collector()
    collector.add(0, truth((0, 0, 10, 10), ignore=[True]), detections((0, 0, 2, 2), scores=[0.9]))
    assert seen.overlaps(collector.images[0]).ious.tolist() == [[1.0]]  # the IoU would be 4 / 100
    assert seen.areas(collector.images[0]).tolist() == []


@pytest.mark.parametrize("kind", [seen.MASK, seen.BOX])
def test_overlaps_of_nothing(kind):
    collector = Collector()
    collector.add(0, truth(), detections(scores=[]))
    collector.add(1, truth((0, 0, 2, 2)), detections(scores=[]))
    collector.add(2, truth(), detections((0, 0, 2, 2), scores=[0.3]))
    assert [seen.overlaps(one, kind=kind).ious.shape for one in collector.images] == [(0, 0), (0, 1), (1, 0)]


def test_collector_reads_encoded_masks():
    collector, given = Collector(), detections((0, 0, 4, 4), (5, 5, 8, 8), scores=[0.2, 0.3])
    collector.add(0, truth((5, 5, 8, 8)), given._replace(masks=coco.encode_masks(given.masks)))
    assert seen.overlaps(collector.images[0]).ious.tolist() == [[1.0], [0.0]]
