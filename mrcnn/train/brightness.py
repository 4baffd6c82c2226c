"""Finds the value range of a run's 16-bit images, which is stored with the model."""

from mrcnn.config.train import TrainConfig
from mrcnn.data.sources.source import Samples
from mrcnn.events import EventLog
from mrcnn.images import value_range

RANGE = "image_range"


def check(config: TrainConfig, samples: Samples, *, log: EventLog) -> TrainConfig:
    """Finds the value range of the training images, unless the config sets it.

    Args:
        config: `model` is read.
        samples: the training set is read.
        log: receives the range.

    Returns:
        The config with `model.image_range`; None there without 16-bit images, or where no known range is large enough.
    """
    if RANGE in config.given_model:
        return config
    found = value_range.find([sample.image_path for sample in samples.train])
    if found is not None:
        log.info(
            f"`model.{RANGE}` is {found}: of up to {value_range.MOST_FILES} training images those of 16 bits have no "
            f"larger value, so {found} is white; give the key for another range"
        )
    return config.model_copy(update={"model": config.model.model_copy(update={RANGE: found})})
