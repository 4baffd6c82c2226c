"""Exports a trained model and proves that the export is equivalent.

The formats are those of `formats/table.py`.

    <out>/...            the files of the format
    <out>/labels.json    the titles of the class ids, and what a caller must know of the graph
    <out>/verify.json    the report of the comparison with the live model

The folder is created only if it is complete and verified.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from mrcnn import decoder_notes, files, locks
from mrcnn.errors import counted
from mrcnn.events import EventLog
from mrcnn.export import metadata, pictures, proof, publish, reduced, scores, speed
from mrcnn.export.agreement import Agreement
from mrcnn.export.exportable import DetectorSettings, Exportable
from mrcnn.export.formats import table
from mrcnn.export.formats.format import FLOAT32, Format
from mrcnn.export.pictures import Labelled, Picture
from mrcnn.export.proof import Proof
from mrcnn.export.publish import Evidence
from mrcnn.export.reduced import Target
from mrcnn.model_folder import checksum, precision, read
from mrcnn.model_folder.class_names import Classes
from mrcnn.model_folder.read import ModelBundle, StoredModel
from mrcnn.predict.exported import ExportedPredictor
from mrcnn.predict.predictor import Predictor
from mrcnn.predict.runtimes import table as runtimes
from mrcnn.predict.sources import Source
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
        evidence: what was measured; its proofs are that at the model's own score threshold and, if it met no object,
            one at the threshold 0.
    """

    path: Path
    size_bytes: int
    seconds: float
    evidence: Evidence

    @property
    def proofs(self) -> tuple[Proof, ...]:
        """The proofs of `evidence`."""
        return tuple(self.evidence.proofs)

    @property
    def agreement(self) -> Agreement | None:
        """With the live model, if the weights are reduced; else None."""
        return self.evidence.agreement


