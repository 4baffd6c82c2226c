"""The page for every reader: names of its controls, visible focus, narrow and wide windows, light and dark."""

import pytest

from .helpers import needs_browser, picture, slide

pytestmark = needs_browser

NAMELESS = """
    const label = (item) => item.getAttribute("aria-label") || item.labels?.[0]?.textContent.trim();
    const named = (item) => /[a-z]/i.test(label(item) || item.textContent); // a sign alone is no name
    const items = document.querySelectorAll("button, input, canvas[tabindex], [role=option], [role=listbox], a");
    return [...items].filter((item) => !named(item)).map((item) => item.outerHTML);
"""
REFERENCES = """
    const holders = (name) => [...document.querySelectorAll(`[${name}]`)];
    const ids = (name) => holders(name).flatMap((item) => item.getAttribute(name).split(" "));
    return ["aria-describedby", "aria-labelledby", "for"].flatMap(ids).filter((id) => !byId(id));
"""
TOO_WIDE = """
    const wide = document.documentElement.clientWidth;
    const inside = [...document.querySelectorAll("main *, aside *")].filter((item) => !item.closest("#strip > li"));
    const out = inside.filter((item) => item.getBoundingClientRect().right > wide + 0.5);
    return [document.documentElement.scrollWidth - wide, ...out.map((item) => item.id || item.tagName)];
"""
CONTRAST = """
    // The WCAG 2.2 contrast of an element's text with the page's background.
    const paint = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const light = (...colors) => {
      for (const color of colors) { paint.fillStyle = color; paint.fillRect(0, 0, 1, 1); }
      const [r, g, b] = [...paint.getImageData(0, 0, 1, 1).data].map((value) => value / 255)
        .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const back = getComputedStyle(document.body).backgroundColor;
    return args[0].map((selector) => {
      const one = light(back, getComputedStyle(document.querySelector(selector)).color), other = light(back);
      return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    });
"""


@pytest.fixture
def filled(page, tmp_path):
    """The page with a picture of three objects, one with a long name, and one that failed."""
    (tmp_path / "no.png").write_bytes(b"no picture")
    page.choose_file("#file", tmp_path / "no.png", picture(tmp_path, f"{'long' * 20}.png"), picture(tmp_path))
    page.wait_for("#progress", "2 of 3 pictures done, 1 failed")
    return page


def test_layout_every_control_has_a_name_and_every_reference_a_target(filled):
    assert filled.run(NAMELESS) == []
    assert filled.run(REFERENCES) == []


def test_layout_the_canvas_is_described_by_what_it_shows(page, tmp_path):
    page.choose_file("#file", picture(tmp_path))
    page.wait_for("#status", "3 of 3 objects shown")
    slide(page, 0.5)
    assert page.run("return byId('canvas').getAttribute('aria-label')") == "photo.png, 1 cat 0.90, 2 dog 0.60"


@pytest.mark.parametrize(("width", "height"), [(320, 640), (390, 844), (760, 900), (1280, 800)])
def test_layout_nothing_is_wider_than_the_window(filled, width, height):
    filled.resize(width, height)
    assert filled.run(TOO_WIDE) == [0]
    view = filled.run("const { width, height } = frame(); return [width, height]")
    assert view[0] > min(width - 45, 320)
    assert view[1] > 200


def test_layout_of_a_desk_shows_picture_and_zoom_without_scrolling(filled):
    filled.resize(1280, 800)
    bottom = "return ['status', 'tools', 'threshold'].map((id) => byId(id).getBoundingClientRect().bottom)"
    assert max(filled.run(bottom)) <= 800
    assert filled.run("return document.documentElement.scrollHeight") == 800


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_layout_text_has_contrast(filled, dark):
    filled.resize(1280, 800, dark=dark)
    selectors = ["h1", "h2", "#lowest", "#progress", "#status.bad", "#strip .failed .state", "#strip .name", "aside a"]
    found = filled.run(CONTRAST, selectors)
    assert min(found) >= 4.5, dict(zip(selectors, found, strict=True))  # WCAG 2.2, level AA


def test_layout_focus_is_visible_at_each_stop_of_tab(filled):
    filled.run("document.activeElement.blur()")
    stops = []
    for _ in range(30):
        filled.press("Tab")
        script = """
            const item = document.activeElement, style = getComputedStyle(item);
            const name = item.id || item.value || item.textContent;
            return item === document.body ? [null] : [name, style.outlineStyle, style.outlineWidth];
        """
        name, *outline = filled.run(script)
        if name is None:  # after the last
            break
        stops.append(name)
        assert name in ("", "Keys") or outline == ["solid", "3px"], name
    ids = ["choose", "picture-1", "canvas", "closer", "again", "remove", "threshold", "all", "none", "cat", "dog"]
    assert [stop for stop in stops if stop in ids] == ids
    assert {"masks", "boxes", "save-coco"} <= set(stops)


def test_page_asks_no_other_server_and_breaks_no_policy(page, three, tmp_path):
    page.complaints()  # those of other tests
    page.open(f"{three.url}/")
    page.choose_file("#file", picture(tmp_path))
    page.wait_for("#status", "3 of 3 objects shown")
    names = page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert {name.removeprefix(three.url) for name in names if name.startswith(three.url)} == {
        "/2020/model/get_out_meta", "/limits", "/2020/model/inference",
    }  # fmt: skip
    assert [name for name in names if not name.startswith((three.url, "blob:", "data:"))] == []
    assert page.complaints() == []


def test_docs_page_lists_the_endpoints(window, three):
    window.open(f"{three.url}/docs")
    window.wait_for("#title", "Mask R-CNN 0.1.0")
    text = window.text("#list")
    assert "POST/model/inferenceFinds the objects of an image" in text
    assert "GET/metrics" in text
    assert len(window.screenshot()) > 1000
