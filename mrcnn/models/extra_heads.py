"""The table of heads besides the RPN, the box head and the mask head.

Each has its own folder in `heads/`, and is imported here and added to `HEADS`. `model.extra_heads` in a config selects
heads by name.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mrcnn.config.model import ModelConfig
from mrcnn.errors import UserError
from mrcnn.fields.table import named
from mrcnn.heads.head import Head


class HeadType(NamedTuple):
    """How a head is built, and what it needs to learn.

    Attributes:
        build: `build(settings, num_classes=..., feature_dtype=...)` builds the head from a family's settings. The names
            of its layers begin with `mrcnn_`, so that `train_layers` selects them with the other heads.
        needs: names of the objects' extra fields that its targets are computed from; a batch has them as `gt_<name>`.
        gives: names of the extra fields that it adds to a detection, those of `Head.gives`.
        losses: names of its losses, those of `Head.loss_names`.
    """

    build: Callable[..., Head]
    needs: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()


HEADS: dict[str, HeadType] = {}
# names that no head, field or loss may have: those of the model's own heads and losses, of its outputs, and of keys in
# projects, COCO JSON and exports
OWN = frozenset(
    "rpn box mask loss l2_loss rpn_class_loss rpn_bbox_loss mrcnn_class_loss mrcnn_bbox_loss mrcnn_mask_loss "
    "boxes class_ids class_names scores valid masks extras probabilities tags classTitle geometryType shape bitmap "
    "points id image_id category_id bbox score segmentation area iscrowd".split()
)


def find(names: Sequence[str]) -> dict[str, HeadType]:
    """Finds heads by name.

    Raises:
        UserError: `model.extra_heads` names a head that is not in `HEADS`.
    """
    for name in names:
        if name not in HEADS:
            raise UserError(f"`model.extra_heads`: {name!r} is none of the known heads ({', '.join(HEADS) or 'none'})")
    return {name: HEADS[name] for name in names}


def needs(names: Sequence[str]) -> tuple[str, ...]:
    """Lists the extra fields that the heads' targets are computed from, each once.

    Raises:
        UserError: as `find`.
    """
    return tuple(dict.fromkeys(field for kind in find(names).values() for field in kind.needs))


def gives(names: Sequence[str]) -> tuple[str, ...]:
    """Lists the extra fields that the heads add to a detection.

    Raises:
        UserError: as `find`.
    """
    return tuple(field for kind in find(names).values() for field in kind.gives)


def losses(config: ModelConfig) -> tuple[str, ...]:
    """Lists the losses of a model.

    Raises:
        UserError: as `find`.
    """
    return (*config.LOSSES, *(name for kind in find(config.extra_heads).values() for name in kind.losses))


def check_loss_weights(config: ModelConfig) -> None:
    """Checks that each weighted loss is one of the model's.

    Raises:
        UserError: `model.loss_weights` names another loss; or as `find`.
    """
    known = losses(config)
    for name in config.extra_losses:
        if name not in known:
            raise UserError(f"`model.loss_weights`: {name!r} is no loss of this model; those are {', '.join(known)}")


def build(names: Sequence[str], settings: Any, **kwargs: Any) -> dict[str, Head]:
    """Builds heads by name.

    Args:
        names: keys of `HEADS`.
        settings: the settings of a family.
        **kwargs: `num_classes` and `feature_dtype`.

    Raises:
        UserError: as `find`.
        ValueError: a head has other fields or losses than the table says, or a field that is not in `FIELDS`; or it has
            the name of a head, a field or a loss of the model.
    """
    heads, taken = {}, {*OWN}
    for name, kind in find(names).items():
        heads[name] = kind.build(settings, **kwargs)
        if heads[name].gives != kind.gives:
            raise ValueError(
                f"the head {name!r} adds {heads[name].gives} to a detection, but `HEADS` says {kind.gives}"
            )
        if heads[name].loss_names != kind.losses:
            raise ValueError(f"the head {name!r} has losses {heads[name].loss_names}, but `HEADS` says {kind.losses}")
        for field in kind.gives:
            named(field)
        own = {name, *kind.gives, *heads[name].loss_names}
        if doubled := sorted(own & taken):
            raise ValueError(f"the head {name!r} uses the name {doubled[0]!r}, which the model has already")
        taken |= own - {name}
    return heads
