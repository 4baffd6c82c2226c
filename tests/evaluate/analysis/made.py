"""Hand-made images: overlaps and classes as numbers."""

import numpy as np

from mrcnn.evaluate.analysis.seen import Overlaps


def image(objects=(), found=(), *, ious=None, ignore=None):
    """Makes an image of the classes of its objects, and (class, score) of its detections."""
    shape = (len(found), len(objects))
    return Overlaps(
        image_id=0,
        gt_class_ids=np.array(objects, np.int64),
        gt_ignore=np.array(ignore if ignore is not None else [False] * len(objects), bool),
        class_ids=np.array([class_id for class_id, _ in found], np.int64),
        scores=np.array([score for _, score in found], float),
        ious=np.array(ious if ious is not None else np.zeros(shape), float).reshape(shape),
    )
