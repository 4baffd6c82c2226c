import math
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.data import resize
from mrcnn.errors import UserError
from mrcnn.evaluate import table
from mrcnn.evaluate.metric import MetricKind
from mrcnn.structures import GroundTruth, Instances, OutputRules, RawDetections
from mrcnn.train import validation
from mrcnn.train.invalid_loss import InvalidLoss
from mrcnn.train.validation import MetricScorer, Validation

from . import fake

AP_COLUMNS = ("box_ap", "box_ap50", "mask_ap", "mask_ap50")
PLAN = partial(resize.resize_plan, min_dim=64, max_dim=64)


def dataset(count, *, size=2):
    """Makes `count` images in batches of `size`, the last as small as it comes."""
    whole = {
        name: np.concatenate([fake.make_batch(i, size=1)[name] for i in range(count)]) for name in fake.make_batch(0)
    }
    whole["image_ids"] = np.arange(count, dtype=np.int32)
    return tf.data.Dataset.from_tensor_slices(whole).batch(size)


class Names:
    """Scores nothing, and keeps what it is given."""

    def __init__(self):
        self.seen = []

    def add(self, image_id, raw):
        self.seen.append((image_id, raw.boxes.shape, raw.masks.shape))

    def result(self):
        return {"box_ap": 0.5}


def make(data, model, log, *, count=3, **fields):
    made = Validation(data, names=[f"{index}.png" for index in range(count)], log=log, **fields)
    made.set_model(model)
    return made


def test_the_whole_set_counts_each_image_once(log):
    model, scorer = fake.FakeMaskRCNN(), Names()
    measured = make(dataset(3), model, log, scorer=scorer).measure()
    batches = [{k: v.numpy() for k, v in batch.items()} for batch in dataset(3)]
    losses = [float(model.validate(batch)[0]["loss"]) for batch in batches]
    assert measured["loss"] == pytest.approx((2 * losses[0] + losses[1]) / 3, rel=1e-5)
    assert set(measured) == {"loss", *fake.LOSSES, "l2_loss", "box_ap"}
    assert scorer.seen == [(index, (2, 4), (2, 4, 4)) for index in range(3)]
    assert [(event["current"], event["total"]) for event in log.of("progress")] == [(2, 3), (3, 3)]


def test_two_epochs_and_a_partial_batch_share_one_graph(log):
    class Counted(fake.FakeMaskRCNN):
        traced = 0

        def validate(self, batch):
            self.traced += 1
            return super().validate(batch)

    model = Counted()
    validate = make(dataset(3), model, log)
    logs = {"loss": 1.0}
    validate.on_epoch_end(0, logs)
    first = dict(logs)
    validate.on_epoch_end(1, logs)
    assert logs == first
    assert model.traced == 1
    assert logs["loss"] == 1.0
    assert math.isfinite(logs["val_loss"])


def test_on_several_devices_it_counts_as_one(log):
    model = fake.FakeMaskRCNN()
    alone = make(dataset(3), model, log).measure()
    model.replica_sum, model.num_replicas = (lambda count: count * 2), 2
    assert make(dataset(3), model, log).measure() == alone
    assert model.num_replicas == 2


def test_a_broken_file_is_left_out_and_the_bar_ends(log):
    data = dataset(3).unbatch().filter(lambda item: item["image_ids"] != 1).batch(2)
    make(data, fake.FakeMaskRCNN(), log).measure()
    assert [(event["current"], event["total"]) for event in log.of("progress")] == [(2, 3), (3, 3)]


def test_a_set_without_a_readable_image_is_an_error(log):
    with pytest.raises(UserError, match="no image of the validation set could be read"):
        make(dataset(3).take(0), fake.FakeMaskRCNN(), log).measure()


def test_a_loss_that_is_no_number_names_the_images(log):
    model = fake.FakeMaskRCNN()
    model.logits.bias.assign(np.full(15, np.nan))
    with pytest.raises(InvalidLoss, match=r"for val: .*images: 0.png, 1.png\."):
        make(dataset(3), model, log).measure()


def test_it_can_be_stopped_between_batches(log):
    calls = []

    def check():
        calls.append(len(calls))
        if len(calls) == 2:
            raise SystemExit

    with pytest.raises(SystemExit):
        make(dataset(3), fake.FakeMaskRCNN(), log, check=check).measure()
    assert len(log.of("progress")) == 1


