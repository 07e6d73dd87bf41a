"""Compiles networks with the recipes of the paper."""

from typing import Any

import keras

from keras_cakes._errors import number
from keras_cakes._errors import whole
from keras_cakes.training.losses import DiceCrossEntropy
from keras_cakes.training.metrics import DiceScore
from keras_cakes.training.optimizers import DecayedSGD
from keras_cakes.training.schedules import video_schedule
from keras_cakes.training.schedules import volume_schedule


def compile_segmentation(
    model: keras.Model,
    class_names: tuple[str, ...],
    *,
    steps: int,
    learning_rate: float = 0.1,
) -> None:
    """Compiles a network with the recipe of the segmentation runs.

    The recipe is SGD with Nesterov momentum 0.9, a polynomial decay of power
    0.9 to zero (the paper's, but with a larger start that suits short runs),
    Dice plus cross-entropy, and DSC per class as metric.

    Args:
        model: Network of logits.
        class_names: Names of the classes, background first.
        steps: Number of training steps that the decay spans.
        learning_rate: Learning rate at the start.
    """
    schedule = volume_schedule(steps, learning_rate)
    model.compile(
        optimizer=keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True),
        loss=DiceCrossEntropy(),
        metrics=[DiceScore(class_names)],
    )


def compile_video(
    model: keras.Model,
    steps_per_epoch: int,
    *,
    epochs: int,
    is_search: bool = False,
    learning_rate: float = 0.04,
    decay: float = 3e-4,
    clip_norm: float = 20.0,
) -> None:
    """Compiles a network with the paper's recipe for clips.

    The recipe is SGD with momentum 0.9, warm-up and two falls of the learning
    rate, PyTorch's weight decay for kernels, gradients clipped to a global
    norm, and cross-entropy. Accuracy is top-1, and top-5 with more than five
    classes.

    Args:
        model: Network of logits, or a supernet.
        steps_per_epoch: Training steps of an epoch.
        epochs: Epochs of the training or the search.
        is_search: Whether `model` is the supernet of a performance-priority
            search, whose learning rate falls at other epochs.
        learning_rate: Learning rate after the warm-up.
        decay: Weight decay of kernels.
        clip_norm: Largest global norm of a gradient.
    """
    number("clip_norm", clip_norm, above=0)
    number("decay", decay, least=0)
    whole("epochs", epochs, least=1)
    schedule = video_schedule(
        steps_per_epoch,
        search=is_search,
        learning_rate=learning_rate,
        epochs=epochs,
    )
    metrics: list[Any] = ["accuracy"]
    if model.compute_output_shape(model.input.shape)[-1] > 5:
        metrics.append(
            keras.metrics.SparseTopKCategoricalAccuracy(5, name="top5")
        )
    model.compile(
        optimizer=DecayedSGD(
            schedule, momentum=0.9, decay=decay, global_clipnorm=clip_norm
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=metrics,
    )
