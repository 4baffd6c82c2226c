"""Downloads public weight files once, to the Keras cache.

`cache` says where they lie. No code in the files is run.
Sources: release 2.0 of matterport/Mask_RCNN (release 2.1 has another model); keras.applications' ResNet files and their
MD5 sums; the files of torchvision and detectron2 are listed in `published`.
"""

import hashlib
from pathlib import Path

import keras

from mrcnn.errors import UserError
from mrcnn.weights import cache
from mrcnn.weights.published import COCO_URL, IMAGENET_URL, Published

AS_MODEL, AS_IMAGENET = "--model", "`imagenet_weights` in the config"  # how a file is given by its path
IMAGENET_MD5 = {50: "4d473c1dd8becc155b73f8504c6f6626", 101: "88cf7a10940856eca736dc7b7e228a21"}


def matterport_coco_file() -> str:
    """Downloads Matterport's COCO model (ResNet-101, 81 classes, 258 MB) unless cached.

    Returns:
        The path of the file.

    Raises:
        UserError: the download failed; the message says where to put the file by hand.
    """
    return _fetch(COCO_URL, given_as=AS_MODEL)


def imagenet_file(depth: int) -> str:
    """Downloads keras.applications' ImageNet weights of a ResNet without classifier, unless cached.

    Args:
        depth: 50 or 101.

    Returns:
        The path of the file.

    Raises:
        UserError: the download failed; the message says where to put the file by hand.
    """
    url = f"{IMAGENET_URL}resnet{depth}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    return _fetch(url, given_as=AS_IMAGENET, md5=IMAGENET_MD5[depth])


def published_file(file: Published) -> str:
    """Downloads a published file unless cached, and compares its content with the published digits.

    Returns:
        The path of the file.

    Raises:
        UserError: the download failed, or the content differs; the message says where to put the file by hand.
    """
    path = _fetch(file.url, given_as=AS_MODEL if file.classes else AS_IMAGENET)
    with Path(path).open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if not found.startswith(file.sha256):
        raise UserError(
            f"{path} is not the published file: its SHA-256 begins with {found[: len(file.sha256)]}, expected "
            f"{file.sha256}; remove it and download it again from {file.url}"
        )
    return path


def _fetch(url: str, *, given_as: str, md5: str | None = None) -> str:
    folder, name = cache.folder(), url.rpartition("/")[2]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return str(keras.utils.get_file(name, url, cache_dir=str(folder.parent), cache_subdir="models", file_hash=md5))
    except Exception as error:  # get_file raises plain Exception when there is no network
        # Keras repeats the URL; in a too long message the middle, with the folder for the file, would be cut out
        reason = str(error).replace(f"URL fetch failure on {url}: ", "").replace("None -- ", "")
        raise UserError(
            f"cannot download {url} ({reason}); download it elsewhere, put it at {folder / name} and start again, "
            f"or give its path as {given_as}"
        ) from error
