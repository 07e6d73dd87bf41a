"""Refuses arrays that an evaluation cannot use."""

import numpy as np

from keras_cakes._errors import whole


def require(fits: bool, message: str) -> None:
    """Refuses an argument; the message tells more than its value."""
    if not fits:
        raise ValueError(message)


def check_labels(
    prediction: np.ndarray, label: np.ndarray, *, classes: int
) -> None:
    """Checks that two arrays hold the same voxels, of known classes.

    Raises:
        ValueError: If the shapes differ or a label is out of range.
    """
    whole("classes", classes, least=1)
    require(
        prediction.shape == label.shape,
        "`prediction` is expected to be of the shape of `label`. Received: "
        f"prediction.shape={prediction.shape}, label.shape={label.shape}",
    )
    for name, labels in (("prediction", prediction), ("label", label)):
        require(
            not labels.size or 0 <= labels.min() <= labels.max() < classes,
            f"`{name}` is expected to hold labels from 0 to {classes - 1}. "
            f"Received: another label in {name}",
        )
