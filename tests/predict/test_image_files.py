import pytest

from mrcnn.errors import UserError
from mrcnn.predict import image_files


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for name in ("b.PNG", "a.jpg", ".hidden.png", "x.heic", "notes.txt", "day2/c.png", "day1/d.png", "day1/deep/a.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def names(found):
    return [path.absolute().relative_to(found.base).as_posix() for path in found.paths]


def test_a_folder_gives_its_own_images_and_names_what_is_passed_over(photos):
    found = image_files.find(photos)
    assert names(found) == ["a.jpg", "b.PNG"]
    assert found.warnings == (
        f"passed over in {photos}: 1 .heic files (x.heic; convert them to PNG or JPEG), 1 .txt files (notes.txt), "
        "2 folders (day1, day2; --recursive looks into them)",
    )


def test_recursive_looks_into_subfolders_but_not_into_links(photos):
    (photos / "day2" / "loop").symlink_to(photos)
    found = image_files.find(photos, recursive=True)
    assert names(found) == ["a.jpg", "b.PNG", "day1/d.png", "day1/deep/a.jpg", "day2/c.png"]
    assert found.warnings[1:] == (f"passed over in {photos}/day2: 1 folders (loop; links to folders are not followed)",)


def test_a_file_is_one_image(photos):
    found = image_files.find(str(photos / "a.jpg"))
    assert (found.base, names(found), found.warnings) == (photos, ["a.jpg"], ())


def test_a_pattern(photos):
    assert names(image_files.find(str(photos / "*.jpg"))) == ["a.jpg"]
    found = image_files.find(str(photos / "day*" / "*"))
    assert (found.base, names(found)) == (photos, ["day1/d.png", "day2/c.png"])
    assert found.warnings == (f"passed over of {photos}/day*/*: 1 folders (deep)",)
    assert names(image_files.find(str(photos / "**" / "*.jpg"))) == ["a.jpg", "day1/deep/a.jpg"]


def test_a_folder_whose_name_looks_like_a_pattern_is_a_folder(tmp_path):
    (tmp_path / "run[1]").mkdir()
    (tmp_path / "run[1]" / "a.png").touch()
    assert names(image_files.find(tmp_path / "run[1]")) == ["a.png"]


def test_several_places_give_each_file_once(photos):
    found = image_files.find([photos / "day2", photos / "a.jpg", photos / "day2" / "c.png"])
    assert (found.base, names(found)) == (photos, ["a.jpg", "day2/c.png"])


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nowhere", "the image folder, file or pattern .*nowhere does not exist"),
        ("*.bmp", r"the pattern .*\*.bmp matches no image; these kinds are read: .*\.png"),
        ("*.heic", r"matches no image \(passed over of .*1 .heic files \(x.heic; convert them to PNG or JPEG\)\)"),
        ("x.heic", "x.heic has an extension that is not read; these are: "),
        ("empty", r"the image folder .*empty has no image; these kinds are read: .*\.png"),
    ],
)
def test_a_place_without_an_image_is_an_error(photos, place, message):
    (photos / "empty").mkdir()
    with pytest.raises(UserError, match=message):
        image_files.find(photos / place)
