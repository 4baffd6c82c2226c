"""Checks the rule for decoded bytes."""

import pytest

from mrcnn.errors import UserError
from mrcnn.images import limits


def test_check_decoded_names_subject_size_limit_and_fix():
    limits.check_decoded(2**20, what="the image a", most=2**20)
    with pytest.raises(UserError, match=r"the image a would take 2 MB when decoded, more than 1 MB; make it smaller$"):
        limits.check_decoded(2**20 + 1, what="the image a", most=2**20)
    with pytest.raises(UserError, match="or raise `key`"):
        limits.check_decoded(limits.DECODED + 1, what="x", key="key")
