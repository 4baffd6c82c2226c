import pytest

from mrcnn.config.train import TrainConfig
from mrcnn.train import rates


def config(accumulation=1, **schedule):
    return TrainConfig(lr=0.005, lr_schedule=schedule, optimizer={"accumulation_steps": accumulation})


def test_base_rate_rate_grows_with_the_batch_where_a_reference_is_given():
    assert rates.base_rate(config(), batch_size=8) == 0.005
    assert rates.base_rate(config(reference_batch=2), batch_size=2) == 0.005
    assert rates.base_rate(config(reference_batch=2), batch_size=8) == pytest.approx(0.02)  # 0.005 * 8 / 2
    assert rates.base_rate(config(reference_batch=16), batch_size=4) == pytest.approx(0.00125)


def test_warmup_steps_warm_up_in_steps_or_epochs():
    assert rates.warmup_steps(config(), steps_per_epoch=50) == 0
    assert rates.warmup_steps(config(warmup_steps=30), steps_per_epoch=50) == 30
    assert rates.warmup_steps(config(warmup_epochs=0.5), steps_per_epoch=50) == 25
    assert rates.warmup_steps(config(warmup_epochs=2), steps_per_epoch=7) == 14


def test_milestones_in_epochs_or_steps():
    assert rates.milestones(config(), steps_per_epoch=50) == ()
    assert rates.milestones(config(milestones=[1, 2.5]), steps_per_epoch=50) == (50, 125)
    assert rates.milestones(config(milestone_steps=[30, 90]), steps_per_epoch=50) == (30, 90)


def test_described_names_the_linear_scaling():
    assert rates.described(config(), batch_size=8) == "lr 0.005"
    assert rates.described(config(reference_batch=16), batch_size=4) == "lr 0.00125 (0.005 x 4 / 16)"


def test_remarks_name_a_schedule_that_the_run_does_not_complete():
    assert rates.remarks(config(name="step", milestone_steps=[99]), steps_per_epoch=50) == []  # 2 epochs
    (late,) = rates.remarks(config(name="step", milestone_steps=[60, 100, 101]), steps_per_epoch=50)
    assert late == (
        "`lr_schedule.milestone_steps` [100, 101] are not reached in the run's 100 updates; train 3 epochs or more"
    )
    assert rates.remarks(config(name="constant", milestone_steps=[100]), steps_per_epoch=50) == []
    (warmup,) = rates.remarks(config(warmup_steps=100), steps_per_epoch=50)
    assert warmup.startswith("the warm-up of `lr_schedule`, 100 updates, is no less than the run's 100 updates")


def test_learning_rate_builds_the_schedule_of_the_config():
    made = rates.learning_rate(
        config(name="step", milestones=[1], warmup_epochs=0.5, reference_batch=4, gamma=0.5),
        steps_per_epoch=10,
        batch_size=8,
    )
    # base 0.005 * 8 / 4 = 0.01; warm-up over 5 steps from a thousandth; halved from step 10 on
    assert [float(made(step)) for step in (0, 5, 9, 10)] == pytest.approx([1e-5, 0.01, 0.01, 0.005])


def test_accumulated_steps_count_as_one_update():
    four = config(4, name="step", milestones=[1, 1.5], warmup_epochs=0.5, reference_batch=8)
    assert rates.update_batch(four, batch_size=2) == 8
    assert rates.base_rate(four, batch_size=2) == 0.005  # 2 images x 4 steps are the reference's 8
    assert rates.base_rate(config(4, reference_batch=4), batch_size=2) == 0.01
    assert rates.described(four, batch_size=4) == "lr 0.01 (0.005 x 16 / 8)"
    # an epoch of 50 steps has 12.5 updates
    assert rates.warmup_steps(four, steps_per_epoch=50) == 6
    assert rates.milestones(four, steps_per_epoch=50) == (12, 19)
    assert rates.total_updates(four, steps_per_epoch=50) == 25  # 2 epochs
    assert rates.learning_rate(four, steps_per_epoch=50, batch_size=2).total_steps == 25
    late = config(4, name="step", milestone_steps=[25])
    # update 25 is made in step 104
    assert [line[-24:] for line in rates.remarks(late, steps_per_epoch=50)] == ["; train 3 epochs or more"]
    assert rates.remarks(late, steps_per_epoch=52) == []
