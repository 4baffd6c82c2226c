import pytest
from pydantic import ValidationError

from mrcnn.config.keypoints import DEFAULT_SIGMA, PERSON_SIGMAS, KeypointTemplate, guess_pairs, numbered


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["nose", "left_eye", "right_eye"], [("left_eye", "right_eye")]),
        (["r_hip", "l_hip"], [("r_hip", "l_hip")]),
        (["Left Hand", "Right Hand"], [("Left Hand", "Right Hand")]),
        (["paw-front-L", "paw-front-R", "paw-back-L"], [("paw-front-L", "paw-front-R")]),
        (["left", "right"], [("left", "right")]),
        (["leftover", "rightover", "l", "tail"], []),  # words alone count
        (["left_right", "right_right", "left_left"], [("left_right", "right_right")]),  # each in one pair at most
        ([], []),
    ],
)
def test_guess_pairs_finds_left_and_right_by_words(names, pairs):
    assert guess_pairs(names) == tuple(pairs)


def test_keypoint_template_mirrored_order_exchanges_left_and_right():
    guessed = KeypointTemplate(names=("nose", "left_eye", "right_eye"))
    assert guessed.mirrored_order == (0, 2, 1)
    assert KeypointTemplate(names=guessed.names, pairs=()).mirrored_order == (0, 1, 2)
    assert KeypointTemplate(names=guessed.names, pairs=(("nose", "right_eye"),)).mirrored_order == (2, 1, 0)


def test_keypoint_template_has_cocos_sigmas_for_its_person_in_any_order_else_one_for_all():
    person = KeypointTemplate(names=tuple(reversed(PERSON_SIGMAS)))
    # COCO: ankle .89 / 10, nose .26 / 10
    assert (person.settled_sigmas[0], person.settled_sigmas[-1]) == (0.089, 0.026)
    assert len(person.settled_sigmas) == 17
    assert KeypointTemplate(names=("nose",)).settled_sigmas == (DEFAULT_SIGMA,)
    assert KeypointTemplate(names=("nose",), sigmas=(0.1,)).settled_sigmas == (0.1,)


def test_keypoint_template_converts_names_to_indices():
    template = KeypointTemplate(names=("a", "b", "c"), skeleton=(("c", "a"),), class_points=((), ("b", "c")))
    assert template.edges == ((2, 0),)
    assert template.class_indices == ((), (1, 2))
    assert KeypointTemplate(names=("a",)).class_indices is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"names": []}, "at least 1 item"),
        ({"names": ["a", "a"]}, "`names` must name each point once"),
        ({"names": ["a"], "skeleton": [["a", "b"]]}, "`skeleton` has the point 'b', which is not in `names`"),
        ({"names": ["a"], "class_points": [["b"]]}, "`class_points` has the point 'b'"),
        ({"names": ["a", "b", "c"], "pairs": [["a", "b"], ["b", "c"]]}, "`pairs` must hold each point once at most"),
        ({"names": ["a"], "sigmas": [0.1, 0.2]}, "`sigmas` must hold one number per name, 1, got 2"),
        ({"names": ["a"], "sigmas": [0]}, "greater than 0"),
    ],
)
def test_keypoint_template_refuses_what_does_not_fit(settings, message):
    with pytest.raises(ValidationError, match=message):
        KeypointTemplate(**settings)


def test_numbered_names_the_points_of_a_person_or_counts_them():
    person = numbered(17)
    assert (person.names[0], person.names[16], len(person.skeleton)) == ("nose", "right_ankle", 19)
    assert len(person.settled_pairs) == 8
    assert numbered(2).names == ("point 1", "point 2")
