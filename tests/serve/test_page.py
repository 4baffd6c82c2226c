"""Pages as documents of one file, and their policies."""

import re

import pytest

from mrcnn.serve import page


def test_content_security_policy_allows_only_the_pages_own_script_and_style():
    # printf 'go()' | openssl dgst -sha256 -binary | base64
    script, style = "5KYv+PUboo5h+0+YAtGRPbwv5d/QxzHslP4YGnUaxRw=", "7yqHVAesot11p6HczDsgKRipvI5UPgs97z80zNXlans="
    found = page.content_security_policy("<style>b{}</style><p>x</p><script>go()</script>")
    assert f"; script-src 'sha256-{script}'; style-src 'sha256-{style}'; " in found


def test_content_security_policy_of_several_scripts():
    script = "'sha256-5KYv+PUboo5h+0+YAtGRPbwv5d/QxzHslP4YGnUaxRw='"
    found = page.content_security_policy("<style>b{}</style><script>go()</script><p>x</p><script>go()</script>")
    assert f"; script-src {script} {script}; style-src 'sha256-7yqHVAesot11p6HczDsgKRipvI5UPgs97z80zNXlans='; " in found


def test_assemble_puts_the_texts_of_files_in_place(tmp_path):
    (tmp_path / "a.js").write_text('say("\\1");\n')  # no group of a pattern
    (tmp_path / "b.css").write_text("b {}\n")
    text = '<link rel="stylesheet" href="b.css">\n<p>a.js</p>\n<script src="a.js"></script>'
    expected = '<style>\nb {}\n</style>\n<p>a.js</p>\n<script>\nsay("\\1");\n</script>'
    assert page.assemble(text, tmp_path) == expected


def test_assemble_leaves_a_page_without_parts():
    assert page.assemble("<p>x</p>", page.FOLDER) == "<p>x</p>"


def test_assemble_of_a_missing_part(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"c\.js"):
        page.assemble('<script src="c.js"></script>', tmp_path)


def test_load_reads_a_page_with_its_policy(tmp_path):
    (tmp_path / "p.html").write_text("<style>b{}</style><script>go()</script>")
    found = page.load("p.html", folder=tmp_path)
    assert found == (found.text, page.content_security_policy(found.text))
    assert found.text == "<style>b{}</style><script>go()</script>"


@pytest.mark.parametrize("path", sorted(page.FOLDER.glob("*.html")), ids=lambda path: path.name)
def test_pages_name_no_other_server(path):
    text = page.load(path.name).text
    assert re.findall(r"https?://|//[a-z]+\.|<script src|<link rel=.stylesheet|@import|url\(", text) == []


@pytest.mark.parametrize("path", sorted(page.FOLDER.iterdir()), ids=lambda path: path.name)
def test_files_of_pages_are_short_and_used(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    assert path.suffix == ".html" or "</script" not in text  # it would end the element that holds the file
    assert path.suffix == ".html" or f'"{path.name}"' in (page.FOLDER / "try.html").read_text()


SCRIPTS = re.findall(r'<script src="([\w.]+)">', (page.FOLDER / "try.html").read_text())
DECLARED = re.compile(r"^(?:async )?function (\w+)|^(?:const|let) (\w+)|^(?:const|let) .*?, ([A-Z_]+) =", re.MULTILINE)


def declared(text):
    """Finds the names that a script declares for the others."""
    return [name for names in DECLARED.findall(text) for name in names if name]


def test_scripts_declare_a_name_once():
    names = [name for script in SCRIPTS for name in declared((page.FOLDER / script).read_text())]
    assert len(names) > 60
    assert sorted(names) == sorted(set(names))  # of two functions with one name, the last would silently count


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_use_those_above_them_alone(script):
    below = SCRIPTS[SCRIPTS.index(script) + 1 :]
    later = {name for other in below for name in declared((page.FOLDER / other).read_text())}
    code = re.sub(r'//.*|"[^"\n]*"', "", (page.FOLDER / script).read_text())
    code = re.sub(r"`[^`]*`", lambda text: " ".join(re.findall(r"\$\{([^}]*)\}", text[0])), code)
    used = set(re.findall(r"(?<![.\w])([A-Za-z_]\w*)(?!\w|:)", code)) - set(re.findall(r"\b(?:const|let) (\w+)", code))
    assert used & later == set()
