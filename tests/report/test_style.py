import base64
import hashlib
import re

from mrcnn.report import style
from mrcnn.report.html import Html, element


def test_page_allows_its_own_style_and_script_alone():
    found = style.page("<b>", about="set `x`", contents=[("one", "A & B", element("p", "c"))], top=Html("<p>top</p>"))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', found)[1]
    assert policy.startswith("default-src 'none'; img-src data:;")
    for name in ("style", "script"):
        (content,) = re.findall(f"<{name}>(.*?)</{name}>", found, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert "http://" not in found
    assert "https://" not in found


def test_page_has_titles_and_links_to_its_sections():
    found = style.page("<b>", about="set `x`", contents=[("one", "A & B", element("p", "c"))], top=Html("<p>top</p>"))
    assert "<title>&lt;b&gt;</title>" in found
    assert "<code>x</code>" in found
    assert '<a href="#one">A &amp; B</a>' in found
    assert '<h2 id="one">A &amp; B</h2><p>c</p>' in found
    assert found.count("<p>top</p>") == 1
