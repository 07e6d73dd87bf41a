"""Defines the optimizer of the paper's recipe for clips."""

import keras
import numpy as np

from keras_cakes._errors import expect
from keras_cakes._errors import number


@keras.saving.register_keras_serializable(package="keras_cakes")
class DecayedSGD(keras.optimizers.SGD):
    """Adds weight decay to the gradient of SGD, as in PyTorch.

    Keras' own `weight_decay` bypasses the momentum; with momentum 0.9 the
    same number is a tenth as strong. Here `decay * weight` is added to the
    gradient after the gradient has been clipped.

    As in the authors' code, only kernels decay; biases, scales and offsets of
    normalizations do not. Biases learn at `bias_rate` times the learning
    rate. The name of a weight tells its kind.

    Args:
        learning_rate: Float or schedule.
        momentum: Float, momentum.
        decay: Float, weight decay of kernels.
        bias_rate: Float, multiple of the learning rate for biases.
        **kwargs: Other arguments of `keras.optimizers.SGD` except
            `weight_decay`.

    Raises:
        ValueError: If `decay` or `bias_rate` is negative, or `weight_decay`
            is given.

    Reference:

    - [Yu et al., 2021](https://arxiv.org/abs/2003.12798) and the authors'
      code

    Examples:
        >>> optimizer = DecayedSGD(0.04, momentum=0.9, decay=3e-4)
        >>> optimizer.decay
        0.0003
    """

    def __init__(
        self,
        learning_rate=0.04,
        momentum=0.9,
        *,
        decay=3e-4,
        bias_rate=2.0,
        name="decayed_sgd",
        **kwargs,
    ):
        given = kwargs.get("weight_decay")
        expect(
            "weight_decay",
            given,
            given is None,
            "to be unset: `decay` takes its place",
        )
        # Keras checks schedules and other values.
        if isinstance(learning_rate, str | float | int | np.number):
            number("learning_rate", learning_rate, least=0)
        momentum = number("momentum", momentum, least=0, most=1)
        super().__init__(learning_rate, momentum=momentum, name=name, **kwargs)
        self.decay = number("decay", decay, least=0)
        self.bias_rate = number("bias_rate", bias_rate, least=0)

    def build(self, variables):
        # `update_step` gets variables of the backend, whose names differ
        # between replicas.
        self.roles = [variable.name for variable in variables]
        super().build(variables)

    def update_step(self, gradient, variable, learning_rate):
        role = self.roles[self._get_variable_index(variable)]
        if role == "bias":
            learning_rate = learning_rate * self.bias_rate
        elif role not in ("gamma", "beta"):
            gradient = gradient + self.decay * variable
        super().update_step(gradient, variable, learning_rate)

    def get_config(self):
        config = super().get_config()
        config.update({"decay": self.decay, "bias_rate": self.bias_rate})
        return config
