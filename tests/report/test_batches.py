import numpy as np
import pytest

from mrcnn.data.batching import Shapes, make_example
from mrcnn.data.rasterize import from_masks
from mrcnn.fields.table import FIELDS
from mrcnn.report import batches
from mrcnn.report.batches import GREY, NAMELESS, NEUTRAL
from mrcnn.structures import UNLABELLED

TITLES = {0: "bg", 1: "cat", 2: "дог"}
SHAPES = Shapes(min_dim=640, max_dim=640, channels=3, max_gt_instances=4, gt_mask_size=16)


def example(*objects, channels=3, fields=(), extras=None):
    """Makes an example of 640 x 640 pixels from a grey image of 320 x 640; objects are (box, class, ignored)."""
    boxes = [box for box, _, _ in objects]
    instances = from_masks(
        masks=[np.ones((y2 - y1, x2 - x1), bool) for y1, x1, y2, x2 in boxes],
        corners=[box[:2] for box in boxes],
        class_ids=[number for _, number, _ in objects],
        ignore=[ignored for _, _, ignored in objects],
        extras=extras,
    )
    image = np.full((320, 640, channels), 100, np.uint8)
    return make_example(image, instances, shapes=SHAPES._replace(channels=channels, fields=fields), image_id=1, seed=0)


def test_draw_example_tints_masks_and_outlines_boxes():
    drawn = batches.draw_example(example(((100, 200, 200, 400), 1, False)), titles=TITLES)
    assert drawn.shape == (640, 640, 3)
    # the image is centred, 160 rows of padding above it; the first colour is a red of saturation 0.85: (255, 38, 38)
    assert drawn[310, 300].tolist() == [154, 78, 78]  # 0.65 * 100 + 0.35 * (255, 38, 38)
    assert drawn[310, 200].tolist() == [255, 38, 38]  # the box's first column
    assert drawn[300, 500].tolist() == [100, 100, 100]
    assert drawn[100, 100].tolist() == [0, 0, 0]  # padding, as the network gets it
    assert [255, 255, 255] in drawn[160, :10].tolist()  # the window is dashed


def test_draw_example_hatches_regions_to_ignore_and_neutral_pixels():
    drawn = batches.draw_example(
        example(((100, 200, 200, 400), 1, True), ((220, 100, 300, 200), 0, True)), titles=TITLES
    )
    crowd, neutral = drawn[290:330, 250:350].reshape(-1, 3).tolist(), drawn[400:440, 120:180].reshape(-1, 3).tolist()
    # two of six diagonals are lines
    assert crowd.count(list(GREY)) / len(crowd) == pytest.approx(1 / 3, abs=0.01)
    assert list(NEUTRAL) not in crowd
    assert list(NEUTRAL) in neutral or list(GREY) in neutral
    marked = {**example(), "neutral": np.ones((640, 640), bool)}
    shown = batches.draw_example(marked, titles=TITLES)[300:360, 300:360].reshape(-1, 3).tolist()
    assert shown.count(list(NEUTRAL)) == 1200  # a third of 3600


def test_draw_example_enlarges_small_images():
    small = {name: values for name, values in example(((100, 200, 200, 400), 1, False)).items()}
    small["images"], small["neutral"] = small["images"][:320, :320], small["neutral"][:320, :320]
    assert batches.draw_example(small, titles=TITLES).shape == (640, 640, 3)


@pytest.mark.parametrize("channels", [1, 4])
def test_draw_example_of_other_channels(channels):
    drawn = batches.draw_example(example(channels=channels), titles=TITLES)
    assert drawn[300, 300].tolist() == [100, 100, 100]


def test_draw_example_shows_extra_fields():
    points = np.float32([[[300, 150, 1]]])
    given = example(((100, 200, 200, 400), 1, False), fields=("mask_points",), extras={"mask_points": points})
    given["gt_mask_points"] = points.repeat(4, axis=0) + np.float32([0, 160, 0])  # as if the field had moved them
    drawn = batches.draw_example(given, titles=TITLES, fields=FIELDS)
    assert drawn[310, 300].tolist() == [0, 190, 60]  # the green of a point of the object, at y 150 + 160


