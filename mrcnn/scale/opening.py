"""Opens the predictor of a job, and describes it.

This module imports TensorFlow, so workers import it by name after they have chosen their cores and GPU.
"""

from typing import Any

from mrcnn.config.load import load_inference_config
from mrcnn.events import EventLog
from mrcnn.predict import loaded
from mrcnn.predict.opening import Loading
from mrcnn.predict.staged import AnyPredictor
from mrcnn.scale.job import Work


def open_predictor(work: Work, log: EventLog) -> AnyPredictor:
    """Opens the predictor of a job.

    Args:
        work: names the model and its settings.
        log: receives warnings and how the weights are used.

    Raises:
        UserError: as `loaded.load`.
    """
    config = load_inference_config(dict(work.config))
    return loaded.load(work.model, config.model, Loading(**work.loading), log=log)


def settings_of_fields(predictor: AnyPredictor) -> dict[str, Any]:
    """Collects the settings that the extra fields of a predictor's detections are adapted to, JSON by field."""
    bundle, exported = getattr(predictor, "bundle", None), getattr(predictor, "exported", None)
    known = exported.field_settings if exported else bundle.config.model_dump(mode="json") if bundle else {}
    return {name: known.get(name) for name in predictor.fields}
