"""Two replicas draw, count and learn as one device does."""

import subprocess
import sys

import pytest

# The devices of a process cannot change, so each case has its own process.
PROGRAM = """
import sys
import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
import keras
import keras_cakes as kc

priority = sys.argv[1]
generator = np.random.default_rng(0)
image = generator.normal(size=(12, 8, 8, 8, 1)).astype("float32")
label = generator.integers(0, 3, (12, 8, 8, 8))


def train(strategy, steps):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = kc.models.unet3d((8, 8, 8, 1), width=4, depth=1)
        supernet = kc.to_supernet(model, priority=priority, lasso=1e-2)
        supernet.compile(
            keras.optimizers.SGD(0.05, momentum=0.9),
            kc.training.DiceCrossEntropy(),
        )
        data = tf.data.Dataset.from_tensor_slices((image, label)).batch(4)
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = (
            tf.data.experimental.AutoShardPolicy.OFF
        )
        history = supernet.fit(
            data.with_options(options).take(steps), verbose=0, shuffle=False
        ).history
    return supernet, history


def check_copies(supernet):
    for variable in supernet.variables:
        copies = [copy.numpy() for copy in variable.value.values]
        assert len(copies) == 2, variable.path
        np.testing.assert_array_equal(*copies, err_msg=variable.path)


mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
one, one_history = train(tf.distribute.OneDeviceStrategy("CPU:0"), 1)
two, two_history = train(mirrored, 1)
check_copies(two)
for name in ("loss", "penalty", "data_loss"):
    np.testing.assert_allclose(
        one_history[name], two_history[name], rtol=1e-5, err_msg=name
    )
# One update: weights, path weights, statistics and the state of the draws.
for a, b in zip(one.variables, two.variables, strict=True):
    np.testing.assert_allclose(
        a.numpy(), b.numpy(), rtol=0, atol=1e-5, err_msg=a.path
    )
# After several, both replicas still hold the same bits.
check_copies(train(mirrored, 3)[0])
print("equal")
"""


@pytest.mark.parametrize("priority", ["performance", "cost"])
def test_two_replicas_equal_one_device(priority):
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, priority],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "equal" in result.stdout, result.stderr[-3000:]
