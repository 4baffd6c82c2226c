import numpy as np
import pytest

from mrcnn.config.keypoints import KeypointTemplate
from mrcnn.predict import exported_fields, moves
from mrcnn.structures import CompactDetections


def test_fields_of_adapts_keypoints_to_their_template():
    template = KeypointTemplate(names=("left_eye", "right_eye"))
    fields = exported_fields.fields_of(["keypoints"], {"keypoints": template.model_dump(mode="json")})
    assert fields["keypoints"].template == template
    found = CompactDetections(
        np.float32([[0, 0, 4, 4]]), np.int32([1]), ("cat",), np.float32([1]), (), size=(4, 10),
        extras={"keypoints": np.float32([[[1, 2, 1], [3, 2, 1]]])},
    )  # fmt: skip
    # x becomes 10 - x, and left and right are exchanged
    assert moves.mirrored(found, fields).extras["keypoints"].tolist() == [[[7, 2, 1], [9, 2, 1]]]


def test_fields_of_leaves_a_field_without_settings_as_it_is():
    assert exported_fields.fields_of([], {}) == {}
    assert exported_fields.fields_of(["keypoints"], {})["keypoints"].template is None


def test_fields_of_refuses_an_unknown_field_and_malformed_settings():
    with pytest.raises(ValueError, match=r"the field 'speed' is not in"):
        exported_fields.fields_of(["speed"], {})
    with pytest.raises(ValueError, match=r"names"):
        exported_fields.fields_of(["keypoints"], {"keypoints": {"names": []}})
