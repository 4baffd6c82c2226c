"""Opens an exported file with the options and settings of a run, and refuses those that the file cannot follow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mrcnn.config.base import AUTO
from mrcnn.config.inference import LIVE, InferenceModelConfig
from mrcnn.errors import UserError
from mrcnn.model_folder import device as devices
from mrcnn.model_folder import precision as precisions
from mrcnn.model_folder.class_names import Classes
from mrcnn.predict.exported import ExportedPredictor
from mrcnn.predict.runtimes import table
from mrcnn.predict.runtimes.table import Located

CPU = "cpu"
FOLDER = "or give the model folder that it was made of"


@dataclass(frozen=True)
class Loading:
    """How a model is loaded, as the options of a command or the arguments of `Predictor.load` give it.

    Attributes:
        classes: as for `model_folder.read.read_model`.
        input_size: as for `model_folder.read.read_model`.
        score_threshold: as for `model_folder.read.load_for_inference`.
        device: as for `model_folder.read.load_for_inference`.
        precision: as for `model_folder.read.load_model`.
        tf32: as for `model_folder.read.load_model`.
    """

    classes: Classes | None = None
    input_size: Sequence[int] | None = None
    score_threshold: float | None = None
    device: int | str | None = None
    precision: str = precisions.SINGLE
    tf32: bool | None = None

    @classmethod
    def of(cls, options: Any) -> "Loading":
        """Reads the values from a record with attributes of the same names, such as a run's options."""
        return cls(**{field.name: getattr(options, field.name) for field in fields(cls)})


def open_exported(
    model: str | Path,
    loading: Loading,
    *,
    settings: InferenceModelConfig | None = None,
    unset_device: str | None = None,
    warn: Callable[[str], None] = lambda line: None,
) -> ExportedPredictor | None:
    """Opens an exported file.

    Args:
        model: what names the model.
        loading: how it is loaded.
        settings: the model settings of the inference config; None without a config.
        unset_device: of a SavedModel where neither `loading` nor `settings` names one, as for `device.choose_device`.
        warn: called with each warning, one line.

    Returns:
        The predictor; None where `model` is no exported file, such as a model folder.

    Raises:
        UserError: the file cannot be opened, or it cannot follow an option or a setting.
    """
    located = table.locate(model)
    if located is None:
        return None
    settings = settings or InferenceModelConfig()
    _check(located, loading, settings=settings)
    given = settings.gpu_device if "gpu_device" in settings.given else None
    if located.kind.in_tensorflow:
        chosen = next((device for device in (loading.device, given) if device is not None), unset_device)
        devices.choose_device(chosen, warn=warn)
        precisions.choose_tf32(loading.tf32)
    else:
        _check_cpu(located, loading.device, given=given, warn=warn)
    predictor = ExportedPredictor.of_located(located)
    threshold = loading.score_threshold
    if threshold is None:
        threshold = settings.score_threshold(predictor.facts.choices.score_threshold)
    return predictor.with_choices(score_threshold=threshold)


def _check(located: Located, loading: Loading, *, settings: InferenceModelConfig) -> None:
    """Checks the options and settings that no exported file follows.

    Raises:
        UserError: one is given.
    """
    path, kind = located
    if loading.classes is not None or loading.input_size is not None:
        raise UserError(f"the {kind.title} {path} has its classes and input size: leave out --classes and --input-size")
    if settings.runtime not in (LIVE, AUTO, kind.format):
        raise UserError(
            f"`runtime` is {settings.runtime}, and the {kind.title} {path} has one of its own; leave it out, {FOLDER}"
        )
    if loading.precision not in (precisions.SINGLE, AUTO):
        raise UserError(
            f"the precision of the {kind.title} {path} is float32, got {loading.precision!r}; leave it out, {FOLDER}"
        )
    if settings.tta is not None:
        raise UserError(
            f"`tta` is set, and the {kind.title} {path} has no test-time augmentation; leave it out, {FOLDER}"
        )


def _check_cpu(located: Located, device: int | str | None, *, given: int | None, warn: Callable[[str], None]) -> None:
    """Checks the device of a file that runs on the CPU.

    Args:
        located: the file.
        device: that of the options.
        given: the GPU of the config; it only has a warning, since it may be that of a preset.
        warn: called with the warning.

    Raises:
        UserError: the options name a GPU.
    """
    path, kind = located
    if device not in (None, CPU, devices.AUTO):
        raise UserError(f"the {kind.title} {path} runs on the CPU, got device {device!r}; leave it out, {FOLDER}")
    if device is None and given is not None:
        warn(f"`gpu_device` {given} has no effect: the {kind.title} runs on the CPU")
