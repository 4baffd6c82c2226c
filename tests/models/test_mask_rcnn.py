from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.evaluate.coco import CocoEvaluator
from mrcnn.models.families.matterport import Matterport, build_layers
from mrcnn.models.families.torchvision import Torchvision
from mrcnn.models.mask_rcnn import MaskRCNN, Numbers
from mrcnn.ops.mask_paste import paste_mask
from mrcnn.structures import Batch, Detections, GroundTruth, Instances

SIDE = 128
SETTINGS = {
    "backbone": "resnet50",
    "batch_norm": "trained",
    "anchor_sizes": [16, 32, 64, 96, 128],
    "roi_align": "aligned",
    "roi_sampling_ratio": 2,
    "fpn_channels": 64,
    "rpn_channels": 64,
    "box_fc_channels": 128,
    "pre_nms_topk": 300,
    "post_nms_topk_train": 100,
    "post_nms_topk": 50,
    "roi_samples": 32,
    "max_gt_instances": 4,
    "detections_per_image": 10,
}
BOXES = np.array([[16, 16, 64, 64], [60, 70, 110, 120]], "float32")
CLASS_IDS = np.array([1, 2], "int32")


def _shape_masks(size: int) -> np.ndarray:
    """Draws a disc and a filled square on a grid inside their boxes."""
    y, x = np.mgrid[:size, :size] + 0.5
    disc = (y - size / 2) ** 2 + (x - size / 2) ** 2 < (size / 2) ** 2
    return np.stack([disc, np.ones_like(disc)])


