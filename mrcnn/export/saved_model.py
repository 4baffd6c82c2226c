"""Exports a trained model as a SavedModel that detects in pixels of the input image.

    <out>/saved_model.pb, variables/    the files that TensorFlow and TensorFlow Serving load
    <out>/labels.json                   the titles of the class ids
    <out>/verify.json                   the report of the comparison with the live model

The folder is created only if it is complete and verified. This is the only file of the package that reads settings.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from mrcnn import files, locks
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.export import signature, verify
from mrcnn.export.verify import Proof
from mrcnn.model_folder import read
from mrcnn.model_folder.class_names import Classes
from mrcnn.model_folder.read import ModelBundle
from mrcnn.predict.predictor import Predictor

LABELS = "labels.json"
VERIFY = "verify.json"
REFUSED = ".refused.json"  # suffix of the report of an export that was not equivalent, after the output's name


@dataclass(frozen=True)
class Exported:
    """The result of an export.

    Attributes:
        path: folder of the SavedModel.
        size_bytes: size of all files in it.
        seconds: time for building, saving and verifying the model, without reading its settings and the images.
        proofs: the proof at the model's own score threshold; if it met no object, also one at the threshold 0.
    """

    path: Path
    size_bytes: int
    seconds: float
    proofs: tuple[Proof, ...]


def export(
    model: str | Path,
    out_dir: str | Path,
    *,
    log: EventLog,
    classes: Classes | None = None,
    input_size: Sequence[int] | None = None,
    images: str | Path | None = None,
    score_threshold: float | None = None,
    device: int | str | None = None,
) -> Exported:
    """Exports a model as a SavedModel and publishes it only if it is equivalent.

    If the images show no object at the model's score threshold, there is nothing to compare. Then a second model is
    exported with the threshold 0, compared and deleted.

    Args:
        model: as for `read.read_model`.
        out_dir: the folder to create; it must be new or empty.
        log: receives the progress and the result.
        classes: as for `read.read_model`.
        input_size: as for `read.read_model`.
        images: folder of images to compare on; None uses photographs that scikit-image includes.
        score_threshold: detections that score less are dropped; None keeps the model's own.
        device: as for `read.load_model`.

    Raises:
        UserError: an argument is wrong, or the exported model's detections differ from the live model's; then the
            report is in `<out_dir>.refused.json`.
    """
    target = Path(out_dir).resolve()
    files.check_free(out_dir, fix="remove it or name another")
    with locks.beside(out_dir, warn=log.warning), _workplace(target) as workplace:
        stored = read.read_model(model, classes=classes, input_size=input_size)
        if images is None:
            side = stored.input_size.max_dim
            pictures = verify.bundled_pictures(max_dim=side, channels=stored.config.channels)
        else:
            pictures = verify.folder_pictures(
                images, channels=stored.config.channels, image_range=stored.config.image_range, log=log
            )

        def attempt(directory: Path, threshold: float | None) -> Proof:
            bundle = read.load_model(stored, score_threshold=threshold, device=device, warn=log.warning)
            write(bundle, directory)
            return verify.prove(Predictor(bundle), directory, pictures, log=log)

        if stored.config.image_range is not None:
            log.warning(
                f"16-bit images of this model are white at {stored.config.image_range}, but the exported signature "
                "`encoded` divides them by 256: send it 8-bit images, or pixels to the other signature"
            )
        began = time.monotonic()
        log.info("building the graph: the export takes up to a few minutes")
        proofs = [attempt(workplace / "model", score_threshold)]
        if not proofs[0].paired and not proofs[0].failures:
            log.info(f"no object scores {proofs[0].score_threshold:g} in these images: proving with threshold 0 too")
            proofs.append(attempt(workplace / "all", 0.0))
        _publish(workplace / "model", target, proofs)
        seconds = time.monotonic() - began
    result = Exported(target, _size(target), seconds, tuple(proofs))
    _report(result, shown=out_dir, log=log)
    return result


def write(bundle: ModelBundle, directory: str | Path) -> None:
    """Writes a loaded model as a SavedModel with labels.json, without verification."""
    config, size = bundle.config, bundle.input_size
    detector = signature.Detector(
        bundle.model,
        min_dim=size.min_dim,
        max_dim=size.max_dim,
        channels=config.channels,
        image_resize=config.image_resize,
        rules=bundle.output_rules,
    )
    with files.writing("the SavedModel", directory, also=(tf.errors.OpError,)):
        tf.saved_model.save(detector, str(directory), signatures=detector.signatures())
        _write_json(Path(directory) / LABELS, labels(bundle))


def labels(bundle: ModelBundle) -> dict[str, Any]:
    """Builds the content of labels.json.

    Returns:
        `classes`, a title and, if known, a colour for each class id; `input_size` and the thresholds of the graph.
    """
    colors = {item.title: item.color for item in bundle.class_metas}
    classes = [{"id": index, "title": title} for index, title in enumerate(bundle.class_names)]
    return {
        "classes": [{**item, "color": colors[item["title"]]} if item["title"] in colors else item for item in classes],
        "input_size": {"min_dim": bundle.input_size.min_dim, "max_dim": bundle.input_size.max_dim},
        "score_threshold": bundle.config.score_threshold,
        "mask_threshold": bundle.config.mask_threshold,
    }


@contextmanager
def _workplace(target: Path) -> Iterator[Path]:
    """Creates a temporary folder beside the target, on its disk; removes it at the end."""
    folder = target.with_name(f"{target.name}.partial")
    shutil.rmtree(folder, ignore_errors=True)  # left by a run that was killed
    with files.writing("the SavedModel", folder):
        folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _publish(model: Path, target: Path, proofs: list[Proof]) -> None:
    """Moves a SavedModel that passed its proofs to the target, with the report inside.

    Raises:
        UserError: a proof failed; only the report is kept, in `<target>.refused.json`.
    """
    failures = [line for proof in proofs for line in proof.failures]
    report = {
        "passed": not failures,
        "weak": not any(proof.paired for proof in proofs),
        "tensorflow": tf.__version__,
        "proofs": [proof.to_json() for proof in proofs],
    }
    refused = target.with_name(target.name + REFUSED)
    if failures:
        _write_json(refused, report)
        more = f" (and {len(failures) - 1} more)" if failures[1:] else ""
        raise UserError(
            f"the exported model is not equal to the live one: {failures[0]}{more}; nothing was exported, "
            f"the differences are in {refused}"
        )
    with files.writing("the SavedModel", target):
        _write_json(model / VERIFY, report)
        files.flush_tree(model)
        os.replace(model, target)  # replaces an empty folder
        files.flush(target.parent)
        refused.unlink(missing_ok=True)


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
    log.emit(
        f"exported to {shown}: {result.size_bytes / 1e6:.1f} MB in {result.seconds:.1f} s",
        path=str(result.path),
        sizeb=result.size_bytes,
        seconds=result.seconds,
    )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with files.replaced(path) as partial:
        partial.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
