"""Writes what was found in each image of a run: labels, pictures, COCO results."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.infer import coco_results, draw, labels
from mrcnn.infer.coco_results import CocoResults
from mrcnn.infer.load import ModelBundle
from mrcnn.infer.looking import Found
from mrcnn.infer.output import Output, key
from mrcnn.infer.sources import Entry, Picture

OVERLAY = "overlay"
PREDICTIONS = "predictions.json"  # COCO(file) reads it
PREDICTION_RESULTS = "predictions_results.json"  # COCO(file).loadRes reads it
PICTURE_KINDS = (".jpg", ".jpeg", ".png")  # a picture of another kind of image is a PNG


class ResultWriter:
    """Writes one image after the other."""

    def __init__(
        self,
        out: Output,
        naming: labels.Naming,
        folder: Path,
        bundle: ModelBundle,
        *,
        with_overlay: bool,
        with_results: bool,
    ):
        """Takes where to write and what.

        Args:
            out: the project.
            naming: of its labels.
            folder: for what is no part of the project.
            bundle: for the classes' order and colours.
            with_overlay: draw pictures, into `overlay`.
            with_results: keep what `write_results` needs.
        """
        self._out, self._naming, self._folder = out, naming, folder
        self._class_names = bundle.class_names
        self._colors = {item.title: item.color for item in bundle.class_metas} if len(bundle.class_metas) > 1 else None
        self._with_overlay, self._with_results = with_overlay, with_results

    def write(self, entry: Entry, picture: Picture, found: Found) -> None:
        """Writes an image with what was found in it."""
        chosen = labels.select(found.detections, self._naming)
        if self._with_overlay:
            drawn = draw.draw(_rgb(picture.image), chosen, class_colors=self._colors)
            path = _overlay_path(self._folder / OVERLAY, entry)
            path.write_bytes(draw.encode(drawn, path.suffix))
        scores = [float(score) for score in chosen.scores]
        record: dict[str, Any] = {
            "size": chosen.size,
            "found": list(zip(chosen.class_names, scores, strict=True)),
            "most": found.most,
        }
        if self._with_results:
            record["coco"] = coco_results.entries(chosen)
        self._out.add(entry, labels.annotate(picture.annotation, found, self._naming), record)

    def write_results(self, entries: Iterable[Entry]) -> None:
        """Writes the detections of those images that are in the project as COCO results, in this order."""
        results = CocoResults(self._class_names)
        for entry in entries:
            if record := self._out.done.get(key(entry)):
                results.add(entry.title, record["size"], record["coco"])
        results.write(self._folder / PREDICTIONS, self._folder / PREDICTION_RESULTS)


def _rgb(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[..., :3]) if image.shape[2] >= 3 else np.repeat(image[..., :1], 3, axis=2)


def _overlay_path(overlay: Path, entry: Entry) -> Path:
    folder = (overlay / entry.title).parent
    folder.mkdir(parents=True, exist_ok=True)
    name = entry.name if entry.path.suffix.lower() in PICTURE_KINDS else f"{entry.name}.png"
    return folder / name
