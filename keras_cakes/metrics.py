"""Metrics for segmentation."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_cakes")
class DiceScore(keras.metrics.Metric):
    """Dice-Sorensen coefficient (DSC) per foreground class, and their mean.

    `2 * |P and Y| / (|P| + |Y|)` of the arg-max prediction P and the truth
    Y, from 0 to 1, for each sample; then the mean over samples. A class that
    is absent from both has DSC 1. Voxels are counted as integers.

    Args:
        class_names: Names of the classes, background first.
        name: Name of the mean; classes are called `{name}_{class}`.
        dtype: Dtype of the state.

    Call arguments:
        y_true: Integer labels of shape `(batch, depth, height, width)`.
        y_pred: Logits or probabilities of shape `(batch, depth, height,
            width, classes)`.

    Example:

    >>> import numpy as np
    >>> metric = DiceScore(["background", "liver"])
    >>> metric.update_state(np.array([[0, 1]]), np.eye(2)[None])
    >>> {name: float(value) for name, value in metric.result().items()}
    {'dice': 1.0, 'dice_liver': 1.0}
    """

    def __init__(self, class_names, name="dice", dtype=None):
        super().__init__(name=name, dtype=dtype)
        if len(class_names) < 2:
            raise ValueError(
                "`class_names` is expected to name the background and at "
                f"least one class. Received: class_names={class_names}"
            )
        self.class_names = list(class_names)
        self.total = self.add_variable(
            shape=(len(class_names) - 1,), initializer="zeros", name="total"
        )
        self.samples = self.add_variable(
            shape=(), initializer="zeros", name="samples"
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        classes = len(self.class_names)
        if y_pred.shape[-1] != classes:
            raise ValueError(
                f"`y_pred` is expected to have {classes} classes on its last "
                f"axis. Received: y_pred.shape={tuple(y_pred.shape)}"
            )
        predicted = ops.one_hot(
            ops.argmax(y_pred, axis=-1), classes, dtype="int32"
        )[..., 1:]
        truth = ops.one_hot(ops.cast(y_true, "int32"), classes, dtype="int32")[
            ..., 1:
        ]
        voxels = tuple(range(1, len(truth.shape) - 1))
        overlap = ops.sum(predicted * truth, axis=voxels)
        sizes = ops.sum(predicted + truth, axis=voxels)
        dice = ops.where(
            sizes == 0,
            1.0,
            2.0
            * ops.cast(overlap, "float32")
            / ops.cast(ops.maximum(sizes, 1), "float32"),
        )
        weight = ops.ones((ops.shape(dice)[0],), "float32")
        if sample_weight is not None:
            weight = ops.cast(ops.reshape(sample_weight, (-1,)), "float32")
        total = ops.sum(dice * weight[:, None], axis=0)
        self.total.assign_add(ops.cast(total, self.dtype))
        self.samples.assign_add(ops.cast(ops.sum(weight), self.dtype))

    def result(self):
        dice = self.total / ops.maximum(self.samples, 1e-7)
        classes = {
            f"{self.name}_{label}": dice[index]
            for index, label in enumerate(self.class_names[1:])
        }
        return {self.name: ops.mean(dice), **classes}

    def get_config(self):
        return {**super().get_config(), "class_names": self.class_names}
