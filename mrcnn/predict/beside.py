"""Chooses an exported file of a model instead of its Keras network: `runtime` of an inference config.

The files are in the model folder: `export/` or folders inside it, as `mrcnn export --out MODEL/export/onnx` writes
them. A file is used only if it was made of this model: the checksums of the weights and settings in its metadata must
be those of the model folder.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from mrcnn import files
from mrcnn.config.base import AUTO
from mrcnn.config.inference import InferenceModelConfig
from mrcnn.errors import UserError
from mrcnn.model_folder import checksum
from mrcnn.model_folder import device as devices
from mrcnn.model_folder.read import StoredModel
from mrcnn.predict import exported_settings, opening
from mrcnn.predict.exported import ExportedPredictor
from mrcnn.predict.exported_settings import FLOAT32, ExportedSettings
from mrcnn.predict.opening import Loading
from mrcnn.predict.runtimes import table
from mrcnn.predict.runtimes.table import Located

Say = Callable[[str], Any]
FOLDER = "export"
CLEARLY = 0.9  # of the live model's time; smaller differences are noise
LABELS, VERIFY = "labels.json", "verify.json"
MOST_BYTES = 2**26  # of a JSON file
ITSELF = "the Keras network runs"


class Candidate(NamedTuple):
    """An exported file in a model folder.

    Attributes:
        located: the file.
        known: its metadata, from the labels.json beside it.
        speed: the times in the verify.json beside it, see `export.speed.Speed`; empty without.
    """

    located: Located
    known: ExportedSettings
    speed: dict[str, Any]

    @property
    def ratio(self) -> float:
        """Time of an image as a share of the live model's; infinite where it was not measured on the CPU."""
        ratio = self.speed.get("ratio") if self.speed.get("device") == "CPU" else None
        return float(ratio) if isinstance(ratio, int | float) and ratio >= 0 else float("inf")


def open_beside(
    stored: StoredModel, settings: InferenceModelConfig, loading: Loading, *, say: Say, warn: Say
) -> ExportedPredictor | None:
    """Opens the exported file that `settings.runtime` chooses.

    A named runtime takes a file of its kind, weights in float32 before others. `auto` takes the fastest file whose
    detections are equal and that took less than `CLEARLY` of the live model's time when it was exported; on a machine
    with a GPU that the run may use it takes none.

    Args:
        stored: the model.
        settings: the model settings of the inference config.
        loading: how the model is loaded.
        say: called with a line that names the file that was taken or, with `auto`, why none was.
        warn: called with a line that says why a named runtime was not taken, and with the warnings of opening a file.

    Returns:
        The predictor; None where the live model is to be used.
    """
    wanted = settings.runtime
    if wanted == AUTO and loading.device != opening.CPU and devices.has_gpu():
        say(f"runtime `{AUTO}`: {ITSELF} on the GPU")
        return None
    folder = (stored.path if stored.path.is_dir() else stored.path.parent) / FOLDER
    reasons: list[str] = []
    fitting = list(_fitting(folder, stored, wanted, reasons=reasons))
    threshold = loading.score_threshold
    if threshold is None:
        threshold = settings.score_threshold(stored.config.score_threshold)
    asked = replace(loading, classes=None, input_size=None, score_threshold=threshold)
    for candidate in sorted(fitting, key=lambda item: (item.known.weights != FLOAT32, item.ratio)):
        path, kind = candidate.located
        try:
            predictor = _opened(candidate, asked, settings, warn=warn)
        except UserError as error:
            reasons.append(str(error))
            continue
        say(f"runtime `{wanted}`: the {kind.title} {path}{_described(candidate)}")
        return predictor
    reasons = reasons or [f"there is no exported file of this runtime in {folder}"]
    (say if wanted == AUTO else warn)(f"runtime `{wanted}`: {ITSELF}, since {'; '.join(reasons)}")
    return None


