"""Applies a model to a project or a folder of images and writes a project with what it found.

    <output>/<name>/             the project: the input's objects stay, one bitmap per detection is added
    <output>/overlay/            pictures of the detections, where asked for
    <output>/predictions.json    for a folder of images: the detections as COCO results

Source: Supervisely Mask R-CNN plugin 5.16, inference. One bad image is reported, counted and left out; the original
ended there.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mrcnn.config.inference import InferenceConfig
from mrcnn.events import EventLog, UserError
from mrcnn.infer import draw, labels, load, modes, sources
from mrcnn.infer.class_names import Classes
from mrcnn.infer.coco_results import CocoResults
from mrcnn.infer.predictor import Predictor
from mrcnn.infer.sources import Source
from mrcnn.project.writer import ProjectWriter
from mrcnn.structures import Detections

OVERLAY = "overlay"
PREDICTIONS = "predictions.json"
SUBTASK = "inference"
PICTURE_KINDS = (".jpg", ".jpeg", ".png")  # a picture of another kind of image is a PNG


@dataclass(frozen=True)
class Options:
    """What a run may be told beside its config.

    Attributes:
        overlay: draw pictures of the detections too.
        batch_size: images that go through the model at once.
        score_threshold: replaces the config's thresholds and the model's own; None leaves them.
        device: replaces the config's `gpu_device`: "cpu" or the number of a GPU.
        precision: of the convolutions.
        classes: the names of the classes, for a weight file that is alone.
        input_size: (min_dim, max_dim) for such a file.
    """

    overlay: bool = False
    batch_size: int = 1
    score_threshold: float | None = None
    device: int | str | None = None
    precision: str = "float32"
    classes: Classes | None = None
    input_size: Sequence[int] | None = None

    def __post_init__(self):
        """Checks the batch size; the rest is checked where it is used."""
        if self.batch_size < 1:
            raise UserError(f"the batch size must be at least 1, got {self.batch_size}")


@dataclass
class Summary:
    """What a run did.

    Attributes:
        images: how many were written.
        skipped: the names of those left out.
        scores: by class of the model, the score of each detection written.
        images_with: by class, how many images have one.
    """

    images: int = 0
    skipped: list[str] = field(default_factory=list)
    scores: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    images_with: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, detections: Detections) -> None:
        """Counts an image that was written."""
        self.images += 1
        for name, score in zip(detections.class_names, detections.scores, strict=True):
            self.scores[name].append(float(score))
        for name in set(detections.class_names):
            self.images_with[name] += 1

    def report(self, log: EventLog) -> None:
        """Tells the number of images, then a line per class."""
        found = sum(map(len, self.scores.values()))
        line = f"{found} objects in {self.images} images"
        log.emit(f"{line}, {len(self.skipped)} skipped" if self.skipped else line, skipped=self.skipped)
        for name, scores in sorted(self.scores.items()):
            mean = sum(scores) / len(scores)
            log.emit(
                f"{name}: {len(scores)} objects in {self.images_with[name]} images, mean score {mean:.3f}",
                class_title=name,
                objects=len(scores),
                images=self.images_with[name],
                mean_score=mean,
            )


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
        model: as for `load.read_model`.
        source: from `sources.open_project` or `sources.open_images`.
        output_dir: see the module; its folder `<name>` must be new or empty.
        config: the inference config.
        log: told of progress, of each image left out, and at the end of what was found.
        options: what the config does not say.

    Returns:
        What was done.

    Raises:
        UserError: the model, the output or a setting is wrong, or not one image could be used.
    """
    options = options or Options()
    stored = load.read_model(model, classes=options.classes, input_size=options.input_size)
    naming = _naming(stored.class_names, config)
    # what cannot end well must end before the model is loaded
    labels.output_meta(source.meta, stored.class_metas, naming)
    _require_new(Path(output_dir) / source.name)
    threshold = options.score_threshold
    if threshold is None:
        threshold = config.model.score_threshold(stored.config.score_threshold)
    bundle = load.load_model(
        stored,
        score_threshold=threshold,
        device=config.model.gpu_device if options.device is None else options.device,
        precision=options.precision,
        warn=log.warning,
    )
    return apply(Predictor(bundle), source, output_dir, config=config, log=log, options=options)


def apply(
    predictor: Predictor,
    source: Source,
    output_dir: str | Path,
    *,
    config: InferenceConfig,
    log: EventLog,
    options: Options,
) -> Summary:
    """Applies a loaded model to every image of a source; else as `run_inference`."""
    bundle = predictor.bundle
    naming = _naming(bundle.class_names, config)
    meta = labels.output_meta(source.meta, bundle.class_metas, naming)
    output, summary, results = Path(output_dir), Summary(), CocoResults(bundle.class_names)
    colors = {item.title: item.color for item in bundle.class_metas} if len(bundle.class_metas) > 1 else None
    for line in source.warnings:
        log.warning(line)

    def progress() -> None:
        log.progress(SUBTASK, summary.images + len(summary.skipped), len(source.entries))

    def skip(title: str) -> None:
        summary.skipped.append(title)
        progress()

    pictures = sources.read_pictures(source, channels=bundle.config.channels, log=log, on_skip=skip)
    with ProjectWriter(output / source.name, meta) as writer:
        runner = modes.RUNNERS[config.mode.name]
        for picture, found in runner(predictor, pictures, config.mode, options.batch_size):
            entry, chosen = source.entries[picture.index], labels.select(found, naming)
            annotation = picture.annotation
            annotation = replace(annotation, labels=(*annotation.labels, *labels.make_labels(chosen, naming)))
            writer.add(entry.dataset, entry.name, entry.path, annotation)
            if options.overlay:
                path = _overlay_path(output, entry)
                path.write_bytes(draw.encode(draw.draw(_rgb(picture.image), chosen, class_colors=colors), path.suffix))
            results.add(entry.name, picture.image.shape[:2], chosen)
            summary.add(chosen)
            progress()
        if not summary.images:
            raise UserError(f"none of the {len(source.entries)} images could be used; see the messages before this one")
    if all(entry.item is None for entry in source.entries):
        results.write(output / PREDICTIONS)
    summary.report(log)
    log.model_applied()
    return summary


def _naming(class_names: tuple[str, ...], config: InferenceConfig) -> labels.Naming:
    return labels.name_labels(class_names[1:], config.mode, confidence_tag=config.model.confidence_tag_name)


def _require_new(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"the output {folder} must be new or an empty folder; remove it or name another")


def _rgb(image: np.ndarray) -> np.ndarray:
    return image if image.shape[2] == 3 else np.repeat(image[..., :1], 3, axis=2)


def _overlay_path(output: Path, entry: sources.Entry) -> Path:
    folder = output / OVERLAY / entry.dataset if entry.item else output / OVERLAY
    folder.mkdir(parents=True, exist_ok=True)
    name = entry.name if entry.path.suffix.lower() in PICTURE_KINDS else f"{entry.name}.png"
    return folder / name
