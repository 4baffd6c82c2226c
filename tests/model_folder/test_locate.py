from pathlib import Path

import pytest

from mrcnn.errors import UserError
from mrcnn.model_folder import layout, locate
from mrcnn.model_folder.layout import ModelFiles


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """Plays the download of Matterport's release file."""
    path = tmp_path / "cache" / "mask_rcnn_coco.h5"
    path.parent.mkdir()
    path.touch()
    monkeypatch.setattr(locate.download, "matterport_coco_file", lambda: str(path))
    monkeypatch.chdir(tmp_path)
    return path


def test_find_model_and_find_start_download_coco(cached):
    assert locate.find_model("coco") == locate.find_start("coco") == ModelFiles(cached)


def test_find_model_and_find_start_prefer_a_folder_of_that_name(cached, tmp_path):
    for name in (layout.CONFIG, layout.WEIGHTS):
        (tmp_path / "coco" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "coco" / name).touch()
    found = locate.find_model("coco")
    assert found == locate.find_start("coco")
    assert found.weights.resolve() == tmp_path / "coco" / layout.WEIGHTS


def test_find_model_and_find_start_each_say_what_is_missing(tmp_path):
    with pytest.raises(UserError, match=r"^the model folder .* has neither config.json nor best/config.json; train a"):
        locate.find_model(tmp_path)
    with pytest.raises(UserError, match=r"^the start weights are missing: .*model.h5 does not exist. Give --model"):
        locate.find_start(tmp_path)


def test_find_model_and_find_start_download_a_published_model(tmp_path, monkeypatch):
    asked = []
    path = tmp_path / "a.pth"
    path.touch()
    monkeypatch.setattr(locate.download, "published_file", lambda file: asked.append(file.sha256) or str(path))
    assert locate.find_model("detectron2:mask_rcnn_R_50_FPN_1x") == ModelFiles(path)
    assert locate.find_start("torchvision:maskrcnn_resnet50_fpn") == ModelFiles(path)
    assert asked == ["a54504", "bf2d0c1e"]
    with pytest.raises(UserError, match=r"^detectron2:x is not among the published models; "):
        locate.find_model("detectron2:x")


@pytest.mark.parametrize("find", [locate.find_model, locate.find_start])
def test_an_export_is_no_model_folder(find, tmp_path):
    (tmp_path / "model.onnx").touch()
    for path in (tmp_path / "model.onnx", tmp_path, Path("missing/saved_model.PB")):
        with pytest.raises(UserError) as error:
            find(path)
        assert str(error.value) == (
            f"{path} is an exported model, which only inference, evaluation and the service run, see docs/export.md; "
            "give the model folder that it was made of"
        )
    (tmp_path / "model_weights").mkdir()
    for name in ("config.json", "model_weights/model.h5"):  # a model folder, into which someone put the export
        (tmp_path / name).touch()
    assert find(tmp_path).folder == tmp_path
