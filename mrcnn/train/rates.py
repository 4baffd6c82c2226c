"""Numbers of the learning rate schedule that depend on batch size and epoch length."""

from mrcnn.config.train import TrainConfig


def base_rate(config: TrainConfig, *, batch_size: int) -> float:
    """Computes the base learning rate, which the schedule multiplies.

    With `lr_schedule.reference_batch` it is proportional to the batch size, since a step over twice as many images may
    be twice as long. Source: Goyal et al. (2017), the linear scaling rule.

    Args:
        config: `lr` and `lr_schedule` are read.
        batch_size: images of a step, over all devices together.
    """
    reference = config.lr_schedule.reference_batch
    return config.lr if reference is None else config.lr * batch_size / reference


def warmup_steps(config: TrainConfig, *, steps_per_epoch: int) -> int:
    """Computes the length of the warm-up in optimizer steps.

    `lr_schedule.warmup_steps` counts unless it is 0, else `lr_schedule.warmup_epochs`.
    """
    rate = config.lr_schedule
    return rate.warmup_steps or round(rate.warmup_epochs * steps_per_epoch)
