"""Zoom and position of the large picture, by wheel, keys, buttons and dragging."""

import pytest

from .helpers import needs_browser, picture

pytestmark = needs_browser


@pytest.fixture
def shown(page, tmp_path):
    """The page with a picture of 60 x 40 pixels, which fits the frame's height of 400 ten times enlarged."""
    page.run("const style = byId('drop').style; style.flex = 'none'; style.width = '804px'; style.height = '404px'")
    page.choose_file("#file", picture(tmp_path))
    page.wait_for("#status", "3 of 3 objects shown")
    assert page.run("const { width, height } = frame(); return [width, height, scale()]") == [800, 400, 10]
    return page


def state(page):
    return page.run("return [view.zoom, view.x, view.y]")


def corner(page):
    """Finds the frame's upper left corner in the window."""
    return page.run("const { left, top } = byId('canvas').getBoundingClientRect(); return [left, top]")


def test_view_starts_with_the_whole_picture_in_the_middle(shown):
    assert state(shown) == [1, 30, 20]
    # 800 wide, the picture takes 600: from 100 to 700
    assert shown.run("return [toFrame(0, 0), toFrame(60, 40), toPicture(100, 0)]") == [[100, 0], [700, 400], [0, 0]]
    assert shown.text("#zoom") == "1.0×"
    assert shown.run("return ['farther', 'fit', 'closer'].map((id) => byId(id).disabled)") == [True, True, False]


def test_view_zooms_by_buttons_about_the_middle(shown):
    shown.click("#closer")
    assert state(shown) == pytest.approx([1.25, 30, 20])
    assert shown.text("#zoom") == "1.3×"
    shown.click("#closer")
    shown.click("#farther")
    assert state(shown) == pytest.approx([1.25, 30, 20])
    shown.click("#fit")
    assert state(shown) == [1, 30, 20]


def test_view_zooms_by_keys_from_any_place(shown):
    shown.run("byId('threshold').focus()")
    shown.press("+", "+", "=")
    assert state(shown) == pytest.approx([1.25**3, 30, 20])
    shown.press("-")
    assert state(shown) == pytest.approx([1.25**2, 30, 20])
    shown.press("0")
    assert state(shown) == [1, 30, 20]
    assert shown.text("#shown") == "0.25"


def test_view_zooms_by_the_wheel_about_the_mouse(shown):
    left, top = corner(shown)
    point = round(left + 500), round(top + 100)
    before = shown.run("return toPicture(args[0], args[1])", point[0] - left, point[1] - top)
    shown.scroll(*point, -100)
    assert state(shown)[0] == pytest.approx(1.25**2)  # 50 a step
    after = shown.run("return toPicture(args[0], args[1])", point[0] - left, point[1] - top)
    # the point (40, 10) stays: 1000 / 1.5625 = 640 of 60 x 10 x 1.5625 = 937.5 are seen, so no edge is near
    assert after == pytest.approx(before, abs=0.1)
    assert after == pytest.approx([40, 10], abs=0.1)
    assert shown.run("return [scrollX, scrollY]") == [0, 0]
    shown.scroll(*point, 1000)
    assert state(shown) == [1, 30, 20]


def test_view_stops_at_the_largest_zoom(shown):
    shown.run("for (let step = 0; step < 50; step++) zoomBy(STEP)")
    assert state(shown)[0] == 32
    assert shown.run("return byId('closer').disabled") is True


def test_view_is_moved_by_dragging_up_to_the_edge(shown):
    shown.run("place(4, 30, 20)")  # 40 CSS pixels a pixel: 20 x 10 pixels are seen
    left, top = (round(side) for side in corner(shown))
    shown.drag((left + 400, top + 200), (left + 320, top + 240))
    assert state(shown) == pytest.approx([4, 32, 19])  # 80 left and 40 down are 2 and 1 pixels
    shown.drag((left + 10, top + 10), (left + 790, top + 390))
    shown.drag((left + 10, top + 10), (left + 790, top + 390))
    assert state(shown) == pytest.approx([4, 10, 5])  # half of what is seen


def test_view_zooms_by_two_fingers_about_their_middle(shown):
    left, top = (round(side) for side in corner(shown))
    left_finger = (left + 350, top + 200), (left + 300, top + 200)
    right_finger = (left + 450, top + 200), (left + 500, top + 200)
    shown.pinch(left_finger, right_finger)
    zoom, x, y = state(shown)
    assert zoom == pytest.approx(2)  # from 100 to 200 apart
    assert (x, y) == pytest.approx((30, 20), abs=2)  # the fingers do not move in the same moment


def test_view_labels_only_objects_in_the_frame(shown):
    boxes = [
        [10, 10, 5, 5],
        [-10, 10, 5, 5],
        [-10, 10, 11, 5],
        [10, -5, 5, 5],
        [800, 10, 5, 5],
        [10, 400, 5, 5],
        [799, 399, 5, 5],
    ]
    found = shown.run("return args[0].map((box) => isInFrame(box))", boxes)
    assert found == [True, False, True, False, False, False, True]


def test_view_is_not_moved_where_the_picture_fits(shown):
    left, top = (round(side) for side in corner(shown))
    shown.drag((left + 400, top + 200), (left + 500, top + 240))
    assert state(shown) == [1, 30, 20]


def test_view_is_moved_by_arrow_keys_when_zoomed(shown):
    shown.run("place(4, 30, 20); byId('canvas').focus()")
    shown.press("Right", "Down")
    assert state(shown) == pytest.approx([4, 31.5, 21.5])  # 60 CSS pixels of 40 each
    shown.press("Left", "Left", "Up")
    assert state(shown) == pytest.approx([4, 28.5, 20])


def test_view_keeps_its_zoom_when_the_filter_changes_and_loses_it_with_the_picture(shown, tmp_path):
    shown.run("place(4, 20, 10)")
    shown.click("#none")
    assert state(shown) == [4, 20, 10]
    shown.choose_file("#file", picture(tmp_path, "tall.png", height=80, width=20))
    shown.wait_for("#progress", "2 of 2 pictures done")
    shown.run("while (loaded !== gallery.current) await new Promise((next) => setTimeout(next, 10))")
    assert state(shown) == [1, 10, 40]


def test_view_labels_of_one_corner_do_not_cover_each_other(shown):
    places = shown.run("""
        const first = labelPlace([], [100, 50], 80), second = labelPlace([first], [110, 45], 80);
        const third = labelPlace([first, second], [105, 50], 80), apart = labelPlace([first], [181, 50], 80);
        return [first, second, third, apart, labelPlace([], [790, 5], 80)].map(({ left, top }) => [left, top]);
    """)
    # a line of 18 above the box, the next two below it: 32, 50, 68; the frame's right and upper edges: 800 - 80 and 0
    assert places == [[99, 32], [109, 50], [104, 68], [180, 32], [720, 0]]
