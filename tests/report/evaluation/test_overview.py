from mrcnn.report.evaluation import overview
from tests.report.evaluation import made


def texts(review):
    return [(one.level, one.text) for one in overview.findings(review)]


def test_findings():
    found = dict(reversed(pair) for pair in texts(made.make()))
    assert [text.split(":")[0] for text, level in found.items() if level == "note"][:2] == [
        "Fewer than 10 objects of class cat",
        "Detections with a score of at least 0.85 are best (F1 0.500)",
    ]
    assert any("set `model.score_floor`" in text for text in found)
    assert any(text.startswith("Most AP50 is lost by errors of the type") for text in found)
    assert any("Scores promise more than the detections keep" in text for text in found)


def test_findings_of_skipped_images_and_nothing_right_come_first():
    found = texts(made.make(made.seen_images()[1:], skipped=2))
    assert found[:2] == [
        ("error", "2 images could not be used; the log says why."),
        ("error", "No detection is right at an IoU of 0.5."),
    ]


def test_findings_of_confused_classes():
    images = made.seen_images()
    found = texts(made.make([images[1]] * 3))
    assert ("warning", "3 of 3 objects of cat are detected as dog.") in found
    assert not any("detected as" in text for _, text in texts(made.make([images[1]])))  # one may be chance


def test_findings_of_classes_without_a_found_object():
    images = made.seen_images()
    dogs = images[1]._replace(gt_class_ids=images[1].gt_class_ids + 1, class_ids=images[1].class_ids - 1)
    assert ("warning", "No object is found of class dog.") in texts(made.make([images[0], dogs]))
    without = texts(made.make(images[:1]))  # there is no dog to find
    assert not any("No object is found" in text for _, text in without)


def test_findings_without_objects():
    found = texts(made.make(made.seen_images()[2:]))
    assert found == [("error", "The images have no object of the model's classes: nothing is measured.")]


def test_overview_shows_the_main_figures():
    found = overview.overview(made.make())
    assert "<dt>mask AP</dt><dd>0.500</dd>" in found
    assert "<dt>best F1</dt><dd>0.500</dd>" in found
    assert "<dt>at a score of</dt><dd>0.85</dd>" in found
    assert "<dt>best F1</dt><dd>–</dd>" in overview.overview(made.make([]))
