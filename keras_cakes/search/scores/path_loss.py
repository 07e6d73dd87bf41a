"""Evaluates the loss of any path of a supernet, with its present weights."""

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_cakes.cost.time.timing import restored
from keras_cakes.layers.backends import expect_tensorflow
from keras_cakes.search.supernet import Supernet


class PathLoss:
    """Computes the mean loss of a path over fixed batches.

    Normalizations use the statistics of each batch, since moving statistics
    mix many paths. Dropout drops the same elements for every path. Only the
    last drawn path of the supernet is changed.

    Args:
        supernet: A compiled supernet of the performance priority.
        batches: Inputs and targets; they are kept.

    Raises:
        ValueError: If the supernet has the cost priority, which runs all
            candidates, or there are no batches.

    Examples:
        >>> import keras, keras_cakes as kc
        >>> model = kc.models.unet3d((8, 8, 8, 1), width=4, depth=2)
        >>> supernet = kc.to_supernet(model, candidate_kernels="shared")
        >>> supernet.compile("sgd", kc.training.DiceCrossEntropy())
        >>> image = np.random.normal(size=(2, 8, 8, 8, 1)).astype("float32")
        >>> loss = PathLoss(supernet, [(image, np.zeros((2, 8, 8, 8), int))])
        >>> loss(supernet.draw_path()) > 0
        True
    """

    def __init__(self, supernet: Supernet, batches: Iterable[Any]):
        expect_tensorflow("The loss of a path")
        import tensorflow as tf

        if supernet.priority != "performance":
            raise ValueError(
                "`supernet` is expected to have the performance priority, "
                "which runs one path. Received: "
                f"priority={supernet.priority!r}"
            )
        self.supernet = supernet
        self.batches = [
            tuple(tf.convert_to_tensor(part) for part in batch)
            for batch in batches
        ]
        if not self.batches:
            raise ValueError(
                "`batches` is expected to hold at least one batch of inputs "
                "and targets. Received: none"
            )
        self._states = [v for v in supernet.variables if not v.trainable]
        self._loss = tf.function(self._loss_of_batch, reduce_retracing=True)

    def __call__(self, path: Mapping[str, Any]) -> float:
        """Returns the loss of one path.

        Args:
            path: For each search layer integers of shape `(filters,)`: the
                index of each channel's candidate in `layer.kernel_set`.
        """
        with restored(self._states):
            for layer in self.supernet.search_layers:
                layer.drawn_path.assign(path[layer.name])
            losses = [float(self._loss(*batch)) for batch in self.batches]
        return float(np.mean(losses))

    def _loss_of_batch(self, inputs, targets):
        outputs = self.supernet.network(inputs, training=True)
        return self.supernet.compute_loss(inputs, targets, outputs)
