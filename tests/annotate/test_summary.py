"""What a run reports at its end."""

import io
import json

from mrcnn.annotate.summary import Summary
from mrcnn.events import JsonLog


def report(summary):
    stream = io.StringIO()
    summary.report(JsonLog(stream))
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_classes_are_counted_by_object_and_image():
    summary = Summary(skipped=["x.png"])
    for found in ([("dog", 0.5), ("cat", 0.9), ("dog", 1.0)], [], [("dog", 0.75)]):
        summary.add(found)
    first, cat, dog = report(summary)
    assert first["message"] == "4 objects in 3 images, 1 skipped"
    assert first["skipped"] == ["x.png"]
    assert cat["message"] == "cat: 1 object in 1 image, mean score 0.900"
    assert (dog["class_title"], dog["objects"], dog["images"], dog["mean_score"]) == ("dog", 3, 2, 0.75)


def test_nothing():
    assert [line["message"] for line in report(Summary())] == ["0 objects in 0 images"]
