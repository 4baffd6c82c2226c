"""The table of heads besides the RPN, the box head and the mask head.

Each head has its own folder in `heads/`, is imported here and added to `HEADS`. `model.extra_heads` in a config selects
heads by name.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from mrcnn.config.model import ModelConfig
from mrcnn.errors import UserError
from mrcnn.fields import table
from mrcnn.fields.table import Fields, named
from mrcnn.heads.head import Head
from mrcnn.heads.image_head import ImageHead
from mrcnn.heads.keypoint.head import Keypoints
from mrcnn.heads.roi_features import RoiFeatures
from mrcnn.heads.semantic.head import Semantic
from mrcnn.ops import sampling
from mrcnn.structures import SEMANTIC, Detections, RawDetections, SemanticRules

AnyHead = Head | ImageHead


class HeadType(NamedTuple):
    """A head that a model can have.

    Attributes:
        head: its class, whose attributes name the fields that it needs, the fields that it predicts, and its losses.
        build: `build(settings, num_classes=..., feature_dtype=...)` builds the head from a family's settings. The names
            of its layers begin with `mrcnn_`, so that `train_layers` selects them with the other heads.
    """

    head: type[AnyHead]
    build: Callable[..., AnyHead]


def _keypoints(settings: Any, *, num_classes: int, feature_dtype: str) -> Keypoints:
    """Builds the keypoint head with the numbers of Mask R-CNN (2017) and the family's rules."""
    template = settings.keypoints
    if template is None:
        raise UserError(
            "`model.keypoints` must name the points of the head 'keypoints', got null; training finds them in the data"
        )
    return Keypoints(
        features=RoiFeatures(
            output_size=KEYPOINT_POOL,
            mode=settings.roi_align,
            sampling_ratio=settings.roi_sampling_ratio,
            level_margin=settings.LEVEL_MARGIN,
        ),
        num_keypoints=len(template.names),
        channels=settings.keypoint_channels,
        class_points=template.class_indices,
        decoding=settings.KEYPOINT_DECODING,
        normalizer=settings.keypoint_normalizer,
        pixel_shift=settings.KEYPOINT_SHIFT,
        max_objects=sampling.most_objects(settings.roi_samples, settings.roi_positive_fraction),
        feature_dtype=feature_dtype,
        name="keypoints",
    )


def _semantic(settings: Any, *, num_classes: int, feature_dtype: str) -> Semantic:
    """Builds the semantic head with the numbers of Panoptic FPN (2019)."""
    if not settings.stuff_classes:
        raise UserError(
            "`special_classes.stuff` must list the classes of the head 'semantic', got none; list them, or set "
            "`model.extra_heads` without it"
        )
    return Semantic(stuff_classes=len(settings.stuff_classes), feature_dtype=feature_dtype, name=SEMANTIC)


KEYPOINT_POOL = 14  # side of a region's features, so that a map has 56 cells
HEADS: dict[str, HeadType] = {
    "keypoints": HeadType(Keypoints, _keypoints),
    SEMANTIC: HeadType(Semantic, _semantic),
}
# names that no head, field or loss may have, besides those of the family's own heads: of the sum and the L2 term, of
# the model's outputs, and of keys in projects, COCO JSON and exports
RESERVED = frozenset({
    "loss", "l2_loss", *RawDetections._fields, *Detections._fields, "probabilities", "tags", "classTitle",
    "geometryType", "shape", "bitmap", "points", "id", "image_id", "category_id", "bbox", "score", "segmentation",
    "area", "iscrowd",
})  # fmt: skip


def find(names: Sequence[str]) -> dict[str, HeadType]:
    """Finds heads by name.

    Raises:
        UserError: `model.extra_heads` names a head that is not in `HEADS`.
    """
    for name in names:
        if name not in HEADS:
            raise UserError(f"`model.extra_heads`: {name!r} is none of the known heads ({', '.join(HEADS) or 'none'})")
    return {name: HEADS[name] for name in names}


def needs(config: ModelConfig) -> tuple[str, ...]:
    """Lists the extra fields that the targets of a model's heads are computed from, each once.

    Raises:
        UserError: as `find`.
    """
    others = (field for kind in find(config.extra_heads).values() for field in kind.head.needs)
    return tuple(dict.fromkeys((*config.needs, *others)))


def gives(names: Sequence[str]) -> tuple[str, ...]:
    """Lists the extra fields that the heads add to a detection.

    Raises:
        UserError: as `find`.
    """
    return tuple(field for kind in find(names).values() for field in kind.head.gives)


def maps(config: ModelConfig) -> dict[str, SemanticRules]:
    """Finds the maps of whole images that a model predicts, by name, with their classes and rules.

    Raises:
        UserError: as `find`.
    """
    heads = (kind.head for kind in find(config.extra_heads).values())
    return {name: config.semantic_rules for head in heads if issubclass(head, ImageHead) for name in head.maps}


def fields(config: ModelConfig) -> Fields:
    """Finds the extra fields of a model's detections, adapted to its settings.

    Raises:
        UserError: as `find`.
    """
    return table.of_model(gives(config.extra_heads), config)


def losses(config: ModelConfig) -> tuple[str, ...]:
    """Lists the losses of a model.

    Raises:
        UserError: as `find`.
    """
    return (*config.losses, *(name for kind in find(config.extra_heads).values() for name in kind.head.loss_names))


def check_loss_weights(config: ModelConfig) -> None:
    """Checks that each weighted loss is one of the model's.

    Raises:
        UserError: `model.loss_weights` names another loss; or as `find`.
    """
    known = losses(config)
    for name in config.extra_losses:
        if name not in known:
            raise UserError(f"`model.loss_weights`: {name!r} is no loss of this model; those are {', '.join(known)}")


def build(names: Sequence[str], settings: Any, *, own: Iterable[str], **kwargs: Any) -> dict[str, AnyHead]:
    """Builds heads by name.

    Args:
        names: keys of `HEADS`.
        settings: the settings of a family.
        own: names of the family's own heads and of their losses.
        **kwargs: `num_classes` and `feature_dtype`.

    Raises:
        UserError: as `find`.
        ValueError: a head is not of the table's class, or has a field that is not in `FIELDS`; or it has the name of a
            head, a field or a loss of the model.
    """
    heads: dict[str, AnyHead] = {}
    taken = {*RESERVED, *own}
    for name, kind in find(names).items():
        heads[name] = kind.build(settings, **kwargs)
        if type(heads[name]) is not kind.head:
            built = type(heads[name]).__name__
            raise ValueError(
                f"the head {name!r} must be a {kind.head.__name__}, as `HEADS` says, but `build` made a {built}"
            )
        for field in kind.head.gives:
            named(field)
        names_of_head = {name, *kind.head.gives, *kind.head.loss_names}
        if doubled := sorted(names_of_head & taken):
            raise ValueError(f"the head {name!r} uses the name {doubled[0]!r}, which the model has already")
        taken |= names_of_head - {name}
    return heads
