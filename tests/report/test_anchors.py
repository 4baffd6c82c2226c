import json

import numpy as np
import pytest

from mrcnn.config.families.rcnn import RcnnConfig
from mrcnn.config.load import load_train_config
from mrcnn.report import anchors
from mrcnn.report.anchors import RATIOS, SIZES, Anchors, Suggestion
from mrcnn.report.statistics import Fit
from tests.report import facts
from tests.report.facts import picture, thing


def test_the_defaults_are_those_of_the_config():
    assert RcnnConfig.model_fields["anchor_sizes"].default == SIZES
    assert RcnnConfig.model_fields["anchor_aspect_ratios"].default == RATIOS


def test_reached_is_the_share_of_boxes_with_a_fitting_anchor():
    boxes = np.array([[32.0, 32.0], [32.0, 60.0], [32.0, 80.0], [4.0, 4.0]])
    # with a square of 32: IoU 1; 32 * 32 / (32 * 60) = 0.53; 32 / 80 = 0.4; 16 / 1024
    assert anchors.reached(boxes, [32], [1]) == 0.5
    # a ratio of 2 makes it 22.6 x 45.3: 22.6 * 45.3 / (32 * 80) = 0.4 for the third
    assert anchors.reached(boxes, [32], [1, 2]) == 0.5
    assert anchors.reached(boxes, [32, 64], [2]) == 0.75  # 45.3 x 90.5: 32 * 80 / (45.3 * 90.5) = 0.63 for the third


def test_choose_anchors_keeps_the_default_where_it_fits():
    sides = np.array([[64.0, 64.0], [128.0, 128.0], [250.0, 250.0]])
    chosen, default = anchors.choose_anchors(sides)
    assert chosen == default == Anchors(SIZES, RATIOS, 1.0)


def test_choose_anchors_keeps_the_default_where_another_set_is_hardly_better():
    sides = np.array([[64.0, 64.0]] * 199 + [[16.0, 16.0]])  # sizes from 16 on reach one box of 200 more
    assert anchors.choose_anchors(sides)[0] == Anchors(SIZES, RATIOS, 0.995)


def test_choose_anchors_of_small_boxes():
    sides = np.repeat(np.array([[8.0, 8.0], [16.0, 16.0], [30.0, 30.0]]), 10, axis=0)
    chosen, default = anchors.choose_anchors(sides)
    # the default's 32 reaches 30 alone: 16 x 16 in 32 x 32 is 0.25, in 22.6 x 45.3 0.25
    assert default.reached == pytest.approx(1 / 3)
    assert chosen == Anchors((8, 16, 32, 64, 128), RATIOS, 1.0)


def test_ratios_of_are_quantiles():
    sides = np.array([[1.0, ratio] for ratio in (2, 2, 3, 4, 4)])
    assert anchors.ratios_of(sides) == (2.0, 3.0, 4.0)


def test_choose_input_is_the_smallest_that_shows_the_objects():
    # 10 pixels in an image of 100 x 200: the side of 16 needs 1.6 times the size, 320; 320 * 0.5 is a multiple of 32
    small = facts.data(*(picture(str(index), thing(box=(0, 0, 10, 10))) for index in range(4)))
    assert anchors.choose_input(small) == (Fit(160, 320), False)
    large = facts.data(picture("a", thing(box=(0, 0, 50, 50))))
    assert anchors.choose_input(large) == (Fit(128, 256), False)


def test_choose_input_stops_at_twice_the_image():
    tiny = facts.data(picture("a", thing(box=(0, 0, 3, 3)), size_hw=(200, 200)))
    assert anchors.choose_input(tiny) == (Fit(384, 384), True)  # 384 is the last below 400
    minute = facts.data(picture("a", thing(box=(0, 0, 1, 1)), size_hw=(20, 20)))
    assert anchors.choose_input(minute) == (Fit(256, 256), True)  # enlarged to 12.8 pixels; nothing smaller is offered


def test_suggest_nothing_without_objects():
    assert anchors.suggest(facts.data()) is None
    assert anchors.suggest(facts.data(picture("a", thing(ignored=True)))) is None


@pytest.mark.parametrize("box", [(0, 0, 3, 3), (0, 0, 90, 10), (0, 0, 100, 200), (0, 0, 1, 200)])
def test_config_of_a_suggestion_is_a_config(box):
    found = anchors.suggest(facts.data(picture("a", *[thing(box=box)] * 150)))
    content = anchors.config_of(found)
    assert json.loads(anchors.as_json(content)) == content
    config = load_train_config(content)
    assert config.input_size.max_dim == found.fit.max_dim
    assert config.model.anchor_sizes == found.anchors.sizes
    assert config.model.anchor_aspect_ratios == found.anchors.ratios
    assert config.model.detections_per_image == 200  # a quarter more than 150 is 187.5, rounded up to fifties


def test_config_of_leaves_defaults_out():
    default = Anchors(SIZES, RATIOS, 1.0)
    content = anchors.config_of(Suggestion(Fit(128, 256), default, default, tiles=False, most_objects=100))
    assert content == {"input_size": {"min_dim": 128, "max_dim": 256}}
    assert anchors.as_json(content) == '{\n  "input_size": {\n    "min_dim": 128,\n    "max_dim": 256\n  }\n}'
