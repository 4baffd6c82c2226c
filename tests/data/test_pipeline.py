import itertools

import cv2
import numpy as np
import pytest
from PIL import Image

from mrcnn.config.load import load_train_config
from mrcnn.data import batching, pipeline
from mrcnn.data.order import derive_seed, epoch_order
from mrcnn.data.read_sample import read_sample
from mrcnn.data.skipped import Skipped
from mrcnn.errors import UserError
from mrcnn.project.geometry import Rectangle
from mrcnn.structures import Batch, Sample

AUGMENTATION = [{"name": "Fliplr", "args": {"p": 0.5}}, {"name": "Affine", "args": {"rotate": [-20, 20]}}]


def _config(**kwargs):
    sizes = {"min_dim": 64, "max_dim": 64}
    return load_train_config({"input_size": sizes, "model": {"max_gt_instances": 3, "gt_mask_size": 8}, **kwargs})


def _sample(folder, number, *, height=20, width=30, broken=False, objects=1):
    path = folder / f"{number}.png"
    noise = np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)
    if broken:
        path.write_bytes(b"no image")
    else:
        cv2.imwrite(str(path), noise)
    label = Rectangle(np.array([[2 + number, 3], [9 + number, 12]]))
    return Sample(f"ds/{path.name}", str(path), (label,) * objects, (1,) * objects, (False,) * objects, (20, 30))


@pytest.fixture
def samples(tmp_path):
    return [_sample(tmp_path, number) for number in range(7)]


def _train(samples, config, *, count, skipped=None, **kwargs):
    skipped = Skipped(len(samples), max_share=1) if skipped is None else skipped
    dataset, _ = pipeline.train_dataset(samples, config, **({"batch_size": 2, "skipped": skipped} | kwargs))
    with skipped.surfaced():
        return list(itertools.islice(dataset.as_numpy_iterator(), count))


def _val(samples, config, *, batch_size=3):
    skipped = Skipped(len(samples), max_share=1)
    dataset = pipeline.val_dataset(samples, config, batch_size=batch_size, skipped=skipped)
    with skipped.surfaced():
        return list(dataset.as_numpy_iterator()), skipped


def _ids(batches):
    return np.concatenate([batch["image_ids"] for batch in batches]).tolist()


