"""Texts of coordinates: JSON reads the same numbers."""

import json

from mrcnn.convert.writers import numerals

VALUES = [0.0, 2.5, 640.0, 0.5]


def test_flat_and_pairs_are_json_of_the_same_numbers():
    assert json.loads(numerals.flat([0.0, 2.5, 640.0])) == [0.0, 2.5, 640.0]
    assert numerals.pairs(VALUES) == json.dumps([[0.0, 2.5], [640.0, 0.5]])
    assert (numerals.flat([]), numerals.pairs([])) == ("[]", "[]")


def test_separated_as_cvat_writes_them():
    assert numerals.separated(VALUES) == "0.0,2.5;640.0,0.5"
    assert numerals.separated([]) == ""


def test_a_whole_number_is_a_float_whatever_was_written_before():
    assert numerals.pairs([9101, 9102]) == "[[9101.0, 9102.0]]"
    assert numerals.flat([9101.0]) == "[9101.0]"
