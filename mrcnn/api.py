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

from mrcnn.config.load import load_train_config
from mrcnn.data import pipeline
from mrcnn.data.skipped import Skipped
from mrcnn.data.sources import table
from mrcnn.data.sources.source import DataPaths
from mrcnn.data.streams import Batches
from mrcnn.events import EventLog, make_log
from mrcnn.model_folder.read import ModelBundle
from mrcnn.predict.predictor import Predictor
from mrcnn.train import auto_batch, check, start
from mrcnn.train import build as training
from mrcnn.train.check import Checked
from mrcnn.train.state import TrainingState


@dataclass(frozen=True)
class Data:
    """Annotated images, ready for `fit`.

    Attributes:
        train: endless batches, as `data.pipeline.train_dataset` makes them; for `fit`'s `x`.
        steps: batches of an epoch; for `fit`'s `steps_per_epoch`.
        checked: the samples of both sets, the classes, and the train config fitted to the images and the machine.
    """

    train: Batches
    steps: int
    checked: Checked

    @property
    def class_names(self) -> tuple[str, ...]:
        """Title of each class id, the background first."""
        return tuple(self.checked.samples.class_title_to_idx)

    def predictor(self, model: keras.Model) -> Predictor:
        """Wraps a model in a predictor for images of any size, with the model's run-time choices.

        Args:
            model: from `build`.
        """
        settings = self.checked.config.model
        classes = {item.title: item for item in self.checked.meta.classes}
        return Predictor(
            ModelBundle(
                model=model,
                class_names=self.class_names,
                class_metas=tuple(classes[name] for name in self.class_names[1:]),
                input_size=self.checked.config.input_size,
                config=settings.model_copy(update=model.choices._asdict()),
            )
        )


def open_data(
    data: str | Path | DataPaths,
    *,
    images: str | Path | None = None,
    config: str | Path | Mapping[str, Any] = "train_small_dataset",
    log: EventLog | None = None,
) -> Data:
    """Opens annotated images for training.

    Args:
        data: path of a Supervisely project or of a COCO file; or `DataPaths`, which can also name a validation set.
        images: folder of the images that a COCO file lists; None for the folder of the file.
        config: a path, the name of a preset, or a dictionary, as for `load_train_config`.
        log: receives warnings; None for stderr.

    Raises:
        UserError: the config is invalid or the data cannot be used; one line that names the fix.
    """
    log = log or make_log()
    settings = check.of_new_model(load_train_config(config, warn=log.warning).with_start(None), log=log)
    begin = check.Start(config=settings, model=None, resumed=None, classes=None)
    checked = check.check_data(begin, partial(table.open_source, _paths(data, images)), log=log)
    checked = auto_batch.settle(checked, log=log)
    samples = checked.samples.train
    skipped = Skipped(len(samples), max_share=checked.config.max_skipped_share, log=log)
    train, steps = pipeline.train_dataset(samples, checked.config, batch_size=checked.batch_size, skipped=skipped)
    return Data(train, steps, checked)


def build(data: Data, *, log: EventLog | None = None) -> keras.Model:
    """Builds the model for data, as a training run does.

    That sets start weights, trained layers, precision, devices and seed.

    Args:
        data: from `open_data`; its config's `weights_init_type` must be `imagenet`, `auto` or `random`.
        log: receives a report of the loaded layers; None for stderr.

    Returns:
        A `MaskRCNN`, compiled with the optimizer of the config; `compile` sets another one.

    Raises:
        UserError: the start weights are missing or do not fit.
    """
    checked, config = data.checked, data.checked.config
    if config.weights_init_type == "imagenet":
        start.find_imagenet_source(config.imagenet_weights, resnet=config.model.resnet)
    keras.utils.set_random_seed(config.seed)
    return training.build_network(
        config,
        checked.samples.class_title_to_idx,
        chosen=checked.devices,
        begin=checked.begin,
        state=TrainingState(
            epoch=0,
            step=0,
            steps_per_epoch=data.steps,
            train_images=len(checked.samples.train),
            seed=config.seed,
        ),
        log=log or make_log(),
        class_counts=training.class_counts(checked),
    )


def _paths(data: str | Path | DataPaths, images: str | Path | None) -> DataPaths:
    if isinstance(data, DataPaths):
        return data
    path = Path(data)
    if images is None and path.is_file():
        return DataPaths(path, path.parent)
    return DataPaths(path, None if images is None else Path(images))
