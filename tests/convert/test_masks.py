"""Checks the project made of images with instance masks."""

import cv2
import numpy as np
import pytest
from PIL import Image

from mrcnn.convert import masks
from mrcnn.images import pixels
from mrcnn.project.reader import Project

from . import drawn_masks
from .drawn_masks import SIZE_HW, people, photograph, save, save_palette, write_penn_fudan


def _run(root, out, *options):
    return masks.main([str(root / "PNGImages"), str(root / "PedMasks"), "--out", str(out), *options])


def _printed(capsys):
    return " ".join(capsys.readouterr().err.split())


def _read(out):
    project = Project.open(out)
    return {item.name: item.read_annotation(project.meta) for item in project.items}, project


def _drawn(label, size_hw=SIZE_HW):
    mask, (y, x) = label.geometry.to_mask(*size_hw)
    canvas = np.zeros(size_hw, bool)
    canvas[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
    return canvas


def _pair(root, name, mask, image=None, *, extension="png"):
    """Adds an image, by default drawn after the mask, and its mask."""
    image = photograph(mask) if image is None else image
    save(root / "PNGImages" / f"{name}.{extension}", image)
    return save(root / "PedMasks" / f"{name}_mask.png", mask)


def test_convert_penn_fudan_keeps_every_pixel_of_every_pedestrian(tmp_path, capsys):
    root = write_penn_fudan(tmp_path / "PennFudanPed", count=10)
    assert _run(root, tmp_path / "out", "--class-name", "pedestrian", "--val-fraction", "0.3") == 0
    printed = _printed(capsys)
    assert "the mask of NAME is NAME_mask, guessed" in printed
    assert (
        "10 images (7 tagged train, 3 tagged val), 18 objects of class pedestrian (0 of them under 16 pixels), "
        "0 of the images without objects; 0 images and 0 masks left out"  # images 4 and 8 have one object each
    ) in printed.replace("(3 tagged val, 7 tagged train)", "(7 tagged train, 3 tagged val)")
    annotations, project = _read(tmp_path / "out")
    assert [item.dataset for item in project.items] == ["PNGImages"] * 10
    assert [(meta.title, meta.shape) for meta in project.meta.classes] == [("pedestrian", "bitmap")]
    for index in range(1, 11):
        annotation, mask = annotations[f"FudanPed{index:05d}.png"], people(index)
        assert annotation.size_hw == SIZE_HW
        assert len(annotation.labels) == (2 if index % 4 else 1)
        for value, label in enumerate(annotation.labels, start=1):
            np.testing.assert_array_equal(_drawn(label), mask == value)
    image = project.items[0].image_path
    np.testing.assert_array_equal(pixels.read_image(image), photograph(people(1), seed=1))


def test_convert_the_draw_depends_on_the_seed_alone(tmp_path):
    root = write_penn_fudan(tmp_path / "p", count=10)
    tags = []
    for name, seed in (("x", "1"), ("y", "1"), ("z", "2")):
        assert _run(root, tmp_path / name, "--seed", seed) == 0
        tags.append({image: found.tags[0].name for image, found in _read(tmp_path / name)[0].items()})
    assert tags[0] == tags[1] != tags[2]
    assert [sorted(found.values()).count("val") for found in tags] == [2, 2, 2]


def test_convert_lists_tag_the_images(tmp_path, capsys):
    root = write_penn_fudan(tmp_path / "p", count=3)
    (tmp_path / "train.txt").write_text("FudanPed00003\n")
    (tmp_path / "val.txt").write_text("FudanPed00001.png\n")
    lists = "--train-list", str(tmp_path / "train.txt"), "--val-list", str(tmp_path / "val.txt")
    assert _run(root, tmp_path / "out", *lists) == 0
    annotations, project = _read(tmp_path / "out")
    tags = [[tag.name for tag in annotations[f"FudanPed0000{index}.png"].tags] for index in (1, 2, 3)]
    assert tags == [["val"], [], ["train"]]
    printed = _printed(capsys)
    assert "1 image in no list, without a tag: FudanPed00002.png" in printed
    assert "3 images (1 tagged train, 1 tagged val, 1 untagged)" in printed
    assert sorted(tag.name for tag in project.meta.tags) == ["train", "val"]


def test_convert_one_tag_for_all(tmp_path, capsys):
    root = write_penn_fudan(tmp_path / "p", count=3)
    assert _run(root, tmp_path / "out", "--tag", "images") == 0
    assert {found.tags[0].name for found in _read(tmp_path / "out")[0].values()} == {"images"}
    printed = _printed(capsys)
    assert "3 images (3 tagged images)" in printed
    assert "no image is tagged" not in printed


def test_convert_keeps_holes_parts_and_small_objects_and_counts_the_small(tmp_path, capsys):
    mask = np.zeros(SIZE_HW, np.uint8)
    mask[2:22, 2:22] = 9
    mask[8:12, 8:12] = 0
    mask[40, 60] = 9
    mask[30, 30:33] = 4
    mask[34, 30:34] = 6
    _pair(tmp_path, "a", mask)
    assert _run(tmp_path, tmp_path / "out", "--small", "4") == 0
    (annotation,) = _read(tmp_path / "out")[0].values()
    assert [_drawn(label).sum() for label in annotation.labels] == [3, 4, 385]  # 20 * 20 - 4 * 4 + 1
    np.testing.assert_array_equal(_drawn(annotation.labels[2]), mask == 9)
    printed = _printed(capsys)
    assert "1 object kept with under 4 pixels: value 4 of a_mask.png (3)" in printed
    assert "3 objects of class object (1 of them under 4 pixels)" in printed
    assert "no image is tagged val; a training needs both train and val" in printed


def test_convert_leaves_out_and_names_what_cannot_be_used(tmp_path, capsys):
    root = write_penn_fudan(tmp_path / "p", count=9)
    at = "PedMasks/FudanPed0000{}_mask.png"
    (root / at.format(2)).unlink()
    (root / at.format(3)).write_bytes(b"no image")
    save(root / at.format(4), people(4)[:40])
    save(root / at.format(5), photograph(people(5)))
    (root / at.format(6)).write_bytes((root / at.format(6)).read_bytes()[:-30])
    (root / "PNGImages/FudanPed00007.png").write_bytes(b"no image")
    (root / at.format(8)).rename(root / "PedMasks/Lost_mask.png")
    assert _run(root, tmp_path / "out") == 0
    printed = _printed(capsys)
    for line in (
        "2 images left out, no mask: FudanPed00002.png; FudanPed00008.png",
        "1 mask left out, no image: Lost_mask.png",
        "1 image left out, mask of another size (height, width): ",
        "FudanPed00004_mask.png has size (40, 64), its image (48, 64)",
        "1 image left out, mask with colours: ",
        "FudanPed00005_mask.png has colours; give --colors objects",
        "2 images left out, mask cannot be used: ",
        "FudanPed00003_mask.png: it is cut off",
        "FudanPed00006_mask.png: it is cut off",
        "1 image left out, it cannot be read: ",
        "FudanPed00007.png: it is cut off",
        "7 images and 1 mask left out",
    ):
        assert line in printed, line
    assert list(_read(tmp_path / "out")[0]) == ["FudanPed00001.png", "FudanPed00009.png"]


def test_convert_colours_as_objects(tmp_path):
    mask = np.zeros((*SIZE_HW, 3), np.uint8)
    mask[3:9, 3:9], mask[20:30, 20:30], mask[40:44, 3:9] = (255, 0, 0), (0, 255, 0), (255, 0, 0)
    _pair(tmp_path, "a", mask, photograph(mask.max(axis=2)))
    assert _run(tmp_path, tmp_path / "out", "--colors", "objects") == 0
    (annotation,) = _read(tmp_path / "out")[0].values()
    assert sorted(int(_drawn(label).sum()) for label in annotation.labels) == [60, 100]  # 6 * 6 + 4 * 6; 10 * 10


def test_convert_a_palette_mask_and_the_value_of_no_object(tmp_path):
    mask = people(1)
    mask[0, :] = 255
    save(tmp_path / "PNGImages/a.png", photograph(mask))
    save_palette(tmp_path / "PedMasks/a.png", mask)
    assert _run(tmp_path, tmp_path / "with") == 0
    assert _run(tmp_path, tmp_path / "out", "--void", "255") == 0
    assert [len(found.labels) for found in _read(tmp_path / "with")[0].values()] == [3]
    (annotation,) = _read(tmp_path / "out")[0].values()
    assert [_drawn(label).tolist() for label in annotation.labels] == [(mask == 1).tolist(), (mask == 2).tolist()]


def test_convert_more_than_255_objects_of_16_bits(tmp_path):
    values = np.arange(300, dtype=np.uint16).reshape(15, 20).repeat(4, 0).repeat(4, 1)  # blocks of 16 pixels
    save(tmp_path / "PNGImages/a.png", np.zeros((60, 80), np.uint8))
    save(tmp_path / "PedMasks/a.tif", values)
    assert _run(tmp_path, tmp_path / "out") == 0
    (annotation,) = _read(tmp_path / "out")[0].values()
    assert len(annotation.labels) == 299
    np.testing.assert_array_equal(_drawn(annotation.labels[298], (60, 80)), values == 299)


def test_convert_an_image_without_objects_stays(tmp_path, capsys):
    _pair(tmp_path, "a", people(1))
    _pair(tmp_path, "b", np.zeros(SIZE_HW, np.uint8))
    assert _run(tmp_path, tmp_path / "out") == 0
    assert {name: len(found.labels) for name, found in _read(tmp_path / "out")[0].items()} == {"a.png": 2, "b.png": 0}
    assert "1 of the images without objects; 0 images" in _printed(capsys)


def test_convert_warns_where_nothing_can_be_learnt_or_objects_may_be_joined(tmp_path, capsys):
    for name in "ab":
        _pair(tmp_path / "zero", name, np.zeros(SIZE_HW, np.uint8))
        _pair(tmp_path / "binary", name, np.uint8(255) * (people(1) > 0))
    assert _run(tmp_path / "zero", tmp_path / "out0") == 0
    assert "nothing can be learnt from this project alone: it has no object" in _printed(capsys)
    assert _run(tmp_path / "binary", tmp_path / "out1") == 0
    assert "no mask has more than one value; if some images show several objects, they were joined" in _printed(capsys)


def test_convert_an_image_that_exif_turns(tmp_path, capsys):
    mask = people(1)  # 48 x 64 as seen
    for name, kind in (("seen", mask), ("stored", np.rot90(mask)), ("other", mask[:, :48])):
        stored = np.rot90(photograph(mask))  # 64 x 48 in the file; 6 turns it clockwise to 48 x 64
        exif = Image.Exif()
        exif[0x0112] = 6
        path = save(tmp_path / f"PNGImages/{name}.jpg", np.ascontiguousarray(stored), exif=exif, quality=100)
        assert pixels.image_size(path) == SIZE_HW
        save(tmp_path / f"PedMasks/{name}.png", np.ascontiguousarray(kind))
    assert _run(tmp_path, tmp_path / "out") == 0
    annotations, project = _read(tmp_path / "out")
    assert {name: found.size_hw for name, found in annotations.items()} == {
        "seen.jpg": (48, 64),
        "stored.jpg": (64, 48),
    }
    assert "other.png has size (48, 48), its image (48, 64)" in _printed(capsys)
    for item in project.items:  # the pixels of an object are bright whichever way the mask was drawn
        size_hw = annotations[item.name].size_hw
        image = pixels.read_annotated(item.image_path, size_hw=size_hw)
        inside = np.zeros(size_hw, bool)
        for label in annotations[item.name].labels:
            inside |= _drawn(label, size_hw)
        assert image[inside].min() > 120 > image[~inside].max()


def test_convert_odd_names_and_links(tmp_path):
    root = tmp_path / "odd"
    name = "été 1, (a) 人"
    _pair(root, name, people(1))
    _pair(root / "real", "far", people(2))
    for folder, file in (("PNGImages", "far.png"), ("PedMasks", "far_mask.png")):
        (root / folder / f"x{file}").symlink_to(root / "real" / folder / file)
    (root / "PNGImages/dangling.png").symlink_to("nothing")
    save(root / "PedMasks/dangling_mask.png", people(1))
    assert _run(root, tmp_path / "out") == 0
    annotations, project = _read(tmp_path / "out")
    assert sorted(annotations) == ["xfar.png", f"{name}.png"]
    assert [item.image_path.is_symlink() for item in project.items] == [False, False]


def test_convert_ends_without_a_project_where_no_mask_can_be_used(tmp_path, capsys):
    _pair(tmp_path, "a", people(1))
    (tmp_path / "PedMasks/a_mask.png").write_bytes(b"no image")
    assert _run(tmp_path, tmp_path / "out") == 1
    printed = _printed(capsys)
    assert "a_mask.png: it is cut off" in printed
    assert "error: nothing can be learnt from" in printed
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.partial").exists()


def test_convert_folders_with_one_mask_for_each_object(tmp_path, capsys):
    first, second = np.zeros((2, *SIZE_HW), np.uint8)
    first[2:12, 2:12] = second[8:18, 8:18] = 255  # they share 4 * 4 pixels
    first[4:6, 4:6] = 0
    second[30, 30] = 1
    for name in ("a", "b", "c"):
        save(tmp_path / f"PNGImages/{name}.png", photograph(first))
    save(tmp_path / "PedMasks/a/1.png", first)
    save(tmp_path / "PedMasks/a/2.png", second)
    save(tmp_path / "PedMasks/a/3.png", first * 0)
    save(tmp_path / "PedMasks/a/4.png", first[:40])
    (tmp_path / "PedMasks/a/5.png").write_bytes(b"no image")
    (tmp_path / "PedMasks/b").mkdir()
    save(tmp_path / "PedMasks/c.png", people(1))
    assert _run(tmp_path, tmp_path / "out", "--small", "98") == 0
    annotations, _ = _read(tmp_path / "out")
    assert {name: len(found.labels) for name, found in annotations.items()} == {"a.png": 2, "b.png": 0, "c.png": 2}
    assert annotations["b.png"].size_hw == SIZE_HW
    drawn = [_drawn(label) for label in annotations["a.png"].labels]
    np.testing.assert_array_equal(drawn, [first > 0, second > 0])
    assert (drawn[0] & drawn[1]).sum() == 16
    printed = _printed(capsys)
    for line in (
        "2 of 3 images with masks: a folder in",
        "1 mask left out, it is empty: a/3.png",
        "a/4.png has size (40, 64), its image (48, 64)",
        "a/5.png: it is cut off",
        "1 object kept with under 98 pixels: a/1.png (96)",  # 10 * 10 - 2 * 2
        "1 of the images without objects; 0 images and 3 masks left out",
    ):
        assert line in printed, line


def test_convert_folders_of_one_object_each_are_not_called_joined(tmp_path, capsys):
    for name in "ab":
        save(tmp_path / f"PNGImages/{name}.png", photograph(people(1)))
        save(tmp_path / f"PedMasks/{name}_masks/1.png", people(1))
    assert _run(tmp_path, tmp_path / "out", "--suffix", "_masks") == 0
    printed = _printed(capsys)
    assert "2 objects of class object" in printed
    assert "joined" not in printed


def test_convert_of_a_mask_and_a_folder_of_one_image_is_one_line(tmp_path, capsys):
    save(tmp_path / "PNGImages/a.png", photograph(people(1)))
    save(tmp_path / "PedMasks/a.png", people(1))
    save(tmp_path / "PedMasks/a/1.png", people(1))
    assert _run(tmp_path, tmp_path / "out") == 1
    assert "error: 1 image with both a mask file and a folder of masks: a.png (a.png, a); move" in _printed(capsys)
    assert not (tmp_path / "out").exists()


def test_convert_refuses_an_output_that_is_not_free(tmp_path, capsys):
    _pair(tmp_path, "a", people(1))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/file").touch()
    assert _run(tmp_path, tmp_path / "out") == 1
    assert "must be new or an empty folder" in _printed(capsys)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--class-name", " "], "--class-name must not be empty"),
        (["--val-fraction", "1"], "--val-fraction must be above 0 and below 1"),
        (["--val-fraction", "0.5", "--tag", "x"], "only one of the three"),
        (["--suffix", "_seg"], "nothing can be learnt"),
    ],
)
def test_convert_wrong_options_are_one_line(tmp_path, capsys, options, message):
    _pair(tmp_path, "a", people(1))
    assert _run(tmp_path, tmp_path / "out", *options) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(errors) == 1
    assert message in errors[0]


def test_convert_of_empty_folders_is_one_line(tmp_path, capsys):
    for name in ("PNGImages", "PedMasks"):
        (tmp_path / name).mkdir()
    assert _run(tmp_path, tmp_path / "out") == 1
    assert "error: there is no image in" in _printed(capsys)


def test_drawn_masks_have_the_layout_of_penn_fudan(tmp_path):
    root = write_penn_fudan(tmp_path, count=1)
    assert cv2.imread(str(root / "PedMasks/FudanPed00001_mask.png"), -1).max() == 2
    assert drawn_masks.people(4).max() == 1
