"""The page of a comparison: what was compared, the differences, AP, times and the verdict."""

import pytest

from mrcnn.export import report
from mrcnn.export.agreement import Agreement, ImageAgreement, Limits
from mrcnn.export.compare import Comparison
from mrcnn.export.precision import Tolerances
from mrcnn.export.proof import Proof
from mrcnn.export.publish import Evidence
from mrcnn.export.scores import Scores
from mrcnn.export.speed import Speed

ITEM = Comparison(
    image="a|b.png", height=20, width=30, signature="image", live=3, exported=3, paired=2, borderline=1, unpaired=0,
    rounded=0, box_px=0.0123, score=2e-6, boxes_off=0, mask_probability=0.0, mask_pixels=1, mask_iou=0.99, masks_off=0,
)  # fmt: skip
PROOF = Proof(0.5, Tolerances(), (ITEM,))
AGREED = Agreement("int8", Limits(), (ImageAgreement("a.png", 9, 1, 0, 8.1, 8.55, 0.9),))


def page(evidence):
    return report.markdown(evidence.to_json({"onnx": "1.2", "tensorflow": "3"}), title="ONNX file")


def test_markdown_has_the_verdict_first():
    lines = page(Evidence([PROOF])).splitlines()
    assert lines[:5] == [
        "# ONNX file beside the live model", "", "**Equal within the tolerances, on 2 pairs of detections.**", "",
        "Written with onnx 1.2, tensorflow 3.",
    ]  # fmt: skip


def test_markdown_lists_images_and_largest_differences():
    text = page(Evidence([PROOF]))
    assert "1 images of 1 sizes on the CPU, in float32: 2 detections are paired, 0 are found by only one model" in text
    assert "| edge of a box, pixels | 0.012 | 0.1 |" in text
    assert "| pixels of a mask | 1 | 2 |" in text
    assert "| a/b.png | 20 x 30 | image | 3 | 3 | 2 | 1 | 0 | 0.012 | 2e-06 | 0 | 1 |" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows[:7]} == {4}
    assert {line.count("|") for line in rows[7:]} == {13}


def test_markdown_of_a_refusal_names_what_differs():
    wrong = Comparison(**{**ITEM.__dict__, "score": 0.25})
    text = page(Evidence([Proof(0.5, Tolerances(), (wrong,))]))
    assert "**Refused: the exported model differs from the live one beyond the tolerances.**" in text
    assert "- beyond the tolerance: a|b.png (image): scores by 0.25" in text


def test_markdown_without_a_detection_is_weak():
    assert "**Weak: no object was found in any image" in page(Evidence([Proof(0.5, Tolerances(), ())]))


@pytest.mark.parametrize(
    ("mask_ap", "verdict"),
    [
        (0.49, "Its int8 weights change detections: recommended, on 8 images with labels.**"),
        (
            0.48,
            "Its int8 weights change detections: not recommended, they lose over 1 point of AP, on 8 images with",
        ),
        (None, "Its int8 weights change detections; the loss of AP was not measured.**"),
    ],
)
def test_markdown_of_reduced_weights_says_what_they_cost(mask_ap, verdict):
    scores = mask_ap and Scores({"mask_ap": 0.4901 + 0.0098}, {"mask_ap": mask_ap}, 8, 0.05, reduced=True)
    text = page(Evidence([PROOF], AGREED, scores or None))
    assert f"**The model in float32 is equal. {verdict}" in text
    # 9 pairs of 9 + 10 detections; masks 8.55 / 9; scores 0.9 / 9
    assert "| share of the detections that have a partner | 94.7% | 90% |" in text
    assert "| mean IoU of the pairs' masks | 0.950 | 0.85 |" in text
    assert "| mean difference of the pairs' scores | 0.100 |  |" in text


def test_markdown_has_ap_and_times():
    scores = Scores({"box_ap": 0.5, "mask_ap": 0.25}, {"box_ap": 0.4995, "mask_ap": 0.25}, 8, 0.05)
    text = page(Evidence([PROOF], scores=scores, speed=Speed(2.0, 1.0, 2, "CPU")))
    assert "## AP on 8 images with labels" in text
    assert "| box AP | 0.5000 | 0.4995 | 0.0005 |" in text
    assert "An image took 1.000 s, and 2.000 s in the live model on the CPU: 0.50 of its time." in text
    assert "Other programs" not in text
    busy = page(Evidence([PROOF], speed=Speed(2.0, 1.0, 2, "CPU", busy=True)))
    assert busy.endswith("Other programs computed at the same time, so the times are uncertain.\n")
