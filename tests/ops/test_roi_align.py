import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.ops import roi_align
from tests.traced import both

# detectron2 and torchvision RoIAlign tests, and torchvision.ops.roi_align in float64; boxes xyxy, features NCHW
FILE = json.loads((Path(__file__).parent / "cases" / "roi_align.json").read_text())
CASES = {case["name"]: case for case in FILE["cases"]}
RNG = np.random.default_rng(0)


def case_inputs(case):
    """Returns (features [B, H, W, C], boxes yxyx [P, 4], image of each box, settings) of a reference case."""
    features = np.float32(case["input_nchw"] if "input_nchw" in case else FILE["inputs"]["feat_8x10"])
    features = features.reshape(-1, *features.shape[-3:]) if features.ndim > 2 else features[None, None]
    features = features.transpose(0, 2, 3, 1)
    rois = np.float32([[0, *case["roi_xyxy"]]] if "roi_xyxy" in case else FILE["inputs"]["rois_6"])
    settings = {
        "image_size": tuple(side / case["spatial_scale"] for side in features.shape[1:3]),
        "output_size": tuple(case["output_size"]),
        "mode": "aligned" if case["aligned"] else "unaligned",
        "sampling_ratio": case["sampling_ratio"],
    }
    return features, rois[:, [2, 1, 4, 3]], rois[:, 0].astype(np.int32), settings


def align(features, boxes, image_index, **settings):
    """Runs on one level, with regions of all images in one list."""

    def run(features, boxes, image_index):
        level = tf.fill(tf.shape(image_index), 2)
        return roi_align.roi_align([features], boxes, level, image_index=image_index, **settings)

    return both(run, features, np.float32(boxes), np.int32(image_index), tolerance=1e-5)


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith(("arange", "rand", "grad"))])
def test_roi_align_matches_reference(name):
    case = CASES[name]
    features, boxes, image_index, settings = case_inputs(case)
    expected = np.array(case.get("expected_nchw", case.get("expected")))
    expected = expected.reshape(-1, features.shape[-1], *settings["output_size"]).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(align(features, boxes, image_index, **settings), expected, atol=5e-5)


@pytest.mark.parametrize("sampling_ratio", [2, 0])
def test_roi_align_gradient_matches_reference(sampling_ratio):
    case = CASES["grad_weighted_sum"]  # bins of 1.75 x 1.5 cells: adaptive sampling takes 2 x 2 as well
    features, boxes, image_index, settings = case_inputs({**case, "sampling_ratio": sampling_ratio})
    weights = np.float32(case["out_weights"])[None, :, :, None]

    def gradient(features):
        with tf.GradientTape() as tape:
            tape.watch(features)
            pooled = roi_align.roi_align([features], boxes, [2], image_index=image_index, **settings)
            total = tf.reduce_sum(pooled * weights)
        return tf.convert_to_tensor(tape.gradient(total, features))

    np.testing.assert_allclose(both(gradient, features)[0, :, :, 0], case["expected_grad_input"], atol=1e-6)


def test_roi_align_no_gradient_reaches_the_boxes():
    boxes = tf.constant([[1.0, 1.0, 5.0, 5.0]])
    with tf.GradientTape() as tape:
        tape.watch(boxes)
        pooled = roi_align.roi_align(
            [tf.ones((1, 8, 8, 1))], boxes, [2], image_index=[0], image_size=(8, 8), output_size=2
        )
        total = tf.reduce_sum(pooled)
    assert tape.gradient(total, boxes) is None


def test_roi_align_box_without_height_gives_zeros_when_sampling_adapts():
    # detectron2 tests/layers/test_roi_align.py test_empty_box
    features = RNG.random((1, 5, 5, 1)).astype(np.float32)
    pooled = align(features, [[4, 3, 4, 5]], [0], image_size=(5, 5), output_size=7, mode="aligned", sampling_ratio=0)
    np.testing.assert_array_equal(pooled, np.zeros((1, 7, 7, 1)))


@pytest.mark.parametrize("sampling_ratio", [1, 0])
def test_roi_align_no_images_and_no_regions(sampling_ratio):
    # detectron2 tests/layers/test_roi_align.py test_empty_batch
    settings = {"image_size": (10, 10), "output_size": 7, "mode": "aligned", "sampling_ratio": sampling_ratio}
    empty = np.zeros((0, 10, 10, 3), np.float32)
    assert align(empty, np.zeros((0, 4)), np.zeros(0), **settings).shape == (0, 7, 7, 3)
    one = np.zeros((1, 10, 10, 3), np.float32)
    assert align(one, np.zeros((0, 4)), np.zeros(0), **settings).shape == (0, 7, 7, 3)


def pyramid(batch=2, channels=3):
    return [RNG.standard_normal((batch, size, 2 * size, channels)).astype(np.float32) for size in (16, 8, 4, 2)]


