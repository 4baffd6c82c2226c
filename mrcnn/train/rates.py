"""Builds the learning rate schedule, whose numbers depend on batch size and epoch length.

The schedule counts updates: with `optimizer.accumulation_steps` an update is made in every n-th step.
"""

from mrcnn.config.train import TrainConfig
from mrcnn.train.schedule import Schedule


def learning_rate(config: TrainConfig, *, steps_per_epoch: int, batch_size: int) -> Schedule:
    """Builds the schedule of a run.

    Args:
        config: `lr`, `lr_schedule` and `epochs` are read.
        steps_per_epoch: steps of an epoch.
        batch_size: images of a step, over all devices together.
    """
    rate = config.lr_schedule
    return Schedule(
        base_rate(config, batch_size=batch_size),
        name=rate.name,
        warmup_steps=warmup_steps(config, steps_per_epoch=steps_per_epoch),
        warmup_start_factor=rate.warmup_start_factor,
        milestones=milestones(config, steps_per_epoch=steps_per_epoch),
        gamma=rate.gamma,
        total_steps=total_updates(config, steps_per_epoch=steps_per_epoch),
        final_fraction=rate.final_fraction,
    )


def base_rate(config: TrainConfig, *, batch_size: int) -> float:
    """Computes the base learning rate, which the schedule multiplies.

    With `lr_schedule.reference_batch` it is proportional to the images of an update, since an update by twice as many
    images may be twice as long. Source: Goyal et al. (2017), the linear scaling rule.

    Args:
        config: `lr`, `lr_schedule` and `optimizer` are read.
        batch_size: images of a step, over all devices together.
    """
    reference = config.lr_schedule.reference_batch
    return config.lr if reference is None else config.lr * update_batch(config, batch_size=batch_size) / reference


def update_batch(config: TrainConfig, *, batch_size: int) -> int:
    """Counts the images of an update, those of `optimizer.accumulation_steps` steps."""
    return batch_size * config.optimizer.accumulation_steps


def total_updates(config: TrainConfig, *, steps_per_epoch: int) -> int:
    """Counts the updates of a run."""
    return config.epochs * steps_per_epoch // config.optimizer.accumulation_steps


def warmup_steps(config: TrainConfig, *, steps_per_epoch: int) -> int:
    """Computes the length of the warm-up in updates.

    `lr_schedule.warmup_steps` counts unless it is 0, else `lr_schedule.warmup_epochs`.
    """
    rate = config.lr_schedule
    return rate.warmup_steps or round(rate.warmup_epochs * steps_per_epoch / config.optimizer.accumulation_steps)


def milestones(config: TrainConfig, *, steps_per_epoch: int) -> tuple[int, ...]:
    """Computes the milestones in updates, from `lr_schedule.milestone_steps` or `lr_schedule.milestones`."""
    rate = config.lr_schedule
    updates = steps_per_epoch / config.optimizer.accumulation_steps
    return rate.milestone_steps or tuple(round(epoch * updates) for epoch in rate.milestones)


def described(config: TrainConfig, *, batch_size: int) -> str:
    """Describes the base learning rate and how it follows from the batch size."""
    text = f"lr {base_rate(config, batch_size=batch_size):g}"
    reference = config.lr_schedule.reference_batch
    return (
        text
        if reference is None
        else f"{text} ({config.lr:g} x {update_batch(config, batch_size=batch_size)} / {reference})"
    )


def remarks(config: TrainConfig, *, steps_per_epoch: int) -> list[str]:
    """Lists warnings of a warm-up or milestones beyond the end of the run.

    Args:
        config: `lr_schedule`, `optimizer` and `epochs` are read.
        steps_per_epoch: steps of an epoch.
    """
    lines, total = [], total_updates(config, steps_per_epoch=steps_per_epoch)
    warmup = warmup_steps(config, steps_per_epoch=steps_per_epoch)
    if warmup >= total:
        lines.append(
            f"the warm-up of `lr_schedule`, {warmup} updates, is no less than the run's {total} updates: "
            "the learning rate never reaches `lr`; shorten it or train more epochs"
        )
    late = [step for step in config.lr_schedule.milestone_steps if step >= total]
    if late and config.lr_schedule.name == "step":
        needed = -(-(late[-1] + 1) * config.optimizer.accumulation_steps // steps_per_epoch)
        lines.append(
            f"`lr_schedule.milestone_steps` {late} are not reached in the run's {total} updates; train {needed} "
            "epochs or more"
        )
    return lines
