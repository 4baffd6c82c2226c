"""Counts a run's objects, warns of those it cannot learn, and sets the slots."""

from dataclasses import replace

from mrcnn.config.train import TrainConfig
from mrcnn.data import counting
from mrcnn.data.sources.source import Samples
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.project.census import Limits

SLOTS = "max_gt_instances"
MOST_SLOTS = 500  # limit of the automatic choice: at 1024 pixels 500 objects and 262,000 anchors make 0.5 GB


def check(config: TrainConfig, samples: Samples, *, log: EventLog) -> TrainConfig:
    """Counts the objects of both sets and sets the number of slots.

    Where the config sets no `model.max_gt_instances`, it becomes the most objects of an image, at most `MOST_SLOTS` and
    at least the default.

    Args:
        config: `input_size` and `model` are read.
        samples: the training and the validation set.
        log: receives a warning for each kind of object that is not learnt as annotated.

    Returns:
        The config with `model.max_gt_instances`.

    Raises:
        UserError: no object is left to train or to validate on.
    """
    mapping = samples.class_title_to_idx
    size, model = config.input_size, config.model
    given = SLOTS in config.given_model
    fixed = model.max_gt_instances if given else None
    limits = Limits(size.min_dim, size.max_dim, fixed, model.detections_per_image, size.settled_shape, model.image_fit)
    sets = [
        counting.count(chosen, name=name, class_title_to_idx=mapping, limits=limits)
        for name, chosen in (("training", samples.train), ("validation", samples.val))
    ]
    for line in filter(None, (census.refusal() for census in sets)):
        raise UserError(line)
    if not given:
        name, most = max((census.largest for census in sets), key=lambda item: item[1])
        slots = min(max(model.max_gt_instances, most), MOST_SLOTS)
        if slots > model.max_gt_instances:
            log.info(f"`model.{SLOTS}` is {slots}, since {name} has {most} objects; give the key for another number")
        config = config.model_copy(update={"model": model.model_copy(update={SLOTS: slots})})
        for census in sets:
            census.limits = replace(limits, max_gt_instances=slots)
    titles = [title for title, index in mapping.items() if index]
    for line in (*sets[0].remarks(titles), *sets[1].remarks()):
        log.warning(line)
    return config
