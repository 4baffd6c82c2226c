"""Writes the report of a comparison, `verify.json`, as a page of Markdown that a person reads."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

FILE = "verify.md"
KINDS = {
    "box_px": ("edge of a box, pixels", "box_px"),
    "score": ("score", "score"),
    "mask_probability": ("probability of a mask", "mask_probability"),
    "mask_pixels": ("pixels of a mask", "mask_pixels"),
    "map_share": ("share of a map's pixels", "map_share"),
}  # key of the largest differences: title, and key of the tolerance
COLUMNS = ("live", "exported", "paired", "borderline", "unpaired", "box_px", "score", "mask_probability", "mask_pixels")
MEASURES = {"box_ap": "box AP", "mask_ap": "mask AP", "keypoint_ap": "keypoint AP"}
FURTHER = ("passed", "weak", "proofs", "agreement", "ap", "speed")  # of the report; the others are versions

Report = Mapping[str, Any]


def markdown(report: Report, *, title: str) -> str:
    """Formats a report.

    Args:
        report: content of `verify.json`, see `publish.publish`.
        title: name of the format, such as "ONNX file".
    """
    versions = ", ".join(f"{name} {value}" for name, value in report.items() if name not in FURTHER)
    lines = [f"# {title} beside the live model", "", f"**{_verdict(report)}**", "", f"Written with {versions}."]
    for proof in report["proofs"]:
        lines += ["", *_proof(proof)]
    for name, section in (("agreement", _agreement), ("ap", _scores), ("speed", _speed)):
        if name in report:
            lines += ["", *section(report[name])]
    return "\n".join(lines) + "\n"


def _verdict(report: Report) -> str:
    reduced = report.get("agreement")
    if not report["passed"]:
        return "Refused: the exported model differs from the live one beyond the tolerances."
    if report["weak"]:
        return "Weak: no object was found in any image, so boxes, scores and masks were not compared."
    if reduced:
        ap = report.get("ap")
        verdict = f"The model in float32 is equal. Its {reduced['weights']} weights change detections"
        if ap is None:
            return f"{verdict}; the loss of AP was not measured."
        found = "recommended" if ap["recommended"] else "not recommended, they lose over 1 point of AP"
        return f"{verdict}: {found}, on {ap['images']} images with labels."
    paired = sum(proof["paired_detections"] for proof in report["proofs"])
    return f"Equal within the tolerances, on {paired} pairs of detections."


def _proof(proof: Report) -> Iterator[str]:
    items, most = proof["comparisons"], proof["largest_difference"]
    images = len({item["image"] for item in items})
    sizes = len({(item["height"], item["width"]) for item in items})
    yield f"## Detections from a score of {proof['score_threshold']:g}"
    yield ""
    yield (
        f"{images} images of {sizes} sizes on the {proof['device']}, in {proof['precision']}: "
        f"{proof['paired_detections']} detections are paired, {proof['unpaired_detections']} are found by only one "
        f"model, {proof['boxes_rounded_otherwise']} are rounded to another pixel."
    )
    yield ""
    rows = [(text, _number(most[name]), _number(proof["tolerances"][key])) for name, (text, key) in KINDS.items()]
    yield from _table(("largest difference", "found", "allowed"), rows)
    yield ""
    for failure in proof["failures"]:
        yield f"- beyond the tolerance: {failure}"
    yield from _table(
        ("image", "size", "function", *(name.replace("_", " ") for name in COLUMNS)),
        [
            (
                item["image"],
                f"{item['height']} x {item['width']}",
                item["signature"],
                *(_number(item[name]) for name in COLUMNS),
            )
            for item in items
        ],
    )


def _agreement(found: Report) -> Iterator[str]:
    yield f"## Agreement with {found['weights']} weights"
    yield ""
    rows = [
        (
            "share of the detections that have a partner",
            f"{found['matched_share']:.1%}",
            f"{found['limits']['matched']:.0%}",
        ),
        ("mean IoU of the pairs' masks", f"{found['mean_mask_iou']:.3f}", f"{found['limits']['mask_iou']:g}"),
        ("mean difference of the pairs' scores", f"{found['mean_score_difference']:.3f}", ""),
    ]
    yield from _table((f"{len(found['images'])} images", "found", "at least"), rows)
    yield from ("", *(f"- below the limit: {failure}" for failure in found["failures"]))


def _scores(found: Report) -> Iterator[str]:
    yield f"## AP on {found['images']} images with labels"
    yield ""
    yield f"Detections from a score of {found['score_threshold']:g}, of both models."
    yield ""
    rows = [
        (MEASURES.get(name, name), *(f"{found[side][name]:.4f}" for side in ("live", "exported", "lost")))
        for name in found["live"]
    ]
    yield from _table(("", "live", "exported", "lost"), rows)


def _speed(found: Report) -> Iterator[str]:
    yield "## Time"
    yield ""
    live, exported = (f"{found[name]:.3f} s" for name in ("live_seconds", "exported_seconds"))
    ratio, images = f"{found['ratio']:.2f}", found["images"]
    yield f"An image took {exported}, and {live} in the live model on the {found['device']}: {ratio} of its time."
    yield (
        f"These are the shortest runs on {images} images, on the machine of the export, each model with its own choice "
        "of threads."
    )
    if found["busy"]:
        yield "Other programs computed at the same time, so the times are uncertain."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(cell.replace('|', '/').replace(chr(10), ' ') for cell in row)} |"


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.2g}"
