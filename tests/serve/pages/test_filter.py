"""Threshold and classes on the page: they act at once, on what the service returned."""

from dataclasses import replace

from mrcnn.predict.predictor import Predictor
from mrcnn.project.meta import ClassMeta
from tests.serve.helpers import make_bundle, running

from .helpers import counts, needs_browser, picture, pixel, slide, tiles

pytestmark = needs_browser


def shown_picture(page, tmp_path):
    page.choose_file("#file", picture(tmp_path))
    page.wait_for("#status", "3 of 3 objects shown")


def test_filter_offers_the_models_classes_with_their_colours(page):
    script = "return [...document.querySelectorAll('#classes label')].map((row) => row.textContent)"
    assert page.run(script) == ["cat", "dog"]
    script = "return [...document.querySelectorAll('.swatch')].map((item) => item.style.background)"
    assert page.run(script) == ["rgb(255, 0, 0)", "rgb(0, 255, 0)"]


def test_filter_starts_at_the_lowest_score_of_the_service_and_says_it(page):
    lowest = " ".join(page.text("#lowest").split())
    assert lowest == "The service drops objects below 0.25. Its option --score-threshold changes that."
    assert page.run("const bar = byId('threshold'); return [bar.min, bar.value, bar.max]") == ["0.25", "0.25", "1"]
    assert page.text("#shown") == "0.25"


def test_filter_counts_the_objects_above_the_threshold(page, tmp_path):
    shown_picture(page, tmp_path)  # cat 0.9, dog 0.6, cat 0.3
    found = {}
    for least in (0.25, 0.3, 0.31, 0.5, 0.6, 0.61, 0.9, 0.91):
        slide(page, least)
        found[least] = (*counts(page), page.text("#status")[0])
    assert found == {
        0.25: ("2", "1", "3"), 0.3: ("2", "1", "3"), 0.31: ("1", "1", "2"), 0.5: ("1", "1", "2"), 0.6: ("1", "1", "2"),
        0.61: ("1", "0", "1"), 0.9: ("1", "0", "1"), 0.91: ("0", "0", "0"),
    }  # fmt: skip


def test_filter_sends_no_new_request(page, tmp_path):
    shown_picture(page, tmp_path)
    sent = "return performance.getEntriesByType('resource').filter((entry) => entry.name.includes('inference')).length"
    assert page.run(sent) == 1
    slide(page, 0.5)
    page.click("#classes input[value=cat]")
    page.wait_for("#status", "1 of 3 objects shown")
    assert page.run(sent) == 1


def test_filter_by_class_leaves_the_counts(page, tmp_path):
    shown_picture(page, tmp_path)
    slide(page, 0.5)
    page.click("#classes input[value=cat]")
    page.wait_for("#status", "1 of 3 objects shown")
    assert counts(page) == ["1", "1"]
    assert tiles(page) == [("photo.png", "1 of 3 objects")]
    page.click("#boxes")
    assert pixel(page, 5, 35) == [200, 200, 200]  # the cat's alone
    assert pixel(page, 5, 5) == [100, 228, 100]  # half of 200 and half of the dog's (0, 255, 0)


def test_filter_all_and_none(page, tmp_path):
    shown_picture(page, tmp_path)
    page.click("#none")
    page.wait_for("#status", "0 of 3 objects shown")
    assert counts(page) == ["2", "1"]
    page.click("#all")
    page.wait_for("#status", "3 of 3 objects shown")


def test_filter_by_keys(page, tmp_path):
    shown_picture(page, tmp_path)
    page.run("byId('threshold').focus()")
    page.press(*["Right"] * 6)  # steps of 0.01 from 0.25
    assert (page.text("#shown"), page.text("#status")) == ("0.31", "2 of 3 objects shown")
    page.press("End")
    assert page.text("#shown") == "1.00"
    page.press("Home", "Tab", "Tab", "Tab")  # all, none, the first class
    page.press("Space")
    page.wait_for("#status", "1 of 3 objects shown")
    page.press("Tab", "Space")
    page.wait_for("#status", "0 of 3 objects shown")


def test_filter_draws_masks_and_boxes_as_ticked(page, tmp_path):
    shown_picture(page, tmp_path)
    slide(page, 0.5)
    page.click("#boxes")
    # half of the cat's (255, 0, 0) on 200; above half of the dog's (0, 255, 0) on that
    assert pixel(page, 5, 35) == [228, 100, 100]
    assert pixel(page, 5, 5) == [114, 178, 50]
    page.click("#masks")
    assert pixel(page, 5, 5) == [200, 200, 200]


def test_filter_shows_a_name_written_like_html_as_text(window, tmp_path):
    name = "<img src=x onerror='document.title = 7'><b>cat</b>"
    bundle = make_bundle(score_threshold=0.05)
    names = (bundle.class_names[0], name, bundle.class_names[2])
    metas = (ClassMeta(name, "bitmap", "#FF0000"), bundle.class_metas[1])
    with running(Predictor(replace(bundle, class_names=names, class_metas=metas))) as service:
        window.open(f"{service.url}/")
        window.wait_for("#status", "Ready")
        window.choose_file("#file", picture(tmp_path, "<b>x.png"))
        window.wait_for("#status", "2 of 2 objects shown")
        assert window.text("#classes label") == f"{name}1"
        assert tiles(window) == [("<b>x.png", "2 objects")]
        script = "return [document.title, document.querySelectorAll('#classes img, #classes b, #strip b').length]"
        assert window.run(script) == ["Mask R-CNN", 0]
