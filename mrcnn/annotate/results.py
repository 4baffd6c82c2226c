"""Writes the detections of each image of a run as labels, pictures and COCO results."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mrcnn import files, optional
from mrcnn.annotate import coco_results, labels, overlay, panoptic_results
from mrcnn.annotate.coco_results import CocoResults
from mrcnn.annotate.output import Output, key
from mrcnn.annotate.overlay import Overlay
from mrcnn.errors import UserError
from mrcnn.predict import panoptic
from mrcnn.predict.regions import Found
from mrcnn.predict.sources import Entry, Picture, Source
from mrcnn.predict.staged import AnyPredictor

OVERLAY = "overlay"  # folder of the pictures
PREDICTIONS = "predictions.json"  # COCO(file) reads it
PREDICTION_RESULTS = "predictions_results.json"  # COCO(file).loadRes reads it
PANOPTIC, SEGMENTS = "panoptic.json", "panoptic"  # COCO panoptic data: the file, and the folder of its PNG files
PICTURE_KINDS = (".jpg", ".jpeg", ".png")  # pictures of images with another suffix are written as PNG


def check(
    folder: Path,
    source: Source,
    *,
    with_overlay: bool,
    with_results: bool,
    resume: bool,
    with_panoptic: bool = False,
) -> None:
    """Checks for name conflicts of the files that are written beside the output project.

    Args:
        folder: the output folder.
        source: the input of the run.
        with_overlay: pictures will be drawn.
        with_results: COCO results will be written.
        resume: an interrupted run may be continued, so its COCO results may be overwritten.
        with_panoptic: panoptic results will be written.

    Raises:
        UserError: the input has the name of one of these files, one of them exists, images of the input lie in the
            output, or the packages that draw pictures are not installed.
    """
    if with_overlay:
        optional.require("draw", purpose=overlay.PURPOSE)
    written = ((PREDICTIONS, PREDICTION_RESULTS) if with_results else ()) + ((PANOPTIC,) if with_panoptic else ())
    drawn = (OVERLAY,) if with_overlay else ()
    if source.name in (*written, *drawn, *([SEGMENTS] if with_panoptic else [])):
        raise UserError(f"the input is named {source.name!r}, as one of the run's other outputs is; rename it")
    for path in (folder / name for name in drawn):
        if path.exists() and not path.is_dir():
            raise UserError(f"{path}, where --overlay draws, must be a folder; move it away or name another output")
    for path in (folder / name for name in written):
        if path.exists() and not (resume and path.is_file()):
            raise UserError(f"{path} is there already; move it away or name another output")
    own = (*drawn, source.name, f"{source.name}.partial", f"{source.name}.interrupted")
    places = tuple(os.path.join(os.path.abspath(folder), name, "") for name in own)
    inside = [entry.path for entry in source.entries if os.path.abspath(entry.path).startswith(places)]
    if inside:
        raise UserError(f"the image {inside[0]} of the input lies where the output is written; name another output")


class ResultWriter:
    """Writes the labels, picture and COCO results of one image after another."""

    def __init__(
        self,
        out: Output,
        naming: labels.Naming,
        folder: Path,
        *,
        predictor: AnyPredictor,
        with_overlay: bool,
        with_results: bool,
    ):
        """Stores where and what to write.

        Args:
            out: the output project.
            naming: class and tag names of the labels.
            folder: the output folder, for the files beside the project.
            predictor: the model, for its classes' order and colours.
            with_overlay: draw pictures into `overlay`.
            with_results: record the COCO results of each image, which `write_results` needs.
        """
        self._out, self._naming, self._folder = out, naming, folder
        self._class_names, self._fields = predictor.class_names, predictor.fields
        self._overlay = Overlay(predictor, naming) if with_overlay else None
        self._with_results = with_results
        self._semantic = naming.semantic if with_results else None

    def write(self, entry: Entry, picture: Picture, found: Found) -> None:
        """Writes an image with its detections."""
        chosen = labels.select(found.detections, self._naming)
        if self._overlay:
            drawn = self._overlay.draw(picture.image, found)
            path = _overlay_path(self._folder / OVERLAY, entry)
            with files.writing("the picture", path):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self._overlay.encode(drawn, path.suffix))
        scores = [float(score) for score in chosen.scores]
        record: dict[str, Any] = {
            "size": chosen.size,
            "found": list(zip(chosen.class_names, scores, strict=True)),
            "most": found.most,
        }
        if self._with_results:
            record["coco"] = coco_results.entries(chosen, self._fields)
        merged = panoptic.of_detections(found.detections, self._semantic) if self._semantic else None
        if merged is not None:
            record["panoptic"] = panoptic_results.segments(merged, classes=len(self._class_names))
            path = self._folder / SEGMENTS / panoptic_results.png_name(entry.title)
            with files.writing("the panoptic results", path):
                panoptic_results.write_ids(path, merged.ids)
        self._out.add(entry, labels.annotate(picture.annotation, found, self._naming), record)

    def write_results(self, entries: Iterable[Entry]) -> None:
        """Writes the COCO results of those images that are in the project, in this order."""
        results, segments = CocoResults(self._class_names, fields=self._fields), []
        for entry in entries:
            if record := self._out.done.get(key(entry)):
                results.add(entry.title, record["size"], record["coco"])
                if "panoptic" in record:
                    segments.append((entry.title, record["size"], record["panoptic"]))
        with files.writing("the results", self._folder / PREDICTIONS):
            results.write(self._folder / PREDICTIONS, self._folder / PREDICTION_RESULTS)
            if segments and self._semantic:
                panoptic_results.write(
                    self._folder / PANOPTIC, segments, class_names=self._class_names, stuff=self._semantic.stuff
                )


def _overlay_path(overlay: Path, entry: Entry) -> Path:
    folder = (overlay / entry.title).parent
    name = entry.name if entry.path.suffix.lower() in PICTURE_KINDS else f"{entry.name}.png"
    return folder / name
