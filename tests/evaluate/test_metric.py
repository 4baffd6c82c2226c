"""Several metrics of the same images."""

import pytest

from mrcnn.evaluate.metric import MetricKind, Metrics, check_names


class Counter:
    """Counts the images, in all and per class."""

    def __init__(self, name, class_names, max_detections):
        self.name, self.count, self.most = name, 0, max_detections
        self.class_names = class_names

    def add(self, image_id, ground_truth, detections):
        self.count += image_id

    def result(self):
        per_class = {class_id: {self.name: self.count} for class_id in range(1, len(self.class_names))}
        return {self.name: self.count, "per_class": per_class}


class Limit(Counter):
    """The most detections of an image; has nothing per class."""

    def result(self):
        return {self.name: self.most}


def kind(name, metric=Counter):
    return MetricKind(lambda class_names, *, max_detections, **_: metric(name, class_names, max_detections))


def test_metrics_adds_each_image_to_every_metric_and_combines_the_results():
    metrics = Metrics([kind("a"), kind("most", Limit), kind("b")], ["bg", "cat"], max_detections=7)
    assert metrics.result() == {"a": 0, "most": 7, "b": 0, "per_class": {1: {"a": 0, "b": 0}}}
    metrics.add(2, None, None)
    metrics.add(3, None, None)
    assert metrics.result() == {"a": 5, "most": 7, "b": 5, "per_class": {1: {"a": 5, "b": 5}}}
    assert list(metrics.result()) == ["a", "most", "b", "per_class"]


def test_metrics_of_no_kind_have_no_measure():
    assert Metrics([], ["bg"], max_detections=1).result() == {"per_class": {}}


def test_metrics_refuse_two_measures_of_one_name():
    metrics = Metrics([kind("a"), kind("a", Limit)], ["bg"], max_detections=1)
    with pytest.raises(ValueError, match="two metrics have a measure named 'a': rename one of them"):
        metrics.result()


@pytest.mark.parametrize("name", ["images", "skipped", "loss"])
def test_metrics_refuse_a_measure_with_a_name_of_the_results(name):
    metrics = Metrics([kind(name, Limit)], ["bg"], max_detections=1)
    with pytest.raises(ValueError, match=f"^a metric has a measure named '{name}', which the results have already"):
        metrics.result()


def test_metrics_refuse_two_measures_of_one_name_per_class():
    class Other(Counter):
        def result(self):
            return {"b": 1, "per_class": {1: {"a": 2}}}

    with pytest.raises(ValueError, match="two metrics have a measure named 'a': rename one of them"):
        Metrics([kind("a"), kind("b", Other)], ["bg", "cat"], max_detections=1).result()


def test_check_names_accepts_all_other_names():
    assert check_names(["box_ap", "image_loss"]) is None
    assert check_names([]) is None


def test_metrics_gives_maps_to_those_that_need_them():
    given = []

    def make(class_names, **keys):
        given.append(keys.get("maps"))
        return Counter("a", class_names, 1)

    Metrics([MetricKind(make, needs_maps=("semantic",)), MetricKind(make)], ["bg"], max_detections=1, maps={"a": 1})
    assert given == [{"a": 1}, None]
