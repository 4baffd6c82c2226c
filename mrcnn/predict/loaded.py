"""Loads the predictor of a run: of a model folder, a weight file or an exported file, with its options and settings."""

from pathlib import Path

from mrcnn.config.inference import LIVE, InferenceModelConfig
from mrcnn.events import EventLog
from mrcnn.model_folder import device, precision, read
from mrcnn.model_folder.read import StoredModel
from mrcnn.predict import beside, opening
from mrcnn.predict.opening import Loading
from mrcnn.predict.staged import AnyPredictor
from mrcnn.predict.tta.predictor import predictor_of


def load(
    model: str | Path,
    settings: InferenceModelConfig,
    loading: Loading,
    *,
    log: EventLog,
    stored: StoredModel | None = None,
) -> AnyPredictor:
    """Loads the predictor of a run, and logs how its weights are used.

    Args:
        model: as for `Predictor.load`.
        settings: the model settings of the inference config.
        loading: how it is loaded; replaces the settings' threshold and device.
        log: receives the warnings, the runtime, the precision and the views of test-time augmentation.
        stored: the settings of the model where they are read already; None reads them.

    Raises:
        UserError: as `opening.open_exported`, `read.read_model` and `read.load_for_inference`.
    """
    exported = opening.open_exported(model, loading, settings=settings, unset_device=device.AUTO, warn=log.warning)
    if exported is not None:
        return exported
    stored = stored or read.read_model(model, classes=loading.classes, input_size=loading.input_size)
    if settings.runtime != LIVE:
        chosen = beside.open_beside(stored, settings, loading, say=log.info, warn=log.warning)
        if chosen is not None:
            return chosen
    bundle = read.load_for_inference(
        stored,
        settings,
        score_threshold=loading.score_threshold,
        device=loading.device,
        precision=loading.precision,
        tf32=loading.tf32,
        warn=log.warning,
    )
    for line in precision.lines(bundle.precision, asked=loading.precision):
        log.info(line)
    return predictor_of(bundle, settings.tta, say=log.info)
