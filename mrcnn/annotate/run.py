"""Applies a model to a project or an image folder and writes an annotated project.

    <output>/<name>/             the project: the input's objects and one bitmap per detection; it has another name
                                 until it is complete, see `output`
    <output>/overlay/            pictures of the detections, if requested
    <output>/predictions.json    for a folder of images: the detections as a COCO data set
    <output>/predictions_results.json    the same detections as a COCO results list

Source: Supervisely Mask R-CNN plugin 5.16, inference. A bad image is reported, counted and skipped; the original ended
the run.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mrcnn import files, locks
from mrcnn.annotate import labels, output, results, second_look, setup
from mrcnn.annotate.output import Output, key
from mrcnn.annotate.results import ResultWriter
from mrcnn.annotate.setup import Options
from mrcnn.annotate.summary import Summary
from mrcnn.config.inference import BboxesMode, FullImageMode, InferenceConfig, RoiMode, is_among
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.images import limits, value_range
from mrcnn.model_folder import read
from mrcnn.predict import live, modes, sources
from mrcnn.predict.facts import ModelFacts
from mrcnn.predict.pipeline import Pipeline
from mrcnn.predict.regions import Found
from mrcnn.predict.runtimes import table
from mrcnn.predict.sources import Picture, Source
from mrcnn.predict.staged import AnyPredictor
from mrcnn.project import repeated
from mrcnn.project.listing import few
from mrcnn.project.repeated import Repeats

SUBTASK = "inference"
FEWEST_AHEAD = 2  # images that are read before they are needed, also with smaller batches


def run_inference(
    model: str | Path,
    source: Source,
    output_dir: str | Path,
    *,
    config: InferenceConfig,
    log: EventLog,
    options: Options | None = None,
) -> Summary:
    """Loads a model and applies it to every image of a source.

    Args:
        model: as for `Predictor.load`.
        source: from `sources.open_project` or `sources.open_images`.
        output_dir: the output folder, see the module docstring; its folder `<name>` must be new or empty.
        config: the inference config.
        log: receives the progress, each skipped image, and at the end a summary of the detections.
        options: options that are not in the config; None means the defaults.

    Returns:
        The counts of the run; empty if the resumed run was complete already.

    Raises:
        UserError: the model, the output or a setting is wrong, or no image could be used.
    """
    options = options or Options()
    with locks.inside(output_dir, warn=log.warning):
        return _load_and_apply(model, source, Path(output_dir), config=config, log=log, options=options)


def _load_and_apply(
    model: str | Path, source: Source, folder: Path, *, config: InferenceConfig, log: EventLog, options: Options
) -> Summary:
    if _is_finished(folder, source, options, log=log):
        return Summary()
    stored = None
    if table.locate(model) is None:
        stored = read.read_model(model, classes=options.classes, input_size=options.input_size)
        naming = setup.naming_of(live.facts_of(stored), stored.extra_fields, config)
        # report conflicts before the model is loaded, which takes long
        labels.output_meta(source.meta, (*stored.class_metas, *stored.stuff_metas), naming)
        _check_output(folder, source, options, naming=naming)
    predictor = setup.open_predictor(model, config, options=options, log=log, stored=stored)
    return _apply(predictor, source, folder, config=config, log=log, options=options)


def apply(
    predictor: AnyPredictor,
    source: Source,
    output_dir: str | Path,
    *,
    config: InferenceConfig,
    log: EventLog,
    options: Options,
) -> Summary:
    """Applies a loaded model to every image of a source; otherwise as `run_inference`."""
    with locks.inside(output_dir, warn=log.warning):
        if _is_finished(Path(output_dir), source, options, log=log):
            return Summary()
        return _apply(predictor, source, Path(output_dir), config=config, log=log, options=options)


def _apply(
    predictor: AnyPredictor, source: Source, folder: Path, *, config: InferenceConfig, log: EventLog, options: Options
) -> Summary:
    facts = predictor.facts
    naming = setup.naming_of(facts, predictor.fields, config)
    meta = labels.output_meta(source.meta, (*facts.class_metas, *facts.stuff_metas), naming)
    notes = (*_selects_nothing(source, config=config, naming=naming, facts=facts), *_dark_images(source, facts))
    for line in (*repeated.grouped(source.warnings), *notes):
        log.warning(line)
    _check_output(folder, source, options, naming=naming)
    identity = {"config": _chosen(config), **predictor.identity()}
    out = Output(folder / source.name, meta, source.entries, identity=identity, resume=options.resume)
    files.clear(folder)
    left = replace(source, entries=tuple(entry for entry in source.entries if key(entry) not in out.done))
    if options.resume:
        log.info(f"{len(out.done)} of {len(source.entries)} images are done already")
    progress = _Progress(log, left, out, total=len(source.entries))
    is_folder = _is_folder(source)
    writer = ResultWriter(
        out, naming, folder, predictor=predictor, with_overlay=options.overlay, with_results=is_folder
    )
    with out, _hint(out, source, log):
        if predictor.builds_graph:
            log.info("building the graph: the first image takes up to a minute")
        is_whole = isinstance(config.mode, FullImageMode | RoiMode)  # one region per image
        size = setup.batch_size_of(predictor, len(left.entries) if is_whole else None, options=options, log=log)
        with _predicting(predictor, left, config=config, log=log, size=size, progress=progress) as found_in:
            _write_all(found_in, left, writer=writer, progress=progress)
        progress.close()
        if not out.done:
            raise UserError(f"none of the {len(source.entries)} images could be used; see the messages before this one")
        if is_folder:
            writer.write_results(source.entries)
    summary = _summarize(source, out, progress.skipped, most=facts.choices.detections_per_image)
    summary.report(log)
    nothing = None
    if not summary.objects:
        nothing = _nothing(predictor, source, naming=naming, config=config, options=options, size=size)
    for line in filter(None, (_full(summary, predictor), nothing)):
        log.warning(line)
    log.info(f"written to {folder / source.name}")
    log.model_applied()
    return summary


class _Progress:
    """Reports the progress of a run and the images it skips."""

    def __init__(self, log: EventLog, left: Source, out: Output, *, total: int):
        self._log, self._left, self._out, self._total = log, left, out, total
        self._errors = Repeats(log, level="error")
        self.skipped: list[str] = []

    def tell(self) -> None:
        self._log.progress(SUBTASK, len(self._out.done) + len(self.skipped), self._total)

    def skip(self, title: str) -> None:
        self.skipped.append(title)
        self.tell()

    def close(self) -> None:
        self._errors.close()

    def skip_picture(self, picture: Picture, error: Exception) -> None:
        title = self._left.entries[picture.index].title
        self._errors.add(f"{title} is skipped: {sources.why(error)}", title)
        self.skip(title)


@contextmanager
def _predicting(
    predictor: AnyPredictor, left: Source, *, config: InferenceConfig, log: EventLog, size: int, progress: _Progress
) -> Iterator[Iterator[tuple[Picture, Found]]]:
    """Reads and predicts in threads while the block consumes the pictures with their detections."""
    facts = predictor.facts
    reading = sources.Reading(
        facts.channels, image_range=facts.image_range, most=config.model.max_image_mb * limits.MEGABYTE
    )
    pictures = sources.read_ahead(left, reading, log=log, on_skip=progress.skip, ahead=max(FEWEST_AHEAD, size))
    runner = modes.RUNNERS[config.mode.name]
    with Pipeline(predictor) as pipeline, closing(pictures):
        yield runner(pipeline, pictures, config.mode, batch_size=size, on_error=progress.skip_picture)


def _write_all(
    found_in: Iterable[tuple[Picture, Found]], left: Source, *, writer: ResultWriter, progress: _Progress
) -> None:
    for picture, found in found_in:
        try:
            writer.write(left.entries[picture.index], picture, found)
        except Exception as error:
            if isinstance(error, OSError) or isinstance(error.__cause__, OSError):
                raise  # a disk error is not the image's fault: the next image would fail too
            progress.skip_picture(picture, error)
        else:
            progress.tell()


def _is_finished(folder: Path, source: Source, options: Options, *, log: EventLog) -> bool:
    """Checks whether the run to be resumed is already complete, and reports it."""
    target = folder / source.name
    if not options.resume or not output.is_finished(target):
        return False
    there, count = output.count(target, source.entries), len(source.entries)
    if not there:
        raise UserError(f"{target} is a complete project without any of these {count} images: name another output")
    log.info(
        f"nothing to do: {target} is complete, {there} of the {count} images are in it; to apply another model or "
        "config, name another output"
    )
    log.model_applied()
    return True


def _check_output(folder: Path, source: Source, options: Options, *, naming: labels.Naming) -> None:
    is_folder, resume = _is_folder(source), options.resume
    output.check(folder / source.name, resume=resume)
    panoptic = is_folder and naming.semantic is not None
    results.check(
        folder, source, with_overlay=options.overlay, with_results=is_folder, resume=resume, with_panoptic=panoptic
    )


def _dark_images(source: Source, facts: ModelFacts) -> Iterator[str]:
    if facts.image_range is None and (found := value_range.find([entry.path for entry in source.entries])):
        yield (
            f"the 16-bit images have no value above {found}, and the model divides by 256, which makes them dark: it "
            f'should have been trained so, else write "image_range": {found} into `model` of its config.json'
        )


def _selects_nothing(
    source: Source, *, config: InferenceConfig, naming: labels.Naming, facts: ModelFacts
) -> Iterator[str]:
    """Yields warnings about class selections that match no class, such as misspelt names."""
    titles = [item.title for item in source.meta.classes]
    known = ", ".join(titles) or "none"
    if isinstance(config.mode, BboxesMode) and not any(is_among(title, config.mode.from_classes) for title in titles):
        yield f"`mode.from_classes` has no class of the input (there: {known}), so nothing is predicted"
    if not naming.titles:
        found = ", ".join(facts.class_names[1:])
        yield f"`mode.model_classes` has no class of the model (there: {found}): nothing that it finds is written"
    if titles and not any(map(naming.existing.selects, titles)):
        yield f"`mode.existing_objects` has no class of the input (there: {known}): none of its objects is kept"


def _chosen(config: InferenceConfig) -> dict[str, Any]:
    """Collects the settings that determine a run's result beside the model."""
    chosen = {"confidence_tag_name": config.model.confidence_tag_name, "mode": config.mode.model_dump(mode="json")}
    if config.model.tta:  # else left out, so that runs of older versions can be resumed
        chosen["tta"] = config.model.tta.model_dump(mode="json")
    return chosen


