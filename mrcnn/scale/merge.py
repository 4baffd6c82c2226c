"""Merges the results of a job to COCO JSON or to a Supervisely project, a shard at a time."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from mrcnn import files
from mrcnn.annotate import labels
from mrcnn.config.inference import InferenceConfig
from mrcnn.config.load import load_inference_config
from mrcnn.data.coco import masks
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.fields import extras
from mrcnn.fields.table import Fields
from mrcnn.predict import exported_fields
from mrcnn.predict.regions import Found, Part
from mrcnn.project.annotation import Annotation
from mrcnn.project.meta import ClassMeta, ProjectMeta
from mrcnn.project.writer import ProjectWriter
from mrcnn.scale import job, rows, storage
from mrcnn.scale.job import Job

SUBTASK = "merge"
DATASET = "ds"
RESULTS = "_results"  # appended to the name of the data set file for that of the results list
Row = dict[str, Any]


def open_complete(place: str) -> Job:
    """Opens a job of which all shards are done.

    Raises:
        UserError: there is no job, or it is not complete.
    """
    found = job.open_job(place)
    if missing := found.missing():
        raise UserError(
            f"the job in {place} is not complete: {len(missing)} of {found.shards} shards are missing; start it again"
        )
    return found


def to_coco(found: Job, path: Path, *, log: EventLog) -> int:
    """Writes a COCO data set with the detections as annotations, and beside it the COCO results list.

    The results list has `_results` at the end of its name. Failed images are left out. The memory that it needs is
    that of one shard.

    Args:
        found: a complete job.
        path: of the data set.
        log: receives the progress.

    Returns:
        The number of detections.

    Raises:
        UserError: a file cannot be written.
    """
    results_path = path.with_name(f"{path.stem}{RESULTS}{path.suffix}")
    names, fields = found.facts["same"]["classes"], fields_of(found)
    category = extras.to_coco_category(fields)
    categories = [{**category, "id": number, "name": name} for number, name in enumerate(names) if number]
    with files.writing("the results", path), ExitStack() as stack:
        path.parent.mkdir(parents=True, exist_ok=True)
        data, results = (
            stack.enter_context(stack.enter_context(files.replaced(target)).open("w", encoding="utf-8"))
            for target in (path, results_path)
        )
        data.write('{"images": [')
        _join(data, _coco_images(found))
        data.write(f'], "categories": {json.dumps(categories)}, "annotations": [')
        results.write("[")
        count = 0
        for count, entry in enumerate(_coco_entries(found, fields, log), start=1):
            before = ", " if count > 1 else ""
            results.write(before + json.dumps(entry))
            own = {"id": count, "iscrowd": 0, "area": area(entry["segmentation"])}
            data.write(before + json.dumps({**entry, **own}))
        data.write("]}")
        results.write("]")
    return count


def area(segmentation: Row) -> int:
    """Counts the pixels of COCO run lengths."""
    return int(masks.unpack(segmentation["counts"])[1::2].sum())


def to_project(found: Job, directory: Path, *, log: EventLog) -> int:
    """Writes a Supervisely project of the images, with each detection as a bitmap and its score as a tag.

    The images are hard links where possible; those of object storage are downloaded. Failed images are left out.
    Class and tag names are those that `mrcnn infer` would write with the config of the job.

    Args:
        found: a complete job.
        directory: of the project.
        log: receives the progress.

    Returns:
        The number of images.

    Raises:
        UserError: the project cannot be written, or an image is gone.
    """
    config, fields = load_inference_config(found.facts["same"]["config"]), fields_of(found)
    naming = _naming(found, config, fields)
    classes = [ClassMeta.from_json(item) for item in found.facts["class_metas"]]
    count = 0
    with ProjectWriter(directory, labels.output_meta(ProjectMeta(), classes, naming)) as writer:
        for row in _used(found, None, log):
            size = row["height"], row["width"]
            part = Part(rows.to_detections(row))
            annotation = labels.annotate(Annotation(size), Found((part,), size), naming)
            dataset, name = _place(row["image"], found.facts["base"])
            writer.add(dataset, name, _content(row["image"]), annotation=annotation)
            count += 1
    return count


def fields_of(found: Job) -> Fields:
    """Finds the extra fields of a job's detections, adapted to its model."""
    settings = found.facts["fields"]
    return exported_fields.fields_of(settings, settings)


def _naming(found: Job, config: InferenceConfig, fields: Fields) -> labels.Naming:
    names: Sequence[str] = found.facts["same"]["classes"][1:]
    return labels.name_labels(names, config.mode, confidence_tag=config.model.confidence_tag_name, fields=fields)


def _used(found: Job, columns: Sequence[str] | None, log: EventLog | None = None) -> Iterator[Row]:
    """Yields the rows of the images that did not fail."""
    for shard in range(found.shards):
        yield from (row for row in found.rows_of(shard, columns) if row["error"] is None)
        if log:
            log.progress(SUBTASK, shard + 1, found.shards)


def _coco_images(found: Job) -> Iterator[Row]:
    base = found.facts["base"]
    columns = ("image", "height", "width", "error")
    for number, row in enumerate(_used(found, columns), start=1):
        name = row["image"].removeprefix(base)
        yield {"id": number, "file_name": name, "height": row["height"], "width": row["width"]}


def _coco_entries(found: Job, fields: Fields, log: EventLog) -> Iterator[Row]:
    for number, row in enumerate(_used(found, None, log), start=1):
        size = [row["height"], row["width"]]
        values = rows.extras_of(row)
        for place, (x1, y1, x2, y2) in enumerate(row["boxes"]):
            left, top, right, bottom = (round(side, 2) for side in (x1, y1, x2, y2))
            yield {
                "image_id": number,
                "category_id": row["class_ids"][place],
                "bbox": [left, top, round(right - left, 2), round(bottom - top, 2)],
                "score": round(row["scores"][place], 6),
                "segmentation": {"size": size, "counts": row["masks"][place]},
                **extras.to_coco(extras.row_of(values, place), fields),
            }


def _join(stream: TextIO, items: Iterator[Row]) -> None:
    for number, item in enumerate(items):
        stream.write((", " if number else "") + json.dumps(item))


def _place(image: str, base: str) -> tuple[str, str]:
    """Names the data set and the file of an image: folders below the base are nested data sets."""
    inside, _, name = image.removeprefix(base).rpartition("/")
    return "/".join(filter(None, (DATASET, *inside.replace(storage.SEPARATOR, "/").split("/")))), name


def _content(image: str) -> str | bytes:
    return storage.read_bytes(image, what="image") if storage.is_url(image) else os.fspath(image)
