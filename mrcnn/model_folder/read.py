"""Reads a trained model from its folder, or from a weight file without model folder.

A config.json of the original has no key `model`: the original had one network, whose settings are in `config.legacy`.
Source: Supervisely Mask R-CNN plugin 5.16, checkpoints.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mrcnn.config import errors, family, legacy
from mrcnn.config.base import PRECISIONS
from mrcnn.config.inference import InferenceModelConfig
from mrcnn.config.input_size import InputSize
from mrcnn.config.model import ModelConfig
from mrcnn.errors import UserError
from mrcnn.fields.table import Fields
from mrcnn.model_folder import class_names, foreign_file, layout, locate, lone_file
from mrcnn.model_folder import device as devices
from mrcnn.model_folder import precision as precisions
from mrcnn.model_folder.layout import CONFIG, WEIGHTS
from mrcnn.model_folder.network import Network
from mrcnn.model_folder.record import Record
from mrcnn.models import build, extra_heads
from mrcnn.project.meta import ClassMeta
from mrcnn.structures import Choices, OutputRules, RawDetections, SemanticRules
from mrcnn.weights import apply, foreign, published


@dataclass(frozen=True)
class StoredModel:
    """The settings and paths of a stored model, before it is built.

    Attributes:
        path: the model folder, or the weight file if there is no folder.
        weights: the weight file.
        class_names: title of each class id, the background first.
        class_metas: the classes in the folder's order, without the background.
        input_size: `min_dim` and `max_dim` of the model input, pixels.
        config: settings of the architecture.
        neutral: title of the class whose objects were ignored in training; None without one.
        warnings: settings that had to be assumed, one line each.
        mask_classes: titles of the classes whose objects trained masks; None for all.
        stuff_metas: the classes of the semantic map from 1.
    """

    path: Path
    weights: Path
    class_names: tuple[str, ...]
    class_metas: tuple[ClassMeta, ...]
    input_size: InputSize
    config: ModelConfig
    neutral: str | None = None
    warnings: tuple[str, ...] = ()
    mask_classes: tuple[str, ...] | None = None
    stuff_metas: tuple[ClassMeta, ...] = ()

    @property
    def extra_fields(self) -> Fields:
        """The extra fields of a detection by name."""
        return extra_heads.fields(self.config)

    @property
    def maps(self) -> dict[str, SemanticRules]:
        """The maps of whole images by name, with their classes and rules."""
        return extra_heads.maps(self.config)


@dataclass(frozen=True)
class ModelBundle:
    """A loaded model with its classes and settings.

    Attributes:
        model: maps a dictionary with `images` and `windows`, and its argument `choices`, to `RawDetections`.
        class_names: title of each class id, the background first.
        class_metas: the classes in the folder's order, without the background.
        input_size: `min_dim` and `max_dim` of the model input, pixels.
        config: settings of the architecture, with the run-time choices in use.
        precision: number format of the convolutions, and the reason for it.
        stuff_metas: the classes of the semantic map from 1.
    """

    model: Network
    class_names: tuple[str, ...]
    class_metas: tuple[ClassMeta, ...]
    input_size: InputSize
    config: ModelConfig
    precision: precisions.Precision = precisions.DEFAULT
    stuff_metas: tuple[ClassMeta, ...] = ()

    @property
    def choices(self) -> Choices:
        """The run-time choices in use."""
        return Choices.of(self.config)

    @property
    def extra_fields(self) -> Fields:
        """The extra fields of a detection by name."""
        return extra_heads.fields(self.config)

    @property
    def maps(self) -> dict[str, SemanticRules]:
        """The maps of whole images by name, with their classes and rules."""
        return extra_heads.maps(self.config)

    def with_choices(self, **changes: float) -> "ModelBundle":
        """Changes run-time choices; the network and its weights are shared.

        Args:
            **changes: new values by the names of `Choices`.

        Raises:
            UserError: a name is none of `Choices`, or a value is out of range.
        """
        if unknown := [name for name in changes if name not in Choices._fields]:
            raise UserError(f"{unknown[0]!r} is no run-time choice; those are {', '.join(Choices._fields)}")
        config = errors.check(type(self.config), {**self.config.model_dump(), **changes}, path="model")
        return replace(self, config=config)

    @property
    def detect(self) -> Callable[[Mapping[str, Any]], RawDetections]:
        """The model with the run-time choices in use."""
        return partial(self.model, choices=self.choices)

    @property
    def output_rules(self) -> OutputRules:
        """The rules that convert the model's output to detections."""
        return output_rules(self.config)


