from tests.report import facts


def test_object_facts_have_the_sides_of_their_box():
    item = facts.thing(box=(2, 5, 12, 9))
    assert (item.height, item.width) == (10, 4)  # 12 - 2 and 9 - 5
