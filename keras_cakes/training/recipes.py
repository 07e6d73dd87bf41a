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
    learning_rate: float | None = None,
    is_tuning: bool = False,
) -> None:
    """Compiles a network with the recipe of the segmentation runs.

    The recipe is SGD with Nesterov momentum 0.9, a polynomial decay of power
    0.9 to zero (the paper's, but with a larger start that suits short runs),
    Dice plus cross-entropy, and DSC per class as metric.

    Args:
        model: Network of logits.
        class_names: Names of the classes, background first.
        steps: Number of training steps that the decay spans.
        learning_rate: Learning rate at the start; by default 0.1, or 0.001
            for tuning.
        is_tuning: Whether `model` is a trained network that was shrunk. The
            optimizer is then Adam, and the decay a cosine.
    """
    if is_tuning:
        optimizer = _tuning(steps, learning_rate)
    else:
        schedule = volume_schedule(steps, _given(learning_rate, 0.1))
        optimizer = keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True)
    model.compile(
        optimizer=optimizer,
        loss=DiceCrossEntropy(),
        metrics=[DiceScore(class_names)],
    )


def compile_video(
    model: keras.Model,
    steps_per_epoch: int,
    *,
    epochs: int,
    is_search: bool = False,
    is_tuning: bool = False,
    learning_rate: float | None = None,
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
    if is_tuning:
        optimizer = _tuning(
            whole("steps_per_epoch", steps_per_epoch, least=1) * epochs,
            learning_rate,
            global_clipnorm=clip_norm,
        )
    else:
        schedule = video_schedule(
            steps_per_epoch,
            search=is_search,
            learning_rate=_given(learning_rate, 0.04),
            epochs=epochs,
        )
        optimizer = DecayedSGD(
            schedule, momentum=0.9, decay=decay, global_clipnorm=clip_norm
        )
    metrics: list[Any] = ["accuracy"]
    if model.compute_output_shape(model.input.shape)[-1] > 5:
        metrics.append(
            keras.metrics.SparseTopKCategoricalAccuracy(5, name="top5")
        )
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=metrics,
    )


def _given(learning_rate: float | None, otherwise: float) -> float:
    return otherwise if learning_rate is None else learning_rate


def _tuning(
    steps: int, learning_rate: float | None, **options: Any
) -> keras.optimizers.Optimizer:
    """Makes the optimizer that tunes a network whose weights were fitted.

    Large steps of SGD undo the fits, and small ones move too little.
    """
    rate = number("learning_rate", _given(learning_rate, 1e-3), above=0)
    schedule = keras.optimizers.schedules.CosineDecay(
        rate, whole("steps", steps, least=1)
    )
    return keras.optimizers.Adam(schedule, **options)
