import warnings

import numpy as np
import pytest

from mrcnn.config import augmentation, load
from mrcnn.errors import UserError

# Arguments under which each augmenter that does nothing, or nearly nothing, by default does something.
STRONG = {
    "Fliplr": {"p": 1.0},
    "Flipud": {"p": 1.0},
    "Rot90": {"k": (1, 3)},
    "Affine": {"rotate": (-30, 30), "scale": (0.8, 1.2), "translate_percent": {"x": (-0.1, 0.1), "y": (-0.1, 0.1)}},
    "Rotate": {"rotate": (-30, 30)},
    "Crop": {"percent": (0.0, 0.2)},
    "Pad": {"percent": (0.0, 0.2)},
    "CropAndPad": {"percent": (-0.2, 0.2)},
    "PerspectiveTransform": {"scale": (0.02, 0.1)},
    "PiecewiseAffine": {"scale": (0.02, 0.04)},
    "Sequential": {"random_order": True},
    "SomeOf": {"n": (1, 2)},
    "Sometimes": {"p": 1.0},
}


@pytest.fixture(scope="module")
def iaa():
    return pytest.importorskip("imgaug.augmenters")


def build(iaa, name, *, seed):
    args = dict(STRONG.get(name, {}))
    if name in augmentation.CONTAINERS:
        inside = [iaa.Fliplr(1.0, seed=1), iaa.Flipud(1.0, seed=2)]
        args["then_list" if name == "Sometimes" else "children"] = inside
    return getattr(iaa, name)(**args, seed=seed)


def disc():
    """A picture of a white disc beside the middle, and its mask."""
    rows, columns = np.mgrid[:96, :128]
    mask = (rows - 50) ** 2 + (columns - 56) ** 2 < 30**2
    return np.repeat((mask * 255).astype(np.uint8)[..., None], 3, axis=2), mask


def run(iaa, name, image, mask, *, seed=1):
    from imgaug.augmentables import segmaps

    with warnings.catch_warnings():
        # Three families still call what NumPy, scikit-image and imageio have renamed since; the results are right.
        warnings.filterwarnings("ignore", message="Conversion of an array with ndim > 0", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message="`estimate` is deprecated", category=FutureWarning)
        warnings.filterwarnings("ignore", message="Starting with ImageIO v3", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message="`pilmode` is deprecated", category=DeprecationWarning)
        augmenter = build(iaa, name, seed=seed)
        segmentation = segmaps.SegmentationMapsOnImage(mask.astype(np.int32), shape=image.shape)
        changed, moved = augmenter(image=image, segmentation_maps=segmentation)
    return changed, moved.get_arr().astype(bool)


@pytest.mark.parametrize("name", augmentation.GEOMETRIC + augmentation.CONTAINERS)
def test_a_geometric_augmenter_moves_image_and_mask_alike(iaa, name):
    image, mask = disc()
    for seed in (1, 2, 3):
        changed, moved = run(iaa, name, image, mask, seed=seed)
        white = changed[..., 0] > 127
        # The image is resampled smoothly, the mask by its nearest pixel: a seam of a pixel may differ, 5 % of the disc.
        assert (white & moved).sum() / (white | moved).sum() > 0.9
        assert changed.shape == image.shape
        assert changed.dtype == np.uint8
    assert (moved != mask).any()


@pytest.mark.parametrize("name", augmentation.PIXEL + augmentation.RGB_ONLY)
def test_a_pixel_augmenter_leaves_the_mask_alone(iaa, name):
    _, mask = disc()
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    changed, moved = run(iaa, name, image, mask)
    assert (moved == mask).all()
    assert changed.shape == image.shape
    assert changed.dtype == np.uint8


@pytest.mark.parametrize("name", augmentation.GEOMETRIC + augmentation.PIXEL)
def test_others_than_rgb_only_work_on_one_and_four_channels(iaa, name):
    _, mask = disc()
    for channels in (1, 4):
        image = np.random.default_rng(0).integers(0, 256, (96, 128, channels), dtype=np.uint8)
        assert run(iaa, name, image, mask)[0].shape == image.shape