def test_draw_example_shows_the_semantic_map():
    """Left of column 300 sky, right of it road; the rows from 400 on have no class."""
    given = example(((100, 200, 200, 400), 1, False))
    given["gt_semantic"] = np.full((640, 640), UNLABELLED, np.uint8)
    given["gt_semantic"][160:400, :300], given["gt_semantic"][160:400, 300:] = 1, 2
    given["gt_semantic"][260:360, 200:400] = 0  # the cat
    given["gt_semantic"][:80] = 2  # in the padding, where no map has a class
    drawn = batches.draw_example(given, titles=TITLES, stuff=["sky", "road"])
    # hues 0.618 and 0.236 of a turn, saturation 0.45: (140, 174, 255) and (207, 255, 140)
    assert drawn[170, 5].tolist() == [114, 125, 154]  # 0.65 * 100 + 0.35 * (140, 174, 255)
    assert drawn[170, 600].tolist() == [137, 154, 114]
    assert drawn[310, 310].tolist() == [154, 78, 78]  # the object alone
    assert {tuple(color) for color in drawn[450, 10:90].tolist()} == {(100, 100, 100), NAMELESS}
    assert not drawn[40, :50].any()  # padding is neither tinted
    assert not drawn[100, :50].any()  # nor hatched
    plain = batches.draw_example(example(((100, 200, 200, 400), 1, False)), titles=TITLES)
    titled = (drawn != plain).any(axis=-1)[160:400] & (drawn[160:400].sum(axis=-1) < 100)
    assert titled.any()  # the dark edge of the titles


def test_a_map_without_a_class_of_stuff_is_hatched_alone():
    given = example(((100, 200, 200, 400), 1, False))
    given["gt_semantic"] = np.zeros((640, 640), np.uint8)
    drawn = batches.draw_example(given, titles=TITLES, stuff=["sky"])
    without = batches.draw_example(example(((100, 200, 200, 400), 1, False)), titles=TITLES)
    np.testing.assert_array_equal(drawn, without)


def test_pasted_is_cut_to_the_picture():
    grid = np.full((4, 4), 255, np.uint8)
    mask, corner = batches.pasted(grid, np.array([-2.0, 3.0, 4.0, 9.0]), size_hw=(10, 6))
    assert (mask.shape, corner, mask.all()) == ((4, 3), (0, 3), True)
    left = np.zeros((4, 4), np.uint8)
    left[:, :2] = 255
    mask, _ = batches.pasted(left, np.array([0.0, 0.0, 8.0, 8.0]), size_hw=(10, 10))
    assert mask[0].tolist() == [True] * 4 + [False] * 4  # half of the box
    tiny, _ = batches.pasted(grid, np.array([5.0, 5.0, 5.2, 5.2]), size_hw=(10, 10))
    assert tiny.shape == (1, 1)


def test_describe_counts_objects():
    given = example(
        ((0, 0, 9, 9), 2, False), ((0, 0, 9, 9), 1, False), ((0, 0, 9, 9), 2, False), ((0, 0, 9, 9), 1, True)
    )
    assert batches.describe(given, TITLES) == "640 x 640: 2 дог, 1 cat, 1 ignored"
    assert batches.describe(example(), TITLES) == "640 x 640: no object"


def test_draw_batch_arranges_images_in_rows():
    examples = [example(((100, 200, 200, 400), 1, False)), example(), example()]
    batch = {name: np.stack([one[name] for one in examples]) for name in examples[0]}
    drawn = batches.draw_batch(batch, titles=TITLES, names=["a", "b\x1b[31m"])
    tile = 640 + 2 * batches.LINE + 4
    assert drawn.shape == (2 * tile + batches.MARGIN, 2 * 640 + batches.MARGIN, 3)
    assert (drawn[:160, 648:] == drawn[tile + 8 : tile + 168, :640]).all()  # the second and the third are the same
    assert (drawn[tile + 8 :, 648:] == batches.GROUND).all()  # no fourth
