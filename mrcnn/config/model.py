"""Settings that the models of all families have; a family's own record adds to them.

They set how images are prepared, how many objects an image may have, and how the model's output becomes detections.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from mrcnn.config import errors
from mrcnn.config.base import Fraction, Name, Number, PositiveInt, Settings
from mrcnn.config.keypoints import KEYPOINT_CHANNELS, KeypointTemplate
from mrcnn.config.panoptic import PanopticConfig
from mrcnn.errors import UserError
from mrcnn.structures import ResNetRules, SemanticRules

DEFAULT_FAMILY = "matterport"
SINGLE, CASCADE = "single", "cascade"  # values of `box_head`
MASK_POINTS = "mask_points"  # extra field of objects: labelled points of a mask
# of each stage of a cascade of box heads, as published
CASCADE_IOUS = (0.5, 0.6, 0.7)
CASCADE_DELTA_STD = ((0.1, 0.1, 0.2, 0.2), (0.05, 0.05, 0.1, 0.1), (1 / 30, 1 / 30, 1 / 15, 1 / 15))
FEDERATED_CLASSES = 50  # that have a loss in a step, as published
FAMILY = "the published code base whose network is built"
_NEWER: dict[str, Any] = {
    "family": DEFAULT_FAMILY, "extra_heads": (), "image_fit": "centred", "keypoints": None,
    "keypoint_channels": KEYPOINT_CHANNELS, "keypoint_normalizer": "visible", "mask_train_boxes": "proposals",
    "mask_supervision": "masks", MASK_POINTS: None, "mask_point_share": 0.5, "mask_head": "fcn", "box_head": SINGLE,
    "cascade_ious": CASCADE_IOUS, "cascade_delta_std": CASCADE_DELTA_STD,
    "class_loss": "softmax", "federated_classes": FEDERATED_CLASSES, "stuff_classes": (), "panoptic": PanopticConfig(),
}  # fmt: skip


class ModelConfig(Settings):
    """Settings of every family's model.

    A family's record is a subclass: it narrows `family` to its name and gives it a default.

    Attributes:
        LOSSES: the losses of the family's own heads, where the config may weigh them.
        TRAIN_LAYERS: the values that `train_layers` may have: the keys of `layer_patterns` of the family's model class.
        NETWORK: the settings that weights were shaped for or trained with; training takes them over from its start
            weights where the config leaves them open.
        NEWER: keys that older versions lack, with the values that they imply.
    """

    LOSSES: ClassVar[tuple[str, ...]] = ()
    TRAIN_LAYERS: ClassVar[tuple[str, ...]] = ("all",)
    NETWORK: ClassVar[tuple[str, ...]] = ("channels", "image_range", "extra_heads")
    NEWER: ClassVar[Mapping[str, Any]] = _NEWER

    family: Name = Field(description=FAMILY)
    channels: PositiveInt = Field(default=3, description="channels of an image")
    image_range: Annotated[PositiveInt, Field(le=65535)] | None = Field(
        default=None,
        description=(
            "the value of 16-bit images that becomes white; null divides by 256. Where the key is left out it "
            "is found in the training images ([images](projects.md#images))"
        ),
    )
    image_fit: Literal["centred", "torchvision", "detectron2"] = Field(
        default="centred",
        description=(
            "rule for the size of an image in the model input. `centred`: the short side is enlarged to "
            "`input_size.min_dim` but not shrunk to it, the padding is on all sides, and the sides of a rectangle are "
            "multiples of 64 pixels. `torchvision`, `detectron2`: the short side is also shrunk, the padding is below "
            "and on the right, and the sides are multiples of 32; the two round the scaled sides differently"
        ),
    )
    image_resize: Literal["exact", "truncated", "smoothed"] = Field(
        default="exact",
        description=(
            "**convention**: bilinear; bilinear with faded edges, cut to whole values (Matterport); Pillow's, "
            "smoothed when shrinking (Supervisely)"
        ),
    )
    max_gt_instances: PositiveInt = Field(
        default=100,
        description=(
            "objects of one image that are used; of more, a random choice each time, and the others count as "
            "background. Where the key is left out it follows the image with the most objects, up to 500"
        ),
    )
    extra_heads: tuple[Name, ...] = Field(
        default=(),
        description=(
            "heads beside the mask head, by their names in `mrcnn.models.extra_heads.HEADS`; `loss_weights` may name "
            "their losses too"
        ),
    )
    keypoints: KeypointTemplate | None = Field(
        default=None,
        description=(
            "the points that the head `keypoints` of `extra_heads` finds ([keypoints](keypoints.md)). Where the key is "
            "left out they are found in the data"
        ),
    )
    stuff_classes: tuple[Name, ...] = Field(
        default=(),
        description=(
            "the classes of the head `semantic` of `extra_heads` besides things; training sets them to "
            "`special_classes.stuff` ([semantic maps](heads.md#semantic-maps-and-panoptic-results))"
        ),
    )
    panoptic: PanopticConfig = PanopticConfig()
    gt_mask_size: PositiveInt = Field(default=56, description="side of the stored ground-truth masks")
    detections_per_image: PositiveInt = Field(default=100, description="most detections of one image")
    score_threshold: Fraction = Field(default=0.7, description="the model's own floor: weaker detections are dropped")
    detection_nms_iou_threshold: Fraction = Field(
        default=0.5,
        description=(
            "**convention**: IoU threshold of the NMS of the detections' boxes: one that overlaps a better one of its "
            "class by more is left out; 0.3 in both older codes"
        ),
    )
    mask_threshold: Annotated[Number, Field(gt=0, lt=1)] = Field(
        default=0.5, description="probability from which a pixel belongs to the object"
    )
    mask_paste: Literal["bilinear", "fading", "stretched", "expanded", "sampled"] = Field(
        default="bilinear",
        description=(
            "**convention**: how a mask is enlarged to its box. `bilinear`: without change; `fading`: its values fall "
            "towards its borders (Matterport); `stretched`: its values are first rescaled to 0..1 (Supervisely); "
            "`expanded`: with a border of zeros, in a box of whole pixels (torchvision); `sampled`: its values fall to "
            "0 outside (detectron2)"
        ),
    )
    round_boxes: Literal["never", "at_end", "before_nms"] = Field(
        default="never",
        description=(
            "**convention**: whether boxes are whole pixels: at the end (Matterport), or already when they "
            "are compared (Supervisely)"
        ),
    )

    @property
    def title(self) -> str:
        """Name of the network in a run's summary."""
        return self.family

    @property
    def losses(self) -> tuple[str, ...]:
        """Names of the losses of the family's own heads with these settings."""
        return self.LOSSES

    @property
    def extra_losses(self) -> tuple[str, ...]:
        """Names in the loss weights that are not in `LOSSES`.

        Each must be in `losses` or a loss of an extra head.
        """
        return ()

    @property
    def input_shape(self) -> str:
        """Shape of a new model's input: `rectangle` or `square`."""
        return "rectangle"

    @property
    def resnet(self) -> ResNetRules | None:
        """The backbone's rules if ImageNet weights of a ResNet fit it; else None."""
        return None

    @property
    def has_masks(self) -> bool:
        """Whether the model predicts masks; without, a detection's mask is its whole box."""
        return True

    @property
    def has_class_masks(self) -> bool:
        """Whether a region has a mask for each class, so that only objects of a class teach its masks."""
        return self.has_masks

    @property
    def refines_cells(self) -> bool:
        """Whether the mask head chooses the most uncertain cells of a mask and computes them again."""
        return False

    @property
    def semantic_rules(self) -> SemanticRules:
        """The classes of the semantic map, and how it is merged with detections."""
        return SemanticRules(self.stuff_classes, **self.panoptic.model_dump())

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the extra fields of objects from which the family's own heads learn."""
        return ()

    @property
    def uses_batch_statistics(self) -> bool:
        """Whether training normalises by the statistics of each device's batch, which must not be small."""
        return False

    @property
    def uses_class_counts(self) -> bool:
        """Whether training needs the number of images of each class."""
        return False

    def check_layers(self, selection: str) -> None:
        """Checks that the family has this value of `train_layers`.

        Raises:
            UserError: it has not; the message lists its values.
        """
        if selection not in self.TRAIN_LAYERS:
            words, of = errors.listed(self.TRAIN_LAYERS), "" if self.family == DEFAULT_FAMILY else f" of {self.family}"
            raise UserError(f"`train_layers`{of} must be {words}, got {errors.shown(selection)}")

    def trained_with(self) -> dict[str, Any]:
        """Collects the settings of the network that differ from the family's defaults.

        Returns:
            Those of `NETWORK`, and `family` unless it is the default one.
        """
        family = {} if self.family == DEFAULT_FAMILY else {"family": self.family}
        return {**family, **self.differing(type(self)(family=self.family), self.NETWORK)}

    def differing(self, usual: "ModelConfig", names: Iterable[str]) -> dict[str, Any]:
        """Collects those of the named settings that differ from another record's.

        Both records are of one family.
        """
        return {name: getattr(self, name) for name in names if getattr(self, name) != getattr(usual, name)}

    @model_serializer(mode="wrap")
    def _without_new_defaults(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leaves keys out that older readers of a model folder refuse, where they have their defaults."""
        values = dump(self)
        left_out = {key for key, default in self.NEWER.items() if key in values and getattr(self, key) == default}
        return {key: value for key, value in values.items() if key not in left_out}
