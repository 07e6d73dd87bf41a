"""Defines the learning rates of the paper's recipes."""

import keras
from keras import ops

from keras_cakes._errors import number
from keras_cakes._errors import whole


@keras.saving.register_keras_serializable(package="keras_cakes")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly to another schedule.

    Args:
        schedule: The schedule that applies from step `steps` on.
        start: Learning rate of step 0.
        steps: Steps until the schedule is reached.

    Raises:
        ValueError: If `steps` is not positive.

    Examples:
        >>> constant = keras.optimizers.schedules.PiecewiseConstantDecay(
        ...     [100], [0.04, 0.004])
        >>> rate = WarmUp(constant, 0.01, steps=10)
        >>> [round(float(rate(step)), 4) for step in (0, 5, 10)]
        [0.01, 0.025, 0.04]
    """

    def __init__(self, schedule, start, *, steps):
        self.schedule = schedule
        self.start = number("start", start, least=0)
        self.steps = whole("steps", steps, least=1)

    def __call__(self, step):
        step = ops.cast(step, "float32")
        share = ops.minimum(step / self.steps, 1.0)
        target = self.schedule(ops.maximum(step, float(self.steps)))
        return self.start + (target - self.start) * share

    def get_config(self):
        return {
            "schedule": keras.saving.serialize_keras_object(self.schedule),
            "start": self.start,
            "steps": self.steps,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        config["schedule"] = keras.saving.deserialize_keras_object(
            config["schedule"]
        )
        return cls(**config)


def volume_schedule(steps: int = 40_000, learning_rate: float = 0.01):
    """Returns the paper's schedule for volumes, a decay of power 0.9.

    Args:
        steps: Number of training steps.
        learning_rate: Learning rate at the start.
    """
    whole("steps", steps, least=1)
    number("learning_rate", learning_rate, above=0)
    return keras.optimizers.schedules.PolynomialDecay(
        learning_rate, steps, end_learning_rate=0.0, power=0.9
    )


def video_schedule(
    steps_per_epoch: int,
    *,
    search: bool = False,
    learning_rate: float = 0.04,
    epochs: int | None = None,
):
    """Returns the paper's schedule for clips, with a warm-up and two falls.

    The rate rises from a quarter over five epochs (from the authors' code,
    not the paper) and falls to a tenth at epochs 50 and 60 of 70, or in a
    performance-priority search, which takes twice as long, at 100 and 120 of
    140. Another number of epochs scales all of these epochs.

    Args:
        steps_per_epoch: Training steps of an epoch.
        search: Whether a performance-priority search uses the schedule.
        learning_rate: Learning rate after the rise.
        epochs: Epochs of the training or the search; by default the paper's.
    """
    published = 140 if search else 70
    epochs = published if epochs is None else whole("epochs", epochs, least=1)
    whole("steps_per_epoch", steps_per_epoch, least=1)
    number("learning_rate", learning_rate, above=0)
    unit = steps_per_epoch * epochs / published
    falls = (100, 120) if search else (50, 60)
    # Keras keeps the old rate at the boundary itself.
    boundaries = [round(fall * unit) - 1 for fall in falls]
    rates = [learning_rate * 0.1**fall for fall in range(3)]
    return WarmUp(
        keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates),
        start=learning_rate / 4,
        steps=max(round(5 * unit), 1),
    )
