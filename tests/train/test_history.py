import pytest

from mrcnn.errors import UserError
from mrcnn.evaluate.metric import MetricKind
from mrcnn.evaluate.table import METRICS
from mrcnn.train import history

NAN = float("nan")


def rows(column, *values):
    return [{"epoch": index + 1, column: value} for index, value in enumerate(values)]


@pytest.mark.parametrize(
    ("column", "values", "best"),
    [
        ("val_loss", (3.0, 1.0, 2.0), 1),
        ("val_loss", (1.0, 1.0), 0),  # of equal ones the first
        ("val_mask_ap", (0.1, 0.4, 0.2), 1),
        ("val_loss", (NAN, 2.0), 1),
        ("val_loss", (NAN,), None),
        ("val_loss", (), None),
    ],
)
def test_best(column, values, best):
    assert history.best_index(rows(column, *values), monitor=column) == best


def test_epochs_without_gain_small_gain_does_not_count():
    falling = rows("val_loss", 1.0, 0.95, 0.89, 0.88)
    # from 1.0 the first better by more than 0.1 is 0.89; 0.88 is not
    assert history.best_index(falling, min_delta=0.1) == 2
    assert history.epochs_without_gain(falling, monitor="val_loss", min_delta=0.1) == 1
    assert history.epochs_without_gain(falling, monitor="val_loss", min_delta=0.0) == 0


def test_epochs_without_gain_epochs_without_any_value_all_count_as_waiting():
    assert history.epochs_without_gain(rows("val_box_ap", NAN, NAN), monitor="val_box_ap", min_delta=0.0) == 2


def test_write_csv_has_every_column_in_order_and_no_nan(tmp_path):
    path = tmp_path / "history.csv"
    history.write_csv(path, [{"epoch": 1, "loss": 0.1}, {"epoch": 2, "loss": 1 / 3, "val_box_ap": NAN, "extra": 2}])
    assert path.read_text() == "epoch,loss,val_box_ap,extra\n1,0.1,,\n2,0.3333333333333333,,2\n"
    history.write_csv(path, [{"epoch": 1}])
    assert path.read_text() == "epoch\n1\n"
    assert list(tmp_path.iterdir()) == [path]


def test_epochs_without_gain_of_equal_values_the_lower_loss_is_best_but_is_no_gain():
    equal = [{"val_mask_ap": 0.0, "val_loss": 3.1}, {"val_mask_ap": 0.0, "val_loss": 3.0}, {"val_mask_ap": 0.0}]
    assert history.best_index(equal, monitor="val_mask_ap") == 1
    assert history.epochs_without_gain(equal, monitor="val_mask_ap", min_delta=0.0) == 2


@pytest.mark.parametrize(
    ("values", "flat"),
    [
        ([0.5] * 5, False),  # the best is the first: 4 epochs without a gain
        ([0.5] * 6, True),
        ([0.1] * 10 + [0.5] + [0.4] * 5, False),  # 5 of 16 epochs; a third is 6
        ([0.1] * 10 + [0.5] + [0.4] * 6, True),  # 6 of 17 epochs
        ([0.1, None, None, None, None, None, None], False),  # one value says nothing
        ([], False),
    ],
)
def test_is_flat_looks_at_the_last_third_and_at_five_values(values, flat):
    made = [{"val_mask_ap": value} if value is not None else {"epoch": 1} for value in values]
    assert history.is_flat(made, monitor="val_mask_ap", min_delta=0.0) is flat


def test_is_flat_wants_gains_above_the_least():
    slow = rows("val_mask_ap", 0.5, 0.501, 0.502, 0.503, 0.504, 0.505)
    assert history.is_flat(slow, monitor="val_mask_ap", min_delta=0.01)
    assert not history.is_flat(slow, monitor="val_mask_ap", min_delta=0.0)


def test_best_index_follows_what_the_metric_says(monkeypatch):
    kind = MetricKind(None, validated={"error": "", "low_loss": ""}, lower_is_better=("error",))
    monkeypatch.setitem(METRICS, "mine", kind)
    assert history.best_index(rows("val_error", 0.3, 0.1, 0.2), monitor="val_error") == 1
    assert history.best_index(rows("val_low_loss", 0.3, 0.1, 0.5), monitor="val_low_loss") == 2


def test_read_csv_is_the_inverse_of_write_csv(tmp_path):
    path = tmp_path / "history.csv"
    history.write_csv(path, [{"epoch": 1, "loss": 0.1, "val_box_ap": NAN}, {"epoch": 2, "loss": 1 / 3, "extra": 2}])
    assert history.read_csv(path) == [{"epoch": 1, "loss": 0.1}, {"epoch": 2, "loss": 1 / 3, "extra": 2}]
    assert isinstance(history.read_csv(path)[0]["epoch"], int)
    path.write_text("epoch\n")
    assert history.read_csv(path) == []


@pytest.mark.parametrize("content", ["epoch,loss\n1,much\n", "loss\n1\n", "epoch\n1,2\n"])
def test_read_csv_of_another_file(tmp_path, content):
    path = tmp_path / "history.csv"
    path.write_text(content)
    with pytest.raises(UserError, match=r"history\.csv is no history of a run"):
        history.read_csv(path)