def _assert_equal(first, second):
    assert len(first) == len(second) > 0
    for one, other in zip(first, second, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_static_shapes(samples):
    config = _config()
    dataset, steps = pipeline.train_dataset(samples, config, batch_size=2, skipped=Skipped(7))
    assert steps == 3
    assert {name: (tuple(spec.shape), spec.dtype.name) for name, spec in dataset.element_spec.items()} == {
        "images": ((2, 64, 64, 3), "float32"),
        "windows": ((2, 4), "float32"),
        "gt_boxes": ((2, 3, 4), "float32"),
        "gt_class_ids": ((2, 3), "int32"),
        "gt_masks": ((2, 3, 8, 8), "uint8"),
        "gt_valid": ((2, 3), "bool"),
        "gt_ignore": ((2, 3), "bool"),
        "neutral": ((2, 64, 64), "bool"),
        "image_ids": ((2,), "int32"),
        "seeds": ((2,), "int32"),
    }
    assert tuple(dataset.element_spec) == Batch._fields
    val = pipeline.val_dataset(samples, config, batch_size=2, skipped=Skipped(7))
    assert {name: tuple(spec.shape[1:]) for name, spec in val.element_spec.items()} == {
        name: tuple(spec.shape[1:]) for name, spec in dataset.element_spec.items()
    }


def test_an_epoch_follows_its_order_and_seeds(samples):
    config = _config(seed=5)
    batches = _train(samples, config, count=6)
    for epoch in (0, 1):
        order = epoch_order(7, batch_size=2, seed=5, epoch=epoch).tolist()
        part = batches[3 * epoch : 3 * epoch + 3]
        assert _ids(part) == order
        assert np.concatenate([batch["seeds"] for batch in part]).tolist() == [
            derive_seed(5, epoch, place) for place in range(6)
        ]


def test_a_batch_holds_what_was_read(samples):
    batch = _train(samples, _config(), count=1)[0]
    shapes = batching.Shapes(64, 64, 3, 3, 8)
    for slot, index in enumerate(batch["image_ids"]):
        image, instances = read_sample(samples[index])
        np.testing.assert_array_equal(image, cv2.imread(samples[index].image_path)[..., ::-1])
        example = batching.make_example(image, instances, shapes=shapes, image_id=index, seed=int(batch["seeds"][slot]))
        _assert_equal([{name: value[slot] for name, value in batch.items()}], [example])


@pytest.mark.parametrize("start", [(0, 1), (0, 2), (1, 0), (2, 1)])
def test_resuming_continues_bit_for_bit(tmp_path, start):
    samples = [_sample(tmp_path, number, broken=number == 4) for number in range(7)]
    config = _config(augmentation=AUGMENTATION, seed=1)
    whole = _train(samples, config, count=9)
    epoch, step = start
    rest = _train(samples, config, count=9 - 3 * epoch - step, start_epoch=epoch, start_step=step)
    _assert_equal(whole[3 * epoch + step :], rest)


def test_speed_does_not_change_the_stream(samples):
    config = _config(augmentation=AUGMENTATION)
    _assert_equal(_train(samples, config, count=4, workers=1), _train(samples, config, count=4, workers=4))


def test_augmentation_differs_between_epochs(samples):
    config = _config(augmentation=[{"name": "AddElementwise", "args": {"value": [-50, 50]}}])
    first, second = _train(samples[:1], config, count=2, batch_size=1)
    assert (first["images"] != second["images"]).any()
    plain = _train(samples[:1], _config(), count=2, batch_size=1)
    np.testing.assert_array_equal(plain[0]["images"], plain[1]["images"])


def test_an_image_that_fills_a_batch_is_not_twice_the_same(samples):
    config = _config(augmentation=[{"name": "AddElementwise", "args": {"value": [-50, 50]}}])
    batch = _train(samples[:1], config, count=1)[0]
    assert not np.array_equal(batch["images"][0], batch["images"][1])


def test_a_short_set_fills_a_batch(samples):
    batches = _train(samples[:3], _config(), count=2, batch_size=8)
    for batch in batches:
        assert sorted(np.bincount(batch["image_ids"])) == [2, 3, 3]


def test_a_broken_image_is_replaced_by_the_next_good_one(tmp_path):
    samples = [_sample(tmp_path, number, broken=number == 2) for number in range(6)]
    skipped = Skipped(6)
    batches = _train(samples, _config(), count=3, skipped=skipped)
    order = epoch_order(6, batch_size=2, seed=0, epoch=0).tolist()
    after = [*order, order[0]][order.index(2) + 1]
    assert _ids(batches) == [after if index == 2 else index for index in order]
    assert list(skipped.reasons) == ["ds/2.png"]
    assert "2.png" in skipped.summary()


def test_only_broken_images_end_the_run(tmp_path):
    samples = [_sample(tmp_path, number, broken=True) for number in range(3)]
    with pytest.raises(UserError, match=r"be used: [23] of 3 .*png"):
        _train(samples, _config(), count=1, skipped=Skipped(3))
    with pytest.raises(UserError, match="no image can be used: 3 of 3"):
        _train(samples, _config(), count=1, skipped=Skipped(3, max_share=1))


def test_no_samples():
    with pytest.raises(ValueError, match="at least one image"):
        pipeline.train_dataset([], _config(), batch_size=1, skipped=Skipped(0))
    assert _val([], _config())[0] == []


def test_validation_visits_each_image_once_in_order(samples):
    batches, skipped = _val(samples, _config(augmentation=AUGMENTATION))
    assert [len(batch["image_ids"]) for batch in batches] == [3, 3, 1]
    assert _ids(batches) == list(range(7))
    assert not skipped
    image, _ = read_sample(samples[0])  # 20 x 30 -> 64 / 30 -> 43 x 64, 10 above; no augmentation
    np.testing.assert_array_equal(batches[0]["images"][0][10, 0], image[0, 0])


def test_validation_is_the_same_each_time(samples):
    config = _config()
    _assert_equal(_val(samples, config)[0], _val(samples, config)[0])


def test_validation_leaves_broken_images_out(tmp_path):
    samples = [_sample(tmp_path, number, broken=number in (0, 4)) for number in range(6)]
    batches, skipped = _val(samples, _config())
    assert _ids(batches) == [1, 2, 3, 5]
    assert [len(batch["image_ids"]) for batch in batches] == [3, 1]
    assert sorted(skipped.reasons) == ["ds/0.png", "ds/4.png"]


def test_an_image_without_objects_stays(tmp_path):
    batches, _ = _val([_sample(tmp_path, 0, objects=0), _sample(tmp_path, 1)], _config())
    assert batches[0]["gt_valid"].sum(axis=1).tolist() == [0, 1]


def test_an_annotation_of_another_size_is_skipped_and_named(tmp_path):
    samples = [_sample(tmp_path, 0), _sample(tmp_path, 1, height=30, width=20)]
    batches, skipped = _val(samples, _config())
    assert _ids(batches) == [0]
    (reason,) = skipped.reasons.values()
    assert f"{samples[1].image_path} is for 20x30 pixels (height x width), the image has 30x20" in reason


def test_ground_truth_needs_no_pixels(tmp_path):
    sample = _sample(tmp_path, 0)._replace(image_path="nowhere.png")
    height, width, instances = pipeline.ground_truth(sample)
    assert (height, width) == (20, 30)
    # corners x 2 and 9, y 3 and 12, both inside
    np.testing.assert_array_equal(instances.boxes, [[3, 2, 13, 10]])


def test_ground_truth_asks_the_header_where_the_size_is_open(tmp_path):
    sample = _sample(tmp_path, 0, height=8, width=5)._replace(size_hw=None)
    height, width, instances = pipeline.ground_truth(sample)
    assert (height, width) == (8, 5)
    np.testing.assert_array_equal(instances.boxes, [[3, 2, 8, 5]])
    with pytest.raises(UserError, match=r"nowhere\.png"):
        pipeline.ground_truth(sample._replace(image_path="nowhere.png"))


def test_an_image_over_the_limit_is_left_out(tmp_path):
    sample = _sample(tmp_path, 0)
    Image.fromarray(np.zeros((1000, 1000, 3), np.uint8)).save(sample.image_path)
    sample = sample._replace(size_hw=None)
    batches, skipped = _val([sample], _config(max_image_mb=1))
    assert batches == []
    assert "would take 3 MB when decoded, more than 1 MB; make it smaller, or raise `max_image_mb`" in skipped.summary()
    assert len(_val([sample], _config(max_image_mb=3))[0]) == 1


def test_copy_paste_adds_objects_of_another_image_and_can_be_resumed(samples):
    config = _config(copy_paste={"probability": 1.0, "object_share": 1.0})
    batches = _train(samples, config, count=3)
    counts = np.concatenate([batch["gt_valid"].sum(axis=1) for batch in batches])
    assert counts.max() == 2  # its own object, and the one of another image where they do not cover each other
    _assert_equal(batches[1:], _train(samples, config, count=2, start_step=1))


def test_copy_paste_leaves_a_broken_image_out(tmp_path, samples):
    skipped = Skipped(8, max_share=1)
    config = _config(copy_paste={"probability": 1.0})
    batches = _train([*samples, _sample(tmp_path, 7, broken=True)], config, count=8, skipped=skipped)
    assert "7.png" in skipped.summary()
    assert 7 not in _ids(batches)


def _shaped(tmp_path):
    """Images of 20 x 30 and of 30 x 20 pixels, which 64 x 128 and 128 x 64 hold once enlarged to 64 x 96."""
    found = []
    for number in range(7):
        sample = _sample(tmp_path, number)
        if number in (1, 4, 6):
            cv2.imwrite(sample.image_path, np.rot90(cv2.imread(sample.image_path)))
            sample = sample._replace(size_hw=(30, 20), labels=(), class_ids=(), ignore=())
        found.append(sample)
    return found, _config(input_size={"min_dim": 64, "max_dim": 128, "shape": "rectangle"})


def test_train_dataset_of_rectangles_has_one_shape_a_batch(tmp_path):
    samples, config = _shaped(tmp_path)
    batches = _train(samples, config, count=9)
    tall = {1, 4, 6}
    for batch in batches:
        kinds = {index in tall for index in batch["image_ids"].tolist()}
        expected = {(True,): (128, 64), (False,): (64, 128), (False, True): (128, 128)}[tuple(sorted(kinds))]
        assert batch["images"].shape == (2, *expected, 3)
        assert batch["neutral"].shape == (2, *expected)
        for (y1, x1, y2, x2), index in zip(batch["windows"], batch["image_ids"], strict=True):
            assert (y2 - y1, x2 - x1) == ((96, 64) if index in tall else (64, 96))
    assert len({batch["images"].shape for batch in batches}) > 1
    for epoch in range(3):
        assert len(set(_ids(batches[3 * epoch : 3 * epoch + 3]))) == 6


def test_train_dataset_of_rectangles_goes_on_where_it_stopped(tmp_path):
    samples, config = _shaped(tmp_path)
    batches = _train(samples, config, count=7)
    _assert_equal(_train(samples, config, count=3, start_epoch=1, start_step=1), batches[4:7])


MULTI_SCALE = {"min_dim": 64, "max_dim": 128, "train_min_dims": [32, 48, 64], "shape": "rectangle"}


def _short_sides(batches):
    windows = np.concatenate([batch["windows"] for batch in batches])
    return np.min(windows[:, 2:] - windows[:, :2], axis=1).astype(int).tolist()


def test_train_dataset_draws_each_images_short_side_in_each_epoch(samples):
    config = _config(input_size=MULTI_SCALE)
    batches = _train(samples, config, count=60)
    sides = _short_sides(batches)
    assert {side: sides.count(side) for side in (32, 48, 64)} == pytest.approx({32: 40, 48: 40, 64: 40}, abs=15)
    assert len({tuple(sides[6 * epoch : 6 * epoch + 6]) for epoch in range(20)}) > 15
    for batch in batches:
        assert batch["images"].shape == (2, 64, 128, 3)  # holds 64 x 96, the largest
        for (y1, x1, y2, x2), boxes, index in zip(batch["windows"], batch["gt_boxes"], batch["image_ids"], strict=True):
            scale = (y2 - y1) / 20
            assert x2 - x1 == round(30 * scale)
            # the box of `_sample` in pixels of the image, as its annotation draws it
            box = (boxes[0] - (y1, x1, y1, x1)) / scale
            np.testing.assert_allclose(box, (3, 2 + index, 13, 10 + index), atol=1e-4)


def test_train_dataset_of_several_scales_goes_on_where_it_stopped(samples):
    config = _config(input_size=MULTI_SCALE)
    batches = _train(samples, config, count=7)
    _assert_equal(_train(samples, config, count=3, start_epoch=1, start_step=1), batches[4:7])
    assert len(set(_short_sides(batches))) > 1


def test_train_dataset_with_scale_jitter_has_squares_and_goes_on_where_it_stopped(tmp_path, samples):
    size = {"min_dim": 64, "max_dim": 128, "shape": "rectangle"}
    config = _config(input_size=size, scale_jitter={})
    dataset, _ = pipeline.train_dataset(samples, config, batch_size=2, skipped=Skipped(7))
    assert dataset.element_spec["images"].shape == (2, 128, 128, 3)
    batches = _train(samples, config, count=30)
    sizes = []
    for batch in batches:
        assert batch["windows"].tolist() == [[0, 0, 128, 128]] * 2
        for image, (box, *_), valid in zip(batch["images"], batch["gt_boxes"], batch["gt_valid"], strict=True):
            rows, columns = (np.flatnonzero(image.any(axis=2).any(axis=axis)) for axis in (1, 0))
            scale = (columns[-1] + 1) / 30 if columns[-1] < 127 else None
            if scale and valid[0]:  # the image is not cut: its object of 10 x 9 pixels (inclusive ends) is whole
                sizes.append(scale)
                assert rows[-1] + 1 == pytest.approx(20 * scale, abs=1)
                assert box[2] - box[0] == pytest.approx(10 * scale, abs=1.5)
                assert box[3] - box[1] == pytest.approx(8 * scale, abs=1.5)
    assert len(sizes) > 15
    assert min(sizes) < 1.5 < 3 < max(sizes)  # the whole image fits at 128 / 30 = 4.3
    _assert_equal(_train(samples, config, count=3, start_epoch=1, start_step=1), batches[4:7])
    assert _val(samples, config)[0][0]["images"].shape == (3, 64, 128, 3)


@pytest.mark.parametrize("fit", ["centred", "torchvision", "detectron2"])
def test_train_dataset_with_scale_jitter_fills_the_input_by_every_rule(samples, fit):
    config = _config(input_size={"min_dim": 64, "max_dim": 128}, scale_jitter={}, model={"image_fit": fit})
    for batch in _train(samples, config, count=2):
        assert batch["windows"].tolist() == [[0, 0, 128, 128]] * 2


def test_val_dataset_of_several_scales_has_one(samples):
    batches, _ = _val(samples, _config(input_size={**MULTI_SCALE, "min_dim": 40}))
    assert set(_short_sides(batches)) == {40}


def test_val_dataset_of_rectangles_has_every_image_once(tmp_path):
    samples, config = _shaped(tmp_path)
    batches, _ = _val(samples, config)
    assert [batch["images"].shape[:3] for batch in batches] == [(3, 64, 128), (1, 64, 128), (3, 128, 64)]
    assert _ids(batches) == [0, 2, 3, 5, 1, 4, 6]


def test_val_dataset_without_images():
    assert _val([], _config())[0] == []


def test_train_dataset_repeats_images_of_rare_classes_and_goes_on_where_it_stopped(samples):
    samples[4] = samples[4]._replace(class_ids=(2,))
    config = _config(sampling={"repeat_threshold": 1.0}, augmentation=AUGMENTATION)
    # class 2 is in 1 of 7 images: sqrt(7) = 2.65; class 1 in 6 of 7: sqrt(7 / 6) = 1.08; 2.65 + 6 x 1.08 = 9.13
    assert pipeline.epoch_length(samples, config) == 10
    assert pipeline.epoch_length(samples, _config()) == 7
    assert pipeline.train_dataset(samples, config, batch_size=2, skipped=Skipped(7))[1] == 5
    whole = _train(samples, config, count=10)
    for epoch in (whole[:5], whole[5:]):
        counts = np.bincount(_ids(epoch), minlength=7)
        assert counts.sum() == 10
        assert counts[4] in (2, 3)
        assert set(np.delete(counts, 4)) <= {1, 2}
    _assert_equal(whole[7:], _train(samples, config, count=3, start_epoch=1, start_step=2))
    again = [batch for batch in whole[:5] if 4 in batch["image_ids"]]
    seeds = [
        seed for batch in again for seed, index in zip(batch["seeds"], batch["image_ids"], strict=True) if index == 4
    ]
    assert len(set(seeds)) == len(seeds) > 1  # each time with random choices of its own
