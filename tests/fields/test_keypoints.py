import numpy as np
import pytest

from mrcnn.config.keypoints import KeypointTemplate
from mrcnn.errors import UserError
from mrcnn.fields import extras
from mrcnn.fields.keypoints import Keypoints
from mrcnn.project.annotation import Label
from mrcnn.project.geometry import Bitmap
from mrcnn.project.skeletons import Graph

TEMPLATE = KeypointTemplate(names=("nose", "left_eye", "right_eye"), skeleton=(("nose", "left_eye"),))
FIELD = Keypoints(TEMPLATE)
COCO = {"keypoints": [10, 20, 2, 12, 18, 1, 0, 0, 0], "num_keypoints": 2}
VALUE = [[10.5, 20.5, 2], [12.5, 18.5, 1], [0, 0, 0]]  # centres of the pixels; the last point is not annotated
NODES = {"nose": {"loc": [10, 20]}, "left_eye": {"loc": [12, 18], "disabled": True}}
CATEGORY = {"keypoints": ["nose", "left_eye", "right_eye"], "skeleton": [[1, 2]]}
META = {
    "geometry_config": {
        "nodes": {
            "n1": {"label": "nose", "loc": [0, 0]},
            "n2": {"label": "left_eye", "loc": [1, 0]},
            "n3": {"label": "right_eye", "loc": [2, 0]},
        },
        "edges": [{"src": "n1", "dst": "n2"}, {"src": "n1", "dst": "gone"}],
    }
}


def label(nodes, title="face"):
    return Label(title, Graph(nodes))


def test_from_coco_and_to_coco_keep_hidden_and_missing_points():
    value = FIELD.from_coco(COCO)
    assert value.tolist() == VALUE
    assert FIELD.to_coco(value) == COCO
    assert Keypoints().from_coco(COCO).tolist() == VALUE  # without names
    assert FIELD.to_coco_category() == CATEGORY


@pytest.mark.parametrize("annotation", [{}, {"keypoints": []}, {"keypoints": None}, {"keypoints": [0] * 9}])
def test_from_coco_of_an_object_without_points(annotation):
    assert FIELD.from_coco(annotation) is None


@pytest.mark.parametrize("listed", [[1, 2], [1, 2, 2] * 4, "abc", [1, 2, None] * 3, [1, 2, float("inf")] * 3])
def test_from_coco_refuses_malformed_points(listed):
    with pytest.raises(UserError, match=r"^`keypoints` must be x, y and v of 3 points, got "):
        FIELD.from_coco({"keypoints": listed})


def test_from_figures_and_figure_keep_hidden_and_missing_points():
    value = FIELD.from_figures([Label("face", Bitmap((0, 0), np.ones((2, 2), bool))), label(NODES)])
    assert value.tolist() == VALUE
    assert FIELD.figure(value).nodes == NODES
    assert FIELD.figure(np.zeros((3, 3), np.float32)) is None
    assert not FIELD.from_figures([Label("face", Bitmap((0, 0), np.ones((2, 2), bool)))]).any()


def test_from_figures_finds_points_by_the_labels_of_the_classs_nodes():
    nodes = {"n2": {"loc": [12, 18], "disabled": True}, "n1": {"loc": [10, 20]}, "n9": {"loc": [1, 1]}}
    field = FIELD.of_data({"face": META, "other": {}})
    assert field.from_figures([label(nodes)]).tolist() == VALUE
    assert not field.from_figures([label(nodes, title="other")]).any()  # `n1` is no name of a point


def test_of_objects_needs_a_template():
    assert extras.of_objects([[label(NODES)], []], {"keypoints": FIELD})["keypoints"].shape == (2, 3, 3)
    with pytest.raises(ValueError, match="has no template here"):
        extras.of_objects([[label(NODES)]], ["keypoints"])


def test_transformed_and_mirrored_exchange_left_and_right():
    # an image 40 wide, twice as large and mirrored: x 10.5 -> 80 - 21
    moved = extras.transformed(
        {"keypoints": np.array([VALUE], np.float32)}, scale=(2, -2), shift=(0, 80), fields={"keypoints": FIELD}
    )["keypoints"][0]
    assert moved[0].tolist() == [59, 41, 2]
    assert moved[2].tolist() == [55, 37, 1]  # the left eye is now the right one
    assert moved[1, 2] == 0
    with pytest.raises(ValueError, match="has no template here"):
        Keypoints().mirrored(np.array([VALUE], np.float32))


def test_augmented_moves_points_given_as_y_and_x():
    moved = FIELD.augmented(np.array([VALUE], np.float32), lambda points: points + np.array([1, 5]))
    assert moved[0, :2].tolist() == [[15.5, 21.5, 2], [17.5, 19.5, 1]]
    assert moved.dtype == np.float32


def test_merged_selects_each_point_from_the_piece_with_its_highest_score():
    pieces = np.array([[[1, 1, 0.9], [2, 2, 0.1]], [[3, 3, 0.2], [4, 4, 0.8]]], np.float32)
    np.testing.assert_array_equal(
        Keypoints().merged(pieces, np.array([0.9, 0.8])), np.float32([[1, 1, 0.9], [4, 4, 0.8]])
    )


