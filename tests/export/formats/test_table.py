"""The table of formats."""

import pytest

from mrcnn.errors import UserError
from mrcnn.export.formats import table
from mrcnn.export.formats.saved_model import SavedModel


def test_find_by_name():
    assert isinstance(table.find("saved_model"), SavedModel)
    assert table.DEFAULT in table.FORMATS


@pytest.mark.parametrize(("name", "hint"), [("SavedModel", "did you mean"), ("", "known here: saved_model")])
def test_find_names_what_is_known(name, hint):
    with pytest.raises(UserError, match=f"there is no export format `{name}`; {hint}"):
        table.find(name)
