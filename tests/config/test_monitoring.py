import pytest
from pydantic import ValidationError

from mrcnn.config.monitoring import CheckpointsConfig, EarlyStoppingConfig, ValidationConfig


def test_early_stopping_config_defaults_and_null_patience():
    assert EarlyStoppingConfig().model_dump() == {"patience": 10, "monitor": "val_loss", "min_delta": 0.0}
    assert EarlyStoppingConfig(patience=None).patience is None


def test_checkpoints_config_and_validation_config_defaults():
    assert CheckpointsConfig().model_dump() == {"keep": None, "monitor": None}
    assert ValidationConfig().model_dump() == {"ap": True, "every_epochs": 1, "pictures_every_epochs": None}


@pytest.mark.parametrize(
    ("record", "values"),
    [
        (EarlyStoppingConfig, {"patience": 0}),
        (EarlyStoppingConfig, {"monitor": ""}),
        (EarlyStoppingConfig, {"min_delta": -0.1}),
        (CheckpointsConfig, {"keep": 0}),
        (ValidationConfig, {"every_epochs": 0}),
        (ValidationConfig, {"ap": 1}),
    ],
)
def test_monitoring_configs_refuse_values_out_of_range(record, values):
    with pytest.raises(ValidationError):
        record(**values)
