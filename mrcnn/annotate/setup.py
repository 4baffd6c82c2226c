"""What a run of inference is made of: its options, the predictor, the names of its labels and the batch size."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Literal

from mrcnn.annotate import labels
from mrcnn.config.base import AUTO
from mrcnn.config.inference import InferenceConfig
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.fields.table import Fields
from mrcnn.model_folder.class_names import Classes
from mrcnn.model_folder.read import StoredModel
from mrcnn.predict import batch_size, loaded
from mrcnn.predict.facts import ModelFacts
from mrcnn.predict.opening import Loading
from mrcnn.predict.staged import AnyPredictor


@dataclass(frozen=True)
class Options:
    """Options of a run that are not in its config.

    Attributes:
        overlay: also draw pictures of the detections.
        batch_size: images, or regions of them, per batch; "auto": chosen by `predict.batch_size`.
        score_threshold: replaces the thresholds of the config and the model; None keeps them.
        device: replaces the config's `gpu_device`: "cpu" or the number of a GPU; None keeps it.
        precision: number format of the convolutions: a Keras dtype policy or `auto`.
        tf32: whether float32 products on a GPU may be TF32; None keeps TensorFlow's setting.
        resume: continue an interrupted run into the same output if there is one.
        classes: the class names, for a weight file without model folder.
        input_size: (min_dim, max_dim) in pixels, for such a file.
    """

    overlay: bool = False
    batch_size: int | Literal["auto"] = 1
    score_threshold: float | None = None
    device: int | str | None = None
    precision: str = "float32"
    tf32: bool | None = None
    resume: bool = False
    classes: Classes | None = None
    input_size: Sequence[int] | None = None

    def __post_init__(self):
        """Checks the batch size; the other options are checked where they are used."""
        if self.batch_size == AUTO:
            return
        if not isinstance(self.batch_size, Integral) or isinstance(self.batch_size, bool):
            raise UserError(f"the batch size must be a whole number or {AUTO}, got {self.batch_size}")
        if self.batch_size < 1:
            raise UserError(f"the batch size must be at least 1, got {self.batch_size}")


def open_predictor(
    model: str | Path, config: InferenceConfig, *, options: Options, log: EventLog, stored: StoredModel | None = None
) -> AnyPredictor:
    """Loads the predictor of a run; arguments and errors are those of `loaded.load`."""
    return loaded.load(model, config.model, Loading.of(options), log=log, stored=stored)


def naming_of(facts: ModelFacts, fields: Fields, config: InferenceConfig) -> labels.Naming:
    """Finds the names of the labels that a run writes.

    Args:
        facts: of the model.
        fields: the extra fields of its detections by name.
        config: of the run.
    """
    return labels.of_model(facts, config.mode, fields=fields, confidence_tag=config.model.confidence_tag_name)


def batch_size_of(predictor: AnyPredictor, regions: int | None, *, options: Options, log: EventLog) -> int:
    """Determines the number of images or regions in a batch.

    Args:
        predictor: the model.
        regions: as for `batch_size.choose`.
        options: of the run.
        log: receives a size that was chosen by measurement.
    """
    if options.batch_size != AUTO:
        return int(options.batch_size)
    chosen = batch_size.choose(predictor, regions=regions)
    log.info(f"batch size {chosen}, chosen by measurement")
    return chosen
