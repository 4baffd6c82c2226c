"""The base class of predictors: what all of them do with their three stages."""

import numpy as np
import pytest
from PIL import Image

from mrcnn.predict import compact
from mrcnn.predict.live import LivePredictor

from . import helpers


class Counting(LivePredictor):
    """Notes its stages; an image of value v has v as the score of its one object."""

    def __init__(self, bundle):
        super().__init__(bundle)
        self.stages = []

    def with_choices(self, **changes):
        return Counting(self.bundle.with_choices(**changes))

    def prepare(self, images):
        self.stages.append(f"prepare {len(images)}")
        return [image[:1, :1] for image in images]

    def detect(self, batch):
        self.stages.append("detect")
        return float(batch.max())

    def finish(self, batches, raw):
        self.stages.append(f"finish {len(raw)}")
        return [helpers.make_compact([[0, 0, 1, 1]], ["cat"], [score], size=(4, 6)) for score in raw]


def images(count):
    return [np.full((4, 6, 3), index, np.uint8) for index in range(count)]


def test_staged_predictor_runs_the_stages_batch_by_batch():
    predictor = Counting(helpers.make_bundle())
    found = predictor.predict_compact(images(3), batch_size=2)
    assert [each.scores[0] for each in found] == [0, 1, 2]
    assert predictor.stages == ["prepare 2", "detect", "detect", "finish 2", "prepare 1", "detect", "finish 1"]
    assert predictor.predict([]) == []
    for one, other in zip(predictor.predict(images(2)), found, strict=False):
        np.testing.assert_array_equal(one.masks, compact.to_dense(other).masks)


def test_staged_predictor_refuses_a_batch_of_none_at_the_call():
    predictor = Counting(helpers.make_bundle())
    with pytest.raises(ValueError, match="`batch_size` must be at least 1, got 0"):
        predictor.predict_iter(images(1), batch_size=0)
    assert predictor.stages == []
    assert predictor.fields == {}


def test_predict_of_a_folder_reads_it_batch_by_batch_and_warns(tmp_path, capsys):
    for value, name in ((1, "a.png"), (2, "b.png"), (3, "c.png")):
        Image.new("L", (6, 4), value).save(tmp_path / name)
    (tmp_path / "notes.txt").touch()
    predictor, lines = Counting(helpers.make_bundle()), []
    results = predictor.predict_iter(tmp_path, batch_size=2, warn=lines.append)
    assert (predictor.stages, lines) == ([], [])
    assert next(results).scores[0] == 1
    assert predictor.stages == ["prepare 2", "detect", "detect", "finish 2"]  # the third image is not yet read
    (tmp_path / "c.png").unlink()
    Image.new("L", (6, 4), 7).save(tmp_path / "c.png")
    assert [each.scores[0] for each in results] == [2, 7]
    assert lines == [f"passed over in {tmp_path}: 1 .txt files (notes.txt)"]
    found = predictor.predict_compact([images(1)[0], f"{tmp_path}/[bc].png"])
    assert [each.scores[0] for each in found] == [0, 2, 7]
    assert "passed over" not in capsys.readouterr().err
    assert len(predictor.predict(str(tmp_path))) == 3
    assert "1 .txt files (notes.txt)" in capsys.readouterr().err


def test_predict_refuses_a_url_at_the_call():
    predictor = Counting(helpers.make_bundle())
    for predict in (predictor.predict, predictor.predict_iter, predictor.predict_compact):
        with pytest.raises(
            ValueError, match=r"image 1: .* is a URL, which is not read; `allow_urls=True` downloads it"
        ):
            predict([*images(1), "http://127.0.0.1:9/a.png"])
    with pytest.raises(ValueError, match="Connection refused"):
        predictor.predict(["http://127.0.0.1:9/a.png"], allow_urls=True)
    assert predictor.stages == []
