"""The command `mrcnn models`."""

import pytest

from mrcnn.commands import models
from mrcnn.weights import cache, published


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path / "models"


def test_all_models_are_listed_with_what_is_published_of_them(folder, capsys):
    assert models.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == "name box AP mask AP keypoint AP PQ MB licence file".split()
    rows = {line.split()[0]: line.split()[1:] for line in lines[1:17]}
    assert list(rows) == ["coco", *published.MODELS]
    assert rows["coco"] == ["–", "–", "–", "–", "258", "MIT", "not", "here", "yet"]
    assert rows["torchvision:maskrcnn_resnet50_fpn_v2"][:6] == ["47.4", "41.8", "–", "–", "186", "BSD-3-Clause"]
    assert rows["detectron2:keypoint_rcnn_R_101_FPN_3x"][:5] == ["56.4", "–", "66.1", "–", "–"]
    assert rows["detectron2:panoptic_fpn_R_50_3x"][:5] == ["40.0", "36.5", "–", "41.5", "–"]
    assert len({line.index("here") for line in lines[1:17]}) == 1  # the columns are aligned
    assert lines[-1] == f"A file that is not here is downloaded to {folder} when it is first used."
    assert max(map(len, lines[:17])) <= 110


def test_one_model_is_described_with_its_place(folder, capsys):
    name = "detectron2:mask_rcnn_R_50_FPN_3x"
    place = cache.place(published.MODELS[name].url)
    assert place == folder / "model_final_f10217.pkl"
    assert models.main([name]) == 0
    assert f"file: {place}, not here yet" in capsys.readouterr().out
    folder.mkdir()
    place.touch()
    assert models.main([name]) == 0
    assert capsys.readouterr().out.splitlines() == [
        name,
        "on COCO val2017, as published: box AP 41.0, mask AP 37.2",
        "size: not published",
        "licence: CC BY-SA 3.0",
        f"source: {published.MODELS[name].url}",
        f"file: {place}, here",
    ]
    assert models.main([]) == 0
    assert "  here\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "hint"), [("torchvision:maskrcnn", "did you mean torchvision:maskrcnn_resnet50_fpn"), ("x", "lists them")]
)
def test_an_unknown_name_is_refused_with_a_hint(folder, capsys, name, hint):
    assert models.main([name]) == 1
    error = capsys.readouterr().err
    assert f"there is no published model {name!r}" in error
    assert hint in error
