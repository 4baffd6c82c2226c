"""The sections of the report on figures: classes, sizes, curves, threshold, confusion, errors, calibration."""

import math

import numpy as np

from mrcnn.evaluate import table as metric_kinds
from mrcnn.evaluate.analysis import calibration, confusion, curves
from mrcnn.evaluate.metric import PER_CLASS
from mrcnn.report import lines, svg
from mrcnn.report.evaluation.review import LARGE, SMALL, Review
from mrcnn.report.html import Html, element, join, prose, table
from mrcnn.report.lines import Axes, Line

MOST_CURVES = 7  # classes with a precision-recall curve of their own
MOST_CELLS = 20  # classes of the confusion matrix
MOST_PAIRS = 10  # confusions that are listed
HEAT = 4  # shades of a cell
SHARE = (0.0, 1.0)
ABOUT_ERRORS = {
    "classification": "at an object (IoU from 0.5), but of another class",
    "localization": "of the right class, but beside the object (IoU 0.1 to 0.5)",
    "both": "beside an object of another class (IoU 0.1 to 0.5)",
    "duplicate": "at an object that a better detection found already",
    "background": "at no object (IoU up to 0.1)",
    "missed": "objects that no detection found, and that no error of class or place explains",
}


def classes(review: Review) -> Html:
    """Builds the table of classes: counts and measures at the threshold, and average precision."""
    measures = [name for name in metric_kinds.columns() if name in review.metrics]
    own = review.metrics[PER_CLASS]
    head = (
        "class",
        "objects",
        "right",
        "wrong",
        "missed",
        "precision",
        "recall",
        "F1",
        "its best threshold",
        *measures,
    )
    rows = [
        (row.title, row.objects, row.correct, row.wrong, row.missed, share(row.precision), share(row.recall),
         share(row.f1), threshold(row.best_threshold),
         *(share(own.get(row.title, {}).get(name, math.nan)) for name in measures))
        for row in review.classes
    ]  # fmt: skip
    correct, found = review.counts.at(review.threshold)
    objects = review.counts.objects
    total = ("all", objects, correct, found - correct, objects - correct, share(ratio(correct, found)),
             share(ratio(correct, objects)), share(ratio(2 * correct, found + objects)),
             threshold(review.best_threshold), *(share(review.metrics[name]) for name in measures))  # fmt: skip
    about = (
        f"Right, wrong, missed, precision, recall and F1 at a score of at least {review.threshold:.2f} and a "
        f"{review.kind} IoU of at least 0.5; the others over all scores."
    )
    return join([soft(about), table(head, [*rows, total], caption="classes")])


def sizes(review: Review) -> Html:
    """Builds the table of average precision by size of the object."""
    names = [name for name in ("mask_ap", "box_ap") if name in review.metrics]
    rows = [
        (label, count, *(share(review.metrics[f"{name}_{size}"]) for name in names))
        for size, label, count in zip(
            ("small", "medium", "large"),
            (f"small, under {SMALL} pixels", "medium", f"large, from {LARGE} pixels"),
            review.sizes,
            strict=True,
        )
    ]
    about = (
        "By the pixels of an object's mask in the image: 32 × 32 and 96 × 96 are COCO's limits. – where there is none."
    )
    return join([soft(about), table(("objects", "number", *names), rows, caption="average precision by size")])


