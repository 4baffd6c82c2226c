"""Cuts the arrays that these tests read out of the full record of Matterport's results.

    python -m tests.fidelity.make_arrays FOLDER

FOLDER holds `r50_k5_256.npz` and `train_r50_k5_256.npz`: what Matterport's network (akTwelve's TensorFlow 2 port at
d9f01dc, TensorFlow 2.15.1) gave for the weights of `recipe.py`, a photograph (scikit-image's `coffee`) and one training
step on another (`astronaut`). Arrays are kept whole and unrounded; what no test reads is left out.
"""

import argparse
from pathlib import Path

import numpy as np

from tests.fidelity.reference import INFERENCE, TRAINING

MAPS = ("C2", "C3", "C4", "C5", "P2", "P3", "P4", "P5", "P6")
KEPT = {
    INFERENCE: (
        "r50_k5_256.npz",
        (
            *("image", "molded_uint8", "window", "image_meta"),
            *(f"{part}_{name}" for name in MAPS for part in ("sample", "stride", "stats")),
            *("rpn_index", "anchors_px", "rpn_logits", "rpn_bbox", "rpn_rois"),
            *("head_rois", "head_features", "head_class_logits", "head_bbox"),
            *("roi_align_7", "roi_align_14", "mask_probs", "detections"),
            *("detect_rois", "detect_class_ids", "detect_scores", "detect_masks_packed", "detect_masks_shape"),
        ),
    ),
    TRAINING: (
        "train_r50_k5_256.npz",
        (
            *("load_mask_packed", "load_mask_shape", "load_mask_class_ids"),
            *("molded_uint8", "gt_class_ids", "gt_boxes", "gt_masks_packed", "gt_masks_shape"),
            *("rpn_match", "rpn_bbox", "rpn_match_unsampled", "rpn_bbox_unsampled", "rpn_rois"),
            *("target_rois", "target_class_ids", "target_deltas", "target_masks_packed", "target_masks_shape"),
            *("rpn_index", "out_rpn_class_logits", "out_rpn_bbox"),
            *("out_mrcnn_class_logits", "out_mrcnn_bbox_own", "out_mrcnn_mask_own"),
            *("loss_names", "losses", "l2", "total"),
            *("weight_names", "grad_norms", "grad_norms_stop", "global_norm", "global_norm_stop"),
        ),
    ),
}
WHOLE_GRADIENTS = ("grad:", "gradstop:")


def main() -> None:
    """Writes the two files and says how large they are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the full record is")
    folder = parser.parse_args().folder
    for path, (source, names) in KEPT.items():
        with np.load(folder / source) as record:
            whole = [name for name in record.files if name.startswith(WHOLE_GRADIENTS)]
            np.savez_compressed(path, **{name: record[name] for name in (*names, *whole)})
        print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
