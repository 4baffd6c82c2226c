"""Wrong settings of optimizer and schedule, as a train config reports them."""

import pytest

from mrcnn.config import load
from mrcnn.errors import UserError


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimizer": {"momentum": 1}}, "`optimizer.momentum` must be less than 1, got 1"),
        ({"optimizer": {"nesterov": 1}}, "`optimizer.nesterov` must be true or false, got 1"),
        ({"optimizer": {"global_clipnorm": 0}}, "`optimizer.global_clipnorm` must be greater than 0, got 0"),
        (
            {"optimizer": {"name": "adamw", "weight_decay_form": "gradient"}},
            '`optimizer.weight_decay_form` must be "decoupled" for adamw, got "gradient"; use adam',
        ),
        ({"optimizer": {"ema_momentum": 1}}, "`optimizer.ema_momentum` must be less than 1, got 1"),
        ({"optimizer": {"accumulation_steps": 0}}, "`optimizer.accumulation_steps` must be greater than or equal to 1"),
        ({"optimizer": {"decay_norms": 0}}, "`optimizer.decay_norms` must be true or false, got 0"),
        ({"optimizer": "sgd"}, '`optimizer` must be an object, got "sgd"'),
        ({"lr_schedule": {"name": "step"}}, "`lr_schedule.milestones` must list at least one epoch when `name` is"),
        (
            {"lr_schedule": {"warmup_steps": 3, "warmup_epochs": 0.5}},
            "`lr_schedule` give `warmup_steps` or `warmup_epochs`, not both, got 3 and 0.5",
        ),
        ({"lr_schedule": {"milestones": [3, 3]}}, "`lr_schedule.milestones` must increase, got [3.0, 3.0]"),
        ({"lr_schedule": {"milestone_steps": [5, 4]}}, "`lr_schedule.milestone_steps` must increase, got [5, 4]"),
        ({"lr_schedule": {"milestone_steps": [1.5]}}, "`lr_schedule.milestone_steps[0]` must be an integer, got 1.5"),
        (
            {"lr_schedule": {"milestones": [1], "milestone_steps": [4]}},
            "`lr_schedule` give `milestones` or `milestone_steps`, not both, got [1.0] and [4]",
        ),
        ({"lr_schedule": {"warmup_start_factor": 0}}, "`lr_schedule.warmup_start_factor` must be greater than 0"),
        ({"lr_schedule": {"final_fraction": 1.5}}, "`lr_schedule.final_fraction` must be less than or equal to 1"),
    ],
)
def test_wrong_settings_are_named_with_the_fix(values, message):
    with pytest.raises(UserError) as caught:
        load.load_train_config(values)
    assert str(caught.value).startswith(message)
