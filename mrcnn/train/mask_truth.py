"""Leaves the measures of masks out of the validation where objects have boxes but no masks.

A box in the data is a filled box when it is drawn. For a model that learns masks from points it stands for a mask that
is not known, so that mask AP would measure the wrong thing.
"""

from collections.abc import Sequence

from mrcnn.config.model import MASK_POINTS
from mrcnn.config.train import TrainConfig
from mrcnn.data.sources.samples import without_mask
from mrcnn.errors import UserError
from mrcnn.evaluate import table
from mrcnn.evaluate.metric import MetricKind
from mrcnn.events import EventLog
from mrcnn.structures import Sample

ADVICE = "annotate their masks, or keep them: python -m mrcnn convert points keeps those of the validation images"


def check(config: TrainConfig, val: Sequence[Sample], *, log: EventLog) -> None:
    """Checks whether the masks of the validation can be measured, and warns where they cannot.

    Args:
        config: the settings of the run.
        val: the validation set.
        log: receives the warning.

    Raises:
        UserError: they cannot, and a measure of them decides over a checkpoint or the end of the run.
    """
    boxes = unknown(config, val)
    if not boxes or not config.validation.ap:
        return
    total = sum(not is_ignored for sample in val for is_ignored in sample.ignore)
    text = f"{boxes} of the {total} objects of the validation set are boxes without masks"
    for key, rule in (("early_stopping", config.early_stopping), ("checkpoints", config.checkpoints)):
        if rule and rule.monitor and rule.monitor.removeprefix("val_").startswith(table.OF_MASKS):
            raise UserError(f"`{key}.monitor` must not be {rule.monitor}, since {text}; use val_box_ap, or {ADVICE}")
    log.warning(f"mask AP is left out, since {text}; {ADVICE}")


def measurable(kinds: Sequence[MetricKind], config: TrainConfig, val: Sequence[Sample]) -> tuple[MetricKind, ...]:
    """Leaves out the measures of masks where masks are not known."""
    return table.without_masks(kinds) if unknown(config, val) else tuple(kinds)


def unknown(config: TrainConfig, samples: Sequence[Sample]) -> int:
    """Counts the objects whose masks are not known: the boxes, for a model that learns masks from points."""
    return sum(map(without_mask, samples)) if MASK_POINTS in config.model.needs else 0