def _drawn_batch() -> dict[str, tf.Tensor]:
    """An image with a bright disc and a grey square, twice: as it is, and empty."""
    image = np.full((SIDE, SIDE, 3), 30.0, "float32")
    for box, colour, mask in zip(BOXES.astype(int), ([250, 220, 60], [90, 160, 220]), _shape_masks(48), strict=True):
        top, left, bottom, right = box
        inside = mask[np.ix_(*(np.arange(n) * 48 // n for n in (bottom - top, right - left)))]
        image[top:bottom, left:right][inside] = colour
    empty = np.zeros((1, 4, 4), "float32")
    boxes = np.concatenate([np.pad(BOXES, ((0, 2), (0, 0)))[None], empty])
    valid = np.array([[True, True, False, False], [False] * 4])
    masks = np.zeros((2, 4, 56, 56), "uint8")
    masks[0, :2] = _shape_masks(56) * 255
    fields = Batch(
        images=np.stack([image, np.full_like(image, 30.0)]),
        windows=np.array([[0, 0, SIDE, SIDE]] * 2, "float32"),
        gt_boxes=boxes,
        gt_class_ids=np.array([[1, 2, 0, 0], [0] * 4], "int32"),
        gt_masks=masks,
        gt_valid=valid,
        gt_ignore=np.zeros_like(valid),
        neutral=np.zeros((2, SIDE, SIDE), bool),
        image_ids=np.arange(2, dtype="int32"),
        seeds=np.array([3, 4], "int32"),
    )
    return {name: tf.constant(value) for name, value in fields._asdict().items()}


@pytest.fixture(scope="module")
def batch():
    return _drawn_batch()


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return Matterport(num_classes=3, settings={**SETTINGS, "score_threshold": 0.0})


def test_losses_of_an_image_without_objects_has_only_class_losses(model, batch):
    negatives = {name: value[1:] for name, value in batch.items()}
    _, parts = model.losses_of(model(negatives, training=True))
    assert all(float(parts[name]) == 0.0 for name in ("rpn_bbox_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss"))
    assert float(parts["rpn_class_loss"]) > 0
    assert float(parts["mrcnn_class_loss"]) > 0


def test_total_is_the_sum_of_its_parts(model, batch):
    losses, _ = model.validate(batch)
    assert set(losses) == {"loss", "l2_loss", *model.loss_names}
    parts = [float(value) for name, value in losses.items() if name != "loss"]
    assert float(losses["loss"]) == pytest.approx(sum(parts), rel=1e-6)


def test_loss_labels_has_a_text_for_each_loss(model):
    assert tuple(model.loss_labels) == model.loss_names == type(model.settings).LOSSES
    assert list(model.loss_labels.values()) == ["RPN class", "RPN box", "class", "box", "mask"]


def test_traced_detection_equals_eager_for_any_batch_size(model, batch):
    signature = {
        "images": tf.TensorSpec([None, SIDE, SIDE, 3]),
        "windows": tf.TensorSpec([None, 4]),
    }
    traced = tf.function(lambda inputs: model(inputs), input_signature=[signature])
    for count in (1, 2):
        inputs = {name: batch[name][:count] for name in signature}
        for eager, graph in zip(*map(tf.nest.flatten, (model(inputs), traced(inputs))), strict=True):
            np.testing.assert_allclose(np.asarray(eager, "float32"), np.asarray(graph, "float32"), atol=2e-3)


@pytest.mark.parametrize("boxes", ["proposals", "ground_truth"])
def test_train_masks_of_leaves_other_classes_to_the_boxes(batch, boxes):
    keras.utils.set_random_seed(0)
    model = Matterport(num_classes=3, settings={**SETTINGS, "mask_train_boxes": boxes})
    parts = {}
    for classes in (None, [1], [2], []):
        model.train_masks_of(classes)
        parts[str(classes)] = {name: float(value) for name, value in model.validate(batch)[0].items()}
    masks = {key: values.pop("mrcnn_mask_loss") for key, values in parts.items()}
    assert masks["[]"] == 0.0
    assert len({masks["None"], masks["[1]"], masks["[2]"]}) == 3
    assert parts["[1]"]["mrcnn_class_loss"] == parts["None"]["mrcnn_class_loss"] > 0
    assert parts["[1]"]["mrcnn_bbox_loss"] == parts["None"]["mrcnn_bbox_loss"] > 0


def _wide(batch):
    """The batch with 64 more columns at the right, where a pixel of each image is marked as neutral."""
    wider = dict(batch)
    for name in ("images", "neutral"):
        padding = [[0, 0], [0, 0], [0, 64], *[[0, 0]] * (len(batch[name].shape) - 3)]
        wider[name] = tf.pad(batch[name], padding, constant_values=name == "neutral")
    return wider


@pytest.mark.slow
@pytest.mark.parametrize("conventions", [{}, {"compatibility": "matterport"}])
def test_graph_of_unknown_sides_computes_what_a_graph_of_known_sides_does(batch, conventions):
    keras.utils.set_random_seed(0)
    model = Matterport(num_classes=3, settings={**SETTINGS, **conventions, "score_threshold": 0.0})
    wide = _wide(batch)
    signature = {
        name: tf.TensorSpec(
            [None, None, None, *value.shape[3:]] if name in ("images", "neutral") else value.shape, value.dtype
        )
        for name, value in wide.items()
    }

    def compute(fields):
        return model.validate(fields)

    expected = tf.function(compute)(wide)
    found = tf.function(compute, input_signature=[signature])(wide)
    assert float(expected[0]["loss"]) > 0
    for one, other in zip(tf.nest.flatten(expected), tf.nest.flatten(found), strict=True):
        np.testing.assert_allclose(np.asarray(one, "float32"), np.asarray(other, "float32"), atol=2e-3)


def test_detections_are_sorted_clipped_and_padded_with_zeros(model, batch):
    got = model({"images": batch["images"], "windows": tf.constant([[10.0, 20, 100, 90]] * 2)})
    valid, scores = np.asarray(got.valid), np.asarray(got.scores)
    assert (np.diff(scores) <= 0).all()
    boxes = np.asarray(got.boxes)[valid]
    assert (boxes[:, :2] >= [10, 20]).all()
    assert (boxes[:, 2:] <= [100, 90]).all()
    assert not np.asarray(got.boxes)[~valid].any()
    assert not np.asarray(got.masks)[~valid].any()


def test_detections_without_a_mask_head_have_their_whole_boxes_as_masks(model, batch):
    config = MatterportConfig(**SETTINGS, score_threshold=0.0)
    layers = build_layers(config, num_classes=3, feature_dtype="float32")
    bare = MaskRCNN(layers._replace(heads={}), model.numbers)
    assert bare.loss_names == model.loss_names[:-1]
    total, _ = bare.losses_of(bare(batch, training=True))
    assert float(total) > 0
    found = bare({name: batch[name] for name in ("images", "windows")})
    assert found.masks.shape == (2, 10, 1, 1)
    np.testing.assert_array_equal(np.asarray(found.masks)[..., 0, 0], np.asarray(found.valid, "float32"))
    assert np.asarray(found.valid).any()


def test_no_detection_above_an_unreachable_score(batch):
    model = Matterport(num_classes=3, settings={**SETTINGS, "score_threshold": 1.0})
    got = model(batch)
    assert not np.asarray(got.valid).any()
    assert got.masks.shape == (2, 10, 28, 28)
    assert not np.asarray(got.masks).any()


def test_mask_rcnn_config_round_trip_keeps_every_setting(model):
    settings = {**SETTINGS, "mask_threshold": 0.4, "loss_weights": {"mrcnn_mask_loss": 2.0}}
    model = Matterport(num_classes=4, settings=settings, name="other")
    revived = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model))
    assert revived.settings == model.settings
    assert (revived.num_classes, revived.name) == (4, "other")


# Keras 3.15 copies variables in a way NumPy 2 will one day refuse
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_saved_keras_file_gives_the_same_detections(model, batch, tmp_path):
    model.save(tmp_path / "model.keras")
    revived = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(revived(batch).scores), np.asarray(model(batch).scores))