def precision_recall(review: Review) -> Html:
    """Builds the precision-recall curves: of all classes on average, and of those with the most objects."""
    ranked, parts = review.ranked, []
    drawn = {
        class_id: curves.precision_at_recalls(ranked.correct[ranked.class_ids == class_id], int(count))
        for class_id, count in enumerate(ranked.objects.tolist())
        if count and class_id
    }
    if not drawn:
        return soft("There is no object.")
    largest = sorted(drawn, key=lambda class_id: (-ranked.objects[class_id], class_id))[:MOST_CURVES]
    parts += [
        Line(review.titles[class_id], _points(drawn[class_id]), color=number + (len(drawn) > 1))
        for number, class_id in enumerate(largest)
    ]
    if len(drawn) > 1:  # last, so that it is above the others
        parts.append(
            Line("mean of the classes, dashed", _points(np.mean(list(drawn.values()), axis=0)), is_dashed=True)
        )
    about = f"At a {review.kind} IoU of at least 0.5. The area below a curve is the AP50 of the class."
    if len(largest) < len(drawn):
        about += f" The {len(largest)} classes with the most objects of {len(drawn)}."
    axes = Axes("recall: share of the objects that are found", "precision", SHARE, SHARE)
    return join([soft(about), lines.chart(parts, axes, label="precision by recall, of each class")])


def score_threshold(review: Review) -> Html:
    """Builds precision, recall and F1 by score threshold, and the threshold with the best F1 with its config key."""
    best, counts = review.best_threshold, review.counts
    known = counts.thresholds >= review.floor - 1e-9
    shown = [
        Line(name, list(zip(counts.thresholds[known].tolist(), values[known].tolist(), strict=True)), color=number)
        for number, (name, values) in enumerate(
            (("F1", counts.f1), ("precision", counts.precision), ("recall", counts.recall))
        )
    ]
    axes = Axes("score threshold", "share", SHARE, SHARE, None if best is None else (best, f"best F1: {best:.2f}"))
    parts = [lines.chart(shown, axes, label="precision, recall and F1 by score threshold")]
    if best is None:
        return join([element("p", "No detection is right, so no threshold is better than another."), *parts])
    correct, found = counts.at(best)
    about = (
        f"At a threshold of {best:.2f}, F1 is best: {ratio(2 * correct, found + counts.objects):.3f}, with a "
        f"precision of {ratio(correct, found):.3f} and a recall of {ratio(correct, counts.objects):.3f}. For fewer "
        "wrong detections set it higher, to miss fewer objects lower."
    )
    key = (
        "In a config for inference, `model.score_floor` sets it (`model.min_confidence_threshold` can only raise "
        "it); on the command line, `--score-threshold`:"
    )
    block = Html(
        f'<pre id="threshold-config" tabindex="0" aria-label="config">"model": {{"score_floor": {best:g}}}</pre>'
    )
    button = Html('<button type="button" data-copy="threshold-config" hidden>Copy</button> <span role="status"></span>')
    note = soft(
        "The threshold is chosen on these images, so that its figures are a little too good for new ones. Detections "
        f"below {review.floor:g} were not made."
    )
    return join([element("p", prose(about)), *parts, element("p", prose(key)), block, element("p", button), note])


def confused(review: Review) -> Html:
    """Builds the confusion matrix with background, and the list of most frequent confusions."""
    counts = review.confusion
    errors = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
    chosen = sorted(sorted(range(1, len(counts)), key=lambda index: -errors[index])[:MOST_CELLS])
    head = element(
        "tr",
        element("th", "true ↓ detected →", scope="col"),
        *(element("th", review.titles[index], scope="col") for index in chosen),
        element("th", "not found", scope="col"),
    )
    rows = [
        _matrix_row(review.titles[index], counts[index, [*chosen, 0]], total=int(counts[index].sum()), diagonal=place)
        for place, index in enumerate(chosen)
    ]
    rows.append(_matrix_row("background", counts[0, [*chosen, 0]], total=int(counts[0].sum()), diagonal=None))
    grid = element("table", element("thead", head), element("tbody", *rows), class_="matrix")
    about = (
        f"Detections with a score of at least {review.threshold:.2f}. A row is the true class, a column the class as "
        "which its objects were detected. The last row counts detections at no object, the last column objects that "
        "were not found. The colour of a cell is stronger the larger its share of the row."
    )
    if len(chosen) < len(counts) - 1:
        about += f" The {len(chosen)} classes with the most errors of {len(counts) - 1}."
    box = element("div", grid, class_="wide", tabindex="0", role="region", aria_label="confusion matrix")
    pairs = [
        (review.titles[truth], review.titles[found], number)
        for truth, found, number in confusion.mistakes(counts, most=MOST_PAIRS)
    ]
    listed = table(("true class", "detected as", "objects"), pairs, caption="most frequent confusions")
    none = soft("No object was detected as another class.")
    return join([soft(about), box, element("h3", "Most frequent confusions"), listed if pairs else none])


