"""Data and model for Keras's own `compile` and `fit`.

`mrcnn.train.run.train` does more: it validates, writes checkpoints, resumes. This module is for calling
`fit` yourself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from mrcnn.config.load import load_train_config
from mrcnn.data import pipeline
from mrcnn.data.skipped import Skipped
from mrcnn.data.sources import table
from mrcnn.data.sources.source import DataPaths
from mrcnn.events import EventLog, make_log
from mrcnn.model_folder.read import ModelBundle
from mrcnn.models import build as models
from mrcnn.models import trainable
from mrcnn.predict.predictor import Predictor
from mrcnn.train import check, start
from mrcnn.train.check import Checked


@dataclass(frozen=True)
class Data:
    """Annotated images, ready for `fit`.

    Attributes:
        train: endless batches, as `data.pipeline.train_dataset` makes them; for `fit`'s `x`.
        steps: batches of an epoch; for `fit`'s `steps_per_epoch`.
        checked: the samples of both sets, the classes, and the train config fitted to the images and the machine.
    """

    train: tf.data.Dataset
    steps: int
    checked: Checked

    @property
    def class_names(self) -> tuple[str, ...]:
        """Title of each class id, the background first."""
        return tuple(self.checked.samples.class_title_to_idx)

    def predictor(self, model: keras.Model) -> Predictor:
        """Wraps a model in a predictor for images of any size.

        Args:
            model: from `build`.
        """
        classes = {item.title: item for item in self.checked.meta.classes}
        return Predictor(
            ModelBundle(
                model=model,
                class_names=self.class_names,
                class_metas=tuple(classes[name] for name in self.class_names[1:]),
                input_size=self.checked.config.input_size,
                config=self.checked.config.model,
            )
        )


def open_data(
    data: str | Path | DataPaths,
    *,
    config: str | Path | Mapping[str, Any] = "train_small_dataset",
    log: EventLog | None = None,
) -> Data:
    """Opens annotated images for training.

    Args:
        data: path of a Supervisely project, or `DataPaths`, which name the image folder of a COCO file too.
        config: a path, the name of a preset, or a dictionary, as for `load_train_config`.
        log: receives warnings; None for stderr.

    Raises:
        UserError: the config is invalid or the data cannot be used; one line that names the fix.
    """
    log = log or make_log()
    paths = data if isinstance(data, DataPaths) else DataPaths(Path(data))
    begin = check.Start(config=load_train_config(config, warn=log.warning), model=None, resumed=None, classes=None)
    checked = check.check_data(begin, partial(table.open_source, paths), log=log)
    samples = checked.samples.train
    skipped = Skipped(len(samples), max_share=checked.config.max_skipped_share, log=log)
    train, steps = pipeline.train_dataset(samples, checked.config, batch_size=checked.batch_size, skipped=skipped)
    return Data(train, steps, checked)


def build(data: Data, *, log: EventLog | None = None) -> keras.Model:
    """Builds the model for data, with the start weights and the trained layers of its config.

    Args:
        data: from `open_data`; of its config `model`, `train_layers`, `weights_init_type` (`imagenet` or `random`) and
            `imagenet_weights` are read.
        log: receives a report of the loaded layers; None for stderr.

    Returns:
        A `MaskRCNN` to compile and fit.

    Raises:
        UserError: the start weights are missing or do not fit.
    """
    config = data.checked.config
    if config.weights_init_type == "imagenet":
        start.find_imagenet_source(config.imagenet_weights, backbone=config.model.imagenet_backbone)
    model = models.build_model(config.model, num_classes=len(data.class_names))
    trainable.select_trainable(model, config.train_layers)
    start.load_start_weights(
        model.weight_layout(),
        config.weights_init_type,
        start_model=None,
        imagenet_weights=config.imagenet_weights,
        backbone=config.model.imagenet_backbone,
        log=log or make_log(),
    )
    return model
