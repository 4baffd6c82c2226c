import json
import re
from html import unescape

from mrcnn.report import anchors, findings, sections
from mrcnn.report.findings import Finding, Review
from mrcnn.report.statistics import Fit
from tests.report import facts
from tests.report.facts import picture, thing

BAD = "<img src=x onerror=alert(1)>"
PETS = facts.data(
    picture("a", thing(), thing("dog"), thing()), picture("b", thing(), split="val"), picture("c", split="val")
)
NONE = facts.data()
FIT = Fit(128, 256)


def rows(found):
    """Reads the cells of all tables."""
    return [[unescape(re.sub("<.*?>", "", cell)) for cell in re.findall("<t[hd].*?</t[hd]>", row)]
            for row in re.findall("<tr>.*?</tr>", found)]  # fmt: skip


def test_overview_shows_numbers_and_findings():
    found = sections.overview(PETS, [Finding(findings.ERROR, f"set `x` {BAD}", "classes")])
    assert re.findall("<dd>(.*?)</dd>", found) == ["3", "4", "2", "1.3", "200 × 100"]
    assert '<li class="error"><b>error</b>set <code>x</code> &lt;img' in found
    assert BAD not in found
    assert "Nothing unusual was found." in sections.overview(NONE, [])


def test_classes_counts_by_split():
    assert rows(sections.classes(PETS)) == [
        ["class", "train", "val", "all", "in images", "share"],
        ["images", "1", "2", "3", "", ""],
        ["cat", "2", "1", "3", "2", "75.0%"],
        ["dog", "1", "0", "1", "1", "25.0%"],
    ]


def test_classes_escapes_titles():
    found = sections.classes(facts.data(picture("a", thing(BAD)), titles=(BAD,)))
    assert "<img" not in found
    assert found.count("onerror=alert(1)&gt;") >= 2  # in the chart's titles and in the table


def test_classes_of_nothing():
    assert rows(sections.classes(NONE))[1] == ["images", "0", "", ""]


def test_per_image_counts_images():
    found = sections.per_image(PETS)
    assert re.findall("<title>(.*?)</title>", found) == ["0 to 1: 1", "1 to 2: 1", "2 to 3: 0", "3 to 4: 1"]
    assert rows(found)[1][0] == "objects per image"
    many = sections.per_image(facts.data(picture("a", *[thing()] * 60), picture("b", *[thing()] * 59)))
    assert re.findall("<title>(.*?)</title>", many)[-1] == "57 to 60: 1" or "60 to 63: 1" in many
    assert sections.per_image(NONE) == sections.NOTHING


def test_sizes_shows_the_model_input_and_small_objects():
    found = rows(sections.sizes(PETS, Fit(100, 200)))
    assert ["in the model input, px", *["14.1"] * 5] in found  # (10 * 20) ** 0.5
    assert ["cat", "3", "0", "0", "10"] in found
    assert ["200 (here)", "100", "0", "0", "0.0%"] in found
    assert ["512", "256", "0", "0", "0.0%"] in found
    assert sections.sizes(NONE, FIT) == sections.NOTHING


def test_ratios_shows_quantiles():
    assert rows(sections.ratios(PETS))[1] == ["width / height", *["2"] * 5]
    assert sections.ratios(NONE) == sections.NOTHING


def test_config_is_json_that_can_be_copied():
    suggestion = anchors.suggest(PETS)
    found = sections.config(suggestion)
    block = re.search('<pre id="suggested".*?>(.*?)</pre>', found, re.DOTALL)[1]
    assert json.loads(unescape(block)) == anchors.config_of(suggestion)
    assert 'data-copy="suggested" hidden' in found  # the script shows it: without one it does nothing
    assert sections.config(None) == sections.NOTHING


def test_config_says_how_many_objects_have_an_anchor():
    found = sections.config(anchors.suggest(facts.data(picture("a", thing(box=(0, 0, 40, 40))))))
    assert "Anchors: the default ones, of which one has an IoU of at least 0.5 with 100.0% of the objects." in found
    small = sections.config(anchors.suggest(facts.data(picture("a", thing(box=(0, 0, 5, 5))))))
    assert "where many objects still are small" in small
    assert "with the default anchors 0.0%" in small


def test_chosen_input_names_whose_it_is():
    review = Review(PETS, FIT, (), ())
    assert "input of the config: min_dim 128, max_dim 256" in sections.chosen_input(review, from_config=True)
    assert "suggested below" in sections.chosen_input(review, from_config=False)