def truth(image_id):
    """One 20 x 20 object at (10, 20) of a 40 x 80 image."""
    box = np.float32([[10, 20, 30, 40]])
    return GroundTruth(40, 80, Instances(box, np.int32([1]), (np.ones((20, 20), bool),), np.array([False])))


def raw(box, score=0.9):
    boxes = np.zeros((2, 4), np.float32)
    boxes[0] = box
    return RawDetections(
        boxes=boxes,
        class_ids=np.int32([1, 0]),
        scores=np.float32([score, 0]),
        valid=np.array([True, False]),
        masks=np.ones((2, 4, 4), np.float32),
    )


def make_scorer(names=("bg", "a"), **rest):
    return MetricScorer(table.kinds_for(()), truth, class_names=names, plan=PLAN, rules=OutputRules(), **rest)


def test_metric_scorer_measures_ap_in_original_pixels():
    scorer = make_scorer()
    # 40 x 80 fits 64 x 64 at scale 0.8, with 16 rows above: y = 10 * 0.8 + 16, x = 20 * 0.8
    scorer.add(0, raw((24, 16, 40, 32)))
    assert scorer.result() == dict.fromkeys(AP_COLUMNS, pytest.approx(1.0))
    scorer.add(0, raw((0, 0, 8, 8)))  # the same image again, in the next epoch
    assert scorer.result() == dict.fromkeys(AP_COLUMNS, 0.0)


def test_metric_scorer_has_the_measures_of_each_class():
    scorer = make_scorer(names=("bg", "a", "b"))
    assert scorer.per_class == {}
    scorer.add(0, raw((24, 16, 40, 32)))
    scorer.result()
    assert scorer.per_class["a"] == {"objects": 1, **dict.fromkeys(AP_COLUMNS, pytest.approx(1.0))}
    assert scorer.per_class["b"]["objects"] == 0
    assert math.isnan(scorer.per_class["b"]["mask_ap"])


def test_metric_scorer_shows_each_image():
    seen = []
    scorer = make_scorer(watchers=[lambda *given: seen.append(given)])
    scorer.add(4, raw((24, 16, 40, 32)))
    ((image_id, objects, found),) = seen
    assert (image_id, objects.height, found.class_names) == (4, 40, ("a",))
    np.testing.assert_allclose(found.boxes, objects.instances.boxes, atol=1e-4)


def test_metric_scorer_keeps_all_measures():
    scorer = make_scorer()
    assert scorer.details == {}
    scorer.add(0, raw((24, 16, 40, 32)))
    scorer.add(1, raw((16, 0, 24, 16)))
    scorer.result()
    assert scorer.details["per_class"][1]["objects"] == 2
    assert scorer.details["box_ap"] == pytest.approx(0.5, abs=0.01)  # one of two objects


def test_metric_scorer_computes_no_metric_of_which_training_shows_nothing(monkeypatch):
    kind = MetricKind(lambda *_, **__: pytest.fail("is not needed"), columns=("slow",))
    monkeypatch.setitem(table.METRICS, "slow", kind)
    scorer = make_scorer()
    assert "slow" not in scorer.result()


def test_metric_scorer_without_any_image_is_nan():
    assert all(math.isnan(value) for value in make_scorer().result().values())


@pytest.mark.parametrize(("every", "expected"), [(1, [0, 1, 2, 3, 4]), (2, [1, 3, 4]), (5, [4]), (9, [4])])
def test_is_due_every_nth_epoch_and_after_the_last(every, expected):
    assert [epoch for epoch in range(5) if validation.is_due(epoch, every=every, epochs=5)] == expected


def test_an_epoch_that_is_not_due_is_not_measured(log):
    made = make(dataset(3), fake.FakeMaskRCNN(), log, due=lambda epoch: epoch == 1)
    first, second = {"loss": 1.0}, {"loss": 1.0}
    made.on_epoch_end(0, first)
    made.on_epoch_end(1, second)
    assert (set(first), "val_loss" in second) == ({"loss"}, True)
    assert log.messages.count("building the graph of the validation") == 1


@pytest.mark.parametrize("builds", [True, False])
def test_measure_logs_a_graph_only_where_the_back_end_builds_one(log, monkeypatch, builds):
    monkeypatch.setattr(validation, "native", SimpleNamespace(BUILDS_GRAPH=builds))
    make(dataset(3), fake.FakeMaskRCNN(), log).measure()
    assert ("building the graph of the validation" in log.messages) is builds
