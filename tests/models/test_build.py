import pytest

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.family import FAMILIES
from mrcnn.models.build import BUILDERS, build_model


@pytest.mark.parametrize("num_classes", [0, 1])
def test_build_model_a_model_needs_a_class_beside_the_background(num_classes):
    with pytest.raises(ValueError, match=rf"at least one class, got {num_classes} class"):
        build_model(MatterportConfig(), num_classes=num_classes)


def test_build_model_settings_reach_the_model():
    config = MatterportConfig(backbone="resnet50", channels=4, image_mean=(1.0, 2.0, 3.0, 4.0), detections_per_image=7)
    model = build_model(config, num_classes=3)
    assert model.settings == config
    shapes = {name: tuple(v.shape) for _, entries in model.weight_layout() for name, v in entries}
    assert shapes["conv1/kernel:0"] == (7, 7, 4, 64)
    assert shapes["mrcnn_class_logits/kernel:0"] == (1024, 3)


@pytest.mark.parametrize("family", FAMILIES)
def test_builders_and_records_have_the_same_words_for_train_layers(family):
    assert set(BUILDERS[family].layer_patterns) == set(FAMILIES[family].TRAIN_LAYERS)
