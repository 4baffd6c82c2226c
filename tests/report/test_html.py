from mrcnn.report import html
from mrcnn.report.html import Html

BAD = "<script>alert('x')</script>&\""
SAFE = "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&amp;&quot;"


def test_text_escapes_all_but_html():
    assert html.text(BAD) == SAFE
    assert html.text(html.text(BAD)) == SAFE  # once
    assert html.text(Html("<b>")) == "<b>"
    assert html.text(3) == "3"


def test_text_shows_control_characters_and_shortens():
    assert html.text("a\x1b[31m\u202eb") == "a\\x1b[31m\\u202eb"
    assert html.text("caf\udce9") == "caf\\udce9"  # half of a character, which no file in UTF-8 can hold
    assert len(html.text("a" * 5000)) <= html.LONGEST


def test_prose_marks_code_after_escaping():
    assert html.prose("set `a<b` now") == "set <code>a&lt;b</code> now"
    assert html.prose("a ` alone") == "a ` alone"


def test_element_escapes_content_and_attributes():
    assert html.element("p", BAD) == f"<p>{SAFE}</p>"
    assert html.element("a", "b", class_="c", aria_label=BAD, href=None) == f'<a class="c" aria-label="{SAFE}">b</a>'


def test_table_escapes_cells_and_aligns_numbers():
    found = html.table(("class", "n"), [(BAD, 1200), ("x", "3.5"), ("y", "text")], caption=BAD)
    assert BAD not in found
    assert found.count(SAFE) == 2
    assert '<td class="n">1,200</td>' in found
    assert '<td class="n">3.5</td>' in found
    assert "<td>text</td>" in found
    assert 'tabindex="0"' in found  # the keyboard scrolls it
    assert "<tbody></tbody>" in html.table(("a",), [], caption="none")


def test_figure_of_a_picture_and_without_one():
    found = html.figure(b"\xff\xd8", alt=BAD, notes=(BAD, html.element("b", "x")))
    assert f'alt="{SAFE}"' in found
    assert 'src="data:image/jpeg;base64,/9g="' in found
    assert f"<span>{SAFE}</span><span><b>x</b></span>" in found
    assert "<img" not in html.figure(None, alt="a", notes=("b",))


def test_listed_counts_what_it_leaves_out():
    assert html.listed(["a", BAD], most=1) == '<ul class="names"><li>a</li><li>… and 1 more</li></ul>'
    assert html.listed([], most=1) == '<ul class="names"></ul>'
