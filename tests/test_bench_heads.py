import json

import numpy as np
import pytest

from benchmarks import heads
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.models.families.matterport import Matterport

SMALL = {
    "backbone": "resnet50", "fpn_channels": 8, "rpn_channels": 8, "box_fc_channels": 8, "keypoint_channels": [8],
    "max_gt_instances": 10, "gt_mask_size": 16, "roi_samples": 16, "post_nms_topk_train": 50,
}  # fmt: skip


def test_the_heads_differ_from_the_plain_model_by_what_their_names_say():
    found = {name: MatterportConfig(**settings) for name, settings in heads.HEADS.items()}
    assert [found[name].mask_head for name in heads.HEADS] == [
        "fcn", "hourglass20", "hourglass52", "pointrend", "fcn", "fcn", "fcn", "fcn"
    ]  # fmt: skip
    assert [name for name in found if found[name].mask_supervision == "points"] == ["points"]
    assert [name for name in found if found[name].box_head == "cascade"] == ["cascade"]
    assert {name: found[name].extra_heads for name in found if found[name].extra_heads} == {
        "keypoints": ("keypoints",),
        "semantic": ("semantic",),
    }


def test_a_table_has_medians_of_the_rounds_and_of_the_ratios_within_them():
    rounds = [
        {"plain": {"seconds": seconds, "peak_gb": 2.0}, "cascade": {"seconds": other, "peak_gb": 3.0}}
        for seconds, other in ((1.0, 1.5), (4.0, 4.4), (2.0, 2.6))  # ratios 1.5, 1.1 and 1.3
    ]
    assert heads.table("detection", rounds).splitlines()[2:] == [
        "| plain | 2.00 | 1.00 | 2.00 | 1.00 |",
        "| cascade | 2.60 | 1.30 | 3.00 | 1.50 |",
    ]


def test_a_batch_has_what_every_head_learns_from():
    parts = {name: value for each in heads.HEADS.values() for name, value in each.items() if name != "mask_head"}
    settings = MatterportConfig(**{**parts, **SMALL, "extra_heads": ["keypoints", "semantic"]})
    batch = heads.batch_of(settings, side=64, images=2)
    boxes, points = batch["gt_boxes"].numpy()[:, :8], batch["gt_mask_points"].numpy()[:, :8]
    for fields in (points, batch["gt_keypoints"].numpy()[:, :8]):  # x, y of the points of the 8 objects
        assert (fields[..., :2] >= boxes[..., None, 1::-1]).all()
        assert (fields[..., :2] <= boxes[..., None, 3:1:-1]).all()
    assert set(np.unique(points[..., 2])) == {0, 1}
    model = Matterport(num_classes=81, settings=settings.model_dump(mode="json"))
    total, losses = model.losses_of(model(batch, training=True))
    assert {"mrcnn_class_loss_stage3", "mrcnn_keypoint_loss", "mrcnn_semantic_loss", "mrcnn_mask_loss"} <= set(losses)
    unlike = {name for name, value in losses.items() if not 0 < float(value) < 100}
    assert unlike <= {"mrcnn_bbox_loss_stage2", "mrcnn_bbox_loss_stage3"}  # untrained stages may find no object
    assert float(total) > 0


def test_main_measures_each_head_in_each_round_in_turn(monkeypatch, capsys):
    order = []

    def apart(head, work, options):
        order.append((work, head))
        return {"seconds": 1.0, "peak_gb": 1.0}

    monkeypatch.setattr(heads, "_apart", apart)
    heads.main(["--head", "cascade", "plain", "--rounds", "2"])
    one_round = [("detection", "plain"), ("detection", "cascade")]
    assert order == one_round * 2 + [("training step", head) for _, head in one_round] * 2
    assert capsys.readouterr().out.count("| cascade | 1.00 | 1.00 |") == 2


def test_main_names_the_head_that_failed():
    with pytest.raises(SystemExit, match=r"^plain, detection: failed: \S"):
        heads.main(["--head", "plain", "--rounds", "1", "--side", "-1"])


def test_main_measures_one_head_in_its_own_process(monkeypatch, capsys):
    monkeypatch.setattr(heads, "measure", lambda head, work, **sizes: {"head": head, "work": work, **sizes})
    heads.main(["--head", "semantic", "--work", "training step", "--side", "64", "--runs", "2"])
    expected = {"head": "semantic", "work": "training step", "side": 64, "runs": 2}
    assert json.loads(capsys.readouterr().out) == expected