def output_rules(config: ModelConfig) -> OutputRules:
    """Collects the output rules from the settings of a model."""
    paste = config.mask_paste if config.has_masks else "bilinear"  # which fills a box to its edges
    return OutputRules(config.mask_threshold, paste, config.round_boxes)


def read_model(
    model: str | Path,
    *,
    classes: class_names.Classes | None = None,
    input_size: Sequence[int] | None = None,
) -> StoredModel:
    """Reads the settings of a model from its files; no weights are read.

    Args:
        model: a model folder; the output of a training run, whose `best` checkpoint is used; a weight file; `coco` for
            Matterport's release file, or the name of a published model, which are downloaded once.
        classes: only for a weight file without model folder: its class names, see `class_names.read_names`.
        input_size: only for such a file: (min_dim, max_dim) in pixels; None means those of its code base.

    Raises:
        UserError: there is no model, its files are malformed, or an argument is missing or not allowed; one line that
            names the file and the fix.
    """
    if layout.is_release(model) and published.find(model) is None:
        classes = classes or class_names.COCO
    found = locate.find_model(model)
    if found.folder is None:
        return read_file(found.weights, classes=classes, input_size=input_size)
    if classes is not None or input_size is not None:
        raise UserError(
            f"the model folder {found.folder} has its classes and its input size in {CONFIG}: leave out --classes and "
            "--input-size"
        )
    return _read_folder(found.folder)


def _read_folder(path: Path) -> StoredModel:
    record = Record.read(path / CONFIG)
    content = record.content
    try:
        names = _class_names(record)
        settings = _object(content, "settings")
        special = settings.get("special_classes")
        config = family.check_model(_object({"model": legacy.folder_model(content)}, "model"))
        return StoredModel(
            path=path,
            weights=layout.weights_in(path),
            class_names=names,
            class_metas=class_names.metas(content.get("classes"), names),
            input_size=errors.check(InputSize, _object(settings, "input_size"), path="settings.input_size"),
            config=config,
            neutral=special.get("neutral") if isinstance(special, dict) else None,
            mask_classes=record.mask_classes,
            stuff_metas=class_names.metas(content.get("classes"), ("", *config.stuff_classes)),
        )
    except UserError as error:
        raise UserError(f"{path / CONFIG}: {error}") from error


def read_file(
    path: Path, *, classes: class_names.Classes | None, input_size: Sequence[int] | None = None
) -> StoredModel:
    """Derives a model's settings from the shapes in a weight file without model folder.

    Args:
        path: the weight file.
        classes: its class names, see `class_names.read_names`; None is an error.
        input_size: (min_dim, max_dim) in pixels; None means those of its code base.

    Raises:
        UserError: the file is no complete Mask R-CNN, or the class names are missing, malformed, or not as many as its
            classes.
    """
    if foreign.is_foreign(path):
        return _read_foreign(path, classes=classes, input_size=input_size)
    facts = lone_file.read_facts(path)
    names = lone_file.class_titles(facts, path, classes=classes)
    return StoredModel(
        path=path,
        weights=path,
        class_names=names,
        class_metas=class_names.metas([], names),
        input_size=lone_file.input_size(input_size),
        config=lone_file.model_config(facts, path),
        warnings=lone_file.assumptions(facts, path),
    )


def _read_foreign(path: Path, *, classes: class_names.Classes | None, input_size: Sequence[int] | None) -> StoredModel:
    file = foreign_file.read_detector(path)
    names = foreign_file.class_titles(file, classes=classes)
    config = foreign_file.model_config(file)
    return StoredModel(
        path=path,
        weights=path,
        class_names=names,
        class_metas=class_names.metas([], names),
        input_size=foreign_file.input_size(input_size),
        config=config,
        stuff_metas=class_names.metas([], ("", *config.stuff_classes)),
        warnings=foreign_file.assumptions(file, classes=classes),
    )