def test_mask_rcnn_half_precision_keeps_boxes_and_losses_in_float32(batch):
    # float16, not bfloat16: CPUs without bfloat16 instructions need minutes for a bfloat16 matrix product
    model = Matterport(num_classes=3, settings=SETTINGS, dtype="mixed_float16")
    outputs = model(batch, training=True)
    assert {outputs.rpn.anchor_deltas.dtype.name, outputs.heads[0].mask_logits.dtype.name} == {"float32"}
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    assert float(model.losses_of(outputs)[0]) > 0


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mask_rcnn_precision_policies_leave_the_batch_as_it_is(batch, policy, monkeypatch):
    model = Matterport(num_classes=3, settings=SETTINGS, dtype=policy)
    seen = {}
    monkeypatch.setattr(type(model.box.targets), "call", lambda self, proposals, batch: seen.update(batch))
    exact = {**batch, "gt_boxes": batch["gt_boxes"] + 0.3}  # 60.3 has no exact half-precision form
    with pytest.raises(AttributeError):  # nothing follows the stand-in
        model(exact, training=True)
    np.testing.assert_array_equal(np.asarray(seen["gt_boxes"]), np.asarray(exact["gt_boxes"]))


@pytest.mark.slow
def test_mask_rcnn_overfits_a_drawn_image(batch):
    keras.utils.set_random_seed(1)
    model = Matterport(num_classes=3, settings=SETTINGS)
    rate = keras.optimizers.schedules.PolynomialDecay(0.02, 90, end_learning_rate=0.005)
    model.compile(optimizer=keras.optimizers.SGD(rate, momentum=0.9, global_clipnorm=5.0), jit_compile=False)
    data = tf.data.Dataset.from_tensors(batch).repeat(90)
    history = model.fit(data, epochs=1, steps_per_epoch=90, verbose=0, shuffle=False)
    first = float(model.losses_of(Matterport(num_classes=3, settings=SETTINGS)(batch, training=True))[0])
    losses, _ = model.validate(batch)
    assert float(losses["loss"]) < 0.5 * first
    assert set(history.history) == {"loss", "l2_loss", *model.loss_names}
    metrics = _score(model, batch)
    assert metrics["box_ap50"] == pytest.approx(1.0)
    assert metrics["mask_ap50"] == pytest.approx(1.0)


