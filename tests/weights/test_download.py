import hashlib

import pytest
from keras.src.applications import resnet  # the table of hashes has no public name

from mrcnn.errors import UserError
from mrcnn.weights import download, published
from mrcnn.weights.published import Published


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


@pytest.fixture
def offline(monkeypatch):
    def fail(*_, **__):
        raise Exception("URL fetch failure on x: None -- [Errno -2] Name or service not known")

    monkeypatch.setattr(download.keras.utils, "get_file", fail)


def test_imagenet_file_hashes_and_place_are_those_of_keras():
    assert download.IMAGENET_URL == resnet.BASE_WEIGHTS_PATH
    for depth, md5 in download.IMAGENET_MD5.items():
        assert md5 == resnet.WEIGHTS_HASHES[f"resnet{depth}"][1]  # (with classifier, without)


def test_matterport_coco_file_a_file_put_there_by_hand_is_used_without_network(cache):
    cache.mkdir(parents=True)
    (cache / "mask_rcnn_coco.h5").write_bytes(b"x")
    assert download.matterport_coco_file() == str(cache / "mask_rcnn_coco.h5")


def test_matterport_coco_file_offline_says_where_to_put_the_coco_file(cache, offline):
    with pytest.raises(UserError) as caught:
        download.matterport_coco_file()
    message = str(caught.value)
    assert str(cache / "mask_rcnn_coco.h5") in message
    assert "releases/download/v2.0/mask_rcnn_coco.h5" in message
    assert "Name or service not known" in message
    assert message.endswith("or give its path as --model")
    assert "\n" not in message


@pytest.mark.parametrize("depth", [50, 101])
def test_offline_says_where_to_put_the_imagenet_file(cache, offline, depth):
    with pytest.raises(UserError) as caught:
        download.imagenet_file(depth)
    assert str(cache / f"resnet{depth}_weights_tf_dim_ordering_tf_kernels_notop.h5") in str(caught.value)
    assert str(caught.value).endswith("or give its path as `imagenet_weights` in the config")


def test_imagenet_file_a_long_reason_of_a_failed_download_cuts_nothing_of_the_fix(cache, monkeypatch):
    def fail(name, url, **_):
        raise Exception(f"URL fetch failure on {url}: None -- [Errno -2] Name or service not known")

    monkeypatch.setattr(download.keras.utils, "get_file", fail)
    with pytest.raises(UserError) as caught:
        download.imagenet_file(50)
    message = str(caught.value)
    assert "…" not in message
    assert f"put it at {cache}" in message
    assert message.count("https://") == 1
    assert "None" not in message
    assert "Name or service not known" in message


def test_the_imagenet_file_is_checked_by_its_hash(cache, monkeypatch):
    asked = {}

    def answer(name, url, **more):
        asked.update(more, name=name, url=url)
        return "there.h5"

    monkeypatch.setattr(download.keras.utils, "get_file", answer)
    assert download.imagenet_file(50) == "there.h5"
    assert asked["file_hash"] == "4d473c1dd8becc155b73f8504c6f6626"
    assert asked["url"] == resnet.BASE_WEIGHTS_PATH + asked["name"]
    assert (asked["cache_dir"], asked["cache_subdir"]) == (str(cache.parent), "models")


def test_an_unusable_cache_folder_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    with pytest.raises(UserError, match="cannot download"):
        download.matterport_coco_file()


def test_the_default_cache_is_in_the_home_folder(tmp_path, monkeypatch, offline):
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UserError) as caught:
        download.matterport_coco_file()
    assert str(tmp_path / ".keras" / "models" / "mask_rcnn_coco.h5") in str(caught.value)


def test_published_file_compares_the_content_with_the_published_digits(cache):
    cache.mkdir(parents=True)
    (cache / "a.pth").write_bytes(b"x")
    digits = hashlib.sha256(b"x").hexdigest()
    right = Published("https://example.org/a.pth", digits[:8])
    assert download.published_file(right) == str(cache / "a.pth")
    assert download.published_file(right._replace(sha256="")) == str(cache / "a.pth")
    with pytest.raises(UserError) as caught:
        download.published_file(right._replace(sha256="00000000"))
    assert str(caught.value) == (
        f"{cache / 'a.pth'} is not the published file: its SHA-256 begins with {digits[:8]}, expected 00000000; remove "
        "it and download it again from https://example.org/a.pth"
    )


@pytest.mark.parametrize(
    ("file", "given_as"),
    [
        (published.MODELS["torchvision:maskrcnn_resnet50_fpn_v2"], "--model"),
        (published.MODELS["detectron2:mask_rcnn_R_50_FPN_3x"], "--model"),
        (published.BACKBONES["torchvision", "resnet50"], "`imagenet_weights` in the config"),
        (published.BACKBONES["detectron2", "resnet101"], "`imagenet_weights` in the config"),
    ],
)
def test_published_file_offline_says_which_file_goes_where(cache, offline, file, given_as):
    with pytest.raises(UserError) as caught:
        download.published_file(file)
    message, name = str(caught.value), file.url.rpartition("/")[2]
    assert message.startswith(f"cannot download {file.url} (")
    assert message.endswith(f"put it at {cache / name} and start again, or give its path as {given_as}")
    assert "\n" not in message
