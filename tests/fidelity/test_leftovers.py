import numpy as np

from tests.fidelity import leftovers, reference
from tests.fidelity.session import training_batch


def test_our_reading_of_the_annotation_is_near_matterports():
    ours, theirs = leftovers.own_batch(), training_batch()
    np.testing.assert_array_equal(ours["images"], theirs["images"])
    for name in ("gt_class_ids", "gt_valid", "gt_ignore", "windows"):
        np.testing.assert_array_equal(ours[name], theirs[name])
    # half the photograph's whole pixels, against whole pixels of the half-size mask
    np.testing.assert_allclose(ours["gt_boxes"], theirs["gt_boxes"], atol=0.5)
    first, second = (np.asarray(batch["gt_masks"])[0, :6] >= 128 for batch in (ours, theirs))
    assert ((first & second).sum(axis=(1, 2)) / (first | second).sum(axis=(1, 2))).min() > 0.97


def test_ends_of_the_image_in_the_stored_proposals():
    (_, ends), (_, zeroed) = leftovers.border_samples(None)
    assert ends == "57 of 1000"
    assert int(zeroed) <= 57
    assert len(reference.inference()["rpn_rois"]) == 1000
