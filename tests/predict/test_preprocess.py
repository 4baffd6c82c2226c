"""Images of any size and form to model inputs."""

import numpy as np
import pytest

from mrcnn.predict import preprocess


def test_small_and_large_image_share_a_batch():
    images = [np.full((8, 16, 3), 100, np.uint8), np.full((100, 50, 3), 200, np.uint8)]
    [inputs] = preprocess.prepare(images, min_dim=64, max_dim=64)
    assert inputs.images.shape == (2, 64, 64, 3)
    assert inputs.images.dtype == inputs.windows.dtype == np.float32
    # 8 x 16 becomes 32 x 64 with 16 rows above; 100 x 50 becomes 64 x 32 with 16 columns left
    np.testing.assert_array_equal(inputs.windows, [[16, 0, 48, 64], [0, 16, 64, 48]])
    assert [plan.original_hw for plan in inputs.plans] == [(8, 16), (100, 50)]
    np.testing.assert_array_equal(inputs.images[0, 16:48], 100)
    np.testing.assert_array_equal(inputs.images[1, :, 16:48], 200)
    assert inputs.images.sum() == 3 * 32 * 64 * (100 + 200)  # padding is zero


def test_image_of_the_input_size_is_left_alone():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(preprocess.prepare([image], min_dim=64, max_dim=64)[0].images[0], image)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((2, 3, 3), np.float32), "uint8 .* got float32"),
        (np.zeros((2, 3, 2), np.uint8), "3 channels, got 2"),
        (np.zeros((0, 3, 3), np.uint8), r"got \[0, 3, 3\]"),
        (np.zeros(3, np.uint8), r"got \[3\]"),
    ],
)
def test_what_is_no_image_is_named(image, message):
    with pytest.raises(ValueError, match=f"image 1: .*{message}"):
        preprocess.prepare([np.zeros((2, 2, 3), np.uint8), image], min_dim=64, max_dim=64)


def test_prepare_batches_rectangles_by_shape():
    images = [np.full((32, 64, 3), 1, np.uint8), np.full((64, 32, 3), 2, np.uint8), np.full((32, 60, 3), 3, np.uint8)]
    wide, tall = preprocess.prepare(images, min_dim=64, max_dim=192, shape="rectangle")
    assert (wide.images.shape, wide.indices) == ((2, 64, 128, 3), (0, 2))
    assert (tall.images.shape, tall.indices) == ((1, 128, 64, 3), (1,))
    # 32 x 60 becomes 64 x 120 with 4 columns on each side
    np.testing.assert_array_equal(wide.windows, [[0, 0, 64, 128], [0, 4, 64, 124]])
    assert [int(image.max()) for image in wide.images] == [1, 3]


def test_prepare_pads_to_a_given_input():
    [inputs] = preprocess.prepare(
        [np.full((32, 64, 3), 9, np.uint8)], min_dim=80, max_dim=80, shape="rectangle", input_hw=(128, 128)
    )
    assert inputs.images.shape == (1, 128, 128, 3)
    np.testing.assert_array_equal(inputs.windows, [[44, 24, 84, 104]])  # 40 x 80: (128 - 40) / 2, (128 - 80) / 2
