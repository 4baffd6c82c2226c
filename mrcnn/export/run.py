"""Exports a trained model and proves that the export is equivalent.

The formats are those of `formats/table.py`.

    <out>/...            the files of the format
    <out>/labels.json    the titles of the class ids, and what a caller must know of the graph
    <out>/verify.json    the report of the comparison with the live model

The folder is created only if it is complete and verified.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from mrcnn import decoder_notes, files, locks
from mrcnn.events import EventLog
from mrcnn.export import metadata, pictures, proof, publish, reduced
from mrcnn.export.agreement import Agreement
from mrcnn.export.exportable import DetectorSettings, Exportable
from mrcnn.export.formats import table
from mrcnn.export.formats.format import FLOAT32, Format
from mrcnn.export.pictures import Picture
from mrcnn.export.proof import Proof
from mrcnn.export.reduced import Target
from mrcnn.model_folder import precision, read
from mrcnn.model_folder.class_names import Classes
from mrcnn.model_folder.read import ModelBundle, StoredModel
from mrcnn.predict.predictor import Predictor
from mrcnn.structures import SEMANTIC

Model = TypeVar("Model", StoredModel, ModelBundle)
LABELS = "labels.json"
_AGREEMENT = ("weights", "matched", "matched_share", "mean_mask_iou", "mean_score_difference")  # in the log


@dataclass(frozen=True)
class Exported:
    """The result of an export.

    Attributes:
        path: folder of the exported model.
        size_bytes: size of all files in it.
        seconds: time for building, saving and verifying the model, without reading its settings and the images.
        proofs: the proof at the model's own score threshold; if it met no object, also one at the threshold 0.
        agreement: with the live model, if the weights are reduced; else None.
    """

    path: Path
    size_bytes: int
    seconds: float
    proofs: tuple[Proof, ...]
    agreement: Agreement | None = None


def export(
    model: str | Path,
    out_dir: str | Path,
    *,
    log: EventLog,
    format: str | Target = table.DEFAULT,
    classes: Classes | None = None,
    input_size: Sequence[int] | None = None,
    images: str | Path | None = None,
    score_threshold: float | None = None,
    device: int | str | None = None,
    tf32: bool | None = None,
) -> Exported:
    """Exports a model and publishes it only if it is equivalent.

    If the images show no object at the model's score threshold, there is nothing to compare. Then the same network is
    exported a second time, with the threshold 0, compared and deleted.

    Args:
        model: as for `read.read_model`.
        out_dir: the folder to create; it must be new or empty.
        log: receives the progress and the result.
        format: name of the format in `table.FORMATS`; or a `Target`, whose weights may be other than "float32": then
            the model in float32 is proven first, its weights are reduced, and it is refused if it agrees too little
            with the live model, see `agreement`.
        classes: as for `read.read_model`.
        input_size: as for `read.read_model`.
        images: folder of images to compare on; None uses those for int8 weights, or photographs that
            scikit-image includes.
        score_threshold: detections that score less are dropped; None keeps the model's own.
        device: as for `read.load_model`.
        tf32: as for `read.load_model`; it decides how exactly the two models are compared, not what is exported.

    Raises:
        UserError: an argument is wrong, or the exported model's detections differ from the live model's; then the
            report is in `<out_dir>.refused.json`.
    """
    target, wanted = Path(out_dir).resolve(), format if isinstance(format, Target) else Target(format)
    files.check_free(out_dir, fix="remove it or name another")
    chosen = reduced.check(wanted)
    with locks.beside(out_dir, warn=log.warning), publish.workplace(target, title=chosen.title) as workplace:
        stored = shaped(read.read_model(model, classes=classes, input_size=input_size), chosen)
        seen = _pictures(stored, images or wanted.calibrate, log)

        def attempt(bundle: ModelBundle, directory: Path) -> Proof:
            trained = {"neutral": stored.neutral, "mask_classes": stored.mask_classes}
            write(bundle, directory, format=chosen, trained=trained)
            exported = chosen.open(directory, detector_settings(bundle))
            return proof.prove(Predictor(bundle), exported, seen, log=log)

        for line in chosen.limits(detector_settings(stored)):
            log.warning(line)
        began = time.monotonic()
        log.info("building the graph: the export takes up to a few minutes")
        bundle = read.load_model(stored, score_threshold=score_threshold, device=device, tf32=tf32, warn=log.warning)
        proofs = [attempt(bundle, workplace / "model")]
        for line in precision.lines(precision.DEFAULT, asked=precision.SINGLE):
            log.info(line)
        if not proofs[0].paired and not proofs[0].failures:
            log.info(f"no object scores {proofs[0].score_threshold:g} in these images: proving with threshold 0 too")
            proofs.append(attempt(bundle.with_choices(score_threshold=0.0), workplace / "all"))
        made = None
        if wanted.weights != FLOAT32:
            calibration = _pictures(stored, wanted.calibrate, log, most=reduced.MOST_CALIBRATION)
            made = _reduced(wanted, workplace / "model", bundle, calibration=calibration, pictures=seen, log=log)
        publish.publish(
            workplace / "model", target, proofs, title=chosen.title, versions=chosen.versions, agreement=made
        )
        seconds = time.monotonic() - began
    result = Exported(target, _size(target), seconds, tuple(proofs), agreement=made)
    _report(result, shown=out_dir, log=log)
    return result


def write(
    bundle: ModelBundle,
    directory: str | Path,
    *,
    format: Format | None = None,
    trained: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Writes a loaded model with labels.json, without verification.

    Args:
        bundle: the loaded model.
        directory: the folder for the files; it is created if it is missing.
        format: None for a SavedModel.
        trained: as in `Exportable`.

    Raises:
        UserError: a file cannot be written.
    """
    chosen, folder = format or table.find(table.DEFAULT), Path(directory)
    bundle = shaped(bundle, chosen)
    model = Exportable(bundle.model, detector_settings(bundle), labels(bundle), bundle.choices, trained=trained)
    # converters write to C's `stderr` from their own threads
    with files.writing(f"the {chosen.title}", directory, also=chosen.write_errors), decoder_notes.paused():
        folder.mkdir(parents=True, exist_ok=True)
        chosen.write(model, folder)
        publish.write_json(folder / LABELS, {**model.labels, metadata.SETTINGS: metadata.settings(model)})


