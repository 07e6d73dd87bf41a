"""Normalization with a scale, an offset and statistics of each path."""

import keras


def has_several_replicas():
    """Whether the present `tf.distribute` strategy splits its batches."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync > 1
