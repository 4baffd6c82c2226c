"""The top of the report: the main figures, and what they mean, a sentence each."""

import math
from collections.abc import Iterator

from mrcnn.errors import counted
from mrcnn.evaluate.analysis import calibration, confusion, curves
from mrcnn.project.listing import few
from mrcnn.report.evaluation.review import Review
from mrcnn.report.evaluation.sections import ratio, share, threshold
from mrcnn.report.findings import ERROR, NOTE, WARNING, Finding
from mrcnn.report.html import Html, element, join, prose

FEW_OBJECTS = 10  # of a class: its figures are rough
OFTEN = 0.1  # share of a class's objects that are detected as another one
UNCALIBRATED = 0.1  # expected calibration error
OF_TYPE = {
    "classification": "a wrong class at the right place; look at the confusion matrix, and for inconsistent labels",
    "localization": "a mask or box beside the object; look at the labels' borders, or train longer",
    "both": "a wrong class and place",
    "duplicate": "several detections of one object; lower `model.detection_nms_iou_threshold`",
    "background": "detections where no object is labelled; look for objects without a label, or train with more images "
    "like these",
    "missed": "objects that are not found; try a larger input, or more such objects in training",
}


def overview(review: Review) -> Html:
    """Builds the tiles with the main figures and the list of findings."""
    metrics, counts = review.metrics, review.counts
    correct, found = counts.at(review.threshold)
    numbers = [(name.replace("_", " ").replace("ap", "AP"), share(metrics[name]))
               for name in ("mask_ap", "box_ap") if name in metrics]  # fmt: skip
    numbers += [
        ("AP50", share(curves.mean_precision(review.ranked))),
        (
            "best F1",
            share(ratio(2 * correct, found + counts.objects) if review.best_threshold is not None else math.nan),
        ),
        ("at a score of", threshold(review.best_threshold)),
        ("images", f"{metrics['images']:,}"),
        ("objects", f"{counts.objects:,}"),
    ]
    tiles = (element("div", element("dt", name), element("dd", value)) for name, value in numbers)
    rows = [
        element("li", element("b", one.level), prose(one.text), " ",
                element("a", "show", href=f"#{one.section}", aria_label=f"show {one.section}"), class_=one.level)
        for one in findings(review)
    ]  # fmt: skip
    listed = element("ul", *rows, class_="findings") if rows else element("p", "Nothing unusual was found.")
    return join([element("dl", *tiles, class_="facts"), element("h2", "Findings", id="findings"), listed])


def findings(review: Review) -> list[Finding]:
    """Lists what the figures mean, errors first."""
    found = [*_data(review), *_threshold(review), *_errors(review), *_classes(review), *_scores(review)]
    return sorted(found, key=lambda one: (ERROR, WARNING, NOTE).index(one.level))


def _data(review: Review) -> Iterator[Finding]:
    if review.metrics["skipped"]:
        yield Finding(
            ERROR, f"{counted(review.metrics['skipped'], 'image')} could not be used; the log says why.", "images"
        )
    if not review.counts.objects:
        yield Finding(ERROR, "The images have no object of the model's classes: nothing is measured.", "classes")
    rare = [row.title for row in review.classes if 0 < row.objects < FEW_OBJECTS]
    if rare:
        text = f"Fewer than {FEW_OBJECTS} objects of {_named(rare)}: their figures are rough."
        yield Finding(NOTE, text, "classes")


def _threshold(review: Review) -> Iterator[Finding]:
    best, counts = review.best_threshold, review.counts
    if best is None:
        if counts.objects:
            yield Finding(ERROR, "No detection is right at an IoU of 0.5.", "threshold")
        return
    correct, found = counts.at(best)
    yield Finding(
        NOTE,
        f"Detections with a score of at least {best:.2f} are best (F1 "
        f"{ratio(2 * correct, found + counts.objects):.3f}): set `model.score_floor` of the config for inference to "
        f"it. Of {counts.objects:,} objects {correct:,} are found, and {found - correct:,} of {found:,} detections "
        "are wrong.",
        "threshold",
    )


def _errors(review: Review) -> Iterator[Finding]:
    largest = max(review.gains, key=lambda one: one.gain)
    if largest.gain >= 0.005:
        text = (
            f"Most AP50 is lost by errors of the type {largest.name} ({100 * largest.gain:.1f} points): "
            f"{OF_TYPE[largest.name]}."
        )
        yield Finding(NOTE, text, "errors")


def _classes(review: Review) -> Iterator[Finding]:
    unfound = [row.title for row in review.classes if row.objects and not row.correct]
    if unfound and review.best_threshold is not None:
        yield Finding(WARNING, f"No object is found of {_named(unfound)}.", "classes")
    for truth, found, number in confusion.mistakes(review.confusion, most=3):
        total = int(review.confusion[truth].sum())
        if number >= 2 and number >= OFTEN * total:
            names = f"{review.titles[truth]} are detected as {review.titles[found]}"
            yield Finding(WARNING, f"{number:,} of {total:,} objects of {names}.", "confusion")


def _scores(review: Review) -> Iterator[Finding]:
    error = calibration.expected_error(list(review.bins))
    if not math.isnan(error) and error >= UNCALIBRATED:
        signed = sum(one.detections * (one.score - one.precision) for one in review.bins if one.detections)
        much = "more" if signed > 0 else "less"
        text = f"Scores promise {much} than the detections keep: expected calibration error {error:.2f}."
        yield Finding(NOTE, text, "calibration")


def _named(titles: list[str]) -> str:
    return f"class {titles[0]}" if len(titles) == 1 else f"{len(titles)} classes ({few(titles)})"