def load_for_inference(
    stored: StoredModel,
    settings: InferenceModelConfig,
    *,
    score_threshold: float | None,
    device: int | str | None,
    precision: str,
    tf32: bool | None = None,
    warn: Callable[[str], None],
) -> ModelBundle:
    """Loads a model with the threshold and device of an inference config.

    Args:
        stored: as for `load_model`.
        settings: the model settings of the inference config.
        score_threshold: replaces the config's threshold; None keeps it.
        device: replaces the config's device; None keeps it.
        precision: as for `load_model`.
        tf32: as for `load_model`.
        warn: as for `load_model`.

    Raises:
        UserError: as `load_model`.
    """
    if score_threshold is None:
        score_threshold = settings.score_threshold(stored.config.score_threshold)
    return load_model(
        stored,
        score_threshold=score_threshold,
        device=_device(settings) if device is None else device,
        precision=precision,
        tf32=tf32,
        warn=warn,
    )


def _device(settings: InferenceModelConfig) -> int | str:
    """Returns the config's GPU; `auto`, which never warns, if the config has none."""
    return settings.gpu_device if "gpu_device" in settings.given else devices.AUTO


def load_model(
    stored: StoredModel,
    *,
    score_threshold: float | None = None,
    device: int | str | None = None,
    precision: str = "float32",
    tf32: bool | None = None,
    warn: Callable[[str], None] = lambda line: None,
) -> ModelBundle:
    """Builds a model and loads its weights.

    Args:
        stored: from `read_model`.
        score_threshold: detections that score less are dropped; None keeps the model's own, by default 0.7.
        device: as for `device.choose_device`; it must be chosen before TensorFlow is first used.
        precision: number format of the convolutions: `float32`, `mixed_bfloat16`, `mixed_float16`, or `auto` for the
            faster one on the device; boxes are always float32.
        tf32: as for `precision.choose_tf32`; it holds for all models of the process.
        warn: called with each warning, one line.

    Raises:
        UserError: the weights do not fit the model, or an argument is wrong.
    """
    if precision not in PRECISIONS:
        raise UserError(f"the precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    config = stored.config
    if score_threshold is not None:
        if not 0 <= score_threshold <= 1:
            raise UserError(f"the score threshold must be in 0..1, got {score_threshold}")
        config = config.model_copy(update={"score_threshold": float(score_threshold)})
    for line in stored.warnings:
        warn(line)
    devices.choose_device(device, warn=warn)
    precisions.choose_tf32(tf32)
    chosen = precisions.resolve(precision)
    return ModelBundle(
        model=build_network(replace(stored, config=config), precision=chosen.policy, warn=warn),
        class_names=stored.class_names,
        class_metas=stored.class_metas,
        input_size=stored.input_size,
        config=config,
        precision=chosen,
        stuff_metas=stored.stuff_metas,
    )


def build_network(
    stored: StoredModel, *, precision: str = "float32", warn: Callable[[str], None] = lambda line: None
) -> Any:
    """Builds the network of a stored model with its weights, on the current device.

    Args:
        stored: the model.
        precision: policy of the convolutions.
        warn: called with a warning, one line, of weights that the network lacks.

    Raises:
        UserError: the weights are missing or do not fit.
    """
    weights = stored.weights
    if not weights.is_file():
        raise UserError(f"the model folder {stored.path} has no {WEIGHTS}; copy the weights there")
    with precisions.scope(precision):
        model = build.build_model(stored.config, num_classes=len(stored.class_names))
    report = apply.load_into(model.weight_layout(), weights)
    apply.require_backbone(report)
    if report.missing:
        raise UserError(
            f"{weights} lacks {len(report.missing)} layers of the model, the first is {_first(report.missing)}: "
            "use a complete weight file"
        )
    if report.left_over:
        warn(
            f"{weights} holds {len(report.left_over)} layers that the model lacks, the first is "
            f"{_first(report.left_over)}; they have no effect"
        )
    return model


def _first(names: Any) -> str:
    return str(next(iter(names)))


def _object(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = content.get(key)
    if not isinstance(value, dict):
        raise UserError(f"`{key}` must be an object, got {errors.shown(value)}")
    return value


def _class_names(record: Record) -> tuple[str, ...]:
    mapping = record.class_title_to_idx
    if mapping is None:
        found = errors.shown(record.content.get("class_title_to_idx"))
        raise UserError(f"`class_title_to_idx` must give a whole number for each title, got {found}")
    if len(mapping) < 2 or sorted(mapping.values()) != list(range(len(mapping))):
        raise UserError(
            f"`class_title_to_idx` must number the background 0 and at least one class 1, 2, ... without a gap, "
            f"got {sorted(mapping.values())}"
        )
    return tuple(sorted(mapping, key=mapping.__getitem__))
