"""The range of a run's 16-bit images, found before it starts and kept with the model."""

from mrcnn.config.train import TrainConfig
from mrcnn.data.sources.supervisely import ProjectSamples
from mrcnn.events import EventLog
from mrcnn.images import value_range

RANGE = "image_range"


def check(config: TrainConfig, samples: ProjectSamples, *, log: EventLog) -> TrainConfig:
    """Finds the range of the training images where the config leaves it open.

    Args:
        config: `model` is read.
        samples: the training set is looked at.
        log: receives the range.

    Returns:
        The config with `model.image_range`.
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
