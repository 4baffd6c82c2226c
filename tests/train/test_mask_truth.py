import numpy as np
import pytest

from mrcnn.config.load import load_train_config
from mrcnn.errors import UserError
from mrcnn.evaluate import table
from mrcnn.project.geometry import Bitmap, Rectangle
from mrcnn.structures import Sample
from mrcnn.train import mask_truth
from tests.train.conftest import HeardLog

MASK = Bitmap((0, 0), np.ones((2, 2), bool))
BOX = Rectangle(np.array([[0, 0], [1, 1]]))
MASKS = Sample("d/a.png", "a.png", (MASK, BOX), (1, 1), (False, True))  # the box is a region to ignore
BOXES = Sample("d/b.png", "b.png", (MASK, BOX), (1, 1), (False, False))


def config(**settings):
    return load_train_config({"model": {"mask_supervision": "points"}, **settings})


def test_unknown_counts_the_boxes_for_a_model_that_learns_from_points():
    assert mask_truth.unknown(config(), [MASKS, BOXES]) == 1
    assert mask_truth.unknown(load_train_config({}), [MASKS, BOXES]) == 0
    assert mask_truth.unknown(config(), []) == 0


def test_measurable_leaves_out_masks_where_they_are_unknown():
    kinds = table.kinds_for(())
    assert mask_truth.measurable(kinds, config(), [MASKS]) == kinds
    left = [name for kind in mask_truth.measurable(kinds, config(), [BOXES]) for name in kind.validated]
    assert left == ["box_ap", "box_ap50"]


def test_check_warns_once_where_masks_are_unknown():
    log = HeardLog()
    mask_truth.check(config(), [MASKS], log=log)
    mask_truth.check(config(validation={"ap": False}), [BOXES], log=log)
    mask_truth.check(load_train_config({"checkpoints": {"monitor": "val_mask_ap"}}), [BOXES], log=log)
    assert log.messages == []
    mask_truth.check(config(checkpoints={"monitor": "val_box_ap"}), [MASKS, BOXES], log=log)
    (line,) = log.messages
    assert line.startswith(
        "mask AP is left out, since 1 of the 3 objects of the validation set are boxes without masks; annotate"
    )


@pytest.mark.parametrize("key", ["checkpoints", "early_stopping"])
def test_check_refuses_a_monitor_that_cannot_be_measured(key):
    expected = rf"^`{key}.monitor` must not be val_mask_ap, since 1 of the 2 objects .* use val_box_ap, or annotate"
    with pytest.raises(UserError, match=expected):
        mask_truth.check(config(**{key: {"monitor": "val_mask_ap"}}), [BOXES], log=HeardLog())