def export(
    model: str | Path,
    out_dir: str | Path,
    *,
    log: EventLog,
    format: str | Target = table.DEFAULT,
    classes: Classes | None = None,
    input_size: Sequence[int] | None = None,
    images: str | Path | Labelled | None = None,
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
        images: folder of images to compare on, or data with labels, on which both models are evaluated too; None uses
            the images for int8 weights, or photographs that scikit-image includes.
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
        stored = read.read_model(model, classes=classes, input_size=input_size)
        work = _Work.of(stored, wanted, images=images, log=log)
        for line in chosen.limits(detector_settings(work.stored)):
            log.warning(line)
        began = time.monotonic()
        log.info("building the graph: the export takes up to a few minutes")
        bundle = read.load_model(
            work.stored, score_threshold=score_threshold, device=device, tf32=tf32, warn=log.warning
        )
        evidence = work.run(bundle, workplace)
        publish.publish(workplace / "model", target, evidence, title=chosen.title, versions=chosen.versions)
        seconds = time.monotonic() - began
    result = Exported(target, _size(target), seconds, evidence)
    _report(result, shown=out_dir, log=log)
    return result


@dataclass(frozen=True)
class _Work:
    """What is exported, and on which images it is compared.

    Attributes:
        wanted: the format and the weights.
        format: that of `wanted`.
        stored: the model, with the shape of the input that the format needs.
        known: as in `Exportable`.
        pictures: the images to compare on.
        source: data with labels; None without.
        log: receives the progress.
    """

    wanted: Target
    format: Format
    stored: StoredModel
    known: Mapping[str, Any]
    pictures: Collection[Picture]
    source: Source | None
    log: EventLog

    @classmethod
    def of(cls, stored: StoredModel, wanted: Target, *, images: str | Path | Labelled | None, log: EventLog) -> "_Work":
        chosen = table.find(wanted.format)
        known = {"neutral": stored.neutral, "mask_classes": stored.mask_classes, "made_of": checksum.of_model(stored)}
        stored = shaped(stored, chosen)
        source = images.open() if isinstance(images, Labelled) else None
        place = images.images if isinstance(images, Labelled) else images or wanted.calibrate
        seen = _pictures(stored, place or source, log, varied=True)
        return cls(wanted, chosen, stored, known, seen, source, log)

    def run(self, bundle: ModelBundle, workplace: Path) -> Evidence:
        """Writes the model into `workplace / "model"` and measures it."""
        model, log = workplace / "model", self.log
        proofs = [self._attempt(bundle, model)]
        for line in precision.lines(precision.DEFAULT, asked=precision.SINGLE):
            log.info(line)
        if not proofs[0].paired and not proofs[0].failures:
            log.info(f"no object scores {proofs[0].score_threshold:g} in these images: proving with threshold 0 too")
            proofs.append(self._attempt(bundle.with_choices(score_threshold=0.0), workplace / "all"))
        if any(item.failures for item in proofs):
            return Evidence(proofs)
        agreement = self._reduce(bundle, model) if self.wanted.weights != FLOAT32 else None
        located = runtimes.locate(model)
        if located is None or (agreement and agreement.failures):
            return Evidence(proofs, agreement)
        return self._measured(Evidence(proofs, agreement), Predictor(bundle), ExportedPredictor.of_located(located))

    def _attempt(self, bundle: ModelBundle, directory: Path) -> Proof:
        write(bundle, directory, format=self.format, known=self.known)
        exported = self.format.open(directory, detector_settings(bundle))
        return proof.prove(Predictor(bundle), exported, self.pictures, log=self.log)

    def _reduce(self, bundle: ModelBundle, folder: Path) -> Agreement:
        """Reduces the weights of the written model, and compares it with the live one."""
        chosen, settings, weights, log = self.format, detector_settings(bundle), self.wanted.weights, self.log
        images = _pictures(self.stored, self.wanted.calibrate, log, most=reduced.MOST_CALIBRATION)
        with files.writing(f"the {chosen.title}", folder, also=chosen.write_errors), decoder_notes.paused():
            reduced.reduce(chosen, folder, weights=weights, settings=settings, calibration=images, log=log)
        function = next(iter(chosen.open(folder, settings).values()))
        return reduced.measure(Predictor(bundle), function, weights=weights, pictures=self.pictures, log=log)

    def _measured(self, evidence: Evidence, live: Predictor, exported: ExportedPredictor) -> Evidence:
        """Adds the times, and with labels the AP of both models."""
        timed = speed.measure(live, exported, self.pictures, device=evidence.proofs[0].device)
        if self.source is None:
            return evidence._replace(speed=timed)
        given: dict[str, Any] = {"neutral": self.stored.neutral, "log": self.log}
        found = scores.measure(live, exported, self.source, reduced=evidence.agreement is not None, **given)
        return evidence._replace(speed=timed, scores=found)


def write(
    bundle: ModelBundle,
    directory: str | Path,
    *,
    format: Format | None = None,
    known: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Writes a loaded model with labels.json, without verification.

    Args:
        bundle: the loaded model.
        directory: the folder for the files; it is created if it is missing.
        format: None for a SavedModel.
        known: as in `Exportable`, without the order of the classes.

    Raises:
        UserError: a file cannot be written.
    """
    chosen, folder = format or table.find(table.DEFAULT), Path(directory)
    bundle = shaped(bundle, chosen)
    known = {"class_order": [item.title for item in bundle.class_metas], **known}
    model = Exportable(bundle.model, detector_settings(bundle), labels(bundle), bundle.choices, known=known)
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


def _pictures(
    stored: StoredModel,
    images: str | Path | Source | None,
    log: EventLog,
    *,
    most: int = pictures.MAX_IMAGES,
    varied: bool = False,
) -> Collection[Picture]:
    config = stored.config
    reading: dict[str, Any] = {"channels": config.channels, "image_range": config.image_range}
    if images is None:
        return pictures.bundled_pictures(max_dim=stored.input_size.max_dim, channels=config.channels)
    if isinstance(images, Source):
        return pictures.source_pictures(images, **reading, log=log, most=most, varied=varied)
    return pictures.folder_pictures(images, **reading, log=log, most=most, varied=varied)


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
    if timed := result.evidence.speed:
        log.info(
            f"an image takes {timed.exported:.3f} s, {timed.ratio:.2f} of the {timed.live:.3f} s of the live model"
        )
        if timed.busy:
            log.warning(
                "other programs ran during the measurement: the times, which `runtime` auto uses, are uncertain"
            )
    if found := result.evidence.scores:
        lost = ", ".join(f"{name.replace('_ap', ' AP')} {value:+.4f}" for name, value in found.lost.items())
        log.emit(f"AP lost on {counted(found.images, 'image')} with labels: {lost}", ap=found.to_json())
        if not found.recommended:
            log.warning(f"not recommended: over {scores.MOST_LOST * 100:g} points of AP are lost")
    log.emit(
        f"exported to {shown}: {result.size_bytes / 1e6:.1f} MB in {result.seconds:.1f} s",
        path=str(result.path),
        sizeb=result.size_bytes,
        seconds=result.seconds,
    )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
