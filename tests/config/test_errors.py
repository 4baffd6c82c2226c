import pytest

from mrcnn.config import errors
from mrcnn.config.base import PositiveInt, Settings
from mrcnn.errors import UserError


class Inner(Settings):
    depth: PositiveInt = 1


class Outer(Settings):
    width: PositiveInt = 1
    inner: Inner = Inner()
    many: tuple[Inner, ...] = ()
    maybe: Inner | None = None


def error_of(values, **how):
    with pytest.raises(UserError) as caught:
        errors.check(Outer, values, **how)
    return str(caught.value)


def test_right_values_come_back_typed():
    assert errors.check(Outer, {"width": 2, "many": [{"depth": 3}]}) == Outer(width=2, many=(Inner(depth=3),))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"widht": 1}, "unknown key `widht`; did you mean `width`"),
        ({"depth": 1}, "unknown key `depth`; did you mean `inner.depth`"),
        ({"inner": {"dept": 1}}, "unknown key `inner.dept`; did you mean `depth`"),
        ({"many": [{}, {"zzz": 1}]}, "unknown key `many[1].zzz`; known here: depth"),
        ({"maybe": {"dpeth": 1}}, "unknown key `maybe.dpeth`; did you mean `depth`"),
        ({"maybe": 3}, "`maybe` must be an object, got 3"),
        ({"many": [{"depth": 0}]}, "`many[0].depth` must be greater than or equal to 1, got 0"),
        ({"width": None}, "`width` must be an integer, got null"),
    ],
)
def test_each_kind_of_mistake_has_its_line(values, message):
    assert error_of(values) == message


def test_a_path_leads_the_names():
    assert error_of({"width": 0, "inn": 1}, path="mode") == (
        "unknown key `mode.inn`; did you mean `inner`; `mode.width` must be greater than or equal to 1, got 0"
    )


def test_all_mistakes_of_a_file_are_shown_the_unknown_keys_first():
    values = {"many": [{"depth": -index} for index in range(6)], "widht": 1, "inner": {"dept": 2}}
    named = [text.split("`")[1] for text in error_of(values).split("; ") if not text.startswith("did you")]
    assert named == ["inner.dept", "widht", *(f"many[{index}].depth" for index in range(6))]


def test_config_error_more_mistakes_than_a_line_holds_are_counted():
    found = error_of({"many": [{"depth": 0}] * 40})
    assert found.endswith("; and 32 more")
    assert len(found) <= 500
    assert found.count("must be") == 8
    short = errors.ConfigError([f"`k{index}` is bad" for index in range(15)])
    assert str(short).endswith("`k9` is bad; and 5 more")
    assert str(errors.ConfigError(["x" * 900, "y"])).endswith("x; and 1 more")


def test_gather_joins_the_problems_of_all_checks():
    with pytest.raises(UserError, match=r"^unknown key `b\.inn`; did you mean `inner`; `a\.width` must be an integer"):
        errors.gather(
            lambda: errors.check(Outer, {"width": None}, path="a"), lambda: errors.check(Outer, {"inn": 1}, path="b")
        )
    assert errors.gather(lambda: 1, lambda: 2) == [1, 2]


def test_values_are_shown_escaped_and_cut():
    assert errors.shown("a\nb\u2028\ud800") == '"a\\nb\\u2028\\ud800"'
    assert errors.shown({"a": [True, None]}) == '{"a": [true, null]}'
    assert errors.shown(list(range(100))) == str(list(range(100)))[:57] + "..."


def test_shown_path_paths_are_shown_escaped_and_cut():
    assert errors.shown_path(["a", 0, "b"]) == "a[0].b"
    assert errors.shown_path([0, "b"], prefix="mode") == "mode[0].b"
    assert errors.shown_path(["a\nb"]) == "a\\nb"
    assert len(errors.shown_path(["x" * 500])) == 120
    assert errors.shown_path([]) == ""


def test_the_nearest_word_or_all_words():
    assert errors.nearest("epoch", ["lr", "epochs"]) == "; did you mean `epochs`"
    assert errors.nearest("zzz", ["lr", "epochs"]) == "; known here: lr, epochs"
    listed = errors.nearest("zzz", [f"a{index}" for index in range(28)])
    assert listed.endswith("a24 and 3 more, see docs/configuration.md")


def test_thousands_of_unknown_keys_are_counted():
    message = error_of({f"key {number}": 1 for number in range(20_000)})
    assert message.startswith("unknown key `key 0`")
    told = message.count("unknown key")
    assert message.endswith(f"; and {20_000 - told} more")
    assert len(message) <= 500


@pytest.mark.parametrize(("words", "text"), [("a", "'a'"), ("ab", "'a' or 'b'"), ("abc", "'a', 'b' or 'c'")])
def test_listed(words, text):
    assert errors.listed(words) == text
