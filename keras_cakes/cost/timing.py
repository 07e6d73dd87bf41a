"""Measured time."""

import statistics
import time

import keras


def measure_forward(
    model: keras.Model, batch_size: int = 1, repeats: int = 20
) -> dict[str, float]:
    """Measures the time of a compiled forward pass on the present device.

    Args:
        model: A built Keras model with known input sizes.
        batch_size: Samples per pass.
        repeats: Number of timed passes, after two that warm up.

    Returns:
        `median_ms`, `min_ms` and `max_ms`.
    """
    import tensorflow as tf

    forward = tf.function(
        lambda *inputs: model(
            inputs[0] if len(inputs) == 1 else list(inputs), training=False
        )
    )
    inputs = [
        tf.random.stateless_normal((batch_size, *tensor.shape[1:]), (0, 1))
        for tensor in model.inputs
    ]
    times = []
    for repeat in range(repeats + 2):
        start = time.perf_counter()
        tf.nest.map_structure(lambda t: t.numpy(), forward(*inputs))
        if repeat >= 2:
            times.append(1e3 * (time.perf_counter() - start))
    return {
        "median_ms": statistics.median(times),
        "min_ms": min(times),
        "max_ms": max(times),
    }
