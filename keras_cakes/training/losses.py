"""Defines the loss of segmentation networks."""

import keras
from keras import ops

from keras_cakes._errors import expect
from keras_cakes._errors import number


@keras.saving.register_keras_serializable(package="keras_cakes")
class DiceCrossEntropy(keras.losses.Loss):
    """Adds soft Dice loss and cross-entropy, computed sample by sample.

    For each sample, the mean over foreground classes of
    `1 - (2 * sum(p * y) + smooth) / (sum(p) + sum(y) + smooth)` plus the
    mean over voxels of the cross-entropy. Unlike Dice over a whole batch, a
    mean over samples does not depend on how the batch is split over devices.
    The softmax and all sums are float32 under every dtype policy.

    Args:
        smooth: Float, keeps the Dice term finite for absent classes.
        dice_weight: Float, weight of the Dice term.
        cross_entropy_weight: Float, weight of the cross-entropy.
        **kwargs: Arguments of `keras.losses.Loss`.

    Call arguments:
        y_true: Integer labels of shape `(batch, depth, height, width)`, from
            0 (background) to `classes - 1`. Another label makes the loss of
            its sample NaN.
        y_pred: Logits of shape `(batch, depth, height, width, classes)`.
        sample_weight: Optional weights of shape `(batch,)`.

    Raises:
        ValueError: If a weight is negative, or in the call if the shapes do
            not fit. Weights of voxels are refused, because Dice does not
            define them.

    Reference:

    - [Milletari et al., 2016](https://arxiv.org/abs/1606.04797) (V-Net)

    Examples:
        >>> import numpy as np
        >>> labels = np.zeros((1, 4, 4, 4), "int32")
        >>> logits = np.zeros((1, 4, 4, 4, 3), "float32")
        >>> float(DiceCrossEntropy(dice_weight=0.0)(labels, logits))  # log(3)
        1.09861
    """

    def __init__(
        self,
        *,
        smooth=1e-5,
        dice_weight=1.0,
        cross_entropy_weight=1.0,
        name="dice_cross_entropy",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.smooth = number("smooth", smooth, least=0)
        self.dice_weight = number("dice_weight", dice_weight, least=0)
        self.cross_entropy_weight = number(
            "cross_entropy_weight", cross_entropy_weight, least=0
        )

    def __call__(self, y_true, y_pred, sample_weight=None):
        # Weights of voxels would broadcast along the wrong axis of the loss
        # per sample and still give a number.
        if sample_weight is not None:
            sample_weight = ops.convert_to_tensor(sample_weight)
            shape = tuple(sample_weight.shape)
            fits = len(shape) <= 2 and shape[1:] in ((), (1,), (None,))
            expect("sample_weight.shape", shape, fits, "to be (batch,)")
        return super().__call__(y_true, y_pred, sample_weight)

    def call(self, y_true, y_pred):
        _check_shapes(tuple(y_true.shape), tuple(y_pred.shape))
        classes = y_pred.shape[-1]
        voxels = tuple(range(1, len(y_true.shape)))
        # In half precision the sums over a patch overflow.
        log_probabilities = ops.log_softmax(ops.cast(y_pred, "float32"))
        labels = ops.cast(y_true, "int32")
        truth = ops.one_hot(labels, classes, dtype="float32")
        cross_entropy = ops.mean(
            -ops.sum(truth * log_probabilities, axis=-1), axis=voxels
        )
        predicted, truth = ops.exp(log_probabilities)[..., 1:], truth[..., 1:]
        overlap = ops.sum(predicted * truth, axis=voxels)
        sizes = ops.sum(predicted + truth, axis=voxels)
        dice = (2.0 * overlap + self.smooth) / (sizes + self.smooth)
        loss = (
            self.dice_weight * ops.mean(1.0 - dice, axis=-1)
            + self.cross_entropy_weight * cross_entropy
        )
        # One-hot encoding drops unknown labels, and training on the other
        # voxels would look right.
        known = ops.all((labels >= 0) & (labels < classes), axis=voxels)
        return ops.where(known, loss, float("nan"))

    def get_config(self):
        return {
            **super().get_config(),
            "smooth": self.smooth,
            "dice_weight": self.dice_weight,
            "cross_entropy_weight": self.cross_entropy_weight,
        }


def _check_shapes(y_true, y_pred):
    fits = (
        len(y_true) > 1
        and len(y_pred) == len(y_true) + 1
        and (y_pred[-1] or 0) > 1
        and all(
            size is None or other is None or size == other
            for size, other in zip(y_true, y_pred, strict=False)
        )
    )
    if not fits:
        raise ValueError(
            "`y_pred` is expected to be logits of shape `y_true.shape + "
            "(classes,)` with at least two classes. Received: "
            f"y_true.shape={y_true}, y_pred.shape={y_pred}"
        )