def _fitting(folder: Path, stored: StoredModel, wanted: str, *, reasons: list[str]) -> Iterator[Candidate]:
    """Finds the files in a folder that may be used; adds to `reasons` why others may not."""
    found = [item for item in _located(folder) if wanted in (AUTO, item.kind.format)]
    own = checksum.of_model(stored) if found else {}
    for located in found:
        try:
            candidate = _read(located)
        except UserError as error:
            reasons.append(f"{located.path}: {error}")
            continue
        if reason := _unfit(candidate, stored, own, wanted=wanted):
            reasons.append(f"{located.path} {reason}")
        else:
            yield candidate


def _located(folder: Path) -> Iterator[Located]:
    places = [folder, *sorted(path for path in folder.glob("*") if path.is_dir())]
    for place in places:
        for kind in table.KINDS:
            if (place / kind.file).is_file():
                yield Located(place / kind.file, kind)


def _read(located: Located) -> Candidate:
    """Reads the metadata and the times of a file from the JSON files beside it.

    Raises:
        UserError: one of them is missing or damaged.
    """
    labels, verify = (_json(located.path.with_name(name)) for name in (LABELS, VERIFY))
    settings = labels.pop(exported_settings.SETTINGS, None)
    texts = {exported_settings.SETTINGS: json.dumps(settings), exported_settings.LABELS: json.dumps(labels)}
    speed = verify.get("speed", {})
    if not verify.get("passed"):
        raise UserError(f"its {VERIFY} has no passed proof; export the model again")
    return Candidate(located, exported_settings.read(texts), speed if isinstance(speed, dict) else {})


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(files.read_bytes(path, what=path.name, most=MOST_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path.name} beside it cannot be read: {error}; export the model again") from error
    if not isinstance(content, dict):
        raise UserError(f"{path.name} beside it is not that of an export; export the model again")
    return content


def _unfit(candidate: Candidate, stored: StoredModel, own: dict[str, str], *, wanted: str) -> str | None:
    """Explains why a file may not be used; None if it may."""
    known = candidate.known
    if stale := _stale(known, own):
        return stale
    if wanted != AUTO:
        return None
    if known.weights != FLOAT32:
        return f"has {known.weights} weights, with which detections are not equal; name its runtime to use it"
    if known.settings.get("shape") != stored.input_size.settled_shape:
        return "pads images to squares, the model does not, so detections are not equal; name its runtime to use it"
    if candidate.ratio > CLEARLY:
        measured = f"took {candidate.ratio:.2f} of" if candidate.speed else "was not measured beside"
        busy = ", while other programs computed; export it again without them" if candidate.speed.get("busy") else ""
        return f"{measured} the live model's time when it was exported{busy}"
    return None


def _stale(known: ExportedSettings, own: dict[str, str]) -> str | None:
    for name in ("weights", "settings"):
        if known.made_of.get(name) != own[name]:
            return f"was made of a model with other {name}; export the model again"
    return None


def _opened(candidate: Candidate, loading: Loading, settings: InferenceModelConfig, *, warn: Say) -> ExportedPredictor:
    """Opens a file and compares its own metadata with that beside it.

    Raises:
        UserError: it cannot be opened, it cannot follow an option or a setting, or its metadata differs.
    """
    path = candidate.located.path
    predictor = opening.open_exported(path, loading, settings=settings, unset_device=devices.AUTO, warn=warn)
    if predictor is None or predictor.exported.settings != candidate.known.settings:
        raise UserError(f"{path} was replaced without the {LABELS} beside it; export the model again")
    return predictor


def _described(candidate: Candidate) -> str:
    parts = []
    if candidate.known.weights != FLOAT32:
        parts.append(f"{candidate.known.weights} weights, with which detections are not equal")
    if candidate.speed:
        parts.append(f"{candidate.ratio:.2f} of the live model's time when it was exported")
    return f" ({'; '.join(parts)})" if parts else ""
