"""Checks the paths of a command line before TensorFlow is imported, so that a mistake is reported within a second.

The run repeats these checks. They come from modules that need no TensorFlow, which are imported by name.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mrcnn import files, locks, startup
from mrcnn.config.base import USES_MODEL
from mrcnn.config.load import load_json
from mrcnn.config.train import TrainConfig
from mrcnn.errors import UserError


def check_runnable(model: str | Path, *, classes: str | None) -> None:
    """Checks that a trained model or an exported file exists; else as `check_model`.

    Args:
        model: as for `Predictor.load`.
        classes: the class names of a lone weight file.

    Raises:
        UserError: as `check_model`, or there is no such exported file.
    """
    table = startup.load("mrcnn.predict.runtimes.table")
    located = table.locate(model)
    if located is None:
        check_model(model, classes=classes)
    else:
        table.check_there(located)


def check_model(model: str | Path, *, classes: str | None) -> None:
    """Checks that a trained model exists and that its config.json is JSON; of a lone weight file, that it is complete.

    Args:
        model: as for `model_folder.read.read_model`.
        classes: the class names of a lone weight file.

    Raises:
        UserError: as `model_folder.read.read_model`.
    """
    layout = startup.load("mrcnn.model_folder.layout")
    if layout.is_release(model):
        return
    found = layout.find_model(Path(model))
    if found.config is not None:
        load_json(found.config)
        return
    if startup.load("mrcnn.weights.foreign").is_foreign(found.weights):
        foreign_file = startup.load("mrcnn.model_folder.foreign_file")
        foreign_file.class_titles(foreign_file.read_detector(found.weights), classes=classes)
        return
    lone_file = startup.load("mrcnn.model_folder.lone_file")
    lone_file.class_titles(lone_file.read_facts(found.weights), found.weights, classes=classes)


def check_start(model: str | Path | None, config: TrainConfig) -> None:
    """Checks that the start weights of a training exist where its config needs any.

    Raises:
        UserError: they are not named or do not exist.
    """
    if config.with_start(model).weights_init_type not in USES_MODEL:
        return
    layout = startup.load("mrcnn.model_folder.layout")
    named = layout.require_start(None if model is None else str(model), weights_init_type=config.weights_init_type)
    if not layout.is_release(named):
        layout.find_start(Path(named))


def check_data(project: str | Path | None, paths: Mapping[str, Path] | None) -> None:
    """Checks that the data of a run exists, without reading it.

    Args:
        project: the Supervisely project; None where `paths` are given.
        paths: fields of `data.sources.source.DataPaths`, for data of any format.

    Raises:
        UserError: a file or folder does not exist or is not named, or the data has no known format.
    """
    table = startup.load("mrcnn.data.sources.table")
    if paths:
        table.check_paths(table.DataPaths(**paths))
    else:
        table.FORMATS[table.PROJECT].check_paths(table.DataPaths(project))


def check_images(places: Any) -> None:
    """Checks that places hold images, by their names; `places` as for `predict.image_files.find`.

    Raises:
        UserError: a place does not exist or has no image.
    """
    startup.load("mrcnn.predict.image_files").find(places)


def check_checkpoints(output: Path, *, resume: bool) -> None:
    """Checks that no other run writes to the output of a training, and that it is free or the run is resumed.

    Raises:
        UserError: the output cannot be used.
    """
    with locks.inside(output, warn=_silent):
        startup.load("mrcnn.train.checkpoint").check_place(output, resume=resume)


def check_detections(output: Path, source: Any, *, resume: bool) -> None:
    """Checks that no other run writes to the output of an inference, and that its project is new.

    Args:
        output: the output folder.
        source: the input, a `predict.sources.Source`.
        resume: an interrupted run may be continued; then a complete project may be there too.

    Raises:
        UserError: the output cannot be used.
    """
    with locks.inside(output, warn=_silent):
        if not resume:
            startup.load("mrcnn.annotate.output").check(output / source.name, resume=False)


def check_file(path: Path, *, what: str) -> None:
    """Checks that a file can be written.

    Args:
        path: the file, which need not exist yet, like its folder.
        what: name of the file in the error message.

    Raises:
        UserError: it is a folder, or its folder cannot be written.
    """
    if path.is_dir():
        raise UserError(f"{what} {path} must be a file, it is a folder; name a file in it")
    files.check_writable(path.parent, shown=path)


def _silent(line: str) -> None:
    """Ignores a warning, which the run gives again."""
