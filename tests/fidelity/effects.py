"""How much each convention matters: Matterport's model with one of them changed at a time.

    python -m tests.fidelity.effects [detection | training]

Detections are compared with Matterport's stored ones, a training step with that of our model under its conventions.
"""

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import tensorflow as tf
from skimage import data

from mrcnn.config.compatibility import BETTER, MATTERPORT, SUPERVISELY
from mrcnn.data import resize
from mrcnn.models.families.matterport import Matterport
from mrcnn.ops import boxes, sampling
from mrcnn.predict import preprocess
from mrcnn.structures import Detections
from tests.fidelity import recipe, reference
from tests.fidelity.session import CLASS_NAMES, Session, build_model, compute_step, training_batch

SAME_OBJECT = 0.5  # IoU from which two detections of one class are one object
NO_CHANGE = 1e-6  # of a loss: rounding


class Case(NamedTuple):
    """A model to compare.

    Attributes:
        name: of its row.
        settings: in which it differs from Matterport's.
        stored_sample: whether a training step draws the anchors that Matterport drew and the first regions in order;
            else as in a real training.
    """

    name: str
    settings: Mapping[str, Any]
    stored_sample: bool = True


class Kept(NamedTuple):
    """What is left of the expected detections.

    Attributes:
        number: of detections, expected or not.
        found: how many of the expected ones are among them.
        largest_shift: of an edge of these, pixels of the photograph.
        median_shift: of their edges that moved most.
        score: largest change.
        mask_iou: mean.
    """

    number: int
    found: int
    largest_shift: float
    median_shift: float
    score: float
    mask_iou: float


class Learnt(NamedTuple):
    """A training step in numbers.

    Attributes:
        losses: the five, and their sum with the L2 term as `loss`.
        gradient: of the sum to all weights, one behind the other.
    """

    losses: Mapping[str, float]
    gradient: np.ndarray


def cases() -> tuple[Case, ...]:
    """Lists Matterport's model, every convention at each other value that a code base has, further ones, and wholes."""
    values = [(name, table[name]) for name in MATTERPORT for table in (BETTER, SUPERVISELY)]
    singles = dict.fromkeys((name, value) for name, value in values if value != MATTERPORT[name])
    combined = (
        {"anchor_offset": 0.5},
        {"roi_align": "unaligned", "roi_sampling_ratio": 2},
        {"pre_nms_topk_scope": "level", "pre_nms_topk": 2000},
        {"count_unused_rois": False, "roi_negatives": "fill"},
        {"detection_nms_scope": "all"},
        {"score_threshold": 0.05},
        {"score_threshold": 0.05, "detection_classes": "all"},
    )
    return (
        Case("matterport", {}),
        Case("matterport, another random sample", {}, stored_sample=False),
        *(_case({name: value, **_needed(name)}) for name, value in singles),
        *map(_case, combined),
        Case("supervisely", {"compatibility": "supervisely"}),
        Case("null", {"compatibility": None}),
    )


def compare(got: Detections, expected: Detections) -> Kept:
    """Finds each expected detection, best first, in the free one of its class that overlaps it most."""
    overlap = np.asarray(boxes.iou(expected.boxes, got.boxes)) * (expected.class_ids[:, None] == got.class_ids)
    pairs = []
    for index, row in enumerate(overlap):
        if len(row) and row.max() >= SAME_OBJECT:
            pairs.append((index, int(row.argmax())))
            overlap[:, pairs[-1][1]] = 0
    left, right = (np.array([pair[side] for pair in pairs], int) for side in (0, 1))
    shift = np.abs(expected.boxes[left] - got.boxes[right]).max(axis=1)
    shared = (expected.masks[left] & got.masks[right]).sum(axis=(1, 2))
    union = (expected.masks[left] | got.masks[right]).sum(axis=(1, 2))
    return Kept(
        number=len(got.scores),
        found=len(pairs),
        largest_shift=float(shift.max(initial=0)),
        median_shift=float(np.median(shift)) if pairs else 0.0,
        score=float(np.abs(expected.scores[left] - got.scores[right]).max(initial=0)),
        mask_iou=float(np.mean(shared / union)) if pairs else 0.0,
    )


def changes(got: Learnt, before: Learnt) -> dict[str, float]:
    """Computes the change of each loss and of the gradient's norm, and how far the gradient moved, as shares."""
    result = {name: got.losses[name] / before.losses[name] - 1 for name in (*reference.LOSSES, "loss")}
    size = np.linalg.norm(before.gradient)
    result["norm"] = float(np.linalg.norm(got.gradient) / size - 1)
    result["gradient"] = float(np.linalg.norm(got.gradient - before.gradient) / size)
    return result


