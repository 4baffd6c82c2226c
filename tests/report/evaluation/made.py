"""A review of made-up images: cats, one found, one missed and one found as a dog, and a detection at no object."""

from mrcnn.evaluate.analysis.seen import Collector
from mrcnn.report.evaluation import review
from tests.evaluate.analysis.test_seen import detections, truth

TITLES = ("bg", "cat", "dog")


def seen_images():
    """Makes two images of 100 x 100 pixels with a name, and one without anything."""
    collector = Collector()
    given = truth((0, 0, 20, 20), (40, 40, 80, 80), size=(100, 100))
    found = detections((0, 0, 20, 20), (80, 0, 90, 10), scores=[0.9, 0.3], size=(100, 100))
    collector.add(0, given, found)
    wrong = detections((10, 10, 30, 30), scores=[0.8], size=(100, 100))
    wrong.class_ids[:] = 2
    collector.add(1, truth((10, 10, 30, 30), size=(100, 100)), wrong)
    collector.add(2, truth(size=(100, 100)), detections(scores=[], size=(100, 100)))
    return collector.images


def metrics(titles=TITLES, **changes):
    """Makes the measures of an evaluation, all 0.5."""
    names = [f"{kind}_ap{end}" for kind in ("box", "mask") for end in ("", "50", "75", "_small", "_medium", "_large")]
    own = dict.fromkeys(names, 0.5)
    per_class = {title: {"objects": 1, "detections": 1, **own} for title in titles[1:]}
    return {**own, "images": 3, "skipped": 0, "per_class": per_class, **changes}


def make(images=None, titles=TITLES, **changes):
    """Makes the review."""
    images = seen_images() if images is None else images
    return review.examine(images, metrics(titles, **changes), titles=titles, floor=0.05)
