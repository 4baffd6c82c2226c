import re

import pytest

from mrcnn.config import family
from mrcnn.errors import UserError
from mrcnn.weights import published


def test_find_a_published_model_by_name():
    found = published.find("torchvision:maskrcnn_resnet50_fpn")
    assert found.url == "https://download.pytorch.org/models/maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth"
    assert (found.sha256, found.classes, found.settings) == ("bf2d0c1e", "coco", {"norm_epsilon": 0.0})
    found = published.find("detectron2:mask_rcnn_R_101_FPN_3x")
    assert found.url.endswith("/COCO-InstanceSegmentation/mask_rcnn_R_101_FPN_3x/138205316/model_final_a3ec72.pkl")
    assert found.settings == {}


@pytest.mark.parametrize("model", ["coco", "models/best", "torchvision", "C:/models/a.pth", "a:b", ""])
def test_find_is_none_for_a_path(model):
    assert published.find(model) is None


def test_find_is_none_for_a_path_that_exists(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "torchvision:mine").touch()
    assert published.find("torchvision:mine") is None


def test_find_of_an_unknown_name_has_a_hint():
    with pytest.raises(UserError) as caught:
        published.find("detectron2:mask_rcnn")
    expected = "detectron2:mask_rcnn is not among the published models; did you mean detectron2:mask_rcnn_R_50_FPN_3x?"
    assert str(caught.value) == expected
    with pytest.raises(UserError, match=r"^detectron2:x is not among the published models; `mrcnn models` lists them$"):
        published.find("detectron2:x")


def test_of_file_finds_a_published_file_wherever_it_lies(tmp_path):
    name = "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth"
    assert published.of_file(tmp_path / name) == published.MODELS["torchvision:maskrcnn_resnet50_fpn"]
    assert published.of_file(f"mine_{name}") is None
    assert published.of_file("resnet50-0676ba61.pth") is None  # a backbone is no detector


def test_models_have_digits_of_their_content_in_their_names():
    for name, file in published.MODELS.items():
        assert re.search(rf"[-_]{file.sha256}\.(pth|pkl)$", file.url)
        code_base = name.partition(":")[0]
        record = family.FAMILIES[code_base]
        assert set(file.settings) <= set(record.model_fields)
        assert file.classes in (published.COCO, published.PERSON)
    for (code_base, _), file in published.BACKBONES.items():
        assert code_base in family.FAMILIES
        assert file.sha256 in file.url
        assert not file.classes