def shaped(model: Model, format: Format) -> Model:
    """Sets the shape of the model input that a format needs, which the live model then has, too."""
    if format.input_shape is None:
        return model
    return replace(model, input_size=model.input_size.model_copy(update={"shape": format.input_shape}))


def detector_settings(model: StoredModel | ModelBundle) -> DetectorSettings:
    """Collects the settings of detection from those of a model."""
    config, size = model.config, model.input_size
    return DetectorSettings(
        class_names=model.class_names,
        min_dim=size.min_dim,
        max_dim=size.max_dim,
        channels=config.channels,
        image_resize=config.image_resize,
        image_range=config.image_range,
        rules=read.output_rules(config),
        shape=size.settled_shape,
        fit=config.image_fit,
        maps=tuple(model.maps),
        fields=tuple(model.extra_fields),
        model=config,
    )


def labels(bundle: ModelBundle) -> dict[str, Any]:
    """Builds the content of labels.json.

    Returns:
        `classes`, a title and, if known, a colour for each class id; `input_size` and the thresholds of the graph. With
        a semantic map also `stuff`, its classes from 1, and `panoptic`, the rules that merge it with the detections.
    """
    colors = {item.title: item.color for item in bundle.class_metas}
    classes = [{"id": index, "title": title} for index, title in enumerate(bundle.class_names)]
    return {
        "classes": [{**item, "color": colors[item["title"]]} if item["title"] in colors else item for item in classes],
        "input_size": bundle.input_size.model_dump(
            mode="json", include={"min_dim", "max_dim", "shape"}, exclude_none=True
        ),
        "score_threshold": bundle.config.score_threshold,
        "mask_threshold": bundle.config.mask_threshold,
        **(_stuff_labels(bundle) if SEMANTIC in bundle.maps else {}),
    }


def _stuff_labels(bundle: ModelBundle) -> dict[str, Any]:
    rules = bundle.maps[SEMANTIC]._asdict()
    colors = {item.title: item.color for item in bundle.stuff_metas}
    stuff = [{"id": index, "title": title} for index, title in enumerate(rules.pop("stuff"), start=1)]
    return {
        "stuff": [{**item, "color": colors[item["title"]]} if item["title"] in colors else item for item in stuff],
        "panoptic": rules,
    }


def _reduced(
    wanted: Target,
    folder: Path,
    bundle: ModelBundle,
    *,
    calibration: Sequence[Picture],
    pictures: Sequence[Picture],
    log: EventLog,
) -> Agreement:
    """Reduces the weights of a written model, and compares it with the live one."""
    chosen, settings, weights = table.find(wanted.format), detector_settings(bundle), wanted.weights
    with files.writing(f"the {chosen.title}", folder, also=chosen.write_errors), decoder_notes.paused():
        reduced.reduce(chosen, folder, weights=weights, settings=settings, calibration=calibration, log=log)
    function = next(iter(chosen.open(folder, settings).values()))
    return reduced.measure(Predictor(bundle), function, weights=weights, pictures=pictures, log=log)


def _pictures(
    stored: StoredModel, images: str | Path | None, log: EventLog, *, most: int = pictures.MAX_IMAGES
) -> list[Picture]:
    config = stored.config
    if images is None:
        return pictures.bundled_pictures(max_dim=stored.input_size.max_dim, channels=config.channels)
    return pictures.folder_pictures(
        images, channels=config.channels, image_range=config.image_range, log=log, most=most
    )


def _report(result: Exported, *, shown: str | Path, log: EventLog) -> None:
    paired = sum(proof.paired for proof in result.proofs)
    largest = [proof.to_json()["largest_difference"] for proof in result.proofs]
    worst = {key: max(item[key] for item in largest) for key in ("box_px", "score", "mask_probability", "mask_pixels")}
    if not paired:
        log.warning("the proof is weak: the model found no object in any image; export with --images that show some")
    else:
        log.emit(
            f"equal to the live model on {paired} detections: boxes within {worst['box_px']:.2g} px, scores within "
            f"{worst['score']:.2g}, masks within {worst['mask_probability']:.2g} and {worst['mask_pixels']} pixels",
            paired_detections=paired,
            **worst,
        )
    if made := result.agreement:
        log.emit(
            f"with {made.weights} weights {made.matched_share:.1%} of the detections are found by both models, mean "
            f"mask IoU {made.mean('mask_iou'):.3f}, mean difference of scores {made.mean('score'):.3f}",
            **{key: value for key, value in made.to_json().items() if key in _AGREEMENT},
        )
        if not made.matched:
            log.warning(f"{made.weights} weights are not measured: no object was found; use --images that show some")
    log.emit(
        f"exported to {shown}: {result.size_bytes / 1e6:.1f} MB in {result.seconds:.1f} s",
        path=str(result.path),
        sizeb=result.size_bytes,
        seconds=result.seconds,
    )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
