"""Defines the lasso on path weights of the cost-priority search."""

import keras
from keras import ops

from keras_cakes._errors import number


@keras.saving.register_keras_serializable(package="keras_cakes")
class CostLasso(keras.regularizers.Regularizer):
    """Penalizes the scales behind the candidates of a layer by their cost.

    The penalty, `strength * sum_i relative_costs[i] * sum_o abs(gamma[i, o])`,
    is the layer's part of Eq. 10 of the paper. Its gradient at 0 is 0.

    Args:
        relative_costs: One number per candidate, the paper's beta; see
            `keras_cakes.kernels.sub_kernels.relative_costs`.
        strength: Float, the paper's lambda.

    Call arguments:
        x: Scales of shape `(candidates, filters)`.

    Reference:

    - [Yu et al., 2021](https://arxiv.org/abs/2003.12798), Eq. 10

    Examples:
        >>> import numpy as np
        >>> lasso = CostLasso([0.75, 0.25], strength=1e-4)
        >>> float(lasso(np.array([[1.0, -2.0], [0.5, 0.0]])))
        0.0002375
    """

    def __init__(self, relative_costs, strength=1e-4):
        self.relative_costs = [
            number(f"relative_costs[{index}]", cost, least=0)
            for index, cost in enumerate(relative_costs)
        ]
        self.strength = number("strength", strength, least=0)

    def __call__(self, x):
        costs = ops.convert_to_tensor(self.relative_costs, dtype="float32")
        sums = ops.sum(ops.abs(ops.cast(x, "float32")), axis=-1)
        return self.strength * ops.sum(costs * sums)

    def get_config(self):
        return {
            "relative_costs": self.relative_costs,
            "strength": self.strength,
        }