def errors(review: Review) -> Html:
    """Builds the error types with what their repair would gain."""
    rows = [(one.name, one.number, f"{100 * one.gain:.1f}", ABOUT_ERRORS[one.name]) for one in review.gains]
    drawn = svg.bars(
        [(one.name, [round(1000 * one.gain) / 10]) for one in review.gains],
        parts=["points of AP50"],
        label="AP50 that the repair of each error type would gain, in points",
    )
    about = (
        f"Each wrong detection with a score of at least {review.floor:g} has one type; missed is an object to which "
        "no detection points. The bar shows by how many points AP50, now "
        f"{points(curves.mean_precision(review.ranked))}, would rise if this type alone did not occur: where work "
        "pays most. The gains do not add up, and an error that scores less than all right detections costs nothing. "
        "Definitions: TIDE (Bolya et al., ECCV 2020)."
    )
    head = ("type", "number", "AP50 gained", "a detection, or an object for missed,")
    shown = [Html(drawn)] if any(one.gain >= 0.0005 for one in review.gains) else []
    return join([soft(about), *shown, table(head, rows, caption="error types")])


def calibrated(review: Review) -> Html:
    """Builds the reliability diagram and the expected calibration error."""
    error = calibration.expected_error(list(review.bins))
    if math.isnan(error):
        return soft("There is no detection.")
    points = [(one.score, one.precision) for one in review.bins]
    drawn = lines.chart(
        [Line("share that is right", points), Line("a perfect score", [(0.0, 0.0), (1.0, 1.0)], True, 3)],
        Axes("score", "share that is right", SHARE, SHARE),
        label="share of right detections by score",
    )
    about = (
        "A score is well calibrated if of the detections with a score of 0.8 about 80% are right. Below the dashed "
        f"line the scores promise too much. Expected calibration error: {error:.3f}, the mean distance from the line "
        "over all detections."
    )
    rows = [
        (f"{one.low:.1f} – {one.high:.1f}", one.detections, share(one.score), share(one.precision))
        for one in review.bins
    ]
    head = ("score", "detections", "mean score", "share that is right")
    return join([soft(about), drawn, table(head, rows, caption="calibration")])


def share(value: float | None) -> str:
    """Writes a measure with three digits; – where there is nothing to measure."""
    return "–" if value is None or math.isnan(value) else f"{value:.3f}"


def points(value: float) -> str:
    """Writes a share in hundredths; – where there is nothing to measure."""
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def threshold(value: float | None) -> str:
    """Writes a score threshold; – for none."""
    return "–" if value is None else f"{value:.2f}"


def ratio(part: float, whole: float) -> float:
    """Divides; NaN by nothing."""
    return part / whole if whole else math.nan


def soft(value: object) -> Html:
    """Builds a paragraph that explains."""
    return element("p", prose(value), class_="soft")


def _points(precision: np.ndarray) -> list[tuple[float, float]]:
    return list(zip(curves.RECALLS.tolist(), precision.tolist(), strict=True))


def _matrix_row(title: str, values: np.ndarray, *, total: int, diagonal: int | None) -> Html:
    cells = []
    for place, value in enumerate(int(value) for value in values):
        heat = math.ceil(HEAT * value / total) if total and value else 0
        kind = "right" if place == diagonal else "wrong"
        cells.append(element("td", f"{value:,}" if value else "·", class_=f"n {kind}-{heat}" if heat else "n zero"))
    return element("tr", element("th", title, scope="row"), *cells)
