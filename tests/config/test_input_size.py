import pytest

from mrcnn.config.input_size import InputSize
from mrcnn.config.load import load_train_config
from mrcnn.errors import UserError


def test_input_size_without_added_keys_keeps_the_originals():
    assert InputSize().model_dump(mode="json") == {"min_dim": 256, "max_dim": 256}
    given = InputSize(shape="square", train_min_dims=(64, 96), width=0)
    assert given.model_dump(mode="json") == {
        "min_dim": 256,
        "max_dim": 256,
        "shape": "square",
        "train_min_dims": [64, 96],
        "width": 0,
    }


def test_settled_shape_is_square_where_it_is_open():
    assert (InputSize().settled_shape, InputSize(shape="rectangle").settled_shape) == ("square", "rectangle")


def test_largest_in_training_has_the_largest_short_side():
    assert InputSize(min_dim=640).largest_in_training.min_dim == 640
    assert InputSize(min_dim=640, train_min_dims=(480, 800, 736)).largest_in_training.min_dim == 800
    assert InputSize(min_dim=640, train_min_dims=(480,)).largest_in_training.min_dim == 480


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        ([0], "`input_size.train_min_dims[0]` must be greater than or equal to 1, got 0"),
        ([64, 1.5], "`input_size.train_min_dims[1]` must be an integer, got 1.5"),
        (64, "`input_size.train_min_dims` must be a list, got 64"),
    ],
)
def test_wrong_short_sides_are_named(dims, message):
    with pytest.raises(UserError) as error:
        load_train_config({"input_size": {"train_min_dims": dims}})
    assert str(error.value).startswith(message)


def test_check_square_refuses_a_side_that_the_pyramid_cannot_halve():
    size = InputSize(max_dim=1333, shape="rectangle")
    with pytest.raises(ValueError, match=r"^`side` must be a multiple of 64 here, got 1333; use 1344$"):
        size.check_square("side", why=" here")
    InputSize(max_dim=1344, shape="rectangle").check_square()
