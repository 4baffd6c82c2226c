import cv2
import pytest

from mrcnn.evaluate.metric import MetricKind
from mrcnn.evaluate.table import METRICS
from mrcnn.train import plots

NAN = float("nan")


@pytest.mark.parametrize(
    "rows",
    [
        [{"epoch": 1, "loss": 1.0}],
        [{"epoch": 1, "loss": 1.0, "val_loss": 2.0}, {"epoch": 2, "loss": 0.5, "val_loss": NAN, "val_mask_ap": NAN}],
        [{"epoch": e, "loss": 3.0 / e, "val_loss": 3.5 / e, "val_box_ap": e / 9, "rpn_bbox_loss": 0.1} for e in (1, 2)],
    ],
    ids=["one epoch", "gaps", "all"],
)
def test_a_picture_of_full_size_is_drawn(tmp_path, rows):
    path = tmp_path / "curves.png"
    plots.draw_curves(rows, path)
    image = cv2.imread(str(path))
    assert image.shape == (460, 1500, 3)
    assert 1000 < (image < 128).any(axis=2).sum() < image.shape[0] * image.shape[1] / 4  # lines on white
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]


def test_more_curves_leave_more_ink(tmp_path):
    ink = []
    for values in ({}, {"val_box_ap": 0.5, "val_mask_ap": 0.4}):
        rows = [{"epoch": epoch, "loss": 1.0, **values} for epoch in (1, 2)]
        plots.draw_curves(rows, tmp_path / "curves.png")
        ink.append(int((cv2.imread(str(tmp_path / "curves.png"))[:, 1050:] < 250).any(axis=2).sum()))
    assert ink[0] == 0  # without AP the third plot is empty
    assert ink[1] > 1000


def test_draw_curves_has_the_losses_under_their_labels_in_the_order_of_these(tmp_path):
    losses = {"val_a_loss": 1.0, "val_b_loss": 2.0, "val_c_loss": 3.0}
    rows = [{"epoch": epoch, "loss": 1.0, **losses} for epoch in (1, 2)]
    renamed = [{key.replace("_b_loss", "_bee_loss"): value for key, value in row.items()} for row in rows]
    pictures = []
    for shown, labels in ((rows, {"b_loss": "bee", "a_loss": "a_loss"}), (renamed, {"bee_loss": "bee"}), (rows, {})):
        plots.draw_curves(shown, tmp_path / "curves.png", labels=labels)
        pictures.append(cv2.imread(str(tmp_path / "curves.png")))
    assert (pictures[0] == pictures[1]).all()  # b first, as "bee"; then a and c under their own names
    assert (pictures[0] != pictures[2]).any()


def test_draw_curves_shows_a_metric_among_the_metrics_whatever_its_name(tmp_path, monkeypatch):
    shown = dict.fromkeys(("miss_loss", "misses"), "misses")
    monkeypatch.setitem(METRICS, "mine", MetricKind(None, validated=shown))
    pictures = []
    for name in shown:
        rows = [{"epoch": epoch, "loss": 1.0, f"val_{name}": 0.5} for epoch in (1, 2)]
        plots.draw_curves(rows, tmp_path / "curves.png")
        pictures.append(cv2.imread(str(tmp_path / "curves.png")))
    assert (pictures[0] == pictures[1]).all()
