"""The classes whose objects train masks, `allowed_mask_classes` of a train config."""

from collections.abc import Mapping

from mrcnn.config import errors
from mrcnn.config.train import TrainConfig
from mrcnn.data.classes import BACKGROUND_IDX
from mrcnn.errors import UserError
from mrcnn.events import EventLog


def ids(config: TrainConfig, mapping: Mapping[str, int]) -> tuple[int, ...] | None:
    """Finds the class ids of `allowed_mask_classes`.

    Args:
        config: the settings of the run.
        mapping: class id by title, 0 the background.

    Returns:
        Increasing class ids, each once; None where all classes train masks.

    Raises:
        UserError: a title is no class of the data, or is the background.
    """
    titles = config.allowed_mask_classes
    if titles is None:
        return None
    known = [title for title, index in mapping.items() if index != BACKGROUND_IDX]
    for title in titles:
        if title not in known:
            raise UserError(
                f"`allowed_mask_classes` must list classes of the data, got {errors.shown(title)}"
                f"{errors.nearest(title, known)}"
            )
    return tuple(sorted({mapping[title] for title in titles}))


def check(config: TrainConfig, mapping: Mapping[str, int], *, log: EventLog) -> None:
    """Checks `allowed_mask_classes` and logs which classes learn no masks.

    Args:
        config: the settings of the run.
        mapping: class id by title, 0 the background.
        log: receives the line, or a warning where the masks of these classes stay random.

    Raises:
        UserError: as `ids`; or the model has no masks.
    """
    chosen = ids(config, mapping)
    if chosen is None:
        return
    if not config.model.has_masks:
        raise UserError("`allowed_mask_classes` must be null for a model without masks; add `masks` to `model.heads`")
    others = [title for title, index in mapping.items() if index not in (BACKGROUND_IDX, *chosen)]
    if not others:
        return
    without = f"`allowed_mask_classes`: the masks of {', '.join(others)} train nothing"
    if config.model.has_class_masks:
        log.warning(
            f"{without}, and these classes have masks of their own, which stay untrained; set "
            "`model.class_agnostic_masks` true to predict them by what the other classes teach"
        )
    else:
        log.info(without)
