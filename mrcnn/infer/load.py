"""A trained model from its folder; the one file of this package that reads settings.

    <folder>/config.json              settings, classes, class_title_to_idx, and `model`, the architecture's numbers
    <folder>/model_weights/model.h5

A folder of the original has no `model`: Matterport's numbers, the defaults, are what it was trained with.
Source: Supervisely Mask R-CNN plugin 5.16, checkpoints.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from mrcnn.config import errors
from mrcnn.config.load import load_json
from mrcnn.config.model import ModelConfig
from mrcnn.config.train import InputSize
from mrcnn.events import UserError
from mrcnn.infer import device as devices
from mrcnn.models import build
from mrcnn.project.meta import ClassMeta
from mrcnn.structures import OutputRules, RawDetections
from mrcnn.weights import apply

CONFIG = "config.json"
WEIGHTS = Path("model_weights") / "model.h5"
BEST = "best"  # the entry of a training run's output that leads to its best checkpoint
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@dataclass(frozen=True)
class ModelFolder:
    """What a model folder says, before anything is built.

    Attributes:
        path: the folder.
        class_names: title of each class id, the background first.
        class_metas: the classes as the folder lists them, the background not among them.
        input_size: `min_dim` and `max_dim` of the model input.
        config: the architecture's numbers.
        neutral: title of the class whose objects were ignored in training, if there was one.
    """

    path: Path
    class_names: tuple[str, ...]
    class_metas: tuple[ClassMeta, ...]
    input_size: InputSize
    config: ModelConfig
    neutral: str | None = None


@dataclass(frozen=True)
class ModelBundle:
    """A model ready to run, and what its numbers mean.

    Attributes:
        model: from a dictionary with `images` and `windows` to `RawDetections`.
        class_names: title of each class id, the background first.
        class_metas: the classes as the folder lists them, the background not among them.
        input_size: `min_dim` and `max_dim` of the model input.
        config: the architecture's numbers, with the score threshold in use.
    """

    model: Callable[[Mapping[str, Any]], RawDetections]
    class_names: tuple[str, ...]
    class_metas: tuple[ClassMeta, ...]
    input_size: InputSize
    config: ModelConfig

    @property
    def output_rules(self) -> OutputRules:
        """How the model's output becomes detections."""
        return output_rules(self.config)


def output_rules(config: ModelConfig) -> OutputRules:
    """Picks the rules of a model's output from its numbers."""
    return OutputRules(config.mask_threshold, config.mask_paste, config.round_boxes)


def read_folder(directory: str | Path) -> ModelFolder:
    """Reads a model folder's config.json.

    Args:
        directory: the model folder, or a training run's output, whose `best` checkpoint is taken.

    Raises:
        UserError: there is no model, or its config.json is malformed; one line that names the file and the fix.
    """
    path = _find(Path(directory))
    content = load_json(path / CONFIG)
    try:
        names = _class_names(content.get("class_title_to_idx"))
        settings = _object(content, "settings")
        special = settings.get("special_classes")
        return ModelFolder(
            path=path,
            class_names=names,
            class_metas=_class_metas(content.get("classes"), names),
            input_size=errors.check(InputSize, _object(settings, "input_size"), path="settings.input_size"),
            config=errors.check(ModelConfig, _object({"model": {}, **content}, "model"), path="model"),
            neutral=special.get("neutral") if isinstance(special, dict) else None,
        )
    except UserError as error:
        raise UserError(f"{path / CONFIG}: {error}") from error


