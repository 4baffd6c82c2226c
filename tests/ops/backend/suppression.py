"""The greedy suppression as a plain loop in NumPy, and boxes to compare on."""

import numpy as np

from mrcnn.ops.backend.interface import INVALID_SCORE


def greedy(boxes, scores, *, iou_threshold, max_outputs):
    """Returns the kept indices of one image."""
    kept = []
    for index in sorted(range(len(scores)), key=lambda index: (-scores[index], index)):
        if scores[index] == INVALID_SCORE or len(kept) == max_outputs:
            break
        if all(_iou(boxes[index], boxes[other]) <= np.float32(iou_threshold) for other in kept):
            kept.append(index)
    return kept


def _iou(one, other):
    top, left = np.maximum(one[:2], other[:2])
    bottom, right = np.minimum(one[2:], other[2:])
    shared = max(bottom - top, np.float32(0)) * max(right - left, np.float32(0))
    area = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / (area - shared) if shared else np.float32(0)


def crowd(count, *, seed=0, images=1):
    """Makes boxes with corners on whole pixels, many of equal scores, a tenth of them invalid."""
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 40, (images, count, 2))
    boxes = np.concatenate([corner, corner + rng.integers(0, 24, (images, count, 2))], axis=-1).astype(np.float32)
    scores = rng.integers(0, 30, (images, count)).astype(np.float32) / 30
    scores[rng.random((images, count)) < 0.1] = INVALID_SCORE
    return boxes, scores


def assert_greedy(nms, boxes, scores, *, iou_threshold, max_outputs):
    """Compares a back end's `nms` with the loop, for each image."""
    given = {"iou_threshold": iou_threshold, "max_outputs": max_outputs}
    index, used = (np.asarray(field) for field in nms(boxes, scores, **given))
    assert (index.dtype, used.dtype) == (np.int32, bool)
    assert index.shape == used.shape == (len(boxes), max_outputs)
    for image in range(len(boxes)):
        expected = greedy(boxes[image], scores[image], **given)
        assert index[image].tolist() == expected + [0] * (max_outputs - len(expected))
        assert used[image].sum() == len(expected)
        assert (np.diff(used[image].astype(int)) <= 0).all()
