import numpy as np

from mrcnn.data.batching import Shapes, example_spec
from mrcnn.data.noise import noise_batch

SHAPES = Shapes(min_dim=64, max_dim=128, channels=3, max_gt_instances=5, gt_mask_size=8, shape="rectangle")


def test_noise_batch_fills_the_fields_of_a_training_batch():
    batch = noise_batch(SHAPES, (64, 128), count=2, num_classes=3)
    spec = example_spec(SHAPES)
    assert list(batch) == list(spec)
    assert {name: value.dtype for name, value in batch.items()} == {
        name: np.dtype(dtype) for name, (_, dtype) in spec.items()
    }
    assert batch["images"].shape == (2, 64, 128, 3)
    assert batch["neutral"].shape == (2, 64, 128)
    assert batch["gt_masks"].shape == (2, 5, 8, 8)
    assert batch["image_ids"].shape == (2,)
    assert np.ptp(batch["images"]) > 200
    assert batch["gt_valid"].all()
    assert set(np.unique(batch["gt_class_ids"])) <= {1, 2}


def test_noise_batch_has_boxes_inside_the_input():
    boxes = noise_batch(SHAPES, (64, 128), count=3, num_classes=2)["gt_boxes"]
    assert (boxes >= 0).all()
    assert (boxes[..., 2:] <= (64, 128)).all()
    assert (boxes[..., 2:] - boxes[..., :2] >= np.float32([8, 16]) - 1e-3).all()  # an eighth of 64 and 128


def test_noise_batch_depends_on_its_seed_alone():
    first, same, other = (
        noise_batch(SHAPES, (64, 64), count=1, num_classes=2, seed=seed)["images"] for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_noise_batch_of_a_square():
    square = SHAPES._replace(shape="square")
    assert noise_batch(square, (128, 128), count=1, num_classes=2)["images"].shape == (1, 128, 128, 3)
