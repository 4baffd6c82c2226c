import pytest

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.heads.mask.hourglass import HourglassMaskHead
from mrcnn.heads.mask.network import MaskHead
from mrcnn.heads.mask.point_targets import PointTargetGenerator
from mrcnn.heads.mask.pointrend import PointRendNetwork
from mrcnn.heads.mask.pointrend_head import PointRendMasks
from mrcnn.heads.mask.targets import MaskTargetGenerator
from mrcnn.heads.roi_features import RoiFeatures
from mrcnn.models import mask_networks

COMMON = {"num_classes": 4, "initial_values": "he", "feature_dtype": "bfloat16", "epsilon": 0.5, "batch_norm": "frozen"}


@pytest.mark.parametrize(
    ("batch_norm", "mode"),
    [("fixed", "trained"), ("frozen", "trained"), ("trained", "trained"), ("synchronized", "synchronized")],
)
def test_hourglass_learns_its_statistics_whatever_the_family_does(batch_norm, mode):
    config = MatterportConfig(mask_head="hourglass100", class_agnostic_masks=False)
    network = mask_networks.hourglass(config, COMMON, batch_norm=batch_norm)
    assert (network.kind, network.norm.mode, network.norm.epsilon) == ("hourglass100", mode, 1e-5)
    assert (network.num_classes, network.class_agnostic, network.feature_dtype) == (4, False, "bfloat16")


def test_pointrend_has_the_settings_of_the_model():
    config = MatterportConfig(mask_head="pointrend", mask_pool_size=6, class_agnostic_masks=True)
    network = mask_networks.pointrend(config, COMMON)
    assert (network.num_classes, network.pool_size, network.class_agnostic) == (4, 6, True)
    assert network.point.feature_dtype == "bfloat16"


@pytest.mark.parametrize("kind", ["fcn", "hourglass20", "pointrend"])
def test_head_is_that_of_the_settings(kind):
    config = MatterportConfig(mask_head=kind, mask_train_boxes="both", roi_samples=40, roi_positive_fraction=0.5)
    built = mask_networks.head(
        config,
        {**COMMON, "num_classes": 2},
        features=RoiFeatures(name="roi_align_mask"),
        network=lambda: MaskHead(num_classes=2),
        form="corners",
        batch_norm="trained",
        box_normalization="minus_one",
    )
    networks = {"fcn": MaskHead, "hourglass20": HourglassMaskHead, "pointrend": PointRendNetwork}
    assert type(built.network) is networks[kind]
    assert (built.max_objects, built.train_boxes, built.features.name) == (20, "both", "roi_align_mask")
    assert built.repeat_regions == (kind == "hourglass20")
    # PointRend compares coarse masks of half its features' side, and works in pixels
    side, last = {"fcn": (28, 1), "hourglass20": (64, 1), "pointrend": (7, 0)}[kind]
    assert (built.targets.mask_size, built.targets.form, built.frame.last) == (side, "corners", last)
    assert (type(built) is PointRendMasks) == (kind == "pointrend")


def test_targets_are_those_of_what_the_head_learns_from():
    config = MatterportConfig(mask_pool_size=7, mask_size=14)
    masks = mask_networks.targets(config, form="cells")
    assert (type(masks), masks.mask_size, masks.form, masks.needs) == (MaskTargetGenerator, 14, "cells", ())
    points = mask_networks.targets(MatterportConfig(mask_supervision="points", mask_point_share=0.25), form="soft")
    assert (type(points), points.share, points.needs) == (PointTargetGenerator, 0.25, ("mask_points",))
