import pytest

from mrcnn.heads.head import Head


def test_a_head_must_define_its_work():
    head = Head()
    assert (head.needs, head.loss_names, head.loss_labels, head.gives) == ((), (), {}, ())
    with pytest.raises(NotImplementedError):
        head.outputs([], None, {}, image_size=(1, 1), training=True)
    with pytest.raises(NotImplementedError):
        head.losses(None, across=lambda value: value)
    with pytest.raises(NotImplementedError):
        head.decode([], None, None, valid=None, image_size=(1, 1))