def _score(model, batch) -> dict[str, float]:
    raw = model(batch)
    evaluator = CocoEvaluator(3)
    for image in range(2):
        valid = np.asarray(raw.valid[image])
        boxes = np.asarray(raw.boxes[image])[valid]
        masks = np.zeros((len(boxes), SIDE, SIDE), bool)
        for mask, box, probabilities in zip(masks, boxes, np.asarray(raw.masks[image])[valid], strict=True):
            inside, (top, left) = paste_mask(probabilities, box, height=SIDE, width=SIDE, threshold=0.5)
            mask[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
        class_ids = np.asarray(raw.class_ids[image])[valid]
        detections = Detections(
            boxes, class_ids, tuple(map(str, class_ids)), np.asarray(raw.scores[image])[valid], masks
        )
        evaluator.add(image, GroundTruth(SIDE, SIDE, _truth(image)), detections)
    return evaluator.result()


def _truth(image: int) -> Instances:
    if image == 1:
        return Instances(np.zeros((0, 4), "float32"), np.zeros(0, "int32"), (), np.zeros(0, bool))
    sides = [tuple(int(n) for n in box[2:] - box[:2]) for box in BOXES]
    masks = tuple(
        mask[np.ix_(*(np.arange(n) * 48 // n for n in side))]
        for mask, side in zip(_shape_masks(48), sides, strict=True)
    )
    return Instances(BOXES, CLASS_IDS, masks, np.zeros(2, bool))


def _normalised(windows=((0, 0, 2, 2),), **numbers):
    """Computes the network's input of one image of 2 x 3 pixels, of red 10, green 20 and blue 30."""
    given = Numbers(
        **{
            "image_mean": (1.0, 2.0, 3.0),
            "map_channels": ((), 0),
            "post_nms_topk_train": 1,
            "post_nms_topk": 1,
            **numbers,
        }
    )
    images = np.broadcast_to(np.float32([10, 20, 30]), (1, 2, 3, 3))
    batch = {"images": images, "windows": np.array(windows, "float32")}
    return np.asarray(MaskRCNN._pixels(SimpleNamespace(numbers=given), batch))[0]


def test_pixels_subtract_the_mean():
    assert _normalised().tolist() == [[[9, 18, 27]] * 3] * 2


def test_pixels_are_divided_by_the_deviation():
    assert _normalised(image_std=(3.0, 9.0, 27.0))[0, 0].tolist() == [3, 2, 1]


def test_pixels_in_the_order_bgr_have_their_mean_in_that_order():
    assert _normalised(image_order="bgr", image_std=(1.0, 2.0, 7.0))[0, 0].tolist() == [
        30 - 1,
        (20 - 2) / 2,
        (10 - 3) / 7,
    ]


def test_pixels_of_the_padding_are_0_after_the_mean_by_choice():
    black, mean = _normalised(), _normalised(padding="mean")
    np.testing.assert_array_equal(black[:, 2], black[:, 0])
    np.testing.assert_array_equal(mean[:, :2], black[:, :2])
    assert not mean[:, 2].any()
    # rows too, and above as well as below
    below = _normalised([(1, 1, 2, 3)], padding="mean")
    assert [[bool(pixel.any()) for pixel in row] for row in below] == [[False] * 3, [False, True, True]]


def test_a_model_without_mask_head_detects_whole_boxes():
    settings = {
        "heads": (),
        "fpn_channels": 8,
        "rpn_channels": 8,
        "box_fc_channels": 8,
        "post_nms_topk": 6,
        "detections_per_image": 5,
        "score_threshold": 0.0,
    }
    model = Torchvision(num_classes=3, settings=settings)
    assert model.loss_names == ("rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss")
    images = np.random.default_rng(0).uniform(0, 255, (1, 64, 96, 3)).astype("float32")
    raw = model({"images": images, "windows": np.array([[0, 0, 64, 80]], "float32")})
    valid = np.asarray(raw.valid)
    assert valid.any()
    assert raw.masks.shape == (1, 5, 1, 1)
    np.testing.assert_array_equal(np.asarray(raw.masks), np.broadcast_to(valid[..., None, None], (1, 5, 1, 1)))
    assert np.asarray(raw.boxes)[..., 3].max() <= 80  # the window


def test_detect_boxes_and_describe_boxes_are_the_halves_of_a_call(model, batch):
    inputs = {name: batch[name] for name in ("images", "windows")}
    whole = model(inputs)
    found = model.detect_boxes(inputs)
    for name in ("boxes", "class_ids", "scores", "valid"):
        np.testing.assert_array_equal(np.asarray(getattr(found, name)), np.asarray(getattr(whole, name)))
    assert found.masks.shape == (2, 10, 1, 1)
    fields = model.describe_boxes(inputs, boxes=found.boxes, class_ids=found.class_ids, valid=found.valid)
    assert list(fields) == ["masks"]
    np.testing.assert_allclose(np.asarray(fields["masks"]), np.asarray(whole.masks), atol=1e-6)
    assert np.asarray(fields["masks"]).any()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_methods_take_numpy_arrays_as_tensors(model, batch, kind):
    arrays = {name: np.asarray(value) for name, value in batch.items()}
    given = {name: value.astype(kind) if value.dtype == np.float32 else value for name, value in arrays.items()}
    boxes, masks = given["gt_boxes"], {"class_ids": arrays["gt_class_ids"], "valid": arrays["gt_valid"]}
    calls = (
        (model, {}), (model, {"training": True}), (model.detect_boxes, {}), (model.validate, {}),
        (model.describe_boxes, {"boxes": boxes, **masks}),
    )  # fmt: skip
    for use, named in calls:
        found = use(given, **named)
        expected = use(batch, **{**named, **({"boxes": batch["gt_boxes"]} if "boxes" in named else {})})
        for value, wanted in zip(keras.tree.flatten(found), keras.tree.flatten(expected), strict=True):
            np.testing.assert_array_equal(value, wanted)


def test_detect_boxes_by_other_choices(model, batch):
    inputs = {name: batch[name] for name in ("images", "windows")}
    choices = model.choices._replace(detections_per_image=3)
    assert model.detect_boxes(inputs, choices=choices).scores.shape == (2, 3)


def test_describe_boxes_of_no_boxes_is_zeros(model, batch):
    inputs = {name: batch[name] for name in ("images", "windows")}
    nothing = {"boxes": np.zeros((2, 5, 4), "float32"), "class_ids": np.zeros((2, 5), "int32")}
    fields = model.describe_boxes(inputs, **nothing, valid=np.zeros((2, 5), bool))
    assert fields["masks"].shape == (2, 5, 28, 28)
    assert not np.asarray(fields["masks"]).any()
