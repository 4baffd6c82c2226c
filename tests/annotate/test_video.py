"""What a run over a video writes, with a small fake model."""

import json

import numpy as np
import pytest

from mrcnn.annotate import video as on_video
from mrcnn.annotate.setup import Options
from mrcnn.config.load import load_inference_config
from mrcnn.errors import UserError
from mrcnn.events import JsonLog
from mrcnn.images import video
from mrcnn.predict.predictor import Predictor
from tests.images.test_video import write
from tests.predict import helpers
from tests.train.conftest import HeardLog

GREYS = (200, 100, 240, 60)  # of the frames; the model finds a cat of score grey / 255, and a dog of half of it


@pytest.fixture
def clip(tmp_path):
    return write(tmp_path / "clip.mp4", [(grey,) * 3 for grey in GREYS], rate=10)


def run(clip, output, *, mode=None, log=None, bundle=None, **options):
    config, options = load_inference_config({"mode": mode or {"name": "full_image"}}), Options(**options)
    opened = on_video.check(clip, output, config=config, options=options)
    predictor = Predictor(bundle or helpers.make_bundle())
    return on_video.apply(predictor, opened, output, config=config, log=log or JsonLog(), options=options)


def rows_of(output):
    return [json.loads(line) for line in (output / "clip.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("batch_size", [1, 3])
def test_each_frame_has_a_line_with_its_objects(clip, tmp_path, batch_size):
    log = HeardLog()
    summary = run(clip, tmp_path / "out", log=log, batch_size=batch_size)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["clip.jsonl"]
    rows = rows_of(tmp_path / "out")
    assert [row["frame"] for row in rows] == [0, 1, 2, 3]
    assert [row["seconds"] for row in rows] == [0.0, 0.1, 0.2, 0.3]
    assert {(row["height"], row["width"]) for row in rows} == {(48, 64)}
    for row, grey in zip(rows, GREYS, strict=True):
        assert [item["category"] for item in row["objects"]] == ["cat", "dog"]
        cat = row["objects"][0]
        assert cat["score"] == pytest.approx(grey / 255, abs=0.03)  # the codec changes the grey a little
        assert cat["bbox"] == pytest.approx([0, 0, 64, 48], abs=0.5)
        assert cat["segmentation"]["size"] == [48, 64]
    assert (summary.images, summary.objects, summary.skipped) == (4, 8, [])
    assert any(line.startswith("8 objects in 4 images") for line in log.messages)


def test_the_overlay_is_a_video_of_as_many_frames(clip, tmp_path):
    run(clip, tmp_path / "out", overlay=True)
    drawn = video.open_video(tmp_path / "out" / "clip.mp4")
    assert (drawn.rate, drawn.frames) == (10.0, 4)
    frames = list(video.read_frames(drawn))
    assert frames[0].shape == (720, 960, 3)  # 64 x 48, enlarged to at least 900 pixels
    green = frames[0][600, 200].astype(int)  # in the cat alone, whose colour is #00FF00
    assert green[1] - green[0] > 80


def test_classes_that_are_not_selected_are_left_out(clip, tmp_path):
    mode = {"name": "full_image", "model_classes": {"save_classes": ["dog"]}}
    run(clip, tmp_path / "out", mode=mode)
    assert {item["category"] for row in rows_of(tmp_path / "out") for item in row["objects"]} == {"dog"}


def test_a_mode_of_windows_works_on_frames(clip, tmp_path):
    mode = {"name": "sliding_window", "window": {"height": 48, "width": 32}}
    run(clip, tmp_path / "out", mode=mode)
    assert len(rows_of(tmp_path / "out")) == 4


def test_a_mode_of_annotated_objects_is_refused(clip, tmp_path):
    with pytest.raises(UserError, match="needs annotated objects, which a video has none of"):
        run(clip, tmp_path / "out", mode={"name": "bboxes"})


def test_outputs_that_are_there_are_kept(clip, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "clip.jsonl").write_text("mine")
    with pytest.raises(UserError, match=r"clip\.jsonl is there already"):
        run(clip, tmp_path / "out")
    assert (tmp_path / "out" / "clip.jsonl").read_text() == "mine"
    with pytest.raises(UserError, match=r"clip\.mp4 is there already"):
        run(clip, clip.parent, overlay=True)  # would overwrite its own input


def test_resume_is_refused(clip, tmp_path):
    with pytest.raises(UserError, match="--resume goes on with images"):
        run(clip, tmp_path / "out", resume=True)


def test_a_model_of_other_channels_is_refused(clip, tmp_path):
    bundle = helpers.make_bundle(channels=4, image_mean=(0.0,) * 4)
    with pytest.raises(UserError, match="a video has 3 channels, the model takes 4"):
        run(clip, tmp_path / "out", bundle=bundle)
    assert not (tmp_path / "out").exists()


def test_a_frame_that_fails_is_named_and_the_video_stays_whole(clip, tmp_path, monkeypatch):
    log, method = HeardLog(), on_video.modes.RUNNERS["full_image"]

    def runner(predictor, pictures, mode, *, batch_size, on_error):
        for picture, found in method(predictor, pictures, mode, batch_size=batch_size, on_error=on_error):
            if picture.index == 1:
                on_error(picture, UserError("too bright"))
            else:
                yield picture, found

    monkeypatch.setitem(on_video.modes.RUNNERS, "full_image", runner)
    summary = run(clip, tmp_path / "out", log=log, overlay=True)
    assert summary.skipped == ["frame 1"]
    assert any("frame 1 is skipped: too bright" in line for line in log.messages)
    rows = rows_of(tmp_path / "out")
    assert [len(row["objects"]) for row in rows] == [2, 0, 2, 2]
    assert rows[1]["error"] == "too bright"
    assert video.open_video(tmp_path / "out" / "clip.mp4").frames == 4


def test_nothing_is_left_of_a_run_that_fails(clip, tmp_path, monkeypatch):
    monkeypatch.setattr(on_video.video, "read_frames", lambda opened: iter([np.zeros((4, 4), np.uint8)]))
    with pytest.raises(Exception):  # noqa: B017, PT011 - any error of a frame that is none
        run(clip, tmp_path / "out", overlay=True)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_video_without_a_frame_is_an_error_and_fewer_frames_a_warning(clip, tmp_path, monkeypatch):
    frames = list(video.read_frames(video.open_video(clip)))
    monkeypatch.setattr(on_video.video, "read_frames", lambda opened: iter(()))
    with pytest.raises(UserError, match=r"no frame of .*clip\.mp4 could be used"):
        run(clip, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    log = HeardLog()
    monkeypatch.setattr(on_video.video, "read_frames", lambda opened: iter(frames[:3]))
    run(clip, tmp_path / "out", log=log)
    assert f"3 frames of {clip} could be decoded, its header says 4" in log.messages