@pytest.mark.parametrize(
    ("mode", "sampling_ratio"), [("crop_and_resize", 1), ("aligned", 2), ("unaligned", 1), ("aligned", 0)]
)
def test_roi_align_each_region_reads_its_own_image_and_level(mode, sampling_ratio):
    features = pyramid()
    corner = RNG.uniform(0, 40, (18, 2))
    boxes = np.concatenate([corner, corner + RNG.uniform(4, 40, (18, 2))], -1).astype(np.float32)
    levels, images = np.int32(np.arange(18) % 4 + 2), np.int32(np.arange(18) // 9)
    settings = {"image_size": (64, 128), "output_size": 3, "mode": mode, "sampling_ratio": sampling_ratio}

    def run(boxes, levels, images, *features):
        return roi_align.roi_align(features, boxes, levels, image_index=images, **settings)

    pooled = both(run, boxes, levels, images, *features, unknown_batch=True, tolerance=1e-5)
    assert pooled.shape == (18, 3, 3, 3)
    for region, (level, image) in enumerate(zip(levels, images, strict=True)):
        alone = roi_align.roi_align(
            [features[level - 2][image : image + 1]],
            boxes[region : region + 1],
            [2],  # the only level
            image_index=[0],
            **settings,
        )
        np.testing.assert_allclose(pooled[region], alone[0], atol=1e-5)


@pytest.mark.parametrize(
    "chunk",
    [150, 260],  # 504 values: four parts, two parts
)
def test_roi_align_parts_of_the_regions_give_the_same_as_all(monkeypatch, chunk):
    features = RNG.random((2, 8, 8, 4)).astype(np.float32)
    boxes = RNG.uniform(0, 4, (14, 4)) + np.float32([0, 0, 4, 4])

    def run(features, boxes, images):
        levels = tf.fill(tf.shape(images), 2)
        return roi_align.roi_align([features], boxes, levels, image_index=images, image_size=(8, 8), output_size=3)

    given = (features, np.float32(boxes), np.int32(np.arange(14) // 7))
    whole = both(run, *given)
    monkeypatch.setattr(roi_align, "_CHUNK", chunk)
    np.testing.assert_array_equal(both(run, *given, unknown_batch=True), whole)


@pytest.mark.parametrize("output_size", [1, 2, 7])
def test_roi_align_crop_and_resize_equals_tensorflows(output_size):
    features = RNG.standard_normal((2, 16, 12, 3)).astype(np.float32)
    boxes = RNG.uniform(-30, 130, (20, 4)).astype(np.float32)  # flipped ones and ones that leave the image, too
    image_index = np.arange(20, dtype=np.int32) % 2
    shares = boxes / np.float32([128, 96, 128, 96])
    expected = tf.image.crop_and_resize(features, shares, image_index, (output_size, output_size))
    pooled = align(features, boxes, image_index, image_size=(128, 96), output_size=output_size)
    np.testing.assert_allclose(pooled, expected, atol=1e-4)


def test_roi_align_crop_and_resize_worked_numbers():
    # an 8 x 8 ramp of columns under a 64 x 64 image: x pixels 16..48 are shares .25...75, cells 1.75..5.25
    features = np.tile(np.arange(8, dtype=np.float32)[None, None, :, None], (1, 8, 1, 1))
    pooled = align(features, [[0, 16, 64, 48]], [0], image_size=(64, 64), output_size=3)
    np.testing.assert_allclose(pooled[0, :, :, 0], np.tile([1.75, 3.5, 5.25], (3, 1)), atol=1e-6)


@pytest.mark.parametrize("side", [32, 64, 256])
@pytest.mark.parametrize("output_size", [7, 14])
def test_roi_align_a_region_that_ends_with_the_image_keeps_its_last_row(side, output_size):
    # y1 + (S - 1) * ((y2 - y1) / (S - 1)) may exceed y2 in its last bit, which must not turn the row into zeros
    features = np.ones((1, side, side, 1), np.float32)
    starts = RNG.uniform(0, 900, (200, 2))
    boxes = np.concatenate([starts, np.full((200, 2), 1024.0)], -1).astype(np.float32)
    pooled = align(features, boxes, np.zeros(200), image_size=(1024, 1024), output_size=output_size)
    np.testing.assert_allclose(pooled, np.ones(pooled.shape), atol=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_features_are_averaged_in_float32(dtype):
    features = tf.cast(RNG.standard_normal((1, 16, 16, 4)), dtype)
    boxes = RNG.uniform(0, 60, (10, 4)).astype(np.float32) + np.float32([0, 0, 60, 60])
    settings = {"image_size": (128, 128), "output_size": 3, "mode": "aligned", "sampling_ratio": 3}
    settings["image_index"] = np.zeros(10)
    levels = np.full(10, 2)
    pooled = roi_align.roi_align([features], boxes, levels, **settings)
    assert pooled.dtype == dtype
    exact = roi_align.roi_align([tf.cast(features, tf.float32)], boxes, levels, **settings)
    np.testing.assert_array_equal(pooled.numpy(), tf.cast(exact, dtype).numpy())  # one rounding, at the end


@pytest.mark.parametrize("mode", roi_align.MODES)
def test_roi_align_degenerate_boxes_give_finite_features(mode):
    features = RNG.random((1, 8, 8, 2)).astype(np.float32)
    boxes = [[0, 0, 0, 0], [5, 5, 1, 1], [-900, -900, -800, -800], [1e6, 1e6, 2e6, 2e6]]
    pooled = align(features, boxes, np.zeros(4), image_size=(64, 64), output_size=4, mode=mode)
    assert np.isfinite(pooled).all()
    np.testing.assert_array_equal(pooled[2:], 0)


def test_roi_align_unknown_settings_are_refused():
    given = ([np.zeros((1, 4, 4, 1))], np.zeros((1, 4)), [2])
    with pytest.raises(ValueError, match="mode must be one of crop_and_resize, aligned, unaligned, got 'bilinear'"):
        roi_align.roi_align(*given, image_index=[0], image_size=(4, 4), output_size=2, mode="bilinear")
    with pytest.raises(ValueError, match="sampling_ratio must be 1, got 2"):
        roi_align.roi_align(*given, image_index=[0], image_size=(4, 4), output_size=2, sampling_ratio=2)


def test_roi_align_gradient_of_several_levels_is_dense():
    """A sparse gradient would be split by level with `Where`, whose output shape depends on the data."""
    features = [tf.constant(RNG.normal(size=(1, side, side, 2)).astype("float32")) for side in (8, 4)]

    def gradients():
        with tf.GradientTape() as tape:
            tape.watch(features)
            boxes, levels = np.float32([[0, 0, 9, 9], [2, 2, 30, 30]]), np.int32([2, 3])
            pooled = roi_align.roi_align(
                features, boxes, levels, image_index=np.int32([0, 0]), image_size=(32, 32), output_size=2
            )
        return tape.gradient(pooled, features)

    assert all(isinstance(gradient, tf.Tensor) for gradient in gradients())
    operations = tf.function(gradients).get_concrete_function().graph.get_operations()
    assert not [operation.name for operation in operations if operation.type == "Where"]


@pytest.mark.parametrize(
    ("mode", "sampling_ratio", "samples"), [("aligned", 2, 16), ("crop_and_resize", 1, 4), ("aligned", 0, 4)]
)
def test_roi_align_samples_are_added_one_after_the_other(monkeypatch, mode, sampling_ratio, samples):
    """TensorFlow would read all of them at once, 16 times the memory of the result, since none needs another."""
    monkeypatch.setattr(roi_align, "_CHUNK", 20)  # two regions of 2 * 2 * 5 values: two parts
    settings = {"image_size": (32, 32), "output_size": 2, "mode": mode, "sampling_ratio": sampling_ratio}

    @tf.function
    def gradient(features, boxes):
        with tf.GradientTape() as tape:
            tape.watch(features)
            zeros = np.int32([0, 0])
            pooled = roi_align.roi_align([features], boxes, zeros + 2, image_index=zeros, **settings)
        return tape.gradient(pooled, features)

    traced = gradient.get_concrete_function(tf.TensorSpec([1, 8, 8, 5]), tf.TensorSpec([2, 4]))
    graph = traced.graph.as_graph_def(add_shapes=True)
    reads, sums = [], []  # of each read of features, and of each sum of gradients, the number of those before it
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        reads += numbers_before([node.name for node in nodes if node.op == "GatherV2" and channels(node) == 5], nodes)
        sums += numbers_before([node.name for node in nodes if node.op == "UnsortedSegmentSum"], nodes)
    parts = 2
    expected = [*range(parts * samples)] if sampling_ratio else [*range(samples)] * parts  # a loop is a function
    assert sorted(reads) == sorted(expected)
    assert sorted(sums) == [0, 1, 2, 3]  # the corners of a sample, in a loop over the samples


def channels(node):
    shape = node.attr["_output_shapes"].list.shape
    return shape[0].dim[-1].size if shape else None


def numbers_before(names, nodes):
    """Counts for each named node how many of the others must have run before it."""
    inputs = {node.name: {name.lstrip("^").split(":")[0] for name in node.input} for node in nodes}

    def before(name):
        found, waiting = set(), list(inputs[name])
        while waiting:
            if (each := waiting.pop()) not in found:
                found.add(each)
                waiting += inputs.get(each, ())
        return found

    return [len(before(name) & set(names)) for name in names]


def test_roi_align_on_a_gpu_is_computed_in_one_part(monkeypatch):
    regions = (np.zeros((8, 4), "float32"), np.zeros(8, "int32"), np.zeros(8, "int32"))
    regions = tuple(map(tf.constant, regions))
    assert len(roi_align._split(regions, values=1 << 20)) == 4
    monkeypatch.setattr(roi_align.accelerator, "is_visible", lambda: True)
    assert len(roi_align._split(regions, values=1 << 20)) == 1
