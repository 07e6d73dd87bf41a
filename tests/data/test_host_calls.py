import atexit
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from keras_cakes.data import host_calls
from keras_cakes.data.host_calls import host_call

# When it ends, a call runs and the iterator is still there.
_SCRIPT = """
import time
import tensorflow as tf
from keras_cakes.data.host_calls import host_call

def slow(number):
    time.sleep(0.05)
    return number

spec = tf.TensorSpec([], tf.int64)
data = tf.data.Dataset.range(1 << 40).map(
    lambda number: host_call(slow, [number], [spec])[0],
    num_parallel_calls=8,
)
iterator = iter(data.prefetch(100))
print(int(next(iterator)) + int(next(iterator)))
"""


@pytest.mark.parametrize("attempt", range(2))
def test_the_interpreter_ends(attempt):
    result = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (result.returncode, result.stdout) == (0, "1\n"), result.stderr


def test_results_have_their_shapes_and_errors_come_through():
    specs = [
        tf.TensorSpec((2, None), tf.float32),
        tf.TensorSpec((), tf.int32),
    ]

    def split(values):
        if values[0] < 0:
            raise ValueError("a negative value")
        return np.stack([values, -values]), np.int32(len(values))

    @tf.function
    def both(values):
        pairs, number = host_call(split, [values], specs)
        assert pairs.shape.as_list() == [2, None] and number.shape == ()
        return pairs, number

    pairs, number = both(tf.constant([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(pairs, [[1, 2, 3], [-1, -2, -3]])
    assert number == 3
    with pytest.raises(tf.errors.InvalidArgumentError, match="a negative"):
        both(tf.constant([-1.0]))


def test_nothing_is_called_once_the_gate_is_closed(monkeypatch):
    gate = host_calls._Gate()
    monkeypatch.setattr(host_calls, "_gate", lambda: gate)
    calls = []

    def count(value):
        calls.append(value)
        return value

    spec = tf.TensorSpec((None, 2), tf.float32)

    @tf.function
    def counted(value):
        return host_call(count, [value], [spec])[0]

    assert counted(tf.ones((3, 2))).shape == (3, 2)
    gate.close()
    atexit.unregister(gate.close)
    assert counted(tf.ones((3, 2))).shape == (0, 2)
    assert len(calls) == 1
