"""Mixins of optimizers on one device; `test_optimizer.py` compares one device with two."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.train import gradients, optimizer
from mrcnn.train import state as states


def variable(*values):
    return keras.Variable(np.float32(values), name="kernel")


def accumulating(variables, *, steps=2, name="sgd", rate=0.1, **how):
    made = optimizer.build_optimizer(
        rate, name=name, **{"momentum": 0.0, "global_clipnorm": None, "accumulation_steps": steps, **how}
    )
    made.build(variables)
    return made


def test_accumulated_updates_once_in_two_steps_by_the_mean():
    weight = variable(1)
    made = accumulating([weight])
    found = []
    for gradient in (2, 4, 6, 10):
        made.apply([np.float32([gradient])])
        found.append((round(float(weight.numpy()[0]), 6), int(made.iterations)))
    # 1 - 0.1 * (2 + 4) / 2 = 0.7, then 0.7 - 0.1 * (6 + 10) / 2 = -0.1
    assert found == [(1.0, 0), (0.7, 1), (0.7, 1), (-0.1, 2)]


def test_accumulated_clips_and_decays_the_mean():
    weight = variable(1, -2)
    made = accumulating([weight], global_clipnorm=1.0, decay=optimizer.Decay(0.5, "gradient"))
    made.apply([np.float32([6, 0])])
    made.apply([np.float32([0, 8])])
    # the mean (3, 4) is clipped to (0.6, 0.8), and with 0.5 * (1, -2) it is (1.1, -0.2)
    np.testing.assert_allclose(weight.numpy(), (0.89, -1.98), rtol=1e-6)


def test_accumulated_schedule_counts_updates():
    weight = variable(0)
    made = accumulating([weight], rate=keras.optimizers.schedules.PiecewiseConstantDecay([0], [1.0, 0.5]))
    for _ in range(4):
        made.apply([np.float32([1])])
    assert float(weight.numpy()[0]) == -1.5  # the rate is 1 at update 0 and 0.5 at update 1


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_accumulated_small_batches_equal_a_large_one(name):
    random = np.random.default_rng(0)
    inputs, truth = random.normal(size=(16, 3)), random.normal(size=(16, 2))
    found = []
    for batch, steps in ((8, 1), (4, 2), (2, 4)):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        made = accumulating(model.trainable_variables, name=name, steps=steps, momentum=0.9, global_clipnorm=0.5)
        model.compile(loss="mse", optimizer=made, jit_compile=False)
        model.fit(inputs, truth, batch_size=batch, epochs=2, shuffle=False, verbose=0)
        found.append(np.concatenate([weight.ravel() for weight in model.get_weights()]))
        assert int(made.iterations) == 4
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-4)


def test_accumulated_goes_on_from_its_variables():
    def steps(made, values):
        for value in values:
            made.apply([np.float32([value])])

    whole, first = variable(1), variable(1)
    made = accumulating([whole], steps=3, momentum=0.9)
    steps(made, range(7))
    stopped = accumulating([first], steps=3, momentum=0.9)
    steps(stopped, range(4))  # one step into the second update
    second = variable(*first.numpy())
    resumed = accumulating([second], steps=3, momentum=0.9)
    states.put_back(resumed.variables, states.values_of(stopped.variables), what="optimizer")
    steps(resumed, range(4, 7))
    assert second.numpy() == whole.numpy()
    assert int(resumed.iterations) == 2
    np.testing.assert_array_equal(states.values_of(resumed.variables)[-1], states.values_of(made.variables)[-1])


def test_accumulated_passes_a_variable_without_gradient_over():
    first, second = variable(1), variable(1)
    made = accumulating([first, second])
    made.apply([None, np.float32([1])])
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        made.apply([None, np.float32([1])])
    assert (float(first.numpy()[0]), round(float(second.numpy()[0]), 6)) == (1.0, 0.9)


def test_accumulated_in_a_graph():
    weight = variable(1)
    made = accumulating([weight])
    graph = tf.function(lambda gradient: made.apply([gradient]))
    for gradient in (2, 4, 6):
        graph(tf.constant([gradient], tf.float32))
    assert float(weight.numpy()[0]) == pytest.approx(0.7)


def test_accumulated_is_built_by_its_first_gradients():
    weight = variable(1)
    made = optimizer.OwnSGD(0.1, accumulation_steps=2)
    for _ in range(2):
        made.apply([np.float32([1])], [weight])
    assert float(weight.numpy()[0]) == pytest.approx(0.9)


def test_accumulated_one_step_makes_no_further_variables():
    weight = variable(1)
    made = optimizer.OwnSGD(0.1, momentum=0.9)
    made.build([weight])
    assert len(made.variables) == len(keras.optimizers.SGD(0.1, momentum=0.9).variables) + 1  # the velocity
    made.apply([np.float32([1])])
    assert float(weight.numpy()[0]) == pytest.approx(0.9)


@pytest.mark.parametrize("decay", [optimizer.NO_DECAY, optimizer.Decay(1e-4, "gradient")])
def test_waiting_updates_a_variable_when_its_gradient_is_there(decay):
    weight = variable(1, 2)
    made = optimizer.build_optimizer(0.1, global_clipnorm=None, decay=decay)
    made.build([weight])

    @tf.function
    def update(value):
        made.apply([tf.exp(value)])

    operations = update.get_concrete_function(tf.TensorSpec([2])).graph.get_operations()
    products = [each for each in operations if each.type == "Mul" and each.outputs[0].shape == (2,)]
    assert len(products) >= 2  # of the velocity and of the gradient
    assert all("Exp" in needed_by(each) for each in products)


def needed_by(operation):
    """Lists the types of the operations that run before one."""
    before = [*operation.control_inputs, *(source.op for source in operation.inputs)]
    return {each.type for each in before}.union(*map(needed_by, before))


def test_sum_over_devices_on_one_device_changes_nothing():
    assert gradients.sum_over_devices([None]) == [None]
    assert gradients.sum_over_devices([]) == []
