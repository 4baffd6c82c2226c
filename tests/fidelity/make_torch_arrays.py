"""Cuts the arrays and tables that these tests read out of the full record of torchvision's results.

    python -m tests.fidelity.make_torch_arrays FOLDER

FOLDER holds `torchvision_<model>.npz` and `.json`: what torchvision 0.29.1 (PyTorch 2.14.1, CPU) gave for the state
dict of `torch_recipe.py` and a photograph, scikit-image's `coffee` divided by 255, which lies in
`matterport_inference.npz`. Arrays are thinned out to some 100 kB; what is kept is not rounded.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from tests.fidelity.torch_recipe import FIXTURES, KEYPOINTS, MODELS
from tests.fidelity.torch_reference import COARSEST_ANCHORS, CORNER, MAPS, path_of

WHOLE = ("boxes", "labels", "scores", "boxes_resized", "proposals", "masks_shape")
OTHER_ANCHORS = 250  # beside all those of the coarsest map
ROWS = 12  # of the box head's outputs
PROPOSED = {  # rows whose boxes, moved by their deltas, are among the proposals
    "maskrcnn_resnet50_fpn": (319, 518, 669),
    "maskrcnn_resnet50_fpn_v2": (83, 304, 319, 448, 643, 1157),
}
REGIONS = 6  # of which every 32nd channel is kept; of the first one all
MASKS = 6
EVERY = 32  # channels of the coarsest map
OF_KEYPOINTS = ("boxes", "labels", "scores", "keypoints", "keypoints_scores")
POINTS = 4  # every so many of the maps of the first two detections


def main() -> None:
    """Writes the files and says how large they are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the full record is")
    folder = parser.parse_args().folder
    for model in MODELS:
        with np.load(folder / f"torchvision_{model}.npz") as record:
            np.savez_compressed(path_of(model), **thinned(record, model))
        write_table(FIXTURES / f"{model}.json", json.loads((folder / f"torchvision_{model}.json").read_text()))
        print(f"{path_of(model).name}: {path_of(model).stat().st_size:,} bytes")
    with np.load(folder / f"torchvision_{KEYPOINTS}.npz") as record:
        found = {name: record[name] for name in (*OF_KEYPOINTS, "boxes_resized")}
        np.savez_compressed(path_of(KEYPOINTS), **found, keypoint_logits=record["keypoint_logits"][:, ::POINTS])
    write_table(FIXTURES / f"{KEYPOINTS}.json", json.loads((folder / f"torchvision_{KEYPOINTS}.json").read_text()))


def thinned(record, model: str) -> dict[str, np.ndarray]:
    """Selects what is kept of one model's results."""
    shape = record["masks_shape"]
    masks = np.unpackbits(record["masks_packed"])[: np.prod(shape)]
    index = record["rpn_index"]
    others = np.linspace(0, len(index) - COARSEST_ANCHORS - 1, OTHER_ANCHORS).astype(int)
    coarsest = np.arange(len(index) - COARSEST_ANCHORS, len(index))
    rows = np.unique(np.concatenate([others, PROPOSED[model], coarsest]))
    kept = {name: record[name] for name in WHOLE}
    kept |= {name: record[name][rows] for name in ("rpn_index", "anchors", "rpn_objectness", "rpn_deltas")}
    kept |= {name: record[name][:ROWS] for name in ("head_rois", "head_class_logits", "head_box_regression")}
    for name in MAPS:
        every = EVERY if name == MAPS[-1] else 4  # of the stored channels
        kept |= {f"sample_{name}": record[f"sample_{name}"][::every], f"stats_{name}": record[f"stats_{name}"]}
        kept[f"stride_{name}"] = record[f"stride_{name}"] * (1, 1, every)  # rows, columns, channels
    kept["corner_pool"] = record["sample_pool"][:, :CORNER, :CORNER]
    pooled = record["head_pooled"]
    kept |= {"first_pooled": pooled[0], "pooled": pooled[:REGIONS, ::EVERY], "pooled_every": np.array(EVERY)}
    kept |= {"input_sample": record["input_sample"][:, ::4], "mask_logits": record["mask_logits"][:MASKS]}
    return kept | {"masks_packed": np.packbits(masks)}


def write_table(path: Path, content: dict) -> None:
    """Writes seed, digest, gains and shapes of a model's tensors."""
    names = {"class_std": "class_gain", "class_bias_bg": "background_bias"}
    table = {"seed": content["seed"], "sha256": content["sha256"]}
    table |= {names[name]: value for name, value in content["consts"].items()}
    lines = [f"  {json.dumps(name)}: {json.dumps(shape)}" for name, shape in content["tensors"].items()]
    head = "".join(f" {json.dumps(name)}: {json.dumps(value)},\n" for name, value in table.items())
    path.write_text("{\n" + head + ' "tensors": {\n' + ",\n".join(lines) + "\n }\n}\n")


if __name__ == "__main__":
    main()
