"""Refuses what only one backend of Keras can do."""

import keras


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
