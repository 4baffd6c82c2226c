import pytest

from mrcnn.report import suspicious
from mrcnn.report.statistics import Fit
from mrcnn.report.suspicious import Suspect
from tests.report import facts
from tests.report.facts import picture, thing

SAME = Fit(1, 10_000)  # leaves images as they are


def reasons(*objects, fit=SAME, size_hw=(1000, 1000)):
    """Lists the reasons of the last object, beside ten of 20 x 20 pixels."""
    usual = [thing(box=(0, 0, 20, 20), area=300) for _ in range(10)]
    found = suspicious.find(facts.data(picture("a", *usual, *objects, size_hw=size_hw)), fit)
    assert not any(one.reasons for one in found[:10])
    return found[-1].reasons


def test_find_leaves_usual_objects_without_a_reason():
    assert reasons(thing(box=(5, 5, 25, 28), area=330)) == ()


def test_find_objects_of_unusual_size():
    assert reasons(thing(box=(0, 0, 80, 80), area=4800)) == ("4 times larger than usual",)  # (4800 / 300) ** 0.5
    assert reasons(thing(box=(5, 5, 13, 13), area=48)) == ("2.5 times smaller than usual",)  # (300 / 48) ** 0.5
    assert reasons(thing(box=(0, 0, 40, 40), area=1100)) == ()  # 1.91 times: under 2


def test_find_objects_of_unusual_shape():
    assert reasons(thing(box=(5, 5, 15, 50), area=300)) == ("unusually wide",)
    assert reasons(thing(box=(5, 5, 50, 15), area=300)) == ("unusually tall",)


@pytest.mark.parametrize("box", [(0, 5, 10, 50), (5, 0, 15, 45), (990, 5, 1000, 50), (5, 955, 15, 1000)])
def test_find_leaves_objects_that_the_border_cuts_without_a_reason(box):
    assert reasons(thing(box=box, area=300)) == ()
    assert reasons(thing(box=box, area=40)) == ()


def test_find_large_objects_at_the_border():
    assert reasons(thing(box=(0, 0, 80, 80), area=4800)) == ("4 times larger than usual",)


def test_find_boxes_among_masks():
    assert reasons(thing(box=(0, 0, 20, 20), area=400)) == ("a rectangle, unlike the others",)


def test_find_small_objects_in_the_model_input():
    assert reasons(thing(box=(0, 0, 20, 15), area=250), fit=Fit(250, 250)) == (
        "3.8 pixels in the model input",
    )  # 15 / 4


def test_find_objects_that_cover_the_image_or_have_many_parts():
    whole = thing("dog", (0, 0, 100, 100), area=9600)
    assert reasons(whole, size_hw=(100, 100)) == ("covers the whole image",)
    assert reasons(thing("dog", parts=3)) == ("3 separate parts",)
    assert reasons(thing("dog", parts=2)) == ()


def test_find_objects_labelled_twice_names_the_other_class():
    data = facts.data(picture("a", thing(overlap=0.9, overlaps_with=1), thing("dog", overlap=0.79, overlaps_with=0)))
    first, second = suspicious.find(data, SAME)
    assert first.reasons == ("covers the same pixels as one of class dog (IoU 0.90)",)
    assert second.reasons == ()
    alike = facts.data(picture("a", thing(overlap=0.8, overlaps_with=1), thing()))
    assert "another of this class" in suspicious.find(alike, SAME)[0].reasons[0]


def test_find_leaves_regions_to_ignore_out():
    assert suspicious.find(facts.data(picture("a", thing(ignored=True))), SAME) == []
    assert suspicious.find(facts.data(), SAME) == []


def test_typical_of_classes_with_enough_objects():
    values = suspicious.typical(facts.data(picture("a", *[thing(box=(0, 0, 8, 32), area=64)] * 8, thing("dog"))))
    assert list(values) == ["cat"]
    assert values["cat"] == pytest.approx((3, 2, 0.25, 0, 0))  # log2 of 64 ** 0.5, of 32 / 8; 64 / 256


def test_ranked_shows_the_weightiest_first_then_others_evenly():
    data = facts.data(picture("a", *[thing()] * 9, thing("dog")))
    suspects = [Suspect(0, place) for place in range(9)]
    suspects[3] = Suspect(0, 3, ("x",), 1.0)
    suspects[7] = Suspect(0, 7, ("y",), 2.0)
    chosen = suspicious.ranked([*suspects, Suspect(0, 9)], data, most=4)
    assert [one.item for one in chosen["cat"]] == [7, 3, 0, 4]  # of the seven others the first and the fourth
    assert [one.item for one in chosen["dog"]] == [9]
    assert suspicious.ranked([], data, most=4) == {}
    assert [one.item for one in suspicious.ranked(suspects, data, most=1)["cat"]] == [7]


def test_find_leaves_rectangles_among_rectangles_without_a_reason():
    data = facts.data(picture("a", *[thing(box=(0, 0, 10, 10))] * 10))
    assert not any(one.reasons for one in suspicious.find(data, SAME))


def test_find_leaves_size_and_shape_of_varied_classes_without_a_reason():
    sizes = [thing(box=(5, 5, 5 + 2**n, 5 + 2**n)) for n in range(2, 10)]
    # median 2 ** 5.5, deviations 0.5 to 3.5 with a median of 2: unusual is 4 * 1.48 * 2 = 11.9 doublings away
    shapes = [thing("dog", (5, 5, 69, 5 + 2**n)) for n in range(2, 10)]
    data = facts.data(picture("a", *sizes, *shapes, size_hw=(1000, 1000)))
    assert not any(one.reasons for one in suspicious.find(data, SAME))
