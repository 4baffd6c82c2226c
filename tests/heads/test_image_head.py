import pytest

from mrcnn.heads.image_head import ImageHead


def test_an_image_head_has_no_fields_of_objects_and_must_define_its_work():
    head = ImageHead()
    assert (head.maps, head.needs, head.gives, head.loss_names, head.class_layers) == ((), (), (), (), ())
    calls = (
        lambda: head.outputs([], {}, training=True),
        lambda: head.losses(None, across=None),
        lambda: head.decode([]),
    )
    for call in calls:
        with pytest.raises(NotImplementedError):
            call()