def load_model_dir(
    directory: str | Path,
    *,
    score_threshold: float | None = None,
    device: int | str | None = None,
    precision: str = "float32",
    warn: Callable[[str], None] = lambda line: None,
) -> ModelBundle:
    """Builds the model of a folder and loads its weights.

    Args:
        directory: as for `read_folder`.
        score_threshold: detections that score less are dropped; None keeps the model's own, by default 0.7.
        device: "cpu", the number of a GPU, or None for TensorFlow's choice; to be made before TensorFlow is first used.
        precision: of the convolutions: `float32`, `mixed_bfloat16` or `mixed_float16`; boxes are float32 always.
        warn: called with one line for each thing the user should know.

    Raises:
        UserError: the folder, its config.json or its weights are not what the model needs, or an argument is wrong.
    """
    folder = read_folder(directory)
    if precision not in PRECISIONS:
        raise UserError(f"the precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    config = folder.config
    if score_threshold is not None:
        if not 0 <= score_threshold <= 1:
            raise UserError(f"the score threshold must be in 0..1, got {score_threshold}")
        config = config.model_copy(update={"score_threshold": float(score_threshold)})
    devices.choose_device(device, warn=warn)
    return ModelBundle(
        model=_build(folder, config, precision=precision, warn=warn),
        class_names=folder.class_names,
        class_metas=folder.class_metas,
        input_size=folder.input_size,
        config=config,
    )


def _build(folder: ModelFolder, config: ModelConfig, *, precision: str, warn: Callable[[str], None]) -> Any:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        model = build.build_model(config, num_classes=len(folder.class_names))
    finally:
        keras.config.set_dtype_policy(before)
    weights = folder.path / WEIGHTS
    if not weights.is_file():
        raise UserError(f"the model folder {folder.path} has no {WEIGHTS}; copy the weights there")
    report = apply.load_into(model.weight_layout(), weights)
    if report.missing:
        raise UserError(
            f"{weights} lacks {len(report.missing)} layers of the model, the first is {_first(report.missing)}; "
            f"is it the file of this {config.backbone} model?"
        )
    if report.left_over:
        warn(
            f"{weights} holds {len(report.left_over)} layers that the model lacks, the first is "
            f"{_first(report.left_over)}; check `model.backbone` in config.json, now {config.backbone}"
        )
    return model


def _first(names: Any) -> str:
    return str(next(iter(names)))


def _find(directory: Path) -> Path:
    if (directory / CONFIG).is_file():
        return directory
    best = directory / BEST
    if (best / CONFIG).is_file():
        return best
    if not directory.is_dir():
        raise UserError(f"the model folder {directory} does not exist")
    inside = sorted(path.parent.name for path in directory.glob(f"*/{CONFIG}"))
    hint = f"name one of the folders inside it, e.g. {directory / inside[-1]}" if inside else "train a model first"
    raise UserError(f"the model folder {directory} has neither {CONFIG} nor {BEST}/{CONFIG}; {hint}")


def _object(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = content.get(key)
    if not isinstance(value, dict):
        raise UserError(f"`{key}` must be an object, got {errors.shown(value)}")
    return value


def _class_names(mapping: Any) -> tuple[str, ...]:
    if not isinstance(mapping, dict) or not all(type(index) is int for index in mapping.values()):
        raise UserError(f"`class_title_to_idx` must give a whole number for each title, got {errors.shown(mapping)}")
    if len(mapping) < 2 or sorted(mapping.values()) != list(range(len(mapping))):
        raise UserError(
            f"`class_title_to_idx` must number the background 0 and at least one class 1, 2, ... without a gap, "
            f"got {sorted(mapping.values())}"
        )
    return tuple(sorted(mapping, key=mapping.__getitem__))


def _class_metas(classes: Any, names: tuple[str, ...]) -> tuple[ClassMeta, ...]:
    """Gives one bitmap class for each name but the background, in the folder's order; those it does not list last."""
    if not isinstance(classes, list):
        raise UserError(f"`classes` must be a list, got {errors.shown(classes)}")
    listed = {item.title: item for item in map(ClassMeta.from_json, classes)}
    order = [title for title in listed if title in names[1:]] + [name for name in names[1:] if name not in listed]
    return tuple(ClassMeta(title, "bitmap", listed[title].color if title in listed else "") for title in order)
