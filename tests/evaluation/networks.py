"""Networks and volumes that the tests of an evaluation share."""

import dataclasses

import keras
import numpy as np


def pointwise(channels=1, classes=3):
    """A network of one 1x1x1 convolution, for windows of any size."""
    image = keras.Input((None, None, None, channels))
    return keras.Model(image, keras.layers.Conv3D(classes, 1)(image))


def placed(place):
    """A network that answers with the logits `place`, whatever it sees."""
    image = keras.Input((*place.shape[:3], 1))
    place = place[None].astype("float32")
    return keras.Model(
        image, keras.layers.Lambda(lambda x: 0.0 * x + place)(image)
    )


def lopsided(window, channels=1, classes=3):
    """A network that knows left from right and the middle from the border."""
    image = keras.Input((*window, channels))
    x = keras.layers.Conv3D(
        classes, 3, padding="same", kernel_initializer="random_normal"
    )(image)
    place = np.random.default_rng(7).normal(size=(1, *window, classes))
    place = place.astype("float32")
    return keras.Model(image, keras.layers.Lambda(lambda x: x + place)(x))


class Constant:
    """Anything with `predict_on_batch`: the same logits for every voxel."""

    def __init__(self, classes=2):
        self.classes = classes
        self.windows = 0

    def predict_on_batch(self, batch):
        self.windows += len(batch)
        return np.zeros((*batch.shape[:-1], self.classes), np.float32)


@dataclasses.dataclass
class Case:
    """A labelled volume."""

    name: str
    image: np.ndarray
    label: np.ndarray | None


@dataclasses.dataclass
class SpacedCase(Case):
    """A labelled volume that knows its millimetres."""

    affine: np.ndarray