def test_averaged_weighs_places_by_their_scores():
    views = np.float32([[[[10, 20, 0.75], [4, 4, -2.0]]], [[[14, 28, 0.25], [8, 6, -1.0]]]])
    # (10 * .75 + 14 * .25) / 1 = 11, (20 * .75 + 28 * .25) = 22, score .5; no weight: (4 + 8) / 2, (4 + 6) / 2, -1.5
    np.testing.assert_allclose(Keypoints().averaged(views), [[[11, 22, 0.5], [6, 5, -1.5]]], rtol=1e-6)
    # a logit above 0 counts, one below does not
    logits = np.float32([[[[10, 10, 6.0]]], [[[20, 20, -3.0]]], [[[40, 40, 2.0]]]])
    np.testing.assert_allclose(Keypoints().averaged(logits), [[[17.5, 17.5, 5 / 3]]], rtol=1e-6)  # (60 + 80) / 8


def test_averaged_of_one_view_keeps_its_values():
    one = np.random.default_rng(0).normal(0, 100, (1, 50, 17, 3)).astype(np.float32)
    np.testing.assert_array_equal(Keypoints().averaged(one), one[0])
    assert Keypoints().averaged(np.zeros((3, 0, 17, 3), np.float32)).shape == (0, 17, 3)


SCORED = np.array([[10.5, 20.5, 0.75], [12.5, 18.5, 1.0], [7, 7, 0]], np.float32)


def test_to_coco_and_figure_of_detections_have_scores_and_no_hidden_points():
    field = Keypoints().of_model(TEMPLATE)
    assert field.to_coco(SCORED) == {
        "keypoints": [10, 20, 2, 12, 18, 2, 0, 0, 0], "num_keypoints": 2, "keypoint_scores": [0.75, 1.0, 0.0]
    }  # fmt: skip
    assert field.figure(SCORED).nodes == {"nose": {"loc": [10, 20]}, "left_eye": {"loc": [12, 18]}}
    assert field.shape == (3, 3)
    assert Keypoints().of_model(None).template is None


@pytest.mark.parametrize("skeleton", [[[1.0, 2.0]], [[True, 2]], 3, {"a": 1}, [[1, None]], None])
def test_of_category_leaves_out_lines_that_are_no_pairs_of_numbers(skeleton):
    found = Keypoints().of_category({"keypoints": ["a", "b"], "skeleton": skeleton}).template
    assert found == KeypointTemplate(names=("a", "b"), skeleton=())


def test_settled_leaves_out_edges_that_are_no_list():
    facts = {"geometry_config": {"nodes": {"1": {"label": "nose"}}, "edges": 3}}
    assert Keypoints().settled(None, [facts]).settings.skeleton == ()


@pytest.mark.parametrize(
    "facts",
    [
        {"keypoints": ["nose", "eye", "eye"]},
        {"geometry_config": {"nodes": {"1": {"label": "eye"}, "2": {"label": "eye"}}}},
    ],
)
def test_settled_names_a_point_that_a_class_has_twice(facts):
    with pytest.raises(UserError, match="two keypoints named 'eye': rename one of them"):
        Keypoints().settled(None, [facts])


def test_of_category_reads_names_and_skeleton():
    field = Keypoints().of_category(CATEGORY)
    assert field.template == TEMPLATE
    for malformed in ({}, {"keypoints": "nose"}, {"keypoints": ["a", "a"]}, {"keypoints": [""]}):
        assert Keypoints().of_category(malformed).template is None
    odd = {"keypoints": ["a", 2], "skeleton": [[1, 3], [0, 1], "x", [2, 1]]}
    assert Keypoints().of_category(odd).template == KeypointTemplate(names=("a", "2"), skeleton=(("2", "a"),))


def test_settled_joins_the_points_of_all_classes_and_remarks_the_pairs():
    other = {"keypoints": ["nose", "tail"], "skeleton": [[1, 2]]}
    found, (remark,) = Keypoints().settled(None, [other, {}, META])
    assert found.names == ("nose", "tail", "left_eye", "right_eye")
    assert found.class_points == (("nose", "tail"), (), ("nose", "left_eye", "right_eye"))
    assert found.skeleton == (("nose", "tail"), ("nose", "left_eye"))
    assert found.pairs == (("left_eye", "right_eye"),)
    assert "4 points (nose, tail, left_eye, right_eye); a mirrored image exchanges left_eye and right_eye" in remark
    assert Keypoints().settled(TEMPLATE, [{}]).settings is TEMPLATE


@pytest.mark.parametrize("facts", [{}, {"geometry_config": {}}, {"geometry_config": {"nodes": []}}, {"keypoints": []}])
def test_settled_refuses_data_without_points(facts):
    with pytest.raises(UserError, match=r"^no class of the data has keypoints"):
        Keypoints().settled(None, [facts])


def test_to_class_writes_a_template_that_is_read_again():
    config = FIELD.to_class()
    assert Keypoints().settled(None, [config]).settings.names == TEMPLATE.names
    assert Keypoints().settled(None, [config]).settings.skeleton == TEMPLATE.skeleton
    assert Keypoints().to_class() == {}
    assert config["geometry_config"]["nodes"]["nose"]["loc"] == [50, 0]  # the first point is on top of the circle


def test_draw_shows_points_and_lines_of_sure_points_alone():
    picture = np.zeros((60, 60, 3), np.uint8)
    values = np.array([[[10, 10, 0.9], [40, 10, 0.9], [30, 50, 0.01]]], np.float32)
    drawn = FIELD.draw(picture, values, np.zeros((1, 4)))
    assert drawn[10, 10].tolist() == [60, 140, 255]  # the nose is neither left nor right
    assert drawn[10, 40].tolist() == [0, 200, 80]
    assert drawn[10, 25].any()  # the line between them
    assert not drawn[45:].any()
    assert not picture.any()
    assert Keypoints().draw(picture, values, np.zeros((1, 4)))[10, 10].any()
    assert not Keypoints().draw(picture, values, np.zeros((1, 4)))[10, 25].any()
