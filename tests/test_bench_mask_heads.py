import pytest

from benchmarks import mask_heads
from mrcnn.config.families.rcnn import RcnnConfig


def test_heads_are_those_of_the_config():
    assert set(mask_heads.HEADS) == set(RcnnConfig.model_json_schema()["properties"]["mask_head"]["enum"])


def test_measure_counts_weights_and_operations_of_the_usual_head():
    cost = mask_heads.measure("fcn", regions=1, runs=1)
    # four 3x3 convolutions of 256 channels with bias, gamma and beta, the upsampling, one 1x1 convolution
    kernels = 4 * 9 * 256 * 256, 2 * 2 * 256 * 256, 256
    assert cost.parameters == pytest.approx((sum(kernels) + 4 * 3 * 256 + 256 + 1) / 1e6)
    operations = 2 * (14 * 14 * (kernels[0] + kernels[1]) + 28 * 28 * kernels[2])
    assert cost.gflop == pytest.approx(operations / 1e9, rel=0.01)
    assert (cost.head, cost.side) == ("fcn", 28)
    assert cost.seconds > 0


def test_measure_counts_the_points_of_pointrend():
    cost = mask_heads.measure("pointrend", regions=1, runs=1)
    coarse = 4 * 256 * 256 * 49 + 49 * 256 * 1024 + 1024 * 1024 + 1024 * 49
    point = 3 * 257 * 256 + 257
    # four times 784 points: the first mask and three doublings; reading and doubling masks adds little
    assert cost.gflop == pytest.approx(2 * (coarse + 4 * 784 * point) / 1e9, rel=0.02)
    biases = 256 + 1024 + 1024 + 49 + 3 * 256 + 1
    assert cost.parameters == pytest.approx((4 * 256 * 256 + coarse - 4 * 256 * 256 * 49 + point + biases) / 1e6)
    assert cost.side == 224


def test_main_prints_a_row_for_each_head(monkeypatch, capsys):
    monkeypatch.setattr(mask_heads, "measure", lambda head, **_: mask_heads.Cost(head, 64, 5.678, 2.834, 0.05))
    mask_heads.main(["--head", "hourglass20", "hourglass32"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["hourglass20", "64", "5.68", "2.83", "50.0"]
    assert len(lines) == 3
