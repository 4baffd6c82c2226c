"""Opens a model of OpenVINO on the CPU, and pastes its masks, which the file leaves on the grids of their boxes."""

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn import optional
from mrcnn.ops import mask_paste
from mrcnn.predict import pasted
from mrcnn.predict.exported_settings import LABELS, SETTINGS
from mrcnn.predict.runtimes.opened import CROPPED_MASKS, Opened, damaged

INFO = "mrcnn"  # key of the metadata in the graph's `rt_info`
TITLE = "OpenVINO model"
WEIGHTS = ".bin"  # ending of the file beside the graph
PRECISION = "f32"


def open_file(path: Path, *, threads: int | None = None, precision: str = PRECISION) -> Opened:
    """Opens an exported model and compiles it for this CPU.

    Args:
        path: of the `.xml` file, beside which the `.bin` file must be.
        threads: number of threads that compute an image; None for one per core.
        precision: OpenVINO's name of the arithmetic of what is not in 8 bits. OpenVINO itself chooses "bf16" on a CPU
            that has it; then boxes move by pixels, since their coordinates are rounded to 8 binary places too.

    Raises:
        UserError: OpenVINO is not installed, or a file is missing or damaged.
    """
    openvino = optional.load("openvino", extra="openvino-run", purpose="inference with an OpenVINO model")
    wanted: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision}
    if threads:
        wanted["INFERENCE_NUM_THREADS"] = threads
    try:
        _check_xml(path)
        core = openvino.Core()
        model = core.read_model(str(path))
        compiled = core.compile_model(model, "CPU", wanted)
    except Exception as error:  # OpenVINO's exceptions have no other base class
        raise damaged(path, RuntimeError(reason(error)), title=TITLE) from error
    places = {name: output for output in compiled.outputs for name in output.names}
    requests = threading.local()  # a request computes one image at a time

    def run(image: np.ndarray, names: Sequence[str]) -> Mapping[str, Any]:
        if not hasattr(requests, "own"):
            requests.own = compiled.create_infer_request()
        computed = requests.own.infer([image])  # copies of the results
        found = {name: computed[place] for name, place in places.items()}
        found = pasted.with_masks(found, image.shape[:2], threshold=threshold, method=method, maps=maps)
        return {name: found[name] for name in names}

    properties = read_metadata(model)
    threshold, method, maps = _of_masks(properties)
    outputs, files = (*places, pasted.MASKS), (path, path.with_suffix(WEIGHTS))
    return Opened(run, outputs, properties, files, mask_bits=CROPPED_MASKS)


def reason(error: Exception) -> str:
    """Removes the places in OpenVINO's source code from the text of its error; what remains names the cause."""
    lines = [line.strip(" -") for line in str(error).split("Summary:")[-1].splitlines()]
    return " ".join(line for line in lines if line and not line.startswith(("Exception from", "Check '"))) or str(error)


def read_metadata(model: Any) -> dict[str, str]:
    """Reads the texts of the metadata of OpenVINO's model by name; what it lacks is left out."""
    names = [name for name in (SETTINGS, LABELS) if model.has_rt_info([INFO, name])]
    return {name: model.get_rt_info([INFO, name]).astype(str) for name in names}


def _check_xml(path: Path) -> None:
    """Refuses a file of another kind; OpenVINO would try every format that it reads and report each to stderr."""
    with path.open("rb") as file:
        if not file.read(64).lstrip().startswith(b"<"):
            raise ValueError("the file is not XML")


def _of_masks(properties: Mapping[str, str]) -> tuple[float, str, tuple[str, ...]]:
    """Reads the mask threshold, the method of `mask_paste` and the names of the maps, or defaults."""
    try:
        settings = json.loads(properties[SETTINGS])
        return settings["mask_threshold"], settings["mask_paste"], tuple(settings["maps"])
    except (KeyError, TypeError, ValueError):
        return 0.5, mask_paste.METHODS[0], ()  # the predictor refuses such metadata
