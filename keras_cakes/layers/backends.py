"""Asks the backend of Keras for replicas, and refuses other backends."""

import keras


def has_several_replicas() -> bool:
    """Tells whether the `tf.distribute` strategy in scope splits batches."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return bool(tf.distribute.get_strategy().num_replicas_in_sync > 1)


def expect_tensorflow(action: str) -> None:
    """Refuses an action unless Keras runs on TensorFlow.

    Args:
        action: Subject of the message, such as `"Training a supernet"`.

    Raises:
        RuntimeError: If Keras runs on another backend.
    """
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise RuntimeError(
            f"{action} is expected to run on Keras' TensorFlow backend "
            f"(KERAS_BACKEND=tensorflow). Received: backend={backend!r}"
        )