def detect(model: Matterport) -> Detections:
    """Detects in the stored photograph, from its pixels on."""
    [inputs] = preprocess.prepare(
        [reference.inference()["image"]],
        min_dim=reference.SIDE,
        max_dim=reference.SIDE,
        image_resize=model.settings.image_resize,
    )
    raw = model({"images": tf.constant(inputs.images), "windows": tf.constant(inputs.windows)})
    return Session(model).to_original(tf.nest.map_structure(lambda field: np.asarray(field)[0], raw))


def stored_detections() -> Detections:
    """Reads the stored detections of Matterport's code in the photograph."""
    arrays = reference.inference()
    class_ids = arrays["detect_class_ids"]
    return Detections(
        boxes=arrays["detect_rois"].astype(np.float32),
        class_ids=class_ids,
        class_names=tuple(CLASS_NAMES[index] for index in class_ids),
        scores=arrays["detect_scores"],
        masks=reference.unpack(arrays, "detect_masks").transpose(2, 0, 1),
    )


def learn(model: Matterport, *, stored_sample: bool) -> Learnt:
    """Computes a training step on the photograph of the stored one, resized as the model wants it."""
    plan = resize.resize_plan(*data.astronaut().shape[:2], min_dim=reference.SIDE, max_dim=reference.SIDE)
    image = resize.resize_image(data.astronaut(), plan, method=model.settings.image_resize)
    draw: AbstractContextManager[Any] = near_the_stored_sample() if stored_sample else nullcontext()
    with draw:
        step = compute_step(model, {**training_batch(), "images": tf.constant(image[None])})
    return Learnt(step.losses, np.concatenate([step.gradients[name].ravel() for name in sorted(step.gradients)]))


@contextmanager
def near_the_stored_sample() -> Iterator[None]:
    """Lets regions be drawn from the front, and of the matched anchors first those that Matterport drew."""
    random_priority = sampling.random_priority
    drawn = (reference.training()["rpn_match"] != 0).astype(np.float32)

    def priority(seeds, count, *, salt):
        if salt == sampling.ROI_SALT:
            return tf.linspace(1.0, 0.0, count)[None]
        return (random_priority(seeds, count, salt=salt) + drawn) / 2

    with mock.patch.object(sampling, "random_priority", priority):
        yield


def main() -> None:
    """Prints a row for each case in each table that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", choices=("detection", "training"), help="one table only")
    part = parser.parse_args().part
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.h5"
        recipe.write_h5(path, recipe.make_weights(recipe.read_shapes(), recipe.read_constants()))
        if part != "training":
            print_detection(path)
        if part != "detection":
            print_training(path)


def print_detection(weights_file: Path) -> None:
    """Prints what each case leaves of Matterport's detections."""
    expected = stored_detections()
    print(f"| changed | detections | found of {len(expected.scores)} | largest shift | median shift ", end="")
    print("| score by | mask IoU |\n| --- | --- | --- | --- | --- | --- | --- |")
    for case in cases():
        if case.stored_sample:
            kept = compare(detect(build_model(weights_file, **case.settings)), expected)
            print(f"| {case.name} | {kept.number} | {kept.found} | {kept.largest_shift:.1f} px ", end="")
            print(f"| {kept.median_shift:.2f} px | {kept.score:.4f} | {kept.mask_iou:.3f} |", flush=True)


def print_training(weights_file: Path) -> None:
    """Prints how far each case moves the losses and the gradient of our model under Matterport's conventions."""
    before = None
    print("| changed | " + " | ".join((*reference.LOSSES, "loss", "norm of the gradient", "gradient by")) + " |")
    print("| --- " * 9 + "|")
    for case in cases():
        if "score_threshold" in case.settings:
            continue
        got = learn(build_model(weights_file, **case.settings), stored_sample=case.stored_sample)
        if before is None:
            before = got
            numbers = [f"{before.losses[name]:.4f}" for name in (*reference.LOSSES, "loss")]
            cells = [*numbers, f"{np.linalg.norm(before.gradient):.2f}", ""]
        else:
            cells = [percent(change) for change in changes(got, before).values()]
        print(f"| {case.name} | {' | '.join(cells)} |", flush=True)


def percent(change: float) -> str:
    """Writes a share with its sign, in percent."""
    return "0" if abs(change) < NO_CHANGE else f"{100 * change:+.3g} %"


def _case(settings: Mapping[str, Any]) -> Case:
    return Case(", ".join(f"{name} {value}" for name, value in settings.items()), settings)


def _needed(name: str) -> Mapping[str, Any]:
    """Lists the other conventions that a convention's other value needs."""
    return {"roi_align": BETTER["roi_align"]} if name == "roi_sampling_ratio" else {}


if __name__ == "__main__":
    main()
