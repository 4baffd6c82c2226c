"""Settings of what a training run measures: validation, early stopping and the best checkpoint."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from mrcnn.config import errors
from mrcnn.config.base import Flag, Index, Name, NotNegative, PositiveInt, Settings

# a column of history.csv; `train.check` refuses one that no metric of the run fills
Monitor = Annotated[Name, Field(examples=["val_loss", "val_box_ap", "val_mask_ap"])]

COUNTRY_PATTERN = "^[A-Z]{3}$"


def _country(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(COUNTRY_PATTERN[1:-1], value):
        raise ValueError(f'must be an ISO code of three capital letters, such as "DEU", got {errors.shown(value)}')
    return value


CountryCode = Annotated[str, BeforeValidator(_country), WithJsonSchema({"type": "string", "pattern": COUNTRY_PATTERN})]
EnergyCountry = Annotated[
    CountryCode | None,
    Field(
        description=(
            "ISO code of the country whose electricity the machine uses, three letters: CodeCarbon measures energy and "
            "CO2 equivalents for the [model card](card.md#energy), without network; needs the extra `energy`. null: "
            "the card has an estimate"
        )
    ),
]
Trackers = Annotated[
    tuple[Literal["mlflow", "wandb"], ...],
    Field(
        description=(
            "experiment trackers that receive the config and the figures of each epoch, besides TensorBoard: MLflow, "
            "Weights & Biases ([trackers](trackers.md)); each needs the extra of its name"
        )
    ),
]


class EarlyStoppingConfig(Settings):
    """Ends the run when `monitor` did not improve by `min_delta` for `patience` epochs.

    `patience` null waits for the last third of the validated epochs so far, and for 5 of them at least.
    """

    patience: PositiveInt | None = Field(
        default=10,
        description=(
            "epochs without improvement before the run ends; null: the last third of the validated epochs so far, "
            "and at least 5 of them"
        ),
    )
    monitor: Monitor = Field(
        default="val_loss",
        description=(
            'the measure that must improve: `"val_loss"`, `"val_box_ap"`, `"val_mask_ap"`, or another figure that a '
            "metric of `mrcnn.evaluate.table.METRICS` offers"
        ),
    )
    min_delta: NotNegative = Field(default=0.0, description="least improvement that counts")


class CheckpointsConfig(Settings):
    """Which checkpoints are kept, and the measure that selects the best one.

    `monitor` null is `early_stopping.monitor`, and `val_loss` without early stopping.
    """

    keep: PositiveInt | None = Field(
        default=None, description="how many of the newest checkpoints stay, besides the best; null keeps all"
    )
    monitor: Monitor | None = Field(
        default=None,
        description=(
            "the measure that selects the `best` checkpoint, as for `early_stopping.monitor`; null takes that one, or "
            '`"val_loss"` without early stopping'
        ),
    )


class ValidationConfig(Settings):
    """How often validation runs, besides after the last epoch, and whether it computes AP."""

    ap: Flag = Field(default=True, description="compute AP and all other metrics in validation, besides the losses")
    every_epochs: PositiveInt = Field(
        default=1,
        description=(
            "epochs from one validation to the next; the last is always validated. An epoch without one has "
            "empty `val_` cells in `history.csv`, is not the best (but until the first validation the newest "
            "is), and does not stop the run early, though `early_stopping.patience` counts it"
        ),
    )
    pictures_every_epochs: Index | None = Field(
        default=None,
        description=(
            "epochs from one picture `val_examples/epoch_NNNN.jpg` to the next: six validation images, the labels "
            "beside the detections; also after the first and the last validation. null: so that a run has about 20; "
            "0: none. Needs `ap` ([look at your data](looking.md#a-training-while-it-runs))"
        ),
    )
