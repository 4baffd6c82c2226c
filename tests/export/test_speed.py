"""Times of two predictors in alternation."""

from types import SimpleNamespace

import numpy as np
import pytest

from mrcnn.export import speed
from mrcnn.export.pictures import Picture


def pictures(count):
    return [Picture(str(index), np.zeros((2, 2, 3), np.uint8)) for index in range(count)]


@pytest.mark.parametrize(("share", "device", "busy"), [(2.0, "CPU", False), (0.6, "CPU", True), (0.1, "GPU", False)])
def test_measure_takes_the_shortest_of_alternating_runs(monkeypatch, share, device, busy):
    now, order = [0.0], []

    def predictor(name, seconds):
        left = list(seconds)

        def predict_compact(images):
            order.append(name)
            now[0] += left.pop(0)

        return SimpleNamespace(predict_compact=predict_compact)

    monkeypatch.setattr(speed, "clock", lambda: now[0])
    monkeypatch.setattr(speed, "processor", lambda: share * now[0])
    # the first run of each image does not count
    live = predictor("live", [9, 2, 4, 3, 9, 4, 6, 5])
    exported = predictor("exported", [0, 1, 3, 2, 0, 3, 2, 2])
    found = speed.measure(live, exported, pictures(3), device=device)
    assert (found.live, found.exported, found.images) == ((2 + 4) / 2, (1 + 2) / 2, 2)
    assert order == ["live", "exported"] * 8
    assert found.to_json() == {
        "live_seconds": 3.0, "exported_seconds": 1.5, "ratio": 0.5, "images": 2, "device": device, "busy": busy
    }  # fmt: skip


def test_ratio_of_no_time_is_finite():
    assert speed.Speed(0.0, 1.0, 1, "CPU").ratio == pytest.approx(1e9)
