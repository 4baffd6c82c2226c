import pytest

from mrcnn.config.train import TrainConfig
from mrcnn.train import rates


def config(**schedule):
    return TrainConfig(lr=0.005, lr_schedule=schedule)


def test_base_rate_rate_grows_with_the_batch_where_a_reference_is_given():
    assert rates.base_rate(config(), batch_size=8) == 0.005
    assert rates.base_rate(config(reference_batch=2), batch_size=2) == 0.005
    assert rates.base_rate(config(reference_batch=2), batch_size=8) == pytest.approx(0.02)  # 0.005 * 8 / 2
    assert rates.base_rate(config(reference_batch=16), batch_size=4) == pytest.approx(0.00125)


def test_warmup_steps_warm_up_in_steps_or_epochs():
    assert rates.warmup_steps(config(), steps_per_epoch=50) == 0
    assert rates.warmup_steps(config(warmup_steps=30), steps_per_epoch=50) == 30
    assert rates.warmup_steps(config(warmup_epochs=0.5), steps_per_epoch=50) == 25
    assert rates.warmup_steps(config(warmup_epochs=2), steps_per_epoch=7) == 14