@contextmanager
def _hint(out: Output, source: Source, log: EventLog) -> Iterator[None]:
    """Logs how to resume the run when the block is interrupted."""
    try:
        yield
    except BaseException:
        if out.done:
            log.warning(
                f"{len(out.done)} of {len(source.entries)} images are in {out.partial}; the same command with --resume "
                "goes on from there"
            )
        raise


def _summarize(source: Source, out: Output, skipped: list[str], *, most: int) -> Summary:
    summary = Summary(skipped=skipped)
    for entry in source.entries:
        if record := out.done.get(key(entry)):
            summary.add(record["found"])
            if record.get("most", 0) >= most:
                summary.full.append(entry.title)
    return summary


def _full(summary: Summary, predictor: AnyPredictor) -> str | None:
    """Describes the images that reached the model's limit of detections; None without any."""
    if not summary.full:
        return None
    return (
        f"in {len(summary.full)} images ({few(summary.full)}) the model found as many objects as it may, "
        f"{predictor.facts.choices.detections_per_image}, so there may be more: raise `model.detections_per_image` in "
        f"{predictor.settings_place}"
    )


def _nothing(
    predictor: AnyPredictor,
    source: Source,
    *,
    naming: labels.Naming,
    config: InferenceConfig,
    options: Options,
    size: int,
) -> str | None:
    """Describes how many objects a run without detections would find at lower thresholds.

    Returns:
        One line; None if no class is written, or as `second_look.describe`.
    """
    if not naming.titles:
        return None
    limited_by = "--score-threshold"
    if options.score_threshold is None:
        own, given = predictor.facts.choices.score_threshold, config.model.min_confidence_threshold
        name = "min_confidence_threshold" if given >= own else "score_floor"
        limited_by = f"`model.{name}` of the config, or --score-threshold,"
    return second_look.describe(
        predictor, source, mode=config.mode, batch_size=size, names=naming.titles, limited_by=limited_by
    )


def _is_folder(source: Source) -> bool:
    return all(entry.item is None for entry in source.entries)
