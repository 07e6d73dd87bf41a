"""Defines the metric of segmentation networks."""

import keras
from keras import ops

from keras_cakes._errors import expect


@keras.saving.register_keras_serializable(package="keras_cakes")
class DiceScore(keras.metrics.Metric):
    """Computes the Dice-Sorensen coefficient (DSC) of each foreground class.

    DSC is `2 * |P and Y| / (|P| + |Y|)`, from 0 to 1, of the arg-max
    prediction P and the truth Y of a sample; a class that is absent from both
    has DSC 1. Results are means over samples, for each class and over all
    classes. Voxels are counted as integers.

    Args:
        class_names: Names of the classes, background first; no name twice.
        name: Name of the mean; classes are called `{name}_{class}`.
        dtype: Dtype of the state.

    Call arguments:
        y_true: Integer labels of shape `(batch, depth, height, width)`, from
            0 (background) to `classes - 1`. Another label makes the score
            NaN.
        y_pred: Logits or probabilities of shape `(batch, depth, height,
            width, classes)`.
        sample_weight: Optional weights of shape `(batch,)`.

    Raises:
        ValueError: If `class_names` are not as stated, or in the call if the
            shapes do not fit.

    Examples:
        >>> import numpy as np
        >>> metric = DiceScore(["background", "liver"])
        >>> metric.update_state(np.array([[0, 1]]), np.eye(2)[None])
        >>> {name: float(value) for name, value in metric.result().items()}
        {'dice': 1.0, 'dice_liver': 1.0}
    """

    def __init__(self, class_names, *, name="dice", dtype=None):
        super().__init__(name=name, dtype=dtype)
        names = [] if isinstance(class_names, str) else list(class_names)
        expect(
            "class_names",
            class_names,
            len(set(names)) == len(names) >= 2,
            "to name the background and at least one class, each once",
        )
        self.class_names = names
        self.total = self.add_variable(
            shape=(len(names) - 1,), initializer="zeros", name="total"
        )
        self.samples = self.add_variable(
            shape=(), initializer="zeros", name="samples"
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        classes = len(self.class_names)
        y_true = ops.convert_to_tensor(y_true)
        y_pred = ops.convert_to_tensor(y_pred)
        self._check_shapes(tuple(y_true.shape), tuple(y_pred.shape))
        labels = ops.cast(y_true, "int32")
        voxels = tuple(range(1, len(labels.shape)))
        # Counts are integers: a float32 sum over a volume depends on the
        # order and stops growing at 2**24.
        truth = ops.one_hot(labels, classes, dtype="int32")[..., 1:]
        predicted = ops.one_hot(
            ops.argmax(y_pred, axis=-1), classes, dtype="int32"
        )[..., 1:]
        overlap = ops.sum(predicted * truth, axis=voxels)
        sizes = ops.sum(predicted + truth, axis=voxels)
        dice = ops.where(
            sizes == 0,
            1.0,
            2.0
            * ops.cast(overlap, "float32")
            / ops.cast(ops.maximum(sizes, 1), "float32"),
        )
        known = ops.all((labels >= 0) & (labels < classes), axis=voxels)
        dice = ops.where(known[:, None], dice, float("nan"))
        weight = ops.ones((ops.shape(dice)[0],), "float32")
        if sample_weight is not None:
            weight = ops.cast(sample_weight, "float32")
            shape = tuple(weight.shape)
            fits = len(shape) == 1
            expect("sample_weight.shape", shape, fits, "to be (batch,)")
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
        return {**super().get_config(), "class_names": list(self.class_names)}

    def _check_shapes(self, y_true, y_pred):
        classes = len(self.class_names)
        if len(y_pred) != len(y_true) + 1 or y_pred[-1] != classes:
            raise ValueError(
                "`y_pred` is expected to be of shape `y_true.shape + "
                f"({classes},)`. Received: y_true.shape={y_true}, "
                f"y_pred.shape={y_pred}"
            )
