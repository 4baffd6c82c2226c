"""Computes the metrics of a model on annotated images, in any inference mode."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from mrcnn.config.inference import FullImageMode, InferenceModelConfig, Mode
from mrcnn.config.model import MASK_POINTS
from mrcnn.config.tta import TtaConfig
from mrcnn.data import classes, rasterize
from mrcnn.data.coco import masks
from mrcnn.data.sources.samples import make_sample, without_mask
from mrcnn.data.sources.source import AnnotatedImage, DataPaths
from mrcnn.errors import UserError, counted
from mrcnn.evaluate import groups as class_groups
from mrcnn.evaluate import table as metric_kinds
from mrcnn.evaluate import val_images
from mrcnn.evaluate.metric import GROUPS, PER_CLASS, Metrics, Predictions
from mrcnn.events import EventLog
from mrcnn.fields.table import Fields, of_data
from mrcnn.model_folder import precision, read
from mrcnn.predict import modes, opening, sources
from mrcnn.predict.exported import ExportedPredictor
from mrcnn.predict.opening import Loading
from mrcnn.predict.pipeline import Pipeline
from mrcnn.predict.sources import Picture, Source
from mrcnn.predict.staged import AnyPredictor
from mrcnn.predict.tta.predictor import predictor_of
from mrcnn.project.listing import few
from mrcnn.project.repeated import Repeats, grouped
from mrcnn.structures import EVALUATION_SCORE_THRESHOLD, CompactDetections, GroundTruth, Sample

FULL_IMAGE = FullImageMode()
SUBTASK = "evaluation"
REGION_DETECTIONS = 1_000_000  # limit per image for modes with several regions: above any real count


Watch = Callable[[int, GroundTruth, Predictions], None]


class Prepared(NamedTuple):
    """A loaded model and opened data.

    Attributes:
        predictor: the model.
        source: the annotated images.
        neutral: title of the class whose objects are regions to ignore.
        groups: groups of classes whose averages are wanted.
    """

    predictor: AnyPredictor
    source: Source
    neutral: str | None
    groups: class_groups.Groups


class _Scored(NamedTuple):
    """The detections of an image with run-length encoded masks, for the metrics."""

    boxes: np.ndarray
    class_ids: np.ndarray
    scores: np.ndarray
    masks: list[dict[str, Any]]
    extras: Mapping[str, np.ndarray]
    maps: Mapping[str, np.ndarray]


def evaluate(
    predictor: AnyPredictor,
    source: Source,
    *,
    log: EventLog,
    mode: Mode = FULL_IMAGE,
    neutral: str | None = None,
    batch_size: int = 1,
    groups: class_groups.Groups = MappingProxyType({}),
    watch: Watch | None = None,
) -> dict[str, Any]:
    """Computes the metrics that fit a model on the images of a source.

    The metrics are those of `table.METRICS` that fit the data and whose extra fields the model's heads add.

    Args:
        predictor: the model.
        source: annotated images. Objects of classes that the model lacks are ignored; an image whose annotation is for
            another size is skipped with a message.
        log: receives the progress, warnings and each skipped image.
        mode: the inference mode.
        neutral: title of the class whose objects are ignore regions: detections there are no false positives.
        batch_size: images, or regions of them, per batch.
        groups: groups of classes whose averages are wanted; those of `groups.of_frequency` are added.
        watch: also receives each image's index in the source, objects and detections, as `Metric.add` does.

    Returns:
        The measures of all metrics by name, such as those of `CocoEvaluator.result`; `per_class` keyed by title;
        `groups`, where there are any, see `groups.averages`; and the numbers of `images` and `skipped` images. Without
        the measures of masks for a model that learnt masks from points, if an object of the data is a box.

    Raises:
        UserError: the model has none of the classes of the images or lacks one of a group, or no image could be used.
    """
    facts, fields = predictor.facts, predictor.fields
    names = facts.class_names
    most = facts.choices.detections_per_image if isinstance(mode, FullImageMode) else REGION_DETECTIONS
    maps = predictor.maps if isinstance(mode, FullImageMode) else {}  # other modes see parts of an image
    kinds, done, boxes = metric_kinds.kinds_for(fields, source.class_facts, maps=maps), 0, 0
    metrics = Metrics(kinds, names, max_detections=most, class_facts=source.class_facts, fields=fields, maps=maps)
    skipped: list[str] = []
    errors = Repeats(log, level="error")

    def skip(picture: Picture, error: Exception) -> None:
        title = source.entries[picture.index].title
        errors.add(f"{title} is skipped: {error}", title)
        skipped.append(title)

    items, needed = _annotated(source), {name: fields[name] for name in metric_kinds.needs(fields)}
    needed, stuff = dict(of_data(needed, source.class_facts)), facts.stuff_classes
    _check_classes(source, names=(*names, *stuff), neutral=neutral, log=log)
    class_groups.check(groups, names)
    groups = {**class_groups.of_frequency(source.class_facts, names), **groups}
    reading = sources.Reading(facts.channels, exact=True, image_range=facts.image_range)
    runner = modes.RUNNERS[mode.name]
    ahead = sources.read_ahead(source, reading, log=log, on_skip=skipped.append, ahead=batch_size)
    with Pipeline(predictor) as pipeline, closing(ahead) as pictures:
        for picture, found in runner(pipeline, pictures, mode, batch_size=batch_size, on_error=skip):
            try:
                sample = _sample(
                    picture, items[picture.index], names=names, neutral=neutral, fields=needed, stuff=stuff
                )
                truth = _ground_truth(sample, picture.image.shape)
            except UserError as error:
                skip(picture, error)
                continue
            scored = _scored(found.detections)
            for add in (metrics.add, *([watch] if watch else [])):
                add(picture.index, truth, scored)
            done, boxes = done + 1, boxes + without_mask(sample)
            log.progress(SUBTASK, done + len(skipped), len(source.entries))
    errors.close()
    if not done:
        raise UserError(f"none of the {len(source.entries)} images could be used; see the messages before this one")
    result = metrics.result()
    if boxes and MASK_POINTS in facts.needs:
        result = _without_masks(result)
        log.warning(
            f"mask AP is left out: {counted(boxes, 'object')} of the data are boxes, and the model learnt masks from "
            "points, for which a box is no mask"
        )
    titles = (*names, *stuff)
    per_class = {titles[class_id]: values for class_id, values in result.pop(PER_CLASS).items()}
    grouped_means = {GROUPS: class_groups.averages(per_class, groups)} if groups else {}
    return {**result, "images": done, "skipped": len(skipped), **grouped_means, PER_CLASS: per_class}


def evaluate_model(
    model: str | Path,
    data: str | Path | DataPaths,
    *,
    tag: str | None,
    mode: Mode,
    names: Mapping[str, Any],
    loading: Mapping[str, Any],
    batch_size: int,
    log: EventLog,
    groups: class_groups.Groups = MappingProxyType({}),
    tta: TtaConfig | None = None,
) -> dict[str, Any]:
    """Loads a model and computes its metrics on a project or other annotated images.

    Args:
        model: as for `Predictor.load`.
        data: a project, as for `sources.open_project`, or the paths of data of any format.
        tag: only images with this tag are used; None for all.
        mode: the inference mode.
        names: the keyword arguments `classes` and `input_size` of `read.read_model`.
        loading: the keyword arguments `score_threshold`, `device`, `precision` and `tf32` of `read.load_model`.
        batch_size: images, or regions of them, per batch.
        log: as for `evaluate`.
        groups: as for `evaluate`; `seen` and `unseen` are added for a model whose masks were trained on some of its
            classes.
        tta: the settings of test-time augmentation; None without it.

    Returns:
        As `evaluate`.

    Raises:
        UserError: an argument is wrong, or as `evaluate`.
    """
    prepared = prepare(model, data, tag=tag, names=names, loading=loading, log=log, groups=groups, tta=tta)
    return evaluate_prepared(prepared, mode=mode, batch_size=batch_size, log=log)


def prepare(
    model: str | Path,
    data: str | Path | DataPaths,
    *,
    tag: str | None,
    names: Mapping[str, Any],
    loading: Mapping[str, Any],
    log: EventLog,
    groups: class_groups.Groups = MappingProxyType({}),
    tta: TtaConfig | None = None,
    only_val: bool = False,
) -> Prepared:
    """Loads a model and opens the data.

    Arguments and errors are those of `evaluate_model`. `only_val` chooses the images that a training on this data with
    the model's settings validates on.
    """
    asked = Loading(**{**names, **loading, "score_threshold": None})
    exported = opening.open_exported(model, asked, settings=InferenceModelConfig(tta=tta), warn=log.warning)
    if exported is not None:
        if only_val:
            raise UserError(f"{model} has no settings of a training; give the model folder, or choose images by a tag")
        predictor = _at_threshold(exported, loading.get("score_threshold"), log=log)
        source = _open_data(data, tag, needs=(*metric_kinds.needs(predictor.fields), *predictor.facts.needs), log=log)
        known = predictor.exported
        groups = {**class_groups.of_training(known.mask_classes, predictor.class_names), **groups}
        return Prepared(predictor, source, known.neutral, groups)
    stored = read.read_model(model, **names)
    source = _open_data(data, tag, needs=(*metric_kinds.needs(stored.extra_fields), *stored.config.needs), log=log)
    if only_val:
        paths = data if isinstance(data, DataPaths) else DataPaths(Path(data))
        source = val_images.chosen(source, paths, val_images.settings_of(stored.path))
        log.info(f"{counted(len(source.entries), 'validation image')} of {source.name}")
    bundle = read.load_model(stored, **loading, warn=log.warning)
    for line in precision.lines(bundle.precision, asked=loading.get("precision", precision.SINGLE)):
        log.info(line)
    groups = {**class_groups.of_training(stored.mask_classes, stored.class_names), **groups}
    return Prepared(predictor_of(bundle, tta, say=log.info), source, stored.neutral, groups)


def _open_data(data: str | Path | DataPaths, tag: str | None, *, needs: Sequence[str], log: EventLog) -> Source:
    """Opens the annotated images, of which those with a tag are kept."""
    if isinstance(data, DataPaths):
        source = sources.open_annotated(data, needs)
        for line in grouped(source.warnings):
            log.warning(line)
    else:
        source = sources.open_project(data)
    return sources.with_tag(source, tag) if tag else source


def _at_threshold(predictor: ExportedPredictor, threshold: float | None, *, log: EventLog) -> ExportedPredictor:
    """Raises the score threshold of an exported file.

    The default of evaluation is below that of most files. Then the file's own is kept, with a warning.

    Raises:
        UserError: another threshold than the default is below that of the file.
    """
    if threshold is None:
        return predictor
    if threshold == EVALUATION_SCORE_THRESHOLD < predictor.least_score:
        log.warning(
            f"{predictor.name} drops what scores less than {predictor.least_score:g}, which AP counts down to "
            f"{threshold:g}, so the figures are below those of its model; export the model again with "
            f"--score-threshold {threshold:g}"
        )
        return predictor
    return predictor.with_choices(score_threshold=threshold)


def evaluate_prepared(
    prepared: Prepared, *, mode: Mode, batch_size: int, log: EventLog, watch: Watch | None = None
) -> dict[str, Any]:
    """Computes the metrics of a loaded model; otherwise as `evaluate`."""
    return evaluate(
        prepared.predictor,
        prepared.source,
        log=log,
        mode=mode,
        neutral=prepared.neutral,
        batch_size=batch_size,
        groups=prepared.groups,
        watch=watch,
    )


def _check_classes(source: Source, *, names: Sequence[str], neutral: str | None, log: EventLog) -> None:
    """Checks that data and model share a class; warns about classes the model lacks.

    Raises:
        UserError: they have no class in common, so that nothing could be measured.
    """
    titles, kind = [item.title for item in source.meta.classes], source.kind
    foreign = sorted(set(titles) - {*names, neutral})
    if foreign and not set(titles) & {*names[1:]}:
        raise UserError(
            f"the model has none of the {kind}'s classes ({few(foreign)}; the model's are {few(names[1:])}): evaluate "
            f"on a {kind} with its classes"
        )
    if foreign:
        log.warning(
            f"the model does not have {len(foreign)} of the {kind}'s classes ({few(foreign)}): their objects are left "
            "out, as if they were not annotated"
        )


def _annotated(source: Source) -> list[AnnotatedImage]:
    items = [entry.item for entry in source.entries if entry.item is not None]
    if len(items) < len(source.entries):
        raise UserError("a folder of images has no annotated objects to evaluate against; give a project or COCO JSON")
    return items


def _sample(
    picture: Picture,
    item: AnnotatedImage,
    *,
    names: Sequence[str],
    neutral: str | None,
    fields: Fields,
    stuff: Sequence[str],
) -> Sample:
    known = {*names, neutral, *stuff}
    labels = tuple(label for label in picture.annotation.labels if label.class_title in known)
    return make_sample(
        item,
        replace(picture.annotation, labels=labels),
        class_title_to_idx={name: index for index, name in enumerate(names)},
        neutral=neutral,
        fields=fields,
        stuff=classes.stuff_numbers(stuff),
    )


def _ground_truth(sample: Sample, shape: Sequence[int]) -> GroundTruth:
    height, width = shape[:2]
    return GroundTruth(height, width, rasterize.draw_sample(sample, height=height, width=width))


def _without_masks(result: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves out the measures of masks, also those of the classes."""
    per_class = {
        key: {name: value for name, value in values.items() if not name.startswith(metric_kinds.OF_MASKS)}
        for key, values in result[PER_CLASS].items()
    }
    kept = {name: value for name, value in result.items() if not name.startswith(metric_kinds.OF_MASKS)}
    return {**kept, PER_CLASS: per_class}


def _scored(found: CompactDetections) -> _Scored:
    runs = [masks.encode_crop(mask.pixels, mask.origin, size=found.size) for mask in found.masks]
    return _Scored(found.boxes, found.class_ids, found.scores, runs, found.extras, found.maps)


def jsonable(metrics: dict[str, Any]) -> dict[str, Any]:
    """Replaces NaN, which JSON lacks, by None, which becomes null."""
    return {
        key: jsonable(value) if isinstance(value, dict) else None if value != value else value
        for key, value in metrics.items()
    }
