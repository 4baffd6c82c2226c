from mrcnn.report import pictures, suspicious
from mrcnn.report.duplicates import Pair
from mrcnn.report.findings import Review
from mrcnn.report.gallery import Wanted
from mrcnn.report.records import Skip
from mrcnn.report.statistics import Fit
from tests.report import facts
from tests.report.facts import picture, thing

BAD = "<img src=x onerror=alert(1)>"
FIT = Fit(1, 10_000)


def review(*images, pairs=(), **rest):
    data = facts.data(*images, **rest)
    return Review(data, FIT, tuple(suspicious.find(data, FIT)), tuple(pairs))


DOUBLE = (thing(overlap=0.9, overlaps_with=1), thing(overlap=0.9, overlaps_with=0))


def test_wanted_lists_the_pictures_of_all_sections():
    given = review(picture("a", *DOUBLE), picture("b"), picture("c", thing("dog")), pairs=[Pair(0, 2, 1)])
    assert set(pictures.wanted(given)) == {
        Wanted(0, 0), Wanted(0, 1), Wanted(2, 0),  # the gallery and the overlap
        Wanted(0), Wanted(2),  # the pair
        Wanted(1),  # without objects
    }  # fmt: skip
    assert pictures.wanted(review()) == []


def test_wanted_is_bounded():
    titles = tuple(f"class {number}" for number in range(100))
    images = [picture(str(number), *[thing(title)] * 20) for number, title in enumerate(titles)]
    given = review(*images, *(picture(f"e{number}") for number in range(50)), titles=titles)
    assert len(pictures.wanted(given)) == 60 * 12 + 12


def test_gallery_shows_reasons_first():
    found = pictures.gallery(review(picture("a", thing(), thing(parts=9))), {Wanted(0, 1): b"jpeg"})
    assert found.index("9 separate parts") < found.index("20 × 10 px at 0, 0")
    assert found.count("<img") == 1  # the other was not drawn
    assert "<strong>cat</strong> – 1 unusual" in found
    assert "no object" in pictures.gallery(review(), {})


def test_gallery_escapes_titles_and_names():
    given = review(picture(BAD, thing(BAD), thing(BAD, overlap=0.9, overlaps_with=0)), titles=(BAD,), pairs=[])
    for found in (pictures.gallery(given, {}), pictures.overlaps(given, {}), pictures.images(given, {})):
        assert "<img" not in found
    assert pictures.gallery(given, {}).count("onerror=alert(1)&gt;") == 3  # the class, and the image twice
    jpegs = {Wanted(0, 0): b"jpeg"}
    assert pictures.gallery(given, jpegs).count("<img") == 1


def test_overlaps_counts_pairs_by_class():
    mixed = (thing(overlap=0.9, overlaps_with=1), thing("dog", overlap=0.9, overlaps_with=0, crowding=0.5))
    found = pictures.overlaps(review(picture("a", *DOUBLE), picture("b", *mixed)), {})
    assert '<th scope="row">cat</th><td>cat</td><td class="n">1</td>' in found
    assert '<th scope="row">cat</th><td>dog</td><td class="n">1</td>' in found
    assert '<th scope="row">dog</th><td class="n">1</td>' in found  # crowded
    assert "There are none." in pictures.overlaps(review(picture("a", thing())), {})


def test_duplicates_shows_pairs_of_both_sets_first():
    images = [picture("a"), picture("b"), picture("c", split="val")]
    found = pictures.duplicates(review(*images, pairs=[Pair(0, 1, 0), Pair(0, 2, 0)]), {})
    assert (
        found.index("In both sets: 1")
        < found.index("val: c")
        < found.index("Within a set: 1")
        < found.index("train: b")
    )


def test_duplicates_lists_the_names_of_further_pairs():
    images = [picture(str(number)) for number in range(15)]
    found = pictures.duplicates(review(*images, pairs=[Pair(0, number, 0) for number in range(1, 15)]), {})
    assert found.count('class="pair"') == pictures.PAIRS
    assert "<li>0 = 13</li><li>0 = 14</li>" in found


def test_images_names_what_is_wrong():
    found = pictures.images(
        review(
            picture("a", thing(), left_out=2),
            picture("b", orientation=6, unturned=True),
            skipped=(Skip("c", BAD),),
            remarks=("left out: x",),
        ),
        {},
    )
    assert "Images without objects: 1" in found
    assert '<th scope="row">orientation 6</th><td class="n">1</td>' in found
    assert "so it is for 1." in found
    assert "Images that cannot be used: 1" in found
    assert "<li>c: &lt;img" in found
    assert "<li>a: 2</li>" in found
    assert "<li>left out: x</li>" in found


def test_images_of_nothing():
    found = pictures.images(review(), {})
    assert "All images are stored upright." in found
    assert "Images that cannot be used: 0" in found
