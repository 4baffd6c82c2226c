"""Opens an ONNX file in ONNX Runtime on the CPU."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mrcnn import optional
from mrcnn.predict.runtimes.opened import Opened, damaged

INPUT = "image"
TITLE = "ONNX file"


def open_file(path: Path, *, threads: int | None = None) -> Opened:
    """Opens an exported ONNX file.

    Args:
        path: of the `.onnx` file.
        threads: number of threads that compute an image; None for one per core.

    Raises:
        UserError: ONNX Runtime is not installed, or the file is damaged.
    """
    runtime = optional.load("onnxruntime", extra="onnx-run", purpose="inference with an ONNX file")
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # errors are raised; without this they are also written to stderr
    options.intra_op_num_threads = threads or 0
    try:
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        properties = session.get_modelmeta().custom_metadata_map
    except Exception as error:  # the runtime's exceptions have no other base class
        raise damaged(path, error, title=TITLE) from error

    def run(image: np.ndarray, names: Sequence[str]) -> Mapping[str, np.ndarray]:
        return dict(zip(names, session.run(list(names), {INPUT: image}), strict=True))

    return Opened(run, tuple(output.name for output in session.get_outputs()), properties, (path,))
