from mrcnn.report import findings, suspicious
from mrcnn.report.duplicates import Pair
from mrcnn.report.findings import Review
from mrcnn.report.records import Skip
from mrcnn.report.statistics import Fit
from tests.report import facts
from tests.report.facts import picture, thing

FIT = Fit(1, 10_000)


def found(*images, pairs=(), fit=FIT, **rest):
    data = facts.data(*images, **rest)
    return [(one.level, one.text) for one in findings.find(Review(data, fit, tuple(suspicious.find(data, fit)), pairs))]


def usual(split, count=12):
    return picture(split, *[thing()] * count, *[thing("dog")] * count, split=split)


def test_find_nothing_in_usual_data():
    assert found(usual("train"), usual("val")) == []


def test_find_in_data_without_images():
    assert found(titles=("cat",)) == [("warning", "No object of class cat.")]


def test_find_unusable_images_and_missing_sets_first():
    texts = found(usual("train"), skipped=(Skip("b.png", "cut off"),), remarks=("training refuses this data: x",))
    assert texts[:2] == [("error", "1 image cannot be used."), ("error", "There is no validation image.")]
    assert ("warning", "training refuses this data: x") in texts


def test_find_rare_classes():
    texts = found(usual("train"), picture("v", *[thing()] * 300, split="val"))
    assert texts == [
        ("warning", "The most frequent class has 26 times the objects of the rarest; `sampling` repeats rare ones."),
        ("warning", "No object of class dog in the validation images: nothing is measured."),
        (
            "warning",
            "1 image with more objects than can be found in one: up to 300, but `detections_per_image` is 100.",
        ),
    ]
    few = found(picture("t", thing(), split="train"), usual("val"))
    assert ("warning", "Fewer than 10 objects to learn from of class cat.") in few
    assert ("error", "No object of class dog in the training images.") in few


def test_find_sums_up_many_classes():
    titles = ("cat", *(f"{number} {{}}" for number in range(1000)))
    texts = found(picture("t", *[thing()] * 20), picture("v", *[thing()] * 20, split="val"), titles=titles)
    assert len(texts) == 1
    assert texts[0][1].startswith("No object of 1000 classes (0 {}, 1 {}, ")


def test_find_says_nothing_of_classes_where_no_image_is_in_a_set():
    texts = found(usual("neither"))
    assert texts == [("error", "There is no training image."), ("error", "There is no validation image.")]


def test_find_images_with_more_objects_than_are_found():
    data = facts.data(usual("train"), usual("val"))  # 12 cats and 12 dogs each
    review = Review(data, FIT, (), ())
    assert findings.find(review._replace(most_found=24)) == []
    assert [one.text for one in findings.find(review._replace(most_found=23))] == [
        "2 images with more objects than can be found in one: up to 24, but `detections_per_image` is 23."
    ]


def test_find_images_in_both_sets_without_objects_or_turned():
    images = [usual("train"), usual("val"), usual("both"), picture("e", split="train"), picture("u", unturned=True)]
    texts = [text for _, text in found(*images)]
    assert texts[0] == "1 image in both sets: they show little about new images."
    assert texts[1] == "2 images (40%) without an object: all background."
    assert texts[2].startswith("1 image labelled unturned although EXIF turns them")


def test_find_pairs_of_images_across_the_sets():
    pairs = (Pair(0, 1, 3), Pair(0, 2, 4))
    texts = found(usual("train"), usual("val"), usual("train"), pairs=pairs)
    assert texts == [
        ("error", "1 pair of images of both sets look the same: validation is too optimistic."),
        ("note", "1 pair of images within a set look the same."),
    ]


def test_across_images_of_no_split_leak_nothing():
    data = facts.data(
        picture("a"), picture("b", split="neither"), picture("c", split="val"), picture("d", split="both")
    )
    pairs = [Pair(0, 1, 0), Pair(0, 2, 0), Pair(1, 2, 0), Pair(0, 3, 0)]
    assert findings.across(pairs, data) == ([pairs[1], pairs[3]], [pairs[0], pairs[2]])


def test_find_small_and_crowded_objects():
    small = picture("s", *[thing(box=(0, 0, 4, 40))] * 2, thing(crowding=0.4), size_hw=(200, 200))
    texts = [text for _, text in found(usual("train"), usual("val"), small, fit=Fit(20, 20))]
    # a tenth of the size, 4 x 40 is 0.4 x 4; the 49 others are 10 x 20, in images of 100 x 200 1 x 2, also under 4
    assert "2 objects under half a pixel at an input of 20 pixels vanish." in texts
    assert "51 objects (100.0%) under 4 pixels at an input of 20 pixels: hard to find." in texts
    assert any(text.startswith("1 object with a box that overlaps another of the class by more than") for text in texts)


def test_doubles_names_each_pair_once():
    objects = [
        thing(overlap=0.9, overlaps_with=1),
        thing(overlap=0.9, overlaps_with=0),
        thing(overlap=0.6, overlaps_with=0),
    ]
    data = facts.data(picture("a"), picture("b", *objects))
    assert findings.doubles(data) == [(1, 0, 1)]
    texts = [text for _, text in found(picture("b", *objects))]
    assert "1 pair of objects cover the same pixels." in texts
    assert "The gallery begins with unusual objects: 2 of all classes." in texts


def test_find_objects_that_are_left_out():
    texts = found(usual("train"), usual("val"), picture("l", thing(), left_out=2))
    assert texts == [("warning", "2 objects left out: outside the image, or of a shape that cannot be drawn.")]
