"""Applies a model to a video.

    <output>/<name>.jsonl    one line for each frame: its number, its time, and its objects as in COCO's results
    <output>/<name>.mp4      the video with the detections drawn, if requested; without sound

A few frames are in memory at a time.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from mrcnn import files, locks, optional
from mrcnn.annotate import coco_results, labels, overlay, setup
from mrcnn.annotate.overlay import Overlay
from mrcnn.annotate.setup import Options
from mrcnn.annotate.summary import Summary
from mrcnn.config.inference import BboxesMode, InferenceConfig
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.images import limits, video
from mrcnn.images.video import Video
from mrcnn.predict import modes, sources
from mrcnn.predict.pipeline import Pipeline
from mrcnn.predict.regions import Found
from mrcnn.predict.sources import Picture
from mrcnn.predict.staged import AnyPredictor
from mrcnn.project.annotation import Annotation
from mrcnn.project.repeated import Repeats

SUBTASK = "frames"
DRAWN, LINES = ".mp4", ".jsonl"


def run_video(
    model: str | Path,
    path: Path,
    output_dir: Path,
    *,
    config: InferenceConfig,
    log: EventLog,
    options: Options | None = None,
) -> Summary:
    """Loads a model and applies it to every frame of a video.

    Args:
        model: as for `Predictor.load`.
        path: the video.
        output_dir: the output folder, see the module docstring.
        config: the inference config.
        log: receives the progress, each skipped frame, and at the end a summary of the detections.
        options: options that are not in the config; None means the defaults.

    Returns:
        The counts of the run; frames count as images.

    Raises:
        UserError: the video, the model, the output or a setting is wrong.
    """
    options = options or Options()
    opened = check(path, output_dir, config=config, options=options)
    with locks.inside(output_dir, warn=log.warning):
        predictor = setup.open_predictor(model, config, options=options, log=log)
        return apply(predictor, opened, output_dir, config=config, log=log, options=options)


def check(path: Path, output_dir: Path, *, config: InferenceConfig, options: Options) -> Video:
    """Checks the video, the mode and the output of a run, and reads the video's header.

    Raises:
        UserError: one of them cannot be used.
    """
    opened = video.open_video(path, most=config.model.max_image_mb * limits.MEGABYTE)
    if isinstance(config.mode, BboxesMode):
        raise UserError(f"`mode` {config.mode.name} needs annotated objects, which a video has none of; name another")
    if options.resume:
        raise UserError("--resume goes on with images, not with a video; leave it out and name another output")
    if options.overlay:
        optional.require("draw", purpose=overlay.PURPOSE)
    for target in _targets(path, output_dir, options):
        if target.exists():
            raise UserError(f"{target} is there already; move it away or name another output")
    files.check_writable(output_dir)
    return opened


def apply(
    predictor: AnyPredictor,
    opened: Video,
    output_dir: Path,
    *,
    config: InferenceConfig,
    log: EventLog,
    options: Options,
) -> Summary:
    """Applies a loaded model to every frame of a video; otherwise as `run_video`.

    Raises:
        UserError: the model takes other images, no frame can be decoded, or the output cannot be written.
    """
    facts = predictor.facts
    if facts.channels != video.CHANNELS:
        raise UserError(f"a video has {video.CHANNELS} channels, the model takes {facts.channels}")
    naming = setup.naming_of(facts, predictor.fields, config)
    lines, *drawn = _targets(opened.path, output_dir, options)
    output_dir.mkdir(parents=True, exist_ok=True)
    files.clear(output_dir)
    if predictor.builds_graph:
        log.info("building the graph: the first frame takes up to a minute")
    size = setup.batch_size_of(predictor, opened.frames or None, options=options, log=log)
    with files.writing("the detections", output_dir), ExitStack() as stack:
        rows = stack.enter_context(stack.enter_context(files.replaced(lines)).open("w", encoding="utf-8"))
        writer = _FrameWriter(rows, opened, naming=naming, predictor=predictor, log=log)
        if drawn:
            partial = stack.enter_context(files.replaced(drawn[0], suffix=DRAWN))
            writer.draw_into(stack.enter_context(video.Writer(partial, rate=opened.rate)))
        with Pipeline(predictor) as pipeline:
            runner = modes.RUNNERS[config.mode.name]
            for picture, found in runner(
                pipeline, _pictures(opened), config.mode, batch_size=size, on_error=writer.skip
            ):
                writer.write(picture, found)
        writer.close()
    writer.summary.report(log)
    log.info(f"written to {' and '.join(map(str, (lines, *drawn)))}")
    log.model_applied()
    return writer.summary


class _FrameWriter:
    """Writes one frame after another."""

    def __init__(self, rows: TextIO, opened: Video, *, naming: labels.Naming, predictor: AnyPredictor, log: EventLog):
        self.summary = Summary()
        self._rows, self._opened, self._naming, self._predictor, self._log = rows, opened, naming, predictor, log
        self._errors = Repeats(log, level="error")
        self._overlay: Overlay | None = None
        self._drawn: video.Writer | None = None
        self._count = 0

    def draw_into(self, drawn: video.Writer) -> None:
        """Draws all frames that follow into a video."""
        self._drawn, self._overlay = drawn, Overlay(self._predictor, self._naming, by_class=True)

    def write(self, picture: Picture, found: Found) -> None:
        """Writes the detections of a frame."""
        chosen = labels.select(found.detections, self._naming)
        objects = [
            {"category": name, **entry}
            for name, entry in zip(
                chosen.class_names, coco_results.entries(chosen, self._predictor.fields), strict=True
            )
        ]
        self._write_line(picture, {"objects": objects})
        self.summary.add((item["category"], item["score"]) for item in objects)
        self._show(picture.image, found)

    def skip(self, picture: Picture, error: Exception) -> None:
        """Writes a frame that failed: without objects, but with its error."""
        name = f"frame {picture.index}"
        self._errors.add(f"{name} is skipped: {sources.why(error)}", name)
        self.summary.skipped.append(name)
        self._write_line(picture, {"objects": [], "error": sources.why(error)})
        self._show(picture.image, Found((), picture.image.shape[:2]))

    def close(self) -> None:
        """Logs what could not be used.

        Raises:
            UserError: nothing could be used.
        """
        self._errors.close()
        path, declared = self._opened.path, self._opened.frames
        if not self.summary.images:
            raise UserError(f"no frame of {path} could be used; convert it, for example by ffmpeg, to MP4")
        if self._count < declared:
            self._log.warning(f"{self._count} frames of {path} could be decoded, its header says {declared}")

    def _write_line(self, picture: Picture, content: dict[str, Any]) -> None:
        height, width = picture.image.shape[:2]
        seconds = round(picture.index / self._opened.rate, 3)
        head = {"frame": picture.index, "seconds": seconds, "height": height, "width": width}
        self._rows.write(f"{json.dumps(head | content, ensure_ascii=False)}\n")

    def _show(self, image: np.ndarray, found: Found) -> None:
        self._count += 1
        if self._drawn and self._overlay:
            self._drawn.write(self._overlay.draw(image, found))
        self._log.progress(SUBTASK, self._count, max(self._opened.frames, self._count))


def _pictures(opened: Video) -> Iterator[Picture]:
    for index, frame in enumerate(video.read_frames(opened)):
        yield Picture(index, frame, Annotation(None))


def _targets(path: Path, output_dir: Path, options: Options) -> list[Path]:
    return [output_dir / f"{path.stem}{suffix}" for suffix in (LINES, *([DRAWN] if options.overlay else []))]
