import pytest

from mrcnn.config.load import load_train_config
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


COCO_IMAGES = 117_266  # of train2017 with objects, which is what both code bases train on


@pytest.mark.parametrize(
    ("preset", "batch", "rate", "warmup", "milestones", "updates", "decay"),
    [
        # torchvision's references/detection: epochs 16 and 22 of 26, of 117266 // 16 = 7329 updates
        ("train_torchvision_1x", 16, 0.02, (1000, 0.001), (117_264, 161_238), 190_554, 1e-4),
        # detectron2's Base-RCNN-FPN.yaml and mask_rcnn_R_50_FPN_3x.yaml
        ("train_detectron2_1x", 16, 0.02, (1000, 0.001), (60_000, 80_000), 90_000, 1e-4),
        ("train_detectron2_3x", 16, 0.02, (1000, 0.001), (210_000, 250_000), 270_000, 1e-4),
        # detectron2's new_baselines/mask_rcnn_R_50_FPN_100ep_LSJ.py
        ("train_lsj_100ep", 64, 0.1, (500, 0.067), (163_889, 177_546), 184_375, 4e-5),
    ],
)
def test_recipes_have_the_published_schedules(preset, batch, rate, warmup, milestones, updates, decay):
    found, steps = load_train_config(preset), COCO_IMAGES // batch
    assert rates.base_rate(found, batch_size=batch) == pytest.approx(rate)
    assert rates.base_rate(found, batch_size=2) == pytest.approx(rate * 2 / batch)
    assert (rates.warmup_steps(found, steps_per_epoch=steps), found.lr_schedule.warmup_start_factor) == warmup
    # milestones are epochs to 1 %, an epoch of LSJ is counted with the images without objects: 118287 // 64 = 1848
    assert rates.milestones(found, steps_per_epoch=steps) == pytest.approx(milestones, rel=0.01)
    assert rates.total_updates(found, steps_per_epoch=steps) == pytest.approx(updates, rel=0.025)  # whole epochs
    assert found.lr_schedule.gamma == 0.1
    assert (found.optimizer.weight_decay, found.optimizer.momentum) == (decay, 0.9)


def test_the_fine_tuning_preset_has_the_tutorials_schedule():
    found = load_train_config("fine_tune_torchvision")
    assert (found.lr, found.epochs, found.batch_size.train) == (0.005, 10, 2)
    # torch's StepLR(step_size=3, gamma=0.1); the tutorial warms up in the first epoch
    assert rates.milestones(found, steps_per_epoch=60) == (180, 360, 540)
    assert (found.lr_schedule.gamma, rates.warmup_steps(found, steps_per_epoch=60)) == (0.1, 60)
