import pytest

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.heads.mask.point_targets import PointTargetGenerator
from mrcnn.heads.mask.targets import MaskTargetGenerator
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


def test_targets_are_those_of_what_the_head_learns_from():
    config = MatterportConfig(mask_pool_size=7, mask_size=14)
    masks = mask_networks.targets(config, form="cells")
    assert (type(masks), masks.mask_size, masks.form, masks.needs) == (MaskTargetGenerator, 14, "cells", ())
    points = mask_networks.targets(MatterportConfig(mask_supervision="points", mask_point_share=0.25), form="soft")
    assert (type(points), points.share, points.needs) == (PointTargetGenerator, 0.25, ("mask_points",))
