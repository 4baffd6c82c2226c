"""Videos, written and read back."""

import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.images import video


def write(path, values, *, size_hw=(48, 64), rate=12.5):
    """Writes a video of one colour per frame, `values` of red, green and blue."""
    with video.Writer(path, rate=rate) as writer:
        for value in values:
            writer.write(np.full((*size_hw, 3), value, np.uint8))
    return path


def test_frames_are_those_that_were_written(tmp_path):
    path = write(tmp_path / "a.mp4", [(200, 30, 30), (30, 200, 30), (30, 30, 200)])
    opened = video.open_video(path)
    assert opened == (path, 12.5, 3)
    frames = list(video.read_frames(opened))
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 3
    assert [int(frame.mean(axis=(0, 1)).argmax()) for frame in frames] == [0, 1, 2]  # red, green, blue
    np.testing.assert_allclose(frames[0].mean(axis=(0, 1)), (200, 30, 30), atol=8)  # the codec loses a little


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv", ".mov"])
def test_containers_are_known_by_their_extension(tmp_path, suffix):
    path = write(tmp_path / f"a{suffix}", [(9, 9, 9)] * 4)
    assert video.is_video(path)
    assert len(list(video.read_frames(video.open_video(path)))) == 4


def test_is_video_looks_at_the_extension_alone(tmp_path):
    assert video.is_video(tmp_path / "CLIP.MP4")
    assert not video.is_video(tmp_path / "photo.jpg")
    assert not video.is_video(tmp_path / "mp4")


@pytest.mark.parametrize("content", [b"", b"no video", b"\x00" * 5000])
def test_what_is_no_video_is_refused_by_name(tmp_path, content, capfd):
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"cannot read the video .*broken\.mp4: its content"):
        video.open_video(path)


def test_a_missing_video_and_a_folder_are_refused(tmp_path):
    with pytest.raises(UserError, match="no such regular file"):
        video.open_video(tmp_path / "none.mp4")
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(UserError, match="no such regular file"):
        video.open_video(tmp_path / "folder.mp4")


def test_large_frames_are_refused_before_they_are_decoded(tmp_path):
    path = write(tmp_path / "a.mp4", [(9, 9, 9)])
    assert video.open_video(path, most=48 * 64 * 3)
    with pytest.raises(UserError, match=r"a frame of .*a\.mp4 would take 1 MB"):
        video.open_video(path, most=48 * 64 * 3 - 1)


def test_a_cut_file_yields_the_frames_that_it_has(tmp_path, capfd):
    noise = np.random.default_rng(0)
    with video.Writer(tmp_path / "a.avi", rate=25) as writer:
        for _ in range(8):
            writer.write(noise.integers(0, 255, (48, 64, 3), np.uint8))
    content = (tmp_path / "a.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(content[: len(content) // 2])
    count = len(list(video.read_frames(video.open_video(tmp_path / "cut.avi"))))
    assert 0 < count < 8


def test_a_video_without_a_rate_has_the_usual_one(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mp4", [(9, 9, 9)])
    monkeypatch.setattr(video.cv2, "CAP_PROP_FPS", -1)  # a property that no file has: 0
    assert video.open_video(path).rate == video.USUAL_RATE


def test_a_file_that_cannot_be_created_is_an_error(tmp_path, capfd):
    with video.Writer(tmp_path / "none" / "a.mp4", rate=25) as writer, pytest.raises(OSError, match="writes no video"):
        writer.write(np.zeros((48, 64, 3), np.uint8))


def test_a_writer_without_frames_writes_nothing(tmp_path):
    with video.Writer(tmp_path / "a.mp4", rate=25):
        pass
    assert list(tmp_path.iterdir()) == []
