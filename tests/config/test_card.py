import re
from pathlib import Path

import pytest

from mrcnn.config.card import CardTexts, read_texts
from mrcnn.errors import UserError


def read(tmp_path, text):
    path = tmp_path / "card.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_texts(path)


def test_read_texts(tmp_path):
    found = read(
        tmp_path, "license: mit\ndirect_use: |\n  Counts pets.\n\n  In photos.\ndatasets: [a/b]\nwatts: 250.5\n"
    )
    assert (found.license, found.datasets, found.watts) == ("mit", ("a/b",), 250.5)
    assert found.direct_use == "Counts pets.\n\nIn photos.\n"
    assert found.developers is None


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "license:\nname: ''\n"])
def test_read_texts_of_empty_files_and_values(tmp_path, text):
    assert read(tmp_path, text) == CardTexts()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("licence: mit", "unknown key `licence`.*license"),
        ("license: 3", "`license` must be a string, got 3"),
        ("watts: -1", "`watts` .*greater than 0"),
        ("name: |\n  two\n  lines", "`name` must be one line"),
        ("- a", "must hold keys with texts"),
        ("1: a", "must hold keys with texts"),
        ("a: b: c", "is not YAML: line 1: mapping values are not allowed here; put text with colons into quotes"),
        (b"\xff\xfe\xff", "is not a readable YAML text"),
        ("name: !!python/object:os.system x", "is not YAML: line 1"),
    ],
)
def test_read_texts_names_what_is_wrong(tmp_path, text, message):
    with pytest.raises(UserError, match=message) as error:
        read(tmp_path, text)
    assert "card.yaml" in str(error.value)
    assert "\n" not in str(error.value)


def test_read_texts_of_a_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"cannot read the texts of the model card .*no.yaml"):
        read_texts(tmp_path / "no.yaml")


PAGE = (Path(__file__).parents[2] / "docs" / "card.md").read_text()


def test_the_documented_texts_are_read(tmp_path):
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    found = read(tmp_path, example)
    assert (found.license, found.datasets) == ("mit", ("example/pedestrians",))


def test_every_text_is_documented():
    assert [name for name in CardTexts.model_fields if f"`{name}`" not in PAGE] == []
