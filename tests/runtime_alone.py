"""Run by another Python that has one runtime alone: `python tests/runtime_alone.py CASES.json` prints JSON.

CASES has `model`, a file; `images`, an .npz of arrays by name, of which those called `bad_...` are no images; `broken`,
paths of files.
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np

from mrcnn import ExportedPredictor

PACKAGES = ("tensorflow", "keras", "onnxruntime", "openvino", "ai_edge_litert", "pydantic", "skimage", "torch")


def error_of(call):
    """Calls a function that must fail; returns the type and the text of the error."""
    try:
        call()
    except Exception as error:
        return [type(error).__name__, str(error)]
    return ["none", ""]


def main(cases):
    predictor = ExportedPredictor.load(cases["model"])
    images = dict(np.load(cases["images"]))
    good = {name: image for name, image in images.items() if not name.startswith("bad_")}
    found = {name: predictor.predict([image])[0] for name, image in good.items()}
    bad = {
        name: error_of(lambda image=image: predictor.predict([image]))
        for name, image in images.items()
        if name not in good
    }
    broken = {path: error_of(lambda path=path: ExportedPredictor.load(path)) for path in cases["broken"]}
    result = {
        "installed": [name for name in PACKAGES if importlib.util.find_spec(name)],
        "imported": [name for name in PACKAGES if name in sys.modules],
        "found": {
            name: {
                "class_names": each.class_names, "boxes": each.boxes.tolist(), "scores": each.scores.tolist(),
                "masks": [np.packbits(mask).tolist() for mask in each.masks], "shape": each.masks.shape,
            }
            for name, each in found.items()
        },
        "errors": {**bad, **broken},
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