def test_no_name_is_listed_twice():
    assert len(set(augmentation.ALLOWED)) == len(augmentation.ALLOWED)


def load_one(entry):
    return load.load_train_config({"augmentation": [entry]}).augmentation[0]


def error_of(entry):
    with pytest.raises(UserError) as caught:
        load_one(entry)
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.5, 0.5),
        (3, 3),
        (True, True),
        (None, None),
        ("reflect", "reflect"),
        ([0.8, 1.2], (0.8, 1.2)),
        ([0, 1, 2, 3], [0, 1, 2, 3]),
        ([5], [5]),
        (["constant", "edge"], ["constant", "edge"]),
        ({"x": [-0.1, 0.1], "y": 0}, {"x": (-0.1, 0.1), "y": 0}),
    ],
)
def test_arguments_become_what_imgaug_takes(value, expected):
    assert load_one({"name": "Affine", "args": {"scale": value}}).args["scale"] == expected
    assert type(load_one({"name": "Affine", "args": {"scale": value}}).args["scale"]) is type(expected)


def test_children_stand_in_containers():
    entry = load_one({"name": "SomeOf", "args": {"n": [0, 2]}, "children": [{"name": "Fliplr"}, {"name": "Add"}]})
    assert list(entry.names()) == ["SomeOf", "Fliplr", "Add"]
    assert entry.args == {"n": (0, 2)}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"name": "Fliplrr"},
            '`augmentation[0].name` must be an allowed imgaug augmenter, got "Fliplrr"; did you mean Fliplr',
        ),
        (
            {"name": "FlipLR"},
            '`augmentation[0].name` must be an allowed imgaug augmenter, got "FlipLR"; did you mean Fliplr',
        ),
        (
            {"name": "RandAugment"},
            '`augmentation[0].name` must be an allowed imgaug augmenter, got "RandAugment"; docs/',
        ),
        ({"name": "Superpixels"}, "`augmentation[0].name` must be an allowed imgaug augmenter"),
        ({"name": "__class__"}, "`augmentation[0].name` must be an allowed imgaug augmenter"),
        ({"name": 3}, "`augmentation[0].name` must be a string, got 3"),
        ({"name": ""}, "`augmentation[0].name` must be an allowed imgaug augmenter"),
        ({}, "`augmentation[0].name` must be given"),
        ("Fliplr", '`augmentation[0]` must be an object, got "Fliplr"'),
        ({"name": "Fliplr", "p": 0.5}, "unknown key `augmentation[0].p`; known here: name, args, children"),
        ({"name": "Fliplr", "args": [0.5]}, "`augmentation[0].args` must be an object, got [0.5]"),
        (
            {"name": "Fliplr", "args": {"p": [[0]]}},
            "`augmentation[0].args.p` must be a number, a string, a list of them",
        ),
        ({"name": "Fliplr", "args": {"p": []}}, "`augmentation[0].args.p` must be a number, a string, a list of them"),
        ({"name": "Fliplr", "args": {"p": {"z": 1}}}, "`augmentation[0].args.p` must be a number, a string, a list"),
        (
            {"name": "Fliplr", "args": {"p": float("nan")}},
            "`augmentation[0].args.p` must be a number, a string, a list",
        ),
        ({"name": "Affine", "args": {"scale": {"x": {}}}}, "`augmentation[0].args.scale.x` must be a number"),
        (
            {"name": "Fliplr", "args": {"seed": 1}},
            "`augmentation[0].args.seed` must not be given: the pipeline sets it",
        ),
        ({"name": "SomeOf", "args": {"children": 1}}, "`augmentation[0].args.children` must not be given"),
        ({"name": "SomeOf"}, "`augmentation[0].children` must list the augmenters inside SomeOf, got []"),
        ({"name": "Add", "children": [{"name": "Add"}]}, "`augmentation[0].children` must be left out: Add holds no"),
        (
            {"name": "OneOf", "children": [{"name": "Add"}, {"name": "Ad"}]},
            '`augmentation[0].children[1].name` must be an allowed imgaug augmenter, got "Ad"; did you mean Add',
        ),
    ],
)
def test_wrong_entries_are_named(entry, message):
    assert error_of(entry).startswith(message)
