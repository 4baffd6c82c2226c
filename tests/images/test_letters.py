from mrcnn.images import letters


def test_font_has_cyrillic_letters_where_matplotlib_is_installed():
    font = letters.font(20)
    assert font.getmask("д").getbbox() != font.getmask("\uffff").getbbox()


def test_font_without_matplotlib(monkeypatch):
    monkeypatch.setattr(letters.importlib.util, "find_spec", lambda name: None)
    assert letters.font(20).getlength("cat") > 0
