"""The classes of the semantic map, `special_classes.stuff` of a train config."""

from mrcnn.config import errors
from mrcnn.config.train import TrainConfig
from mrcnn.errors import UserError
from mrcnn.model_folder.record import Record
from mrcnn.models import extra_heads
from mrcnn.structures import SEMANTIC


def settle(config: TrainConfig) -> TrainConfig:
    """Sets `model.stuff_classes` to `special_classes.stuff`.

    Raises:
        UserError: the config gives both, and they differ.
    """
    titles, given = config.special_classes.stuff, config.model.stuff_classes
    if given not in ((), titles):
        raise UserError(
            f"`model.stuff_classes` must be those of `special_classes.stuff`, {errors.shown(titles)}, got "
            f"{errors.shown(given)}; leave it out"
        )
    if not titles:
        return config
    return config.with_model(config.model.model_copy(update={"stuff_classes": titles}), given=["stuff_classes"])


def check(config: TrainConfig, before: Record | None = None) -> None:
    """Checks that stuff classes and a head that predicts them come together.

    Args:
        config: the settings of the run.
        before: of the start weights; None without one.

    Raises:
        UserError: one of the two is missing; or the training continues one with other stuff classes.
    """
    titles = config.special_classes.stuff
    has_head = SEMANTIC in extra_heads.maps(config.model)
    if titles and not has_head:
        raise UserError(
            f"`special_classes.stuff` needs the head {SEMANTIC!r}, which `model.extra_heads` lacks; add it there"
        )
    if has_head and not titles:
        raise UserError(
            f"`special_classes.stuff` must list the classes of the head {SEMANTIC!r}, got none; list them, or "
            "set `model.extra_heads` without it"
        )
    if config.weights_init_type == "continue_training" and before is not None:
        theirs = before.model().stuff_classes
        if theirs != titles:
            raise UserError(
                "`weights_init_type` continue_training needs the stuff classes of the model in their order, "
                f"{errors.shown(theirs)}, got {errors.shown(titles)}; use transfer_learning"
            )
